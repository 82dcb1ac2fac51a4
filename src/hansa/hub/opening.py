"""From the hub's folder to a hub that speaks to its nodes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from hansa.engine.link import Link, LinkSettings
from hansa.engine.messaging import HubEndpoint, Timing, Waiting
from hansa.hub.config import HubFolder
from hansa.hub.coordinator import Hub
from hansa.hub.log import HubLog
from hansa.hub.presence import Presence
from hansa.hub.rounds import Exchange
from hansa.log import COSIGNATURE_V1, VerifierKey, format_verifier_key
from hansa.model import Dictionary
from hansa.stats.catalogue import catalogue
from hansa.store import HubStore
from hansa.wire.boxes import pair_secret
from hansa.wire.charter import KnownCharter

__all__ = ["OpenHub", "open_hub"]


@dataclass(frozen=True, eq=False)
class OpenHub:
    """A hub with what it stands on; ``close`` lets go of network and store."""

    hub: Hub
    store: HubStore
    endpoint: HubEndpoint
    link: Link
    charter: KnownCharter

    def close(self) -> None:
        """Leave the network and the store."""
        self.link.close()
        self.store.close()


def open_hub(folder: HubFolder, *, clock: Callable[[], dt.datetime], waiting: Waiting | None = None) -> OpenHub:
    """Connect to the messaging server and the store.

    Raises
    ------
    Unreachable
        If the messaging server does not answer.
    StoreError
        If the store cannot be opened.
    """
    config, charter = folder.config, folder.charter(now=clock())
    store = HubStore.at(folder.database, folder.keys.secret("store"))
    link = Link(
        LinkSettings(
            servers=charter.charter.servers,
            name="hub",
            seed=folder.keys.nkey("messaging")[0],
            authority=folder.tls.authority,
            credentials=folder.credentials,
        )
    )
    own = folder.keys.agreement("agree")
    secrets = {
        name: pair_secret(own, public, league=config.league)
        for name, public in charter.directory.of("node-agree").values()
    }
    timing = Timing(lost=config.lost_seconds)
    endpoint = HubEndpoint(link, config.league, secrets, timing=timing, waiting=waiting)
    exchange = Exchange(folder.keys.signer("sign", "hub"), charter.directory, endpoint)
    log = HubLog(store, origin=f"{config.league}/log", key=folder.keys.signing_key("log"), exchange=exchange)
    hub = Hub(
        exchange,
        log,
        store,
        dictionary=Dictionary.model_validate_json(charter.charter.dictionary),
        methods=catalogue(),
        clock=clock,
        witnesses=_witnesses(charter),
        presence=Presence(
            lambda node: endpoint.present(node, charter=charter.charter.charter_version), config.wait_seconds
        ),
        min_nodes=config.min_nodes,
    )
    return OpenHub(hub, store, endpoint, link, charter)


def _witnesses(charter: KnownCharter) -> dict[str, str]:
    return {
        name: format_verifier_key(VerifierKey(name, public, COSIGNATURE_V1))
        for name, public in charter.directory.of("witness").values()
    }
