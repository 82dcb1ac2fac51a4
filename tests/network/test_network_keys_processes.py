"""Keys are renewed, replaced and revoked by the commands, while a hub and its nodes run as processes of their own."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from network_daemons import NAMES, founded, now

import hansa
from hansa.cli.main import hansa as command_line
from hansa.client.study_file import read_study
from hansa.examples import heart_study
from hansa.model import Analysis
from hansa.node.daemon import REFUSED
from hansa.testing.network import NetworkLeague
from hansa.testing.network import running as processes
from hansa.wire.charter import fingerprint
from hansa.wire.folder import read_status

# As in test_network_links.py: what the client library leaves of attempts that were refused.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

AGE = {"age": Analysis(method="describe", arguments={"variables": ["age"]})}


def until(reached: Callable[[], Any], *, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkLeague]:
    # With the patience that hubs have by default: while a new charter goes round, plan processes hear no node yet.
    with processes(founded(tmp_path_factory.mktemp("keys") / "processes", wait_seconds=20.0)) as league:
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
    until(lambda: served_certificate(network) != certificate)  # the running hub looks for it from time to time
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
