"""``hansa.local``: hub, nodes and researcher in one process, over the real wire, masks, policies and log.

Only the transport differs from a federation between machines. One process holds all keys, so this is no
security boundary: it is for those who may see all the data, for learning, and for tests.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hansa.client.league import League
from hansa.embedded.keys import LeagueKeys, make_keys
from hansa.engine import InProcess
from hansa.errors import PolicyError, StudyError
from hansa.governance import ConsentRegister, Policy, everyone_consents, owner_policy, read_policy
from hansa.harmonise import DataLike, infer_dictionary, read_dictionary
from hansa.hub.coordinator import Hub
from hansa.hub.log import HubLog
from hansa.hub.rounds import Exchange
from hansa.log import format_verifier_key, witness_key
from hansa.model import Dictionary, Party
from hansa.node.context import NodeContext, NodeSettings
from hansa.node.service import Node
from hansa.node.work import codes_kept_in, open_work
from hansa.privacy.thresholds import Thresholds
from hansa.stats.catalogue import catalogue
from hansa.store import HubStore, NodeStore

__all__ = ["LocalLeague", "local"]

PolicyLike = Policy | str | Path | Mapping[str, object]

_ORIGIN = "hansa.local/log"
_CALLER = Party(name="the caller", owner="itself")


@dataclass(frozen=True, eq=False)
class _Clock:
    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)


class LocalLeague(League):
    """A league in this process. ``nodes`` are its custodians' nodes, as their stewards see them."""

    def __init__(self, hub: Hub, nodes: Mapping[str, Node], keys: LeagueKeys, *, requester: Party) -> None:
        super().__init__(hub, signer=keys.researcher, requester=requester, clock=_Clock())
        self.hub = hub
        self.nodes = dict(nodes)
        self.keys = keys


def local(
    data: Mapping[str, DataLike],
    dictionary: Dictionary | str | Path | None = None,
    policy: PolicyLike | Mapping[str, PolicyLike] | None = None,
    store: str | Path | None = None,
    min_nodes: int = 3,
    *,
    consent: Mapping[str, ConsentRegister] | None = None,
    requester: Party | None = None,
) -> LocalLeague:
    """A league of these cohorts in this process.

    Parameters
    ----------
    data : mapping from node name to a frame or path
        Parquet, CSV, pandas or Arrow.
    dictionary : Dictionary or path, optional
        Without one it is inferred from all frames together, which only their holder can do; results say so.
    policy : policy, or mapping from node name to policy, optional
        Without one each node signs "the caller owns these data".
    store : path, optional
        A folder that keeps history, ledgers and log; without it they live as long as the league.
    min_nodes : int
        Fewest nodes in any total, at least 3.
    consent : mapping from node name to register, optional
        Without one everybody in the data consents.
    requester : Party, optional
        Who asks; the caller, where nobody is named.

    Raises
    ------
    StudyError
        If there are fewer cohorts than ``min_nodes``.
    DataError
        If a cohort's data do not fit the dictionary.

    Examples
    --------
    >>> import hansa
    >>> from hansa.examples import heart, heart_dictionary
    >>> league = hansa.local(heart(), heart_dictionary())
    >>> fit = league.glm("disease ~ age + sex", family="binomial")
    >>> round(float(fit.summary.loc["age", "coef"]), 3)
    0.067
    """
    if len(data) < min_nodes:
        raise StudyError(
            f"{len(data)} cohorts are too few for a league",
            why=f"a total needs at least {min_nodes} nodes, so that none can subtract itself",
            fix="add cohorts",
            field="data",
        )
    names = sorted(data)
    described = infer_dictionary(data) if dictionary is None else read_dictionary(dictionary)
    folder = None if store is None else Path(store)
    keys = make_keys(names, origin=_ORIGIN, now=_Clock()(), secret=lambda name: _kept_secret(folder, f"{name}.key"))
    made = _Making(described, keys, folder, Thresholds(min_nodes=min_nodes), consent or {})
    nodes = {name: made.node(name, data[name], _policy_for(name, policy)) for name in names}
    exchange = Exchange(keys.hub, keys.directory, InProcess({name: node.handle for name, node in nodes.items()}))
    hub_store = HubStore(None if folder is None else folder / "hub.db", _kept_secret(folder, "hub.key"))
    log = HubLog(hub_store, origin=keys.origin, key=keys.log, exchange=exchange)
    witnesses = {name: format_verifier_key(witness_key(name, key)) for name, key in keys.witnesses.items()}
    hub = Hub(
        exchange,
        log,
        hub_store,
        dictionary=described,
        methods=catalogue(),
        clock=_Clock(),
        witnesses=witnesses,
    )
    return LocalLeague(hub, nodes, keys, requester=requester or _CALLER)


@dataclass(frozen=True, eq=False)
class _Making:
    """What all nodes of a league have in common when they are made."""

    dictionary: Dictionary
    keys: LeagueKeys
    folder: Path | None
    limits: Thresholds
    consent: Mapping[str, ConsentRegister]

    def node(self, name: str, data: DataLike, policy: Policy) -> Node:
        store = NodeStore(None if self.folder is None else self.folder / f"node-{name}.db")
        work = open_work(data, self.dictionary, codes_kept_in(store, self.dictionary), isolate=False)
        settings = NodeSettings(
            name=name,
            policy=policy,
            methods=catalogue(),
            epoch_secret=_kept_secret(self.folder, f"node-{name}.secret"),
            limits=self.limits,
            facts={"consent.register": True, "requester.owns_data": True},
        )
        register = self.consent.get(name, everyone_consents(work.people))
        keys = self.keys
        context = NodeContext(settings, work, register, keys.nodes[name], keys.directory, store, _Clock())
        return Node(context, keys.witnesses[name])


def _policy_for(name: str, policy: PolicyLike | Mapping[str, PolicyLike] | None) -> Policy:
    if policy is None:
        return owner_policy(name)
    if isinstance(policy, Mapping) and "rules" not in policy:
        if name not in policy:
            raise PolicyError(f"there is no policy for {name}", fix="give one for each node", field="policy")
        return _read(policy[name])  # type: ignore[arg-type]  # a mapping without rules maps nodes to policies
    return _read(policy)


def _read(policy: PolicyLike) -> Policy:
    if isinstance(policy, Policy):
        return policy
    return read_policy(Path(policy).read_text(encoding="utf-8") if isinstance(policy, str | Path) else policy)


def _kept_secret(folder: Path | None, name: str) -> bytes:
    """32 random bytes, kept in a file that only its owner reads; without a folder, fresh ones."""
    if folder is None:
        return secrets.token_bytes(32)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()
