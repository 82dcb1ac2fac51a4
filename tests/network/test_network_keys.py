"""Keys are renewed, replaced and revoked while a league runs: the same numbers afterwards, and nothing by old keys."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from network_daemons import NAMES, Running, now, up

from hansa.engine.link import Link, LinkSettings, NotAdmitted
from hansa.engine.messaging import HubEndpoint
from hansa.errors import PolicyError, SignatureInvalid
from hansa.hub.opening import open_hub
from hansa.hub.renewal import renew_hub
from hansa.model import Analysis
from hansa.node.config import renew_node
from hansa.node.daemon import REFUSED, NodeDaemon
from hansa.node.doctor import examine
from hansa.wire import open_message, seal
from hansa.wire.boxes import pair_secret
from hansa.wire.charter import read_request
from hansa.wire.folder import read_status
from hansa.wire.messages import CharterShown, CharterTaken, Declined

# As in test_network_links.py: what the client library leaves of attempts that were refused.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

AGE = {"age": Analysis(method="describe", arguments={"variables": ["age"]})}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with up(tmp_path_factory.mktemp("keys") / "league") as made:
        yield made


def reopened(running: Running) -> None:
    """What a hub daemon does when its charter has changed: see :meth:`HubDaemon._follow_charter`."""
    charter = running.folders.hub.charter(now=now()).charter
    running.server.reload(running.folders.hub.server_config(charter))
    before, running.hub = running.hub, open_hub(running.folders.hub, clock=now)
    before.close()


def until(reached: Callable[[], Any], *, seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.05)


def checks(running: Running, name: str, *, days: int = 0) -> dict[str, tuple[bool, str]]:
    found = examine(running.folders.node(name), now=now() + dt.timedelta(days=days))
    return {check.name: (check.good, check.text) for check in found}


def test_a_node_with_new_keys_gives_the_same_numbers_and_its_old_keys_are_refused(running: Running) -> None:
    before, folder = running.submit().run("risk").plain, running.folders.node("zurich")
    old = {"sign": folder.keys.signer("sign", "zurich"), "agree": folder.keys.agreement("agree")}
    seed, stays = folder.keys.nkey("messaging")[0], {name: folder.keys.secret(name) for name in ("member", "epoch")}
    request = renew_node(folder, new_keys=True, now=now())
    assert "names other keys" in checks(running, "zurich")["charter"][1]
    assert running.submit().run("risk").plain == before, "until it is admitted, what runs goes on with the old keys"
    running.folders.hub.admit(read_request(request), now=now())
    reopened(running)
    until(lambda: running.daemons["zurich"]._link.state == "refused")
    running.daemons["zurich"].look()
    assert (read_status(folder.path) or {})["state"] == REFUSED
    running.daemons["zurich"].close()
    running.start("zurich")
    for name in NAMES:
        running.charter_to(name)
    assert running.submit().run("risk").plain == before
    assert checks(running, "zurich")["charter"][0]
    assert {name: folder.keys.secret(name) for name in stays} == stays
    _is_good_for_nothing(running, old, seed)


def test_an_older_charter_of_the_folder_does_not_undo_a_newer_one_from_the_hub(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's look reads the folder; meanwhile the hub may show it a newer charter."""
    daemon, hub = running.daemons["zurich"], running.folders.hub
    older = running.folders.node("zurich").charter(now=now())
    hub.admit(read_request((running.folders.identity / "join-request.cbor").read_bytes()), now=now())
    reopened(running)
    running.charter_to("zurich")
    newer = daemon.node.context.directory
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(type(daemon._folder), "charter", lambda *_, **__: older)
        daemon.look()
    assert daemon.node.context.directory is newer
    for name in NAMES:
        running.charter_to(name)


def _is_good_for_nothing(running: Running, old: dict[str, Any], seed: str) -> None:
    """Neither at the hub, nor at another node, nor at the messaging server."""
    message = seal(CharterTaken(charter_version=9), old["sign"])
    peer = running.daemons["budapest"].node.context.directory
    for keys in (running.hub.charter.directory.of("node-sign"), peer.of("node-sign")):
        with pytest.raises(SignatureInvalid, match="unknown key"):
            open_message(message, CharterTaken, keys)
    hub = running.hub.charter.directory.public_key("hub-agree", "hub")
    league = running.hub.charter.charter.league
    assert pair_secret(old["agree"], hub, league=league) not in running.hub.endpoint._secrets.values()
    authority = running.folders.node("zurich").path / "authority.pem"
    with pytest.raises(NotAdmitted):
        Link(LinkSettings(running.hub.charter.charter.servers, "zurich", seed, authority, connect_seconds=1.0))


def test_a_hub_with_new_keys_is_heard_by_nodes_that_have_taken_the_charter_by_hand(running: Running) -> None:
    before, old = running.submit().run("risk").plain, running.folders.hub.keys.signer("sign", "hub")
    secrets = running.hub.endpoint._secrets
    sealed = renew_hub(running.folders.hub, new_keys=True, now=now()).sealed
    reopened(running)
    time.sleep(1.0)
    version = running.hub.charter.charter.charter_version
    assert not any(running.hub.endpoint.present(name) for name in NAMES), "nobody shares a secret with its new key"
    for name in NAMES:
        running.folders.node(name).take_charter(sealed, now=now())
        running.daemons[name].look()
    until(lambda: all(running.hub.endpoint.present(name, charter=version) for name in NAMES))
    assert running.submit().run("risk").plain == before
    forged = seal(CharterShown(charter=sealed), old)
    answer = running.hub.endpoint.ask({"zurich": forged})["zurich"]
    keys = running.hub.charter.directory.of("node-sign")
    assert open_message(answer, Declined, keys, sender="zurich")[1].code == "signature"
    _whoever_has_the_old_secret_hears_nothing(running, secrets)


def _whoever_has_the_old_secret_hears_nothing(running: Running, secrets: Any) -> None:
    """Even on a connection of the new hub's: heartbeats do not open, and nothing is answered."""
    eavesdropper = HubEndpoint(running.hub.link, running.hub.charter.charter.league, secrets)
    time.sleep(0.5)
    assert eavesdropper.pulses() == {}


def test_a_node_does_not_start_by_a_charter_whose_hub_has_expired_and_says_what_to_do(running: Running) -> None:
    with pytest.raises(PolicyError, match="certifies no key of the hub") as caught:
        NodeDaemon(running.folders.node("long_beach"), clock=lambda: now() + dt.timedelta(days=400))
    assert "hansa node charter FILE" in caught.value.fix


def test_the_doctor_tells_of_certificates_that_end_within_thirty_days(running: Running) -> None:
    assert checks(running, "budapest")["certificates"][0]
    assert checks(running, "budapest", days=330)["certificates"][0]
    good, text = checks(running, "budapest", days=340)["certificates"]
    assert not good
    assert "hansa node renew" in text


def test_the_doctor_knows_a_revoked_node_from_a_server_that_is_away(running: Running) -> None:
    assert checks(running, "cleveland")["messaging"] == (True, "this node is let in")
    running.folders.hub.revoke("cleveland", now=now())
    reopened(running)
    until(lambda: running.daemons["cleveland"]._link.state == "refused")
    good, text = checks(running, "cleveland")["messaging"]
    assert not good
    assert "this node is not admitted (any more)" in text
    running.server.stop()
    good, text = checks(running, "budapest")["messaging"]
    assert not good
    assert "cannot be reached" in text
