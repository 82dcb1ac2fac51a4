"""Keys are renewed, replaced and revoked while a league runs: the same numbers afterwards, and nothing by old keys."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from network_daemons import NAMES, Running, founded, now, up

import hansa
from hansa.cli.main import hansa as command_line
from hansa.client.study_file import read_study
from hansa.engine.link import Link, LinkSettings, NotAdmitted
from hansa.engine.messaging import HubEndpoint
from hansa.errors import PolicyError, SignatureInvalid
from hansa.examples import heart_study
from hansa.hub.opening import open_hub
from hansa.hub.renewal import renew_hub
from hansa.model import Analysis
from hansa.node.config import renew_node
from hansa.node.daemon import REFUSED, NodeDaemon
from hansa.node.doctor import examine
from hansa.testing.network import NetworkLeague
from hansa.testing.network import running as processes
from hansa.wire import open_message, seal
from hansa.wire.boxes import pair_secret
from hansa.wire.charter import fingerprint, read_request
from hansa.wire.folder import read_status
from hansa.wire.messages import CharterShown, CharterTaken, Declined

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


# --- with real processes, by the commands -------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkLeague]:
    with processes(founded(tmp_path_factory.mktemp("keys") / "processes")) as league:
        yield league


def typed(*words: object, status: int = 0) -> str:
    done = CliRunner().invoke(command_line, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def sizes(network: NetworkLeague) -> Any:
    with hansa.connect(identity=network.identity) as league:
        asked = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts", "populations"})
        return league.submit(league.study(AGE, **{**asked, "cohorts": NAMES})).run("age").plain


def served_certificate(network: NetworkLeague) -> str:
    return ssl.get_server_certificate(("127.0.0.1", network.hub.config.api_port))


def test_a_running_hub_takes_up_new_keys_and_a_new_tls_certificate(network: NetworkLeague) -> None:
    before, certificate = sizes(network), served_certificate(network)
    said = typed("hub", "renew", "--new-keys", "--folder", network.hub.path)
    assert "hansa node charter FILE" in said
    for name in NAMES:
        typed("node", "charter", network.hub.path / "charter.cbor", "--folder", network.node(name).path)
    version = network.hub.charter(now=now()).charter.charter_version
    until(lambda: charters_of(network, *NAMES) == {version})
    network.wait_for_nodes()
    assert sizes(network) == before
    assert served_certificate(network) != certificate
    kept = (network.identity / "charter.cbor").read_bytes()
    assert kept == network.hub.charter(now=now()).sealed, "whoever connects has the newest charter"


def test_a_renewed_researcher_asks_again_once_admitted(network: NetworkLeague) -> None:
    before = sizes(network)
    said = typed("identity", "renew", "--new-keys", "--folder", network.identity)
    request = network.identity / "join-request.cbor"
    assert fingerprint(request.read_bytes()) in said
    with pytest.raises(hansa.Refused) as refused:
        sizes(network)
    assert refused.value.reason == "access"
    typed("hub", "admit", request, "--folder", network.hub.path, "--fingerprint", fingerprint(request.read_bytes()))
    until(lambda: charters_of(network, *NAMES) == {network.hub.charter(now=now()).charter.charter_version})
    assert sizes(network) == before


def charters_of(network: NetworkLeague, *names: str) -> set[object]:
    """The versions of the charter that running nodes go by."""
    return {(read_status(network.node(name).path) or {}).get("charter") for name in names}


def test_a_node_that_is_revoked_while_it_runs_says_so_once_and_goes_on_trying(network: NetworkLeague) -> None:
    typed("hub", "revoke", "zurich", "--folder", network.hub.path)

    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(typed("node", "status", "--folder", network.node("zurich").path, "--json"))
        return found

    until(lambda: status()["state"] == REFUSED)
    assert not status()["connected"]
    time.sleep(3.0)
    lines = [json.loads(line) for line in network.output("zurich").splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert events.count("connection refused") == 1
    assert not {"library", "fault"} & set(events)
    assert network.processes["zurich"].poll() is None
    said = typed("node", "doctor", "--folder", network.node("zurich").path, status=1)
    assert "not admitted (any more)" in said


def test_a_node_that_waits_to_be_admitted_serves_when_it_is(network: NetworkLeague) -> None:
    """Revoked, and back with a new folder's keys: as a new node does that is started before it is admitted."""
    network.kill("zurich")
    (network.node("zurich").path / "keys" / "member.key").unlink()
    network.node("zurich").keys.secret("member")
    typed("node", "renew", "--new-keys", "--folder", network.node("zurich").path)
    network.start_node("zurich")
    until(lambda: "It is tried again" in network.output("zurich"))
    assert (read_status(network.node("zurich").path) or {})["state"] == REFUSED
    request = network.node("zurich").path / "join-request.cbor"
    typed("hub", "admit", request, "--folder", network.hub.path, "--fingerprint", fingerprint(request.read_bytes()))
    network.wait_for("zurich")
    until(lambda: charters_of(network, *NAMES) == {network.hub.charter(now=now()).charter.charter_version})
    network.wait_for_nodes()
    assert sizes(network)["sizes"] == [920]
