"""Node daemons and a hub over TLS: what their people do beside them, clocks, disks, garbage."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from network_daemons import NAMES, Running, now, serving, up

from hansa.client.study_file import read_study
from hansa.errors import DataError, HansaError, PolicyError, ProtocolError, Refused, StoreError, StudyError
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.hub.config import HubConfig, HubFolder, found_league
from hansa.model import Party
from hansa.node import stewarding
from hansa.node.config import NodeFolder
from hansa.node.daemon import pause, resume
from hansa.node.doctor import examine
from hansa.node.opening import open_node
from hansa.node.worker.apart import WorkApart
from hansa.store import NodeStore
from hansa.testing.network import league_folders
from hansa.wire import open_message, seal
from hansa.wire.folder import read_status, write_status
from hansa.wire.messages import CharterShown, Declined


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with up(tmp_path_factory.mktemp("daemons") / "league") as made:
        yield made


# --- who asks -----------------------------------------------------------------------------------------------


def test_a_researcher_asks_as_the_organisation_it_was_admitted_for(running: Running) -> None:
    with pytest.raises(StudyError, match="another requester"):
        running.submit(requester=Party(name="Somebody with a good name", kind="hospital", owner="itself"))
    assert running.submit().run("risk").provenance["nodes"] == list(NAMES)


# --- what a steward does beside a running node ----------------------------------------------------------------


def test_a_paused_node_answers_no_question_and_goes_on_afterwards(running: Running) -> None:
    study, folder = running.submit(), running.folders.node("zurich").path
    pause(folder)
    with pytest.raises(Refused, match="paused"):
        study.run("risk")
    resume(folder)
    assert study.run("risk").provenance["nodes"] == list(NAMES)


def test_a_stopped_study_is_answered_no_more(running: Running) -> None:
    study = running.submit()
    stewarding.stop_study(running.folders.node("zurich"), study.study.id, by="steward")
    with pytest.raises(Refused, match="no permit"):
        study.run("age")
    events = NodeStore(running.folders.node("zurich").store).events()
    assert ("permit withdrawn", study.study.id, "steward") in {event[1:] for event in events}


def test_a_denial_stands_with_its_reason(running: Running) -> None:
    study = running.submit()
    stewarding.deny_study(running.folders.node("budapest"), study.study.id, reason="no", by="s")
    assert ("denied", study.study.id, "s: no") in {
        event[1:] for event in NodeStore(running.folders.node("budapest").store).events()
    }


def test_only_a_referred_study_is_approved_and_then_it_runs(running: Running) -> None:
    study = running.submit()
    with pytest.raises(Refused, match="only a referred study"):
        stewarding.approve_study(running.folders.node("zurich"), study.study.id, by="c", now=now())
    with pytest.raises(Refused, match="never submitted"):
        stewarding.approve_study(running.folders.node("zurich"), "nothing", by="c", now=now())
    referred = running.submit(ethics_approval=None)
    waiting = [node for node, decision in referred.decisions.items() if decision.verdict == "refer"]
    assert waiting
    for node in waiting:
        stewarding.approve_study(running.folders.node(node), referred.study.id, by="committee", now=now())
    assert referred.run("risk").provenance["nodes"] == list(NAMES)


def test_the_doctor_of_a_running_node_finds_nothing(running: Running) -> None:
    found = examine(running.folders.node("zurich"), now=now())
    assert all(check.good for check in found), found
    status = read_status(running.folders.node("zurich").path)
    assert status is not None
    assert status["state"] == "serving"


# --- clocks, disks, liars -----------------------------------------------------------------------------------


def test_clocks_ten_minutes_off_do_no_harm(tmp_path: Path) -> None:
    with up(tmp_path / "league", zurich={"minutes": 10}, budapest={"minutes": -10}) as running:
        assert running.submit().run("risk").provenance["nodes"] == list(NAMES)


def test_a_charter_by_another_root_is_not_taken(running: Running, tmp_path: Path) -> None:
    other = HubFolder(tmp_path / "other")
    other.path.mkdir()
    config = HubConfig(league="test", party=Party(name="x"), host="127.0.0.1")
    forged = found_league(other, config, heart_dictionary(), now=now()).sealed
    hub = running.folders.hub.keys.signer("sign", "hub")
    answer = running.hub.endpoint.ask({"zurich": seal(CharterShown(charter=forged), hub)})["zurich"]
    keys = running.hub.charter.directory.of("node-sign")
    assert open_message(answer, Declined, keys, sender="zurich")[1].code == "signature"
    assert running.submit().run("age").provenance["nodes"] == list(NAMES)


def test_a_charter_that_the_hub_did_not_send_is_not_taken(running: Running) -> None:
    peer = running.folders.node("budapest").keys.signer("sign", "budapest")
    shown = seal(CharterShown(charter=running.hub.charter.sealed), peer)
    answer = running.hub.endpoint.ask({"zurich": shown})["zurich"]
    keys = running.hub.charter.directory.of("node-sign")
    assert open_message(answer, Declined, keys, sender="zurich")[1].code == "signature"


@pytest.mark.parametrize("garbage", [b"", b"garbage", bytes(100_000)])
def test_a_node_that_answers_garbage_stops_the_run_and_nothing_else(
    running: Running, monkeypatch: pytest.MonkeyPatch, garbage: bytes
) -> None:
    study = running.submit()
    with monkeypatch.context() as patch:
        patch.setattr(running.daemons["zurich"]._endpoint, "_handle", lambda _data: garbage)
        with pytest.raises(ProtocolError):
            study.run("risk")
    assert study.run("risk").provenance["nodes"] == list(NAMES)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted, which root alone may do")
def test_a_full_disk_at_a_node_or_the_hub_stops_runs_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    try:
        with up(disk / "league") as running:
            study = running.submit()
            before = study.run("age").plain
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(bytes(65_536))
                    file.flush()
            with pytest.raises(HansaError):
                _until_it_fails(running)
            ballast.unlink()
            assert study.run("age").plain == before
            again = running.submit().run("risk")
            assert again.provenance["nodes"] == list(NAMES)
            assert NodeStore(running.folders.node("zurich").store).ledger()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _until_it_fails(running: Running) -> None:
    """The databases have some room of their own left; it is used up soon."""
    for _ in range(40):
        running.submit().run("risk")


# --- folders ------------------------------------------------------------------------------------------------


def test_consent_is_read_from_the_register(tmp_path: Path) -> None:
    folders = league_folders(
        tmp_path / "league",
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
    )
    settings = folders.node("zurich").path / "node.toml"
    settings.write_text(settings.read_text().replace('consent = "everyone"', 'consent = "register.csv"'))
    register = folders.node("zurich").path / "register.csv"
    register.write_text("who,what\n1,\n")
    with pytest.raises(DataError, match="consent register"):
        open_node(folders.node("zurich"), folders.node("zurich").charter(now=now()), clock=now)
    register.write_text("person,purpose\n")
    with serving(folders) as running:
        assert running.submit().run("age").plain["sizes"] == [920 - 123], "nobody at Zurich has consented"


def test_a_folder_that_is_no_nodes_or_hubs_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no node\.toml in this folder"):
        _ = NodeFolder(tmp_path).config
    with pytest.raises(StoreError, match=r"no hub\.toml in this folder"):
        _ = HubFolder(tmp_path).config
    (tmp_path / "node.toml").write_text("name = [")
    with pytest.raises(PolicyError, match="cannot be read"):
        _ = NodeFolder(tmp_path).config
    (tmp_path / "node.toml").write_text('nmae = "x"')
    with pytest.raises(PolicyError):
        _ = NodeFolder(tmp_path).config


def test_a_charter_without_this_node_is_not_taken(tmp_path: Path) -> None:
    with up(tmp_path / "league") as running:
        revoked = running.folders.hub.revoke("zurich", now=now()).sealed
        hub = running.folders.hub.keys.signer("sign", "hub")
        answer = running.hub.endpoint.ask({"zurich": seal(CharterShown(charter=revoked), hub)})["zurich"]
        keys = running.hub.charter.directory.of("node-sign")
        assert open_message(answer, Declined, keys, sender="zurich")[1].code == "signature"
        kept = running.folders.node("zurich").charter(now=now())
        assert kept.member("zurich").name == "zurich"


def test_a_node_that_has_stopped_leaves_no_process_behind(tmp_path: Path) -> None:
    with up(tmp_path / "league") as running:
        workers = [daemon.node.context.work for daemon in running.daemons.values()]
        pids = [work._child._process.pid for work in workers if isinstance(work, WorkApart)]
        assert len(pids) == len(NAMES)
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_status_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    write_status(tmp_path / "gone", {"state": "serving"})
    assert read_status(tmp_path / "gone") is None
