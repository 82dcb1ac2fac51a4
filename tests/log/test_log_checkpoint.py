from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import LogError
from hansa.log.checkpoint import (
    Checkpoint,
    checkpoint_text,
    open_checkpoint,
    parse_checkpoint_text,
    sign_checkpoint,
)
from hansa.log.note import sign_note, verifier_key
from hansa.log.tree import EMPTY_ROOT

# The example of c2sp.org/tlog-checkpoint.
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "hub.example.org/log"
LOG_KEY = verifier_key(ORIGIN, KEY)

line = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    size = draw(st.integers(0, 2**63 - 1))
    root = draw(st.binary(min_size=32, max_size=32)) if size else EMPTY_ROOT
    return Checkpoint(draw(line), size, root, tuple(draw(st.lists(line, max_size=3))))


def test_the_specifications_example_is_read() -> None:
    checkpoint = parse_checkpoint_text(TEXT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex().startswith("0ac5186a91863e8e")
    assert checkpoint_text(checkpoint) == TEXT


@given(checkpoints())
def test_checkpoints_are_read_as_they_were_written(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint_text(checkpoint_text(checkpoint)) == checkpoint


@given(checkpoints())
def test_signed_checkpoints_open_with_the_logs_key(checkpoint: Checkpoint) -> None:
    signed = Checkpoint(ORIGIN, checkpoint.size, checkpoint.root, checkpoint.extensions)
    assert open_checkpoint(sign_checkpoint(signed, KEY), LOG_KEY) == signed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("20852163", "020852163", id="leading zero"),
        pytest.param("20852163", "+20852163", id="sign"),
        pytest.param("20852163", "-1", id="negative"),
        pytest.param("20852163", "2_0", id="underscore"),
        pytest.param("20852163", "٢", id="another script's digit"),
        pytest.param("20852163", "", id="no size"),
        pytest.param("20852163", " 20852163", id="space"),
        pytest.param("20852163", "9223372036854775808", id="two to the 63"),
        pytest.param("20852163", "9" * 5000, id="a very long number"),
        pytest.param("20852163", "0", id="no leaves, but a root"),
        pytest.param("q2I=", "q2J=", id="root with unused bits set"),
        pytest.param("q2I=", "q2I", id="root without padding"),
        pytest.param("CsUYapGG", "CsUY", id="short root"),
        pytest.param("example.com/behind-the-sofa", "", id="no origin"),
        pytest.param("q2I=\n", "q2I=", id="no final newline"),
        pytest.param("q2I=\n", "q2I=\n\n", id="empty extension"),
        pytest.param("q2I=\n", "q2I=\nextension", id="unfinished extension"),
        pytest.param("20852163\n", "", id="two lines"),
        pytest.param("20852163\n", "20852163\r\n", id="carriage return"),
    ],
)
def test_a_malformed_text_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(LogError):
        parse_checkpoint_text(TEXT.replace(old, new))


@pytest.mark.parametrize(
    "parts",
    [
        ("", 1, bytes(32), ()),
        ("a\nb", 1, bytes(32), ()),
        ("a", -1, bytes(32), ()),
        ("a", 2**63, bytes(32), ()),
        ("a", 1, bytes(31), ()),
        ("a", 0, bytes(32), ()),
        ("a", 1, bytes(32), ("",)),
        ("a", 1, bytes(32), ("b\nc",)),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_not_made(
    parts: tuple[str, int, bytes, tuple[str, ...]],
) -> None:
    with pytest.raises(LogError, match="not a checkpoint"):
        Checkpoint(*parts)


def test_a_checkpoint_of_another_origin_is_refused_although_the_key_signed_it() -> None:
    text = checkpoint_text(Checkpoint("other.example.org/log", 1, bytes(32)))
    with pytest.raises(LogError, match="about another log"):
        open_checkpoint(sign_note(text, name=ORIGIN, key=KEY), LOG_KEY)


def test_a_checkpoint_signed_under_another_key_name_is_refused() -> None:
    text = checkpoint_text(Checkpoint(ORIGIN, 1, bytes(32)))
    with pytest.raises(LogError, match="no known key"):
        open_checkpoint(sign_note(text, name="other.example.org/log", key=KEY), LOG_KEY)


def test_a_checkpoint_with_another_size_does_not_verify() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 7, bytes(32)), KEY)
    with pytest.raises(LogError, match="does not verify"):
        open_checkpoint(note.replace("\n7\n", "\n8\n"), LOG_KEY)
