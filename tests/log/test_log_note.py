from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import LogError
from hansa.log.canonical import decode_base64, encode_base64
from hansa.log.note import (
    COSIGNATURE_V1,
    Note,
    NoteSignature,
    VerifierKey,
    add_signatures,
    format_note,
    format_verifier_key,
    open_note,
    parse_note,
    parse_verifier_key,
    sign_note,
    verifier_key,
)

# The example of golang.org/x/mod/sumdb/note (BSD-3-Clause).
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
PETER_NOTE = f"{TEXT}\n{PETER_LINE}\n"

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NAME = "hub.example.org/log"
KNOWN = verifier_key(NAME, KEY)

plain_text = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\n"), max_size=60)


def test_the_known_note_opens() -> None:
    key = parse_verifier_key(PETER)
    opened = open_note(PETER_NOTE, [key])
    assert opened.text == TEXT
    assert opened.signers == (key,)


def test_verifier_keys_are_written_as_they_were_read() -> None:
    assert format_verifier_key(parse_verifier_key(PETER)) == PETER


def test_the_key_id_is_the_start_of_the_specified_hash() -> None:
    key = VerifierKey("w.example", bytes(32), COSIGNATURE_V1)
    assert key.key_id == hashlib.sha256(b"w.example\n\x04" + bytes(32)).digest()[:4]


@given(plain_text)
def test_signed_notes_open_and_are_written_as_they_were_read(text: str) -> None:
    note = sign_note(text + "\n", name=NAME, key=KEY)
    assert open_note(note, [KNOWN]).text == text + "\n"
    assert format_note(parse_note(note)) == note


@given(st.data())
def test_a_note_with_one_changed_byte_never_opens(data: st.DataObject) -> None:
    raw = bytearray(PETER_NOTE.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(LogError):
        open_note(raw.decode(errors="surrogateescape"), [parse_verifier_key(PETER)])


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    added = sign_note(TEXT, name="elsewhere.example", key=OTHER).splitlines()[-1]
    assert open_note(add_signatures(PETER_NOTE, [added]), [parse_verifier_key(PETER)]).text == TEXT


def test_a_bad_signature_by_one_known_key_spoils_the_note() -> None:
    key = parse_verifier_key(PETER)
    forged = NoteSignature(NAME, KNOWN.key_id, bytes(64))
    note = format_note(Note(TEXT, (*parse_note(PETER_NOTE).signatures, forged)))
    assert open_note(note, [key]).signers == (key,)
    with pytest.raises(LogError, match=f"signature of {NAME} does not verify"):
        open_note(note, [key, KNOWN])


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    with pytest.raises(LogError, match="no known key"):
        open_note(PETER_NOTE, [KNOWN])
    with pytest.raises(LogError, match="no known key"):
        open_note(PETER_NOTE, [])


def test_the_same_name_with_another_key_is_unknown() -> None:
    with pytest.raises(LogError, match="no known key"):
        open_note(PETER_NOTE, [verifier_key("PeterNeumann", KEY)])


def test_a_note_is_not_opened_with_a_witness_key() -> None:
    with pytest.raises(LogError, match="another type"):
        open_note(PETER_NOTE, [verifier_key("w.example", KEY, algorithm=COSIGNATURE_V1)])


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("", id="nothing"),
        pytest.param(TEXT, id="no signatures"),
        pytest.param(f"{TEXT}\n", id="a blank line and no signatures"),
        pytest.param(f"{TEXT}{PETER_LINE}\n", id="no blank line"),
        pytest.param(f"{TEXT}\n{PETER_LINE}", id="no final newline"),
        pytest.param(f"{TEXT}\n{PETER_LINE}x", id="another character for the final newline"),
        pytest.param(f"{PETER_NOTE}\n", id="a trailing newline"),
        pytest.param(f"{PETER_NOTE}trailing\n", id="a trailing line"),
        pytest.param(f"{TEXT}\n {PETER_LINE}\n", id="a leading space"),
        pytest.param(f"{TEXT}\n{PETER_LINE} \n", id="a trailing space"),
        pytest.param(f"{TEXT}\n{PETER_LINE}\r\n", id="a carriage return"),
        pytest.param(f"{TEXT}\n{PETER_LINE.replace('—', '-')}\n", id="a hyphen for the em dash"),
        pytest.param(f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Peter+Neumann')}\n", id="a plus in a name"),
        pytest.param(PETER_NOTE.replace(" Peter", " \u00a0Peter"), id="a no-break space in a name"),
        pytest.param(f"{TEXT}\n{PETER_LINE.replace('AM=', 'AN=')}\n", id="base64 with unused bits set"),
        pytest.param(f"{TEXT}\n{PETER_LINE.replace('AM=', 'AM')}\n", id="base64 without padding"),
        pytest.param(f"{TEXT}\n{PETER_LINE}=\n", id="base64 with too much padding"),
        pytest.param(f"{TEXT}\n— PeterNeumann x08gow==\n", id="a key id without a signature"),
        pytest.param(f"{TEXT}\n{PETER_LINE}\n{PETER_LINE}\n", id="one key signs twice"),
        pytest.param(PETER_NOTE.replace("you", "\t", 1), id="a tab in the text"),
        pytest.param(PETER_NOTE.replace("you", "\ud800", 1), id="half a surrogate pair"),
        pytest.param(
            f"{TEXT}\n" + "".join(f"— n{i} x08go/ZJ\n" for i in range(101)), id="a hundred and one signatures"
        ),
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(LogError):
        parse_note(note)


def test_a_hundred_signatures_are_read() -> None:
    note = f"{TEXT}\n" + "".join(f"— n{i} x08go/ZJ\n" for i in range(100))
    assert len(parse_note(note).signatures) == 100


def test_a_key_given_twice_is_one_signer() -> None:
    key = parse_verifier_key(PETER)
    assert open_note(PETER_NOTE, [key, key]).signers == (key,)


def test_a_key_that_signs_twice_with_different_signatures_is_refused() -> None:
    second = NoteSignature(NAME, KNOWN.key_id, bytes(64))
    note = sign_note(TEXT, name=NAME, key=KEY) + format_note(Note("", (second,)))[1:]
    with pytest.raises(LogError, match="signs twice"):
        open_note(note, [KNOWN])


def test_adding_a_signature_that_is_there_already_is_refused() -> None:
    with pytest.raises(LogError, match="signs twice"):
        add_signatures(PETER_NOTE, [PETER_LINE])


def test_an_added_line_cannot_smuggle_in_a_second_one() -> None:
    with pytest.raises(LogError):
        add_signatures(PETER_NOTE, [f"{PETER_LINE.replace('PeterNeumann', 'a')}\n{PETER_LINE}"])


@pytest.mark.parametrize("text", ["no newline", "", "a\x00b\n", "a\rb\n"])
def test_a_text_that_cannot_stand_in_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(LogError):
        sign_note(text, name=NAME, key=KEY)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b"])
def test_a_name_that_cannot_stand_in_a_note_is_refused(name: str) -> None:
    with pytest.raises(LogError):
        sign_note(TEXT, name=name, key=KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PETER + "\n",
        PETER + "=",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("Neumann", "Neumanm"),
        PETER.replace("+ARpc", "+ARqc"),
        PETER.replace("10TW", "10TX"),
        "PeterNeumann+c74f20a3",
        "a+" + hashlib.sha256(b"a\n\x02" + bytes(32)).hexdigest()[:8] + "+" + encode_base64(b"\x02" + bytes(32)),
    ],
)
def test_an_altered_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(LogError):
        parse_verifier_key(text)


def test_a_public_key_of_another_length_is_refused() -> None:
    with pytest.raises(LogError, match="wrong length"):
        VerifierKey("a", bytes(31))


@given(st.binary(max_size=40))
def test_base64_is_read_as_it_was_written(data: bytes) -> None:
    assert decode_base64(encode_base64(data), field="x") == data


@given(st.text("AB/+=Q-_ \n", max_size=8))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        data = decode_base64(text, field="x")
    except LogError:
        return
    assert base64.b64encode(data).decode() == text
