"""Masks cancel over the whole roster in one context, and over nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import ProtocolError
from hansa.privacy.fixed_point import Lanes, decode, encode, subtract_from
from hansa.privacy.secure_sum import RoundContext, mask, pair_key, pair_seed, stream, total_of, unmask

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


def masked(share: Lanes, own: str, context: RoundContext, seed: bytes | None = bytes(32)) -> Lanes:
    keys = keys_of(context.roster)[own]
    self_seed = None if context.phase == "counts" else seed
    return mask(share, own=own, pair_keys=keys, context=context, self_seed=self_seed)


@settings(max_examples=40)
@given(st.integers(2, 7), st.integers(0, 12), st.integers(0, 2**32), st.sampled_from(["counts", "values"]))
def test_the_masks_of_any_roster_cancel_to_the_exact_total(nodes: int, width: int, seed: int, phase: str) -> None:
    roster = tuple(f"node{i}" for i in range(nodes))
    context = replace(CONTEXT, roster=roster, phase=phase)
    random = np.random.default_rng(seed)
    shares = [encode(random.normal(scale=1e6, size=width), nodes=nodes) for _ in roster]
    seeds = [random.bytes(32) for _ in roster]
    sent = [masked(s, own, context, k) for s, own, k in zip(shares, roster, seeds, strict=True)]
    total = unmask(total_of(sent), seeds if phase == "values" else [])
    assert np.array_equal(total, total_of(shares))


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


def test_every_fresh_self_seed_gives_other_noise() -> None:
    nothing = np.zeros((2, 4), dtype=np.uint64)
    assert not np.array_equal(masked(nothing, "a", CONTEXT, b"1" * 32), masked(nothing, "a", CONTEXT, b"2" * 32))


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_each_difference_of_context_destroys_the_cancellation(field: str) -> None:
    shares = [encode(np.array([float(i)]), nodes=3) for i in range(3)]
    keys = keys_of(("a", "b", "c", "d"))
    other = replace(CONTEXT, **{field: CHANGES[field]})  # type: ignore[arg-type]  # one field at a time
    contexts = [CONTEXT, CONTEXT, other]
    sent = []
    for share, own, context in zip(shares, "abc", contexts, strict=True):
        peers = {peer: keys[own][peer] for peer in context.roster if peer != own}
        seed = None if context.phase == "counts" else bytes(32)
        sent.append(mask(share, own=own, pair_keys=peers, context=context, self_seed=seed))
    seeds = [bytes(32) for context in contexts if context.phase == "values"]
    assert decode(unmask(total_of(sent), seeds))[0] != 3.0
    assert abs(decode(unmask(total_of(sent), seeds))[0]) > 2.0**20, "the total should be noise"


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
    assert abs(decode(unmask(total_of(sent[:2]), [bytes(32)] * 2))[0]) > 2.0**20


def test_without_a_nodes_seed_the_total_stays_masked() -> None:
    sent = [masked(encode(np.array([1.0]), nodes=3), own, CONTEXT) for own in "abc"]
    assert abs(decode(unmask(total_of(sent), [bytes(32)] * 2))[0]) > 2.0**20


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
        mask(np.zeros((2, 1), np.uint64), own="a", pair_keys=keys, context=CONTEXT, self_seed=bytes(32))


@pytest.mark.parametrize(("phase", "seed"), [("values", None), ("counts", bytes(32))])
def test_values_never_go_without_a_self_mask_and_counts_never_with_one(phase: str, seed: bytes | None) -> None:
    context = replace(CONTEXT, phase=phase)
    keys = keys_of(context.roster)["a"]
    with pytest.raises(ProtocolError, match="self mask"):
        mask(np.zeros((2, 1), np.uint64), own="a", pair_keys=keys, context=context, self_seed=seed)


def test_a_stream_depends_on_its_seed_alone() -> None:
    assert np.array_equal(stream(bytes(32), 5), stream(bytes(32), 5))
    assert not np.array_equal(stream(bytes(32), 5), stream(b"\x01" * 32, 5))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 16_383, 16_384, 16_385, 40_001])
def test_a_mask_is_the_stream_of_its_seed_however_long(length: int) -> None:
    context = replace(CONTEXT, roster=("a",))
    seed = b"\x07" * 32
    masked = mask(np.zeros((2, length), np.uint64), own="a", pair_keys={}, context=context, self_seed=seed)
    assert np.array_equal(masked, stream(seed, length))
