from __future__ import annotations

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import LogError
from hansa.log.checkpoint import Checkpoint, sign_checkpoint
from hansa.log.note import Note, NoteSignature, add_signatures, parse_note, verifier_key
from hansa.log.tree import EMPTY_ROOT, MemoryTree, consistency_proof, root_hash
from hansa.log.witness import Cosigned, Witnessed, cosign, cosignature_message, verify_cosignatures, witness_key

ORIGIN = "hub.example.org/log"
LOG = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
LOG_KEY = verifier_key(ORIGIN, LOG)
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
NAME = "budapest.example.org/witness"
WITNESS_KEY = witness_key(NAME, WITNESS)
TIME = 1679315147


def log_of(count: int, *, mark: bytes = b"") -> MemoryTree:
    tree = MemoryTree()
    for i in range(count):
        tree.append(mark + b"leaf %d" % i)
    return tree


def checkpoint_of(tree: MemoryTree, size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root_hash(tree, size))


def cosigned(last: Checkpoint | None, new: Checkpoint, proof: tuple[bytes, ...]) -> Cosigned:
    note = sign_checkpoint(new, LOG)
    return cosign(last, note, proof, log_key=LOG_KEY, name=NAME, key=WITNESS, time=TIME)


def test_the_specifications_message_is_signed() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosignature_message(text, 1679315147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_the_specifications_example_line_has_the_layout_that_is_written_here() -> None:
    example = (
        "t\n\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
        "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    theirs = parse_note(example).signatures[0]
    line = cosigned(None, checkpoint_of(log_of(1), 1), ()).line
    ours = parse_note(f"t\n\n{line}\n").signatures[0]
    assert len(theirs.signature) == len(ours.signature) == 72
    assert theirs.signature[:8] == ours.signature[:8] == struct.pack(">Q", TIME)


def test_a_cosignature_is_ed25519_over_the_specified_message() -> None:
    new = checkpoint_of(log_of(3), 3)
    note = parse_note(add_signatures(sign_checkpoint(new, LOG), [cosigned(None, new, ()).line]))
    signature = note.signatures[1]
    assert (signature.name, signature.key_id) == (NAME, WITNESS_KEY.key_id)
    message = b"cosignature/v1\ntime 1679315147\n" + note.text.encode()
    WITNESS.public_key().verify(signature.signature[8:], message)


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_log_that_grows_is_cosigned(first: int, more: int) -> None:
    tree = log_of(first + more)
    last, new = checkpoint_of(tree, first), checkpoint_of(tree, first + more)
    result = cosigned(last, new, consistency_proof(tree, first, first + more))
    note = parse_note(add_signatures(sign_checkpoint(new, LOG), [result.line]))
    assert result.checkpoint == new
    assert verify_cosignatures(note, [WITNESS_KEY]) == (Witnessed(NAME, TIME),)


@given(st.integers(2, 40), st.data())
def test_a_log_that_was_rolled_back_is_not_cosigned(size: int, data: st.DataObject) -> None:
    tree = log_of(size)
    smaller = data.draw(st.integers(0, size - 1))
    with pytest.raises(LogError, match="rolled back"):
        cosigned(checkpoint_of(tree, size), checkpoint_of(tree, smaller), ())


@given(st.integers(1, 40), st.integers(0, 40))
def test_a_split_view_is_not_cosigned(first: int, more: int) -> None:
    shown, fork = log_of(first), log_of(first + more, mark=b"for others: ")
    last, new = checkpoint_of(shown, first), checkpoint_of(fork, first + more)
    with pytest.raises(LogError, match="not consistent"):
        cosigned(last, new, consistency_proof(fork, first, first + more))


def test_a_fork_after_a_common_beginning_is_not_cosigned() -> None:
    shown, fork = log_of(6), log_of(5)
    fork.append(b"another sixth leaf")
    for i in range(6, 12):
        fork.append(b"leaf %d" % i)
    with pytest.raises(LogError, match="not consistent"):
        cosigned(checkpoint_of(shown, 6), checkpoint_of(fork, 12), consistency_proof(fork, 6, 12))


def test_a_proof_from_another_size_than_the_last_is_refused() -> None:
    tree = log_of(12)
    with pytest.raises(LogError, match="not consistent"):
        cosigned(checkpoint_of(tree, 7), checkpoint_of(tree, 12), consistency_proof(tree, 6, 12))


def test_a_grown_log_without_a_proof_is_refused() -> None:
    tree = log_of(12)
    with pytest.raises(LogError, match="not consistent"):
        cosigned(checkpoint_of(tree, 7), checkpoint_of(tree, 12), ())


def test_a_first_checkpoint_comes_without_a_proof() -> None:
    with pytest.raises(LogError, match="without a proof"):
        cosigned(None, checkpoint_of(log_of(2), 2), (EMPTY_ROOT,))


def test_a_checkpoint_that_the_log_did_not_sign_is_not_cosigned() -> None:
    note = sign_checkpoint(checkpoint_of(log_of(2), 2), WITNESS)
    with pytest.raises(LogError, match="no known key"):
        cosign(None, note, (), log_key=LOG_KEY, name=NAME, key=WITNESS, time=TIME)


def test_the_last_checkpoint_of_another_log_does_not_serve() -> None:
    tree = log_of(2)
    last = Checkpoint("other.example.org/log", 2, root_hash(tree, 2))
    with pytest.raises(LogError, match="about another log"):
        cosigned(last, checkpoint_of(tree, 2), ())


@pytest.mark.parametrize("time", [-1, 2**63])
def test_a_time_out_of_range_is_not_signed(time: int) -> None:
    note = sign_checkpoint(checkpoint_of(log_of(2), 2), LOG)
    with pytest.raises(LogError, match="out of range"):
        cosign(None, note, (), log_key=LOG_KEY, name=NAME, key=WITNESS, time=time)


def note_with(signature: bytes) -> Note:
    return Note("text\n", (NoteSignature(NAME, WITNESS_KEY.key_id, signature),))


@given(st.integers(0, 72 * 8 - 1))
def test_a_cosignature_with_one_flipped_bit_is_refused_by_name(bit: int) -> None:
    signature = bytearray(struct.pack(">Q", TIME) + WITNESS.sign(cosignature_message("text\n", TIME)))
    assert verify_cosignatures(note_with(bytes(signature)), [WITNESS_KEY]) == (Witnessed(NAME, TIME),)
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LogError):
        verify_cosignatures(note_with(bytes(signature)), [WITNESS_KEY])


def test_a_plain_note_signature_does_not_pass_for_a_cosignature() -> None:
    with pytest.raises(LogError, match=f"cosignature of {NAME} does not verify: its length"):
        verify_cosignatures(note_with(WITNESS.sign(b"text\n")), [WITNESS_KEY])


def test_a_time_beyond_the_specified_range_is_refused_although_signed() -> None:
    signature = struct.pack(">Q", 2**63) + WITNESS.sign(cosignature_message("text\n", 2**63))
    with pytest.raises(LogError, match="out of range"):
        verify_cosignatures(note_with(signature), [WITNESS_KEY])


def test_one_key_under_two_names_is_not_two_witnesses() -> None:
    with pytest.raises(LogError, match="listed twice"):
        verify_cosignatures(note_with(b"x"), [WITNESS_KEY, witness_key("another.example", WITNESS)])


def test_a_note_key_does_not_serve_as_a_witness_key() -> None:
    with pytest.raises(LogError, match="not a witness's key"):
        verify_cosignatures(note_with(b"x"), [verifier_key(NAME, WITNESS)])


def test_unknown_witnesses_are_passed_over() -> None:
    stranger = witness_key("stranger.example", LOG)
    assert verify_cosignatures(note_with(b"x" * 72), [stranger]) == ()
