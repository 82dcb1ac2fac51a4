"""The commands of custodian, hub and researcher: what they make, and what they refuse."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hansa.cli.main import hansa
from hansa.cli.node import _leaves
from hansa.errors import HansaError
from hansa.examples import heart, heart_policies
from hansa.model import Analysis
from hansa.store import NodeStore

HOSPITAL = ["--organisation", "Hospital of Zurich", "--kind", "hospital", "--seat", "CH", "--owner", "itself"]
DICTIONARY = heart()["zurich"].parent / "dictionary.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hansa, list(arguments), catch_exceptions=False)


def said(*arguments: str) -> str:
    found = run(*arguments)
    assert found.exit_code == 0, found.output
    return found.output


def refused(*arguments: str) -> HansaError:
    with pytest.raises(HansaError) as caught:
        run(*arguments)
    return caught.value


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    folder = tmp_path / "hub"
    said(
        *("hub", "init", "--folder", str(folder), "--league", "heart", "--host", "127.0.0.1"),
        *("--dictionary", str(DICTIONARY), "--organisation", "The league's office", "--owner", "itself"),
    )
    return folder


@pytest.fixture
def node(tmp_path: Path, hub: Path) -> Path:
    folder = tmp_path / "zurich"
    said("node", "init", "--folder", str(folder), "--name", "zurich", *node_options(hub))
    return folder


def node_options(hub: Path) -> list[str]:
    options = ["--charter", str(hub / "charter.cbor"), "--data", str(heart()["zurich"])]
    return [*options, "--policy", str(heart_policies()["zurich"]), *HOSPITAL]


def request_of(folder: Path) -> tuple[str, str]:
    """A node's request and the fingerprint that is read aloud."""
    file, fingerprint = said("node", "join", "--folder", str(folder)).split()
    return file, fingerprint


def test_a_node_is_admitted_by_its_request_and_the_fingerprint_read_aloud(hub: Path, node: Path) -> None:
    file, fingerprint = request_of(node)
    assert "admitted" in said("hub", "admit", file, "--folder", str(hub), "--fingerprint", fingerprint.upper())
    found = json.loads(said("hub", "status", "--folder", str(hub), "--json"))
    assert [member["name"] for member in found["members"]] == ["hub", "zurich"]
    assert found["state"] == "never started"
    assert "zurich" in said("hub", "status", "--folder", str(hub))
    assert "revoked" in said("hub", "revoke", "zurich", "--folder", str(hub))


def test_a_server_of_ones_own_is_told_the_members_and_keeps_its_certificate(
    hub: Path, node: Path, tmp_path: Path
) -> None:
    out, where = tmp_path / "nats1", ["--folder", str(hub), "--host", "127.0.0.1", "--port", "4333"]
    assert "another place" not in said("hub", "messaging-config", str(out), *where)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert out.stat().st_mode & 0o077 == 0, "the server's key is in it"
    file, fingerprint = request_of(node)
    said("hub", "admit", file, "--folder", str(hub), "--fingerprint", fingerprint)
    said("hub", "messaging-config", str(out), *where)
    after = {file.name: file.read_bytes() for file in out.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"hansa.conf"}
    conf = json.loads(after["hansa.conf"])
    assert conf["listen"] == "0.0.0.0:4333"
    assert conf["tls"]["cert_file"] == "server.pem", "relative: it is taken elsewhere"
    allowed = [user["permissions"]["subscribe"]["allow"] for user in conf["authorization"]["users"]]
    assert allowed[0] == ["hansa.heart.ask.zurich"]
    assert len(allowed) == 2
    elsewhere = said("hub", "messaging-config", str(tmp_path / "x"), "--folder", str(hub), "--host", "else.example")
    assert "another place" in elsewhere


def identity_of(tmp_path: Path, hub: Path) -> Path:
    folder = tmp_path / "anna"
    identity = ("identity", "init", "--folder", str(folder), "--name", "anna", "--charter", str(hub / "charter.cbor"))
    said(*identity, *HOSPITAL)
    return folder


def admit(hub: Path, folder: Path, printed: str) -> None:
    """By the fingerprint that a command has printed."""
    [fingerprint] = set(re.findall(r"[0-9a-f]{4}(?:-[0-9a-f]{4}){4}", printed.splitlines()[1]))
    said("hub", "admit", str(folder / "join-request.cbor"), "--folder", str(hub), "--fingerprint", fingerprint)


def keys_in(folder: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in (folder / "keys").iterdir()}


@pytest.mark.parametrize(
    ("group", "changed"), [("node", {"sign", "agree", "witness", "messaging"}), ("identity", {"sign"})]
)
def test_a_member_renews_its_certificates_and_with_new_keys_its_working_keys(
    group: str, changed: set[str], hub: Path, node: Path, tmp_path: Path
) -> None:
    folder = node if group == "node" else identity_of(tmp_path, hub)
    _, fingerprint = request_of(folder)
    said("hub", "admit", str(folder / "join-request.cbor"), "--folder", str(hub), "--fingerprint", fingerprint)
    before = keys_in(folder)
    admit(hub, folder, said(group, "renew", "--folder", str(folder)))
    assert keys_in(folder) == before
    printed = said(group, "renew", "--new-keys", "--folder", str(folder))
    assert "deleted" in printed
    admit(hub, folder, printed)
    after = keys_in(folder)
    assert {name for name in before if after[name] != before[name]} == changed
    assert set(after) == set(before), "the old keys are not set aside"
    taken = said(group, "charter", str(hub / "charter.cbor"), "--folder", str(folder))
    assert "version 4 of the charter is kept" in taken


def test_a_charter_by_hand_that_is_not_this_members_is_refused(hub: Path, node: Path, tmp_path: Path) -> None:
    before = (node / "charter.cbor").read_bytes()
    error = refused("node", "charter", str(hub / "charter.cbor"), "--folder", str(node))
    assert "no member called zurich" in error.what
    other = tmp_path / "other"
    options = ("--dictionary", str(DICTIONARY), "--organisation", "x")
    said("hub", "init", "--folder", str(other), "--league", "heart", "--host", "127.0.0.1", *options)
    assert refused("node", "charter", str(other / "charter.cbor"), "--folder", str(node)).code == "signature"
    assert (node / "charter.cbor").read_bytes() == before


def test_status_says_when_certificates_end_and_the_hub_renews_its_own(
    hub: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not admitted" in said("node", "status", "--folder", str(node))
    file, fingerprint = request_of(node)
    said("hub", "admit", file, "--folder", str(hub), "--fingerprint", fingerprint)
    assert "renew them" not in said("hub", "status", "--folder", str(hub))
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=340)
    monkeypatch.setattr("hansa.cli.hub.now", lambda: later)
    soon = said("hub", "status", "--folder", str(hub))
    assert soon.count("renew them") == 2
    assert "zurich" in soon
    said("hub", "renew", "--folder", str(hub))
    found = json.loads(said("hub", "status", "--folder", str(hub), "--json"))
    ends = {one["name"]: dt.datetime.fromisoformat(one["certificates_end"]) for one in found["members"]}
    assert ends["hub"] > later + dt.timedelta(days=364)
    assert dt.datetime.fromisoformat(found["certificates_end"]) == ends["zurich"] < later + dt.timedelta(days=30)


def test_the_doctor_makes_no_key(hub: Path, node: Path) -> None:
    (node / "keys" / "member.key").unlink()
    (node / "keys" / "witness.key").unlink()
    before = keys_in(node)
    checks = {
        check["name"]: check for check in json.loads(run("node", "doctor", "--folder", str(node), "--json").output)
    }
    assert "witness.key" in checks["keys"]["text"]
    assert "restore it" in checks["keys"]["text"]
    assert "member" not in keys_in(node)
    assert set(before) <= set(keys_in(node))


def test_another_request_than_the_one_read_aloud_is_refused(hub: Path, node: Path, tmp_path: Path) -> None:
    file, fingerprint = request_of(node)
    other = tmp_path / "other"
    said("node", "init", "--folder", str(other), "--name", "zurich", *node_options(hub))
    swapped, _ = request_of(other)
    error = refused("hub", "admit", swapped, "--folder", str(hub), "--fingerprint", fingerprint)
    assert error.code == "refused"
    assert file != swapped


def test_init_shows_what_it_found_in_the_data_and_no_value(hub: Path, tmp_path: Path) -> None:
    text = said("node", "init", "--folder", str(tmp_path / "z"), "--name", "zurich", *node_options(hub))
    assert "123 rows, 123 people" in text
    assert "fingerprint" in text


def test_data_that_do_not_fit_are_said_before_anything_is_made(hub: Path, tmp_path: Path) -> None:
    options = node_options(hub)
    options[options.index(str(heart()["zurich"]))] = str(tmp_path / "nowhere.csv")
    error = refused("node", "init", "--folder", str(tmp_path / "z"), "--name", "zurich", *options)
    assert error.code == "data"
    assert not (tmp_path / "z").exists()


@pytest.mark.parametrize("what", ["hub", "node", "identity"])
def test_a_folder_in_use_is_left_alone(what: str, hub: Path, node: Path, tmp_path: Path) -> None:
    researcher = tmp_path / "anna"
    identity = ["identity", "init", "--folder", str(researcher), "--name", "anna"]
    identity += ["--charter", str(hub / "charter.cbor"), *HOSPITAL]
    said(*identity)
    again = {
        "hub": ["hub", "init", "--folder", str(hub), "--league", "x", "--host", "y", "--dictionary", str(DICTIONARY)],
        "node": ["node", "init", "--folder", str(node), "--name", "zurich", *node_options(hub)],
        "identity": identity,
    }
    arguments = again[what] + (["--organisation", "x"] if what == "hub" else [])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.toml")}
    assert refused(*arguments).code == "store"
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.toml")} == before


def test_an_organisation_of_no_known_kind_is_refused(hub: Path, tmp_path: Path) -> None:
    options = [option if option != "hospital" else "circus" for option in node_options(hub)]
    error = refused("node", "init", "--folder", str(tmp_path / "z"), "--name", "zurich", *options)
    assert error.field == "kind"


def test_a_node_not_yet_admitted_has_a_doctor_who_says_so(node: Path) -> None:
    found = run("node", "doctor", "--folder", str(node), "--json")
    assert found.exit_code == 1
    checks = {check["name"]: check for check in json.loads(found.output)}
    assert checks["data"]["good"]
    assert not checks["charter"]["good"]
    assert "no member called zurich" in checks["charter"]["text"]
    assert not checks["messaging"]["good"]
    assert "To go on" in checks["messaging"]["text"]
    assert "FAIL  charter" in run("node", "doctor", "--folder", str(node)).output


@pytest.mark.parametrize(
    ("method", "sites", "said_of_it"),
    [
        ("glm", False, "masked sums would leave"),
        ("glm", True, "this node's own estimate would leave, as its release"),
        ("control_arm", False, "where few nodes hold an arm, this one among them, they are its own release"),
        ("other", False, "other, which is not installed here"),
    ],
)
def test_a_steward_reads_what_would_leave(method: str, sites: bool, said_of_it: str) -> None:
    assert _leaves(Analysis(method=method, arguments={}, sites=sites)).endswith(said_of_it)


def test_a_node_without_studies_has_an_empty_inbox_and_ledger(node: Path) -> None:
    assert "nothing waits" in said("node", "inbox", "--folder", str(node))
    assert json.loads(said("node", "inbox", "--folder", str(node), "--json")) == {}
    assert json.loads(said("node", "ledger", "--folder", str(node), "--json")) == []
    assert json.loads(said("node", "status", "--folder", str(node), "--json"))["state"] == "never started"
    assert "checks" in said("node", "ledger", "--folder", str(node))


def test_pausing_is_written_down(node: Path) -> None:
    said("node", "pause", "--folder", str(node), "--by", "Dr Frei")
    assert json.loads(said("node", "status", "--folder", str(node), "--json"))["paused"]
    said("node", "pause", "--off", "--folder", str(node), "--by", "Dr Frei")
    assert not json.loads(said("node", "status", "--folder", str(node), "--json"))["paused"]
    assert [event[1:] for event in NodeStore(node / "node.db").events()][-2:] == [
        ("paused", "", "Dr Frei"),
        ("resumed", "", "Dr Frei"),
    ]


@pytest.mark.parametrize("command", [["approve"], ["deny", "--reason", "no"], ["stop-run"]])
def test_a_study_that_is_not_known_is_said_to_be_so(node: Path, command: list[str]) -> None:
    error = refused("node", *command, "nothing", "--by", "x", "--folder", str(node))
    assert "never submitted" in error.what


@pytest.mark.parametrize("group", ["node", "hub"])
def test_a_folder_that_is_nothing_is_said_to_be_so(group: str, tmp_path: Path) -> None:
    assert refused(group, "serve", "--folder", str(tmp_path)).code == "store"
    assert refused(group, "status", "--folder", str(tmp_path)).code == "store"
    assert not list(tmp_path.iterdir()), "nothing is made in it"
