from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import LogError
from hansa.log.leaf import commit, new_salt, open_commitment

SALT = bytes(range(32))

entries = st.tuples(
    st.from_regex(r"[a-z][a-z0-9_.-]{0,63}", fullmatch=True),
    st.binary(max_size=40),
    st.binary(min_size=32, max_size=32),
)


def test_a_commitment_is_the_documented_hash() -> None:
    message = b"hansa/log-entry/1\n" + SALT + bytes(7) + b"\x06permit" + bytes(7) + b"\x05entry"
    assert commit("permit", b"entry", SALT) == hashlib.sha256(message).digest()


@given(entries)
def test_a_commitment_opens_to_its_entry(entry: tuple[str, bytes, bytes]) -> None:
    open_commitment(commit(*entry), *entry)


@given(entries, entries)
def test_a_commitment_opens_to_no_other_entry(entry: tuple[str, bytes, bytes], other: tuple[str, bytes, bytes]) -> None:
    if entry == other:
        return
    with pytest.raises(LogError, match="not one to this entry"):
        open_commitment(commit(*entry), *other)


def test_bytes_cannot_move_between_kind_and_payload() -> None:
    assert commit("permit", b"s", SALT) != commit("permits", b"", SALT)


def test_the_same_entry_with_a_fresh_salt_gives_an_unrelated_leaf() -> None:
    assert commit("permit", b"entry", new_salt()) != commit("permit", b"entry", new_salt())


@pytest.mark.parametrize("kind", ["", "Permit", "a b", "1a", "é", "a\n", "a" * 65])
def test_a_kind_that_is_no_lower_case_word_is_refused(kind: str) -> None:
    with pytest.raises(LogError, match="kind"):
        commit(kind, b"", SALT)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(LogError, match="salt"):
        commit("permit", b"", bytes(length))
