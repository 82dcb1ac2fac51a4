"""Masks cancel over the whole roster in one context, and over nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import ProtocolError
from hansa.privacy.fixed_point import Lanes, decode, encode, subtract_from
from hansa.privacy.secure_sum import RoundContext, mask, pair_key, pair_seed, total_of

CONTEXT = RoundContext("study", "run", 0, 0, "step", 1, "values", ("a", "b", "c"), bytes(32))
CHANGES = {
    "study": "other",
    "run": "other",
    "round": 1,
    "attempt": 1,
    "step": "other",
    "version": 2,
    "phase": "counts",
    "roster": ("a", "b", "c", "d"),
    "inputs": b"\x01" * 32,
}
SMALL_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)  # points of small order on Curve25519, RFC 7748 section 6.1 and cr.yp.to/ecdh.html


def subtract(left: Lanes, right: Lanes) -> Lanes:
    total = left.copy()
    subtract_from(total, right)
    return total


def keys_of(roster: tuple[str, ...]) -> dict[str, dict[str, bytes]]:
    """A secret for each pair, the same at both ends."""
    pairs = {
        frozenset({left, right}): f"{min(left, right)}-{max(left, right)}".encode().ljust(32, b".")
        for left in roster
        for right in roster
        if left != right
    }
    return {own: {peer: pairs[frozenset({own, peer})] for peer in roster if peer != own} for own in roster}


def masked(share: Lanes, own: str, context: RoundContext) -> Lanes:
    return mask(share, own=own, pair_keys=keys_of(context.roster)[own], context=context)


def stream(seed: bytes, length: int) -> Lanes:
    """AES-256-CTR from zero, as two lanes."""
    encryptor = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
    return np.frombuffer(encryptor.update(bytes(16 * length)), dtype="<u8").reshape(2, length)


@settings(max_examples=40)
@given(st.integers(2, 7), st.integers(0, 12), st.integers(0, 2**32), st.sampled_from(["counts", "values"]))
def test_the_masks_of_any_roster_cancel_to_the_exact_total(nodes: int, width: int, seed: int, phase: str) -> None:
    roster = tuple(f"node{i}" for i in range(nodes))
    context = replace(CONTEXT, roster=roster, phase=phase)
    random = np.random.default_rng(seed)
    shares = [encode(random.normal(scale=1e6, size=width), nodes=nodes) for _ in roster]
    sent = [masked(s, own, context) for s, own in zip(shares, roster, strict=True)]
    assert np.array_equal(total_of(sent), total_of(shares))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_masked_share_is_the_share_moved_by_noise_that_does_not_depend_on_it(low: int, high: int) -> None:
    share = np.array([[low], [high]], dtype=np.uint64)
    nothing = np.zeros((2, 1), dtype=np.uint64)
    assert np.array_equal(subtract(masked(share, "a", CONTEXT), masked(nothing, "a", CONTEXT)), share)


def test_the_noise_on_a_share_looks_uniform() -> None:
    width = 20_000
    bits = np.unpackbits(masked(np.zeros((2, width), dtype=np.uint64), "b", CONTEXT).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / np.sqrt(bits.size)
    blocks = bits.reshape(-1, 64).mean(axis=0)
    assert np.abs(blocks - 0.5).max() < 5 * 0.5 / np.sqrt(bits.size / 64)


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_each_difference_of_context_destroys_the_cancellation(field: str) -> None:
    shares = [encode(np.array([float(i)]), nodes=3) for i in range(3)]
    keys = keys_of(("a", "b", "c", "d"))
    other = replace(CONTEXT, **{field: CHANGES[field]})  # type: ignore[arg-type]  # one field at a time
    contexts = [CONTEXT, CONTEXT, other]
    sent = []
    for share, own, context in zip(shares, "abc", contexts, strict=True):
        peers = {peer: keys[own][peer] for peer in context.roster if peer != own}
        sent.append(mask(share, own=own, pair_keys=peers, context=context))
    assert abs(decode(total_of(sent))[0]) > 2.0**20, "the total should be noise"


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_each_field_enters_the_digest(field: str) -> None:
    other = replace(CONTEXT, **{field: CHANGES[field]})  # type: ignore[arg-type]  # one field at a time
    assert other.digest() != CONTEXT.digest()


def test_fields_cannot_be_moved_into_each_other() -> None:
    left = replace(CONTEXT, study="ab", run="c")
    right = replace(CONTEXT, study="a", run="bc")
    assert left.digest() != right.digest()
    assert replace(CONTEXT, roster=("ab", "c")).digest() != replace(CONTEXT, roster=("a", "bc")).digest()


def test_a_missing_node_leaves_the_total_masked() -> None:
    shares = [encode(np.array([1.0]), nodes=3) for _ in range(3)]
    sent = [masked(s, own, CONTEXT) for s, own in zip(shares, "abc", strict=True)]
    assert abs(decode(total_of(sent[:2]))[0]) > 2.0**20


def test_both_ends_of_a_pair_agree_and_another_run_agrees_on_something_else() -> None:
    left, right = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    key = pair_key(left, right.public_key(), binding=bytes(32))
    assert key == pair_key(right, left.public_key(), binding=bytes(32))
    assert key != pair_key(left, right.public_key(), binding=b"\x01" * 32)
    assert pair_seed(key, CONTEXT) != pair_seed(key, replace(CONTEXT, round=1))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_degenerate_agreement_key_is_refused(point: str) -> None:
    peer = X25519PublicKey.from_public_bytes(bytes.fromhex(point))
    with pytest.raises(ProtocolError, match="degenerate"):
        pair_key(X25519PrivateKey.generate(), peer, binding=bytes(32))


@pytest.mark.parametrize(
    "keys",
    [{"b": bytes(32)}, {"b": bytes(32), "c": bytes(32), "d": bytes(32)}, {"a": b"", "b": b"", "c": b""}, {}],
    ids=["one missing", "one too many", "its own", "none"],
)
def test_a_share_is_masked_against_the_whole_roster_or_not_at_all(keys: dict[str, bytes]) -> None:
    with pytest.raises(ProtocolError, match="keys"):
        mask(np.zeros((2, 1), np.uint64), own="a", pair_keys=keys, context=CONTEXT)


def test_a_roster_of_one_has_no_mask_and_gives_no_share() -> None:
    with pytest.raises(ProtocolError, match="keys"):
        mask(np.zeros((2, 1), np.uint64), own="a", pair_keys={}, context=replace(CONTEXT, roster=("a",)))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 16_383, 16_384, 16_385, 40_001])
def test_a_mask_is_the_stream_of_its_seed_however_long(length: int) -> None:
    context = replace(CONTEXT, roster=("a", "b"))
    key = b"\x07" * 32
    masked = mask(np.zeros((2, length), np.uint64), own="a", pair_keys={"b": key}, context=context)
    assert np.array_equal(masked, stream(pair_seed(key, context), length))
