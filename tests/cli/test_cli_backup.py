"""Backup and restore: one archive for its owner's eyes, never over anything, and never half of one."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hansa.cli.main import hansa
from hansa.errors import HansaError
from hansa.examples import heart, heart_policies
from hansa.store import HubStore, NodeStore
from hansa.wire.keyring import Keyring

PARTY = ["--organisation", "Hospital of Zurich", "--owner", "itself"]


def said(*arguments: object) -> str:
    found = CliRunner().invoke(hansa, [str(one) for one in arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def refused(*arguments: object) -> HansaError:
    with pytest.raises(HansaError) as caught:
        CliRunner().invoke(hansa, [str(one) for one in arguments], catch_exceptions=False)
    return caught.value


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    folder = tmp_path / "hub"
    dictionary = heart()["zurich"].with_name("dictionary.yaml")
    where = ["--league", "heart", "--host", "127.0.0.1", "--dictionary", dictionary]
    said("hub", "init", "--folder", folder, *where, *PARTY)
    store = HubStore(folder / "hub.db", Keyring(folder / "keys").secret("store"))
    store.record_total("run", 0, b"request", b"total")
    store.close()
    return folder


@pytest.fixture
def node(tmp_path: Path, hub: Path) -> Path:
    folder = tmp_path / "zurich"
    sources = ["--charter", hub / "charter.cbor", "--data", heart()["zurich"], "--policy", heart_policies()["zurich"]]
    said("node", "init", "--folder", folder, "--name", "zurich", *sources, *PARTY)
    store = NodeStore(folder / "node.db")
    store.note_event("something", "", "")
    store.close()
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- what is in it -------------------------------------------------------------------------------------------


def test_a_node_is_the_same_again_elsewhere_and_paused(node: Path, tmp_path: Path) -> None:
    archive, again = tmp_path / "zurich.tar", tmp_path / "new" / "zurich"
    said("node", "backup", "--folder", node, archive)
    assert mode(archive) == 0o600
    text = said("node", "restore", "--folder", again, archive)
    assert "paused" in text
    before, after = files(node), files(again)
    assert set(after) == set(before) | {"paused"}
    assert {name for name in before if before[name] != after[name]} <= {"node.db"}
    assert mode(again) == 0o700
    assert {mode(file) for file in (again / "keys").iterdir()} == {0o600}
    events = [event for _, event, _, _ in NodeStore(again / "node.db").events()]
    assert events == ["something", "restored"]
    assert json.loads(said("node", "status", "--folder", again, "--json"))["paused"]


def test_a_hub_is_the_same_again_and_its_journal_opens(hub: Path, tmp_path: Path) -> None:
    archive, again = tmp_path / "hub.tar", tmp_path / "again"
    said("hub", "backup", "--folder", hub, archive)
    assert mode(archive) == 0o600
    said("hub", "restore", "--folder", again, archive)
    before, after = files(hub), files(again)
    assert set(after) == set(before)
    assert {name for name in before if before[name] != after[name]} <= {"hub.db"}
    store = HubStore(again / "hub.db", Keyring(again / "keys").secret("store"))
    assert store.totals("run") == [(b"request", b"total")]
    assert json.loads(said("hub", "status", "--folder", again, "--json"))["league"] == "heart"


def test_neither_data_nor_the_register_of_consent_travel(node: Path, tmp_path: Path) -> None:
    (node / "people.csv").write_text("person,age\nMrs Frei,71\n")
    (node / "register.csv").write_text("person,purpose\nMrs Frei,\n")
    said("node", "backup", "--folder", node, tmp_path / "zurich.tar")
    assert b"Frei" not in (tmp_path / "zurich.tar").read_bytes()


def test_a_store_is_whole_although_somebody_writes_to_it(node: Path, tmp_path: Path) -> None:
    store = NodeStore(node / "node.db")
    store.note_event("written", "", "while it is open")  # it stands in the write-ahead log, not in the file
    said("node", "backup", "--folder", node, tmp_path / "zurich.tar")
    said("node", "restore", "--folder", tmp_path / "again", tmp_path / "zurich.tar")
    store.close()
    assert [event[1] for event in NodeStore(tmp_path / "again" / "node.db").events()][:2] == ["something", "written"]


def test_a_store_that_is_elsewhere_is_said_to_be_missing(hub: Path, tmp_path: Path) -> None:
    settings = hub / "hub.toml"
    settings.write_text(settings.read_text().replace('database = ""', 'database = "postgresql://nobody@localhost/x"'))
    assert "not in it" in said("hub", "backup", "--folder", hub, tmp_path / "hub.tar")
    assert "restore its database" in said("hub", "restore", "--folder", tmp_path / "again", tmp_path / "hub.tar")
    assert not (tmp_path / "again" / "hub.db").exists()


# --- what it does not do -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["node", "hub"])
def test_an_archive_is_never_written_over(kind: str, node: Path, hub: Path, tmp_path: Path) -> None:
    archive = tmp_path / "there.tar"
    archive.write_bytes(b"the only copy")
    error = refused(kind, "backup", "--folder", {"node": node, "hub": hub}[kind], archive)
    assert error.code == "store"
    assert archive.read_bytes() == b"the only copy"


@pytest.mark.parametrize("kind", ["node", "hub"])
def test_a_folder_in_use_is_left_alone(kind: str, node: Path, hub: Path, tmp_path: Path) -> None:
    folder, archive = {"node": node, "hub": hub}[kind], tmp_path / "x.tar"
    said(kind, "backup", "--folder", folder, archive)
    before = files(folder)
    assert "not empty" in refused(kind, "restore", "--folder", folder, archive).why
    assert files(folder) == before


def test_an_empty_folder_is_filled(node: Path, tmp_path: Path) -> None:
    said("node", "backup", "--folder", node, tmp_path / "x.tar")
    (tmp_path / "empty").mkdir()
    said("node", "restore", "--folder", tmp_path / "empty", tmp_path / "x.tar")
    assert (tmp_path / "empty" / "node.toml").exists()


def test_a_hubs_backup_is_no_nodes(hub: Path, tmp_path: Path) -> None:
    said("hub", "backup", "--folder", hub, tmp_path / "hub.tar")
    assert "no backup of a node" in refused("node", "restore", "--folder", tmp_path / "n", tmp_path / "hub.tar").why
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("kind", ["node", "hub"])
def test_a_folder_that_is_nothing_has_no_backup(kind: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refused(kind, "backup", "--folder", tmp_path / "empty", tmp_path / "x.tar").code == "store"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty"]


def test_a_policy_outside_the_folder_is_said_to_be_there(node: Path, tmp_path: Path) -> None:
    settings = node / "node.toml"
    settings.write_text(settings.read_text().replace('"policy.yaml"', '"../policy.yaml"'))
    assert "policy" in refused("node", "backup", "--folder", node, tmp_path / "x.tar").field
    assert not (tmp_path / "x.tar").exists()


def test_a_journal_without_its_key_is_not_backed_up_as_if_it_could_be_read(hub: Path, tmp_path: Path) -> None:
    (hub / "keys" / "store.key").unlink()
    assert "key is gone" in refused("hub", "backup", "--folder", hub, tmp_path / "x.tar").why
    assert not (hub / "keys" / "store.key").exists(), "no other key is made in its place"
    assert not (tmp_path / "x.tar").exists()


def test_a_backup_that_fails_half_way_leaves_nothing(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "add", full)
    before = sorted(tmp_path.iterdir())
    assert refused("node", "backup", "--folder", node, tmp_path / "x.tar").code == "store"
    assert sorted(tmp_path.iterdir()) == before


# --- archives that somebody has changed ----------------------------------------------------------------------


def repacked(archive: Path, changed: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]) -> None:
    with tarfile.open(archive) as tar:
        members = [(member, tar.extractfile(member)) for member in tar]
        kept = [(member, content.read()) for member, content in members if content is not None]
    with tarfile.open(archive, "w") as tar:
        for one, content in kept:
            for member, bytes_ in changed(one, content):
                member.size = len(bytes_) if member.isfile() else 0
                tar.addfile(member, io.BytesIO(bytes_))


def link(name: str, kind: bytes, to: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member, b""


CHANGES: dict[str, Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]] = {
    "a changed policy": lambda m, c: [(m, c + b"\nalone_ok: true\n" if m.name == "policy.yaml" else c)],
    "a file more": lambda m, c: [(m, c), *([(tarfile.TarInfo("evil.py"), b"x")] if m.name == "node.toml" else [])],
    "a file less": lambda m, c: [] if m.name == "node.db" else [(m, c)],
    "the same twice": lambda m, c: [(m, c), (m, c)],
    "a way out": lambda m, c: [(tarfile.TarInfo("../escaped"), c)] if m.name == "node.toml" else [(m, c)],
    "an absolute path": lambda m, c: [(tarfile.TarInfo("/tmp/escaped"), c)] if m.name == "node.toml" else [(m, c)],
    "a symbolic link": lambda m, c: [link("keys", tarfile.SYMTYPE, "/tmp"), (m, c)],
    "a hard link": lambda m, c: [(m, c), link("copy", tarfile.LNKTYPE, "/etc/passwd")],
    "a device": lambda m, c: [(m, c), link("null", tarfile.CHRTYPE, "")],
    "no list": lambda m, c: [] if m.name == "backup.json" else [(m, c)],
    "a list of nothing": lambda m, c: [(m, b"[]" if m.name == "backup.json" else c)],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_archive_restores_nothing(
    node: Path, tmp_path: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> None:
    archive = tmp_path / "x.tar"
    said("node", "backup", "--folder", node, archive)
    repacked(archive, change)
    before = sorted(tmp_path.iterdir())
    assert refused("node", "restore", "--folder", tmp_path / "again", archive).code == "store"
    assert sorted(tmp_path.iterdir()) == before
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("length", [0, 1000, 20_000])
def test_half_an_archive_restores_nothing(node: Path, tmp_path: Path, length: int) -> None:
    archive = tmp_path / "x.tar"
    said("node", "backup", "--folder", node, archive)
    archive.write_bytes(archive.read_bytes()[:length])
    before = sorted(tmp_path.iterdir())
    assert refused("node", "restore", "--folder", tmp_path / "again", archive).code == "store"
    assert sorted(tmp_path.iterdir()) == before
