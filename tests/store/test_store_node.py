"""What a node keeps: it comes back after a restart, and each write that matters has its audit event."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroaring import BitMap, FrozenBitMap

from hansa.errors import StoreError
from hansa.governance import Epoch
from hansa.model import Decision, Permit
from hansa.privacy.history import Population
from hansa.store import LedgerEntry, NodeStore

DAY = dt.date(2027, 1, 1)
DECISION = Decision(node="a", study="s", verdict="permit", findings=(), policy="p", decided_on=DAY)
PERMIT = Permit(
    node="a",
    study="s",
    study_hash="0" * 64,
    variables=("age",),
    rounds=10,
    alone_ok=False,
    valid_from=DAY,
    valid_until=DAY,
)
ENTRY = LedgerEntry("now", "s", "r", 0, "step", "sums", "3", "intermediate", 48, "hub, masked", "group cell")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "node.db"


@pytest.fixture
def store(path: Path) -> Iterator[NodeStore]:
    opened = NodeStore(path)
    yield opened
    opened.close()


def population(name: str = "p", people: range = range(50), roster: str = "abc") -> Population:
    return Population(name, "set", False, frozenset({"age", "sex"}), frozenset(roster), BitMap(people))


def events(store: NodeStore) -> list[str]:
    return [event for _, event, _, _ in store.events()]


def test_everything_comes_back_after_a_restart(store: NodeStore, path: Path) -> None:
    store.save_study(b"envelope", DECISION, PERMIT)
    store.add_persons({"p1": 0, "p2": 1})
    store.add_epoch("DUO:1", Epoch(1, DAY, FrozenBitMap(range(9)), FrozenBitMap([9])))
    store.record_answer([ENTRY], [population()], epoch=1, digest=b"d")
    store.save_release(b"q", 1, "s", b"signed")
    store.save_checkpoint("log", "note")
    before = store.events()
    store.close()
    again = NodeStore(path)
    kept = again.study("s")
    assert kept is not None
    assert (kept.envelope, kept.decision, kept.permit, kept.rounds_used) == (b"envelope", DECISION, PERMIT, 1)
    assert again.studies() == ["s"]
    assert again.persons() == {"p1": 0, "p2": 1}
    (epoch,) = again.epochs("DUO:1")
    assert (epoch.number, epoch.opened, set(epoch.people), set(epoch.decoys)) == (1, DAY, set(range(9)), {9})
    (found,) = again.populations(release=False)
    assert (found.id, found.kind, found.derived, found.variables) == ("p", "set", False, frozenset({"age", "sex"}))
    assert (found.roster, set(found.people)) == (frozenset("abc"), set(range(50)))
    assert again.ledger() == [ENTRY]
    assert again.release(b"q", 1) == b"signed"
    assert again.checkpoint("log") == "note"
    assert again.was_answered(b"d", 1)
    assert again.events() == before
    again.close()


def test_what_was_never_kept_is_not_found(store: NodeStore) -> None:
    assert store.study("s") is None
    assert store.release(b"q", 1) is None
    assert store.checkpoint("log") is None
    assert not store.was_answered(b"d", 1)
    assert (store.epochs("x"), store.ledger(), store.populations(release=True)) == ([], [], [])


def test_each_write_that_matters_has_its_audit_event(store: NodeStore) -> None:
    store.save_study(b"e", DECISION, None)
    store.grant("s", PERMIT, by="committee")
    store.withdraw_permit("s", by="steward")
    store.add_persons({"p": 0})
    store.add_epoch("DUO:1", Epoch(1, DAY, FrozenBitMap(), FrozenBitMap()))
    store.save_release(b"q", 1, "s", b"signed")
    assert events(store) == [
        "study decided",
        "permit granted",
        "permit withdrawn",
        "persons added",
        "epoch opened",
        "site release",
    ]
    assert [detail for _, _, _, detail in store.events()][1:3] == ["committee", "steward"]


def test_a_withdrawn_permit_is_gone(store: NodeStore) -> None:
    store.save_study(b"e", DECISION, PERMIT)
    store.withdraw_permit("s", by="steward")
    kept = store.study("s")
    assert kept is not None
    assert kept.permit is None


def test_an_identical_answer_is_charged_once_within_its_epoch(store: NodeStore) -> None:
    store.save_study(b"e", DECISION, PERMIT)

    def used() -> int:
        kept = store.study("s")
        assert kept is not None
        return kept.rounds_used

    for digest, epoch, expected in [(b"1", 1, 1), (b"1", 1, 1), (b"2", 1, 2), (b"1", 2, 3)]:
        store.record_answer([ENTRY], [], epoch=epoch, digest=digest)
        assert used() == expected
    assert len(store.ledger()) == 4, "what left twice is listed twice"


def test_totals_and_releases_are_remembered_apart(store: NodeStore) -> None:
    store.record_answer([ENTRY], [population("t")], epoch=1, digest=b"1")
    store.record_answer([ENTRY], [population("r", roster="a")], epoch=1, digest=b"2", release=True)
    assert [found.id for found in store.populations(release=False)] == ["t"]
    assert [found.id for found in store.populations(release=True)] == ["r"]


def test_one_question_over_two_rosters_is_two_populations(store: NodeStore) -> None:
    for roster in ("abc", "abcd"):
        store.record_answer([ENTRY], [population(roster=roster)], epoch=1, digest=roster.encode())
    assert {found.roster for found in store.populations(release=False)} == {frozenset("abc"), frozenset("abcd")}


def test_uses_say_which_studies_used_a_person(store: NodeStore) -> None:
    store.record_answer([ENTRY], [population(people=range(10))], epoch=1, digest=b"1")
    assert store.uses(3) == {"s": [(frozenset({"age", "sex"}), False)]}
    assert store.uses(10) == {}


def test_a_failed_write_leaves_nothing_behind(store: NodeStore) -> None:
    broken = LedgerEntry(**{**vars(ENTRY), "array": None})
    with pytest.raises(StoreError, match="missing"):
        store.record_answer([ENTRY, broken], [population()], epoch=1, digest=b"d")
    assert (store.ledger(), store.populations(release=False)) == ([], [])
    assert not store.was_answered(b"d", 1)


@pytest.mark.parametrize("content", [b"no database, only text that is long enough to be looked at" * 20])
def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "node.db"
    place.write_bytes(content)
    with pytest.raises(StoreError):
        NodeStore(place)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        NodeStore(tmp_path / "file" / "node.db")
