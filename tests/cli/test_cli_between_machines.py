"""The commands of custodian, hub and researcher: what they make, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hansa.cli.main import hansa
from hansa.errors import HansaError
from hansa.examples import heart, heart_policies
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
