from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import LogError
from hansa.log.tree import (
    EMPTY_ROOT,
    MAX_TREE_SIZE,
    MemoryTree,
    consistency_proof,
    inclusion_proof,
    interior_hash,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

# Known answers of the Certificate Transparency project (github.com/google/certificate-transparency,
# python/ct/crypto/merkle_test.py; Apache-2.0).
LEAVES = tuple(
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", bytes(range(96, 112)).hex())
)
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
CONSISTENCY = {
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
# A certificate in a log of 2013: leaf 848049 of 3630887.
CERTIFICATE_LEAF = "7a395c866d5ecdb0cccb623e011dbc392cd348d1d1d72776174e127a24b09c78"
CERTIFICATE_ROOT = "78316a05c9bcf14a3a4548f5b854a9adfcd46a4c034401b3ce7eb7ac2f1d0ecb"
CERTIFICATE_PATH = (
    "1a208aeebcd1b39fe2de247ee8db9454e1e93a312d206b87f6ca9cc6ec6f1ddd",
    "0a1b78b383f580856f433c01a5741e160d451c185910027f6cc9f828687a40c4",
    "3d1745789bc63f2da15850de1c12a5bf46ed81e1cc90f086148b1662e79aab3d",
    "9095b61e14d8990acf390905621e62b1714fb8e399fbb71de5510e0aef45affe",
    "0a332b91b8fab564e6afd1dd452449e04619b18accc0ff9aa8393cd4928451f2",
    "2336f0181d264aed6d8f3a6507ca14a8d3b3c3a23791ac263e845d208c1ee330",
    "b4ce56e300590500360c146c6452edbede25d4ed83919278749ee5dbe178e048",
    "933f6ddc848ea562e4f9c5cfb5f176941301dad0c6fdb9d1fbbe34fac1be6966",
    "b95a6222958a86f74c030be27c44f57dbe313e5e7c7f4ffb98bcbd3a03bb52f2",
    "daeeb3ce5923defd0faeb8e0c210b753b85b809445d7d3d3cd537a9aabaa9c45",
    "7fadd0a13e9138a2aa6c3fdec4e2275af233b94812784f66bcca9aa8e989f2bc",
    "1864e6ba3e32878610546539734fb5eeae2529991f130c575c73a7e25a2a7c56",
    "12842d1202b1dc6828a17ab253c02e7ce9409b5192430feba44189f39cc02d66",
    "29af64b16fa3053c13d02ac63aa75b23aa468506e44c3a2315edc85d2dc22b11",
    "b527b99934a0bd9edd154e449b0502e2c499bba783f3bc3dfe23364b6b532009",
    "4584db8ae8e351ace08e01f306378a92bfd43611714814f3d834a2842d69faa8",
    "86a9a41573b0d6e4292f01e93243d6cc65b30f06606fc6fa57390e7e90ed580f",
    "a88b98fbe84d4c6aae8db9d1605dfac059d9f03fe0fcb0d5dff1295dacba09e6",
    "06326dc617a6d1f7021dc536026dbfd5fffc6f7c5531d48ef6ccd1ed1569f2a1",
    "f41fe8fdc3a2e4e8345e30216e7ebecffee26ff266eeced208a6c2a3cf08f960",
    "40cf5bde8abb76983f3e98ba97aa36240402975674e120f234b3448911090f8d",
    "b3222dc8658538079883d980d7fdc2bef9285344ea34338968f736b04aeb387a",
)


def tree_of(leaves: tuple[bytes, ...]) -> MemoryTree:
    tree = MemoryTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def numbered(count: int) -> tuple[bytes, ...]:
    return tuple(b"leaf %d" % i for i in range(count))


# The definitions of RFC 9162, 2.1.1, 2.1.3.1 and 2.1.4.1, written as they stand there.
def mth(leaves: tuple[bytes, ...]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = half(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if len(leaves) == 1:
        return ()
    k = half(len(leaves))
    if m < k:
        return (*path(m, leaves[:k]), mth(leaves[k:]))
    return (*path(m - k, leaves[k:]), mth(leaves[:k]))


def subproof(m: int, leaves: tuple[bytes, ...], known: bool) -> tuple[bytes, ...]:
    if m == len(leaves):
        return () if known else (mth(leaves),)
    k = half(len(leaves))
    if m <= k:
        return (*subproof(m, leaves[:k], known), mth(leaves[k:]))
    return (*subproof(m - k, leaves[k:], False), mth(leaves[:k]))


def half(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def flip(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


@st.composite
def size_and_index(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 70))
    return size, draw(st.integers(0, size - 1))


@st.composite
def two_sizes(draw: st.DrawFn) -> tuple[int, int]:
    second = draw(st.integers(2, 70))
    return draw(st.integers(1, second - 1)), second


def test_an_empty_tree_has_the_hash_of_nothing_as_its_root() -> None:
    assert root_hash(MemoryTree(), 0).hex() == ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_equal_the_known_answers(size: int) -> None:
    assert root_hash(tree_of(LEAVES), size).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("sizes", sorted(CONSISTENCY))
def test_consistency_proofs_equal_the_known_answers(sizes: tuple[int, int]) -> None:
    assert tuple(digest.hex() for digest in consistency_proof(tree_of(LEAVES), *sizes)) == CONSISTENCY[sizes]


def test_the_proof_of_a_real_certificate_verifies() -> None:
    proof = tuple(map(bytes.fromhex, CERTIFICATE_PATH))
    leaf, root = bytes.fromhex(CERTIFICATE_LEAF), bytes.fromhex(CERTIFICATE_ROOT)
    verify_inclusion(leaf, 848049, 3630887, proof, root)
    with pytest.raises(LogError):
        verify_inclusion(leaf, 848048, 3630887, proof, root)


def test_an_interior_node_is_not_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != interior_hash(left, right)


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_roots_follow_the_recursive_definition(leaves: list[bytes]) -> None:
    assert root_hash(tree_of(tuple(leaves)), len(leaves)) == mth(tuple(leaves))


@given(size_and_index())
def test_inclusion_proofs_follow_the_recursive_definition_and_verify(place: tuple[int, int]) -> None:
    size, index = place
    leaves = numbered(size)
    proof = inclusion_proof(tree_of(numbered(size + 5)), index, size)
    assert proof == path(index, leaves)
    verify_inclusion(leaf_hash(leaves[index]), index, size, proof, mth(leaves))


@given(two_sizes())
def test_consistency_proofs_follow_the_recursive_definition_and_verify(sizes: tuple[int, int]) -> None:
    first, second = sizes
    leaves = numbered(second)
    proof = consistency_proof(tree_of(leaves), first, second)
    assert proof == subproof(first, leaves, True)
    verify_consistency(first, mth(leaves[:first]), second, mth(leaves), proof)


def test_every_proof_of_small_trees_verifies() -> None:
    tree = tree_of(numbered(17))
    roots = [root_hash(tree, size) for size in range(18)]
    for second in range(18):
        for first in range(second + 1):
            proof = consistency_proof(tree, first, second)
            verify_consistency(first, roots[first], second, roots[second], proof)
        for index in range(second):
            leaf = leaf_hash(b"leaf %d" % index)
            verify_inclusion(leaf, index, second, inclusion_proof(tree, index, second), roots[second])


@given(size_and_index(), st.data())
def test_an_inclusion_proof_with_one_flipped_bit_fails(place: tuple[int, int], data: st.DataObject) -> None:
    size, index = place
    tree = tree_of(numbered(size))
    parts = [
        leaf_hash(b"leaf %d" % index),
        root_hash(tree, size),
        *inclusion_proof(tree, index, size),
    ]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flip(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(LogError):
        verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(size_and_index(), st.integers(0, 80))
def test_an_inclusion_proof_fails_at_another_index(place: tuple[int, int], other: int) -> None:
    size, index = place
    if other == index:
        return
    tree = tree_of(numbered(size))
    proof, leaf = inclusion_proof(tree, index, size), leaf_hash(b"leaf %d" % index)
    with pytest.raises(LogError):
        verify_inclusion(leaf, other, size, proof, root_hash(tree, size))


@given(size_and_index(), st.integers(0, 80))
def test_an_inclusion_proof_fails_against_the_tree_of_another_size(place: tuple[int, int], other: int) -> None:
    size, index = place
    if other == size:
        return
    tree = tree_of(numbered(81))
    proof, leaf = inclusion_proof(tree, index, size), leaf_hash(b"leaf %d" % index)
    with pytest.raises(LogError):
        verify_inclusion(leaf, index, other, proof, root_hash(tree, other))


@given(size_and_index(), st.booleans())
def test_an_inclusion_proof_that_is_longer_or_shorter_fails(place: tuple[int, int], longer: bool) -> None:
    size, index = place
    tree = tree_of(numbered(size))
    proof = inclusion_proof(tree, index, size)
    if not longer and not proof:
        return
    altered = (*proof, bytes(32)) if longer else proof[:-1]
    with pytest.raises(LogError):
        verify_inclusion(leaf_hash(b"leaf %d" % index), index, size, altered, root_hash(tree, size))


@given(two_sizes(), st.data())
def test_a_consistency_proof_with_one_flipped_bit_fails(sizes: tuple[int, int], data: st.DataObject) -> None:
    first, second = sizes
    tree = tree_of(numbered(second))
    parts = [root_hash(tree, first), root_hash(tree, second), *consistency_proof(tree, first, second)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flip(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(LogError):
        verify_consistency(first, parts[0], second, parts[1], parts[2:])


@given(two_sizes(), st.integers(0, 69), st.integers(0, 69))
def test_a_consistency_proof_fails_when_an_old_leaf_was_changed(
    sizes: tuple[int, int], changed: int, extra: int
) -> None:
    first, second = sizes
    leaves = numbered(second)
    rewritten = [*leaves]
    rewritten[changed % first] = b"rewritten"
    forged = tree_of(tuple(rewritten))
    proof = consistency_proof(forged, first, second)
    with pytest.raises(LogError, match="not consistent"):
        verify_consistency(first, mth(leaves[:first]), second, root_hash(forged, second), proof)


@given(two_sizes(), st.integers(0, 71), st.booleans())
def test_a_consistency_proof_fails_between_other_sizes(sizes: tuple[int, int], other: int, change_first: bool) -> None:
    first, second = sizes
    changed = (other, second) if change_first else (first, other)
    if changed == sizes or changed[0] in (0, changed[1]):
        return
    tree = tree_of(numbered(72))
    proof = consistency_proof(tree, first, second)
    roots = [root_hash(tree, size) for size in changed]
    with pytest.raises(LogError):
        verify_consistency(changed[0], roots[0], changed[1], roots[1], proof)


@given(two_sizes(), st.booleans())
def test_a_consistency_proof_that_is_longer_or_shorter_fails(sizes: tuple[int, int], longer: bool) -> None:
    first, second = sizes
    tree = tree_of(numbered(second))
    proof = consistency_proof(tree, first, second)
    altered = (*proof, bytes(32)) if longer else proof[:-1]
    with pytest.raises(LogError):
        verify_consistency(first, root_hash(tree, first), second, root_hash(tree, second), altered)


def test_a_tree_is_consistent_with_itself_by_an_empty_proof_only() -> None:
    tree = tree_of(numbered(3))
    root = root_hash(tree, 3)
    verify_consistency(3, root, 3, root, ())
    with pytest.raises(LogError, match="not consistent"):
        verify_consistency(3, root, 3, root, (root,))
    with pytest.raises(LogError, match="not consistent"):
        verify_consistency(3, root, 3, mth(numbered(4)), ())


def test_from_the_empty_tree_only_the_empty_root_and_an_empty_proof_pass() -> None:
    root = mth(numbered(3))
    verify_consistency(0, EMPTY_ROOT, 3, root, ())
    with pytest.raises(LogError, match="not consistent"):
        verify_consistency(0, EMPTY_ROOT, 3, root, (root,))
    with pytest.raises(LogError, match="root does not fit"):
        verify_consistency(0, root, 3, root, ())
    with pytest.raises(LogError, match="root does not fit"):
        verify_consistency(0, EMPTY_ROOT, 0, root, ())


def test_a_shrinking_tree_is_refused() -> None:
    tree = tree_of(numbered(5))
    with pytest.raises(LogError, match="only grows"):
        consistency_proof(tree, 5, 3)
    with pytest.raises(LogError, match="only grows"):
        verify_consistency(5, root_hash(tree, 5), 3, root_hash(tree, 3), ())


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3), (0, -1), (0, MAX_TREE_SIZE + 1)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(LogError):
        inclusion_proof(tree_of(numbered(3)), index, size)
    with pytest.raises(LogError):
        verify_inclusion(leaf_hash(b"leaf 0"), index, size, (), EMPTY_ROOT)


def test_hashes_of_another_length_are_refused() -> None:
    # Without the check, 0x01 || left || right could be cut elsewhere.
    leaf = leaf_hash(b"a")
    sibling = leaf_hash(b"b")
    root = interior_hash(leaf, sibling)
    with pytest.raises(LogError, match="wrong length"):
        verify_inclusion(leaf + sibling[:1], 0, 2, (sibling[1:],), root)


# A hostile log signs any root with any size, so that the hashes alone work out and only the sizes give it away.
A, B, C = leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")


@pytest.mark.parametrize(
    ("size", "proof", "root"),
    [
        pytest.param(8, (B,), interior_hash(A, B), id="path too short for the size"),
        pytest.param(1, (B,), interior_hash(B, A), id="path too long for the size"),
    ],
)
def test_a_path_that_does_not_fit_the_size_fails_although_its_hashes_do(
    size: int, proof: tuple[bytes, ...], root: bytes
) -> None:
    with pytest.raises(LogError, match="not proved"):
        verify_inclusion(A, 0, size, proof, root)


@pytest.mark.parametrize(
    ("first_root", "second_root", "proof"),
    [
        pytest.param(A, interior_hash(A, B), (A, B), id="too short"),
        pytest.param(
            interior_hash(leaf_hash(b""), interior_hash(C, A)),
            interior_hash(leaf_hash(b""), interior_hash(C, interior_hash(A, B))),
            (A, B, C, leaf_hash(b"")),
            id="too long",
        ),
    ],
)
def test_a_consistency_proof_that_does_not_fit_the_sizes_fails_although_its_hashes_do(
    first_root: bytes, second_root: bytes, proof: tuple[bytes, ...]
) -> None:
    with pytest.raises(LogError, match="not consistent"):
        verify_consistency(3, first_root, 4, second_root, proof)


@pytest.mark.parametrize("first", [2, 3, 4])
def test_two_sizes_with_one_root_are_not_consistent(first: int) -> None:
    with pytest.raises(LogError, match="not consistent"):
        verify_consistency(first, A, 5, A, ())


def test_consistency_with_hashes_of_another_length_is_refused() -> None:
    with pytest.raises(LogError, match="wrong length"):
        verify_consistency(1, A + B[:1], 2, interior_hash(A, B), (B[1:],))


def test_a_tree_has_no_root_beyond_its_leaves() -> None:
    with pytest.raises(LogError, match="no such complete subtree"):
        root_hash(tree_of(numbered(3)), 4)
    with pytest.raises(LogError, match="no such complete subtree"):
        tree_of(numbered(3)).node(0, -1)


class EqualLeaves:
    """A log whose leaves are all equal, so that a huge one needs a hash per level; counts its reads."""

    def __init__(self, size: int) -> None:
        self.size, self.reads = size, 0
        self.levels = [leaf_hash(b"")]
        while len(self.levels) < 64:
            self.levels.append(interior_hash(self.levels[-1], self.levels[-1]))

    def node(self, level: int, index: int) -> bytes:
        assert (index + 1) << level <= self.size, "only complete subtrees are stored"
        self.reads += 1
        return self.levels[level]


# A proof has at most 63 siblings; all are stored but one at the right edge, itself of at most 63 stored ones.
MOST_READS = 2 * 63


@given(st.integers(2**33, MAX_TREE_SIZE), st.data())
@settings(max_examples=50)
def test_inclusion_proofs_of_huge_logs_read_few_stored_hashes(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    log = EqualLeaves(size)
    proof = inclusion_proof(log, index, size)
    assert log.reads <= MOST_READS
    verify_inclusion(leaf_hash(b""), index, size, proof, root_hash(log, size))


@given(st.integers(2**33, MAX_TREE_SIZE), st.data())
@settings(max_examples=50)
def test_consistency_proofs_of_huge_logs_read_few_stored_hashes(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    log = EqualLeaves(size)
    proof = consistency_proof(log, first, size)
    assert log.reads <= MOST_READS
    verify_consistency(first, root_hash(log, first), size, root_hash(log, size), proof)
