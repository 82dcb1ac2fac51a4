"""The Merkle tree of RFC 6962 and RFC 9162 (section 2.1): roots, inclusion and consistency proofs.

Functions read stored hashes through :class:`HashReader`, so a table with millions of leaves is never loaded
whole: each root or proof reads a number of hashes that grows with the logarithm of the tree's size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from hansa.errors import LogError

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "MAX_TREE_SIZE",
    "HashReader",
    "MemoryTree",
    "completed_hashes",
    "consistency_proof",
    "inclusion_proof",
    "interior_hash",
    "leaf_hash",
    "root_hash",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE = 32
"""Bytes of a SHA-256 hash."""

MAX_TREE_SIZE = 2**63 - 1
"""The largest tree, in leaves: what signed 64-bit integers of stores and other implementations hold."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without leaves (RFC 9162, section 2.1.1)."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 || data), RFC 9162, section 2.1.1.

    Examples
    --------
    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + data).digest()


def interior_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an interior node: SHA-256(0x01 || left || right), RFC 9162, section 2.1.1.

    The prefixes keep an interior node from passing for a leaf.
    """
    return hashlib.sha256(b"\x01" + left + right).digest()


class HashReader(Protocol):
    """Where the hashes of complete subtrees are read."""

    def node(self, level: int, index: int) -> bytes:
        """The hash over leaves ``index * 2**level`` to ``(index + 1) * 2**level - 1``.

        Levels count from the leaves, 0, as in C2SP tlog-tiles. Only complete subtrees are ever asked for.
        """


class MemoryTree:
    """A tree that keeps all complete subtrees in memory.

    Examples
    --------
    >>> tree = MemoryTree()
    >>> tree.append(b"first"), tree.append(b"second")
    (0, 1)
    >>> root_hash(tree, tree.size) == interior_hash(leaf_hash(b"first"), leaf_hash(b"second"))
    True
    """

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def append(self, data: bytes) -> int:
        """Append a leaf and return its index, counted from 0."""
        index = self.size
        for level, _, digest in completed_hashes(self, index, leaf_hash(data)):
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(digest)
        return index

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree.

        Raises
        ------
        LogError
            When that subtree is not complete.
        """
        if not (0 <= level < len(self._levels) and 0 <= index < len(self._levels[level])):
            raise LogError("the tree has no such complete subtree", why="too few leaves were appended")
        return self._levels[level][index]


def completed_hashes(nodes: HashReader, size: int, leaf: bytes) -> tuple[tuple[int, int, bytes], ...]:
    """The subtrees that appending one leaf completes: what a store writes, and all that it writes.

    Parameters
    ----------
    nodes : HashReader
        The hashes stored so far.
    size : int
        The number of leaves before the append.
    leaf : bytes
        The new leaf's hash, 32 bytes.

    Returns
    -------
    tuple of (level, index, hash)
        From the leaf upwards.
    """
    level, index, digest = 0, size, leaf
    completed = [(level, index, digest)]
    while index % 2:
        digest = interior_hash(nodes.node(level, index - 1), digest)
        level, index = level + 1, index // 2
        completed.append((level, index, digest))
    return tuple(completed)


def root_hash(nodes: HashReader, size: int) -> bytes:
    """The root over the first ``size`` leaves (RFC 9162, section 2.1.1).

    Raises
    ------
    LogError
        When the size is negative or too large.
    """
    _check_size(size, "size")
    return _range_hash(nodes, 0, size) if size else EMPTY_ROOT


def inclusion_proof(nodes: HashReader, index: int, size: int) -> tuple[bytes, ...]:
    """The audit path of a leaf, from the leaf upwards (RFC 9162, section 2.1.3.1).

    Parameters
    ----------
    nodes : HashReader
        The hashes of a log with at least ``size`` leaves.
    index : int
        The leaf, counted from 0.
    size : int
        The size of the tree to prove it in.

    Raises
    ------
    LogError
        When the tree of that size has no such leaf.
    """
    _check_index(index, size)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(_range_hash(nodes, split, end))
            end = split
        else:
            path.append(_range_hash(nodes, start, split))
            start = split
    return tuple(reversed(path))


def consistency_proof(nodes: HashReader, first: int, second: int) -> tuple[bytes, ...]:
    """The proof that the tree of size ``second`` only appends to that of size ``first``.

    RFC 9162, section 2.1.4.1. It is empty from size 0 and between equal sizes (C2SP tlog-witness).

    Raises
    ------
    LogError
        When a size is out of range or ``first`` exceeds ``second``.
    """
    _check_sizes(first, second)
    path: list[bytes] = []
    start, end = 0, second
    while 0 < first < end:
        split = start + _split(end - start)
        if first <= split:
            path.append(_range_hash(nodes, split, end))
            end = split
        else:
            path.append(_range_hash(nodes, start, split))
            start = split
    # The last subtree of the old tree; the verifier has it already where it is the whole old tree.
    if start:
        path.append(_range_hash(nodes, start, end))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Verify an audit path (RFC 9162, section 2.1.3.2).

    The size must come with the root from a verified checkpoint: a root alone does not fix its size.

    Parameters
    ----------
    leaf : bytes
        The leaf's hash, 32 bytes.
    index, size : int
        The leaf's place, and the size of the tree.
    proof : sequence of bytes
        The path, from the leaf upwards.
    root : bytes
        The root of that tree.

    Raises
    ------
    LogError
        When the path does not lead from this leaf at this place to this root.

    Examples
    --------
    >>> tree = MemoryTree()
    >>> for data in (b"a", b"b", b"c"):
    ...     _ = tree.append(data)
    >>> verify_inclusion(leaf_hash(b"c"), 2, 3, inclusion_proof(tree, 2, 3), root_hash(tree, 3))
    """
    _check_index(index, size)
    _check_hashes((leaf, root, *proof))
    digest, place, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise _not_included()
        if place % 2 or place == last:
            digest = interior_hash(sibling, digest)
            place, last = _skip_missing(place, last)
        else:
            digest = interior_hash(digest, sibling)
        place, last = place // 2, last // 2
    if last or digest != root:
        raise _not_included()


def verify_consistency(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Verify that the second tree is the first one with leaves appended (RFC 9162, section 2.1.4.2).

    From size 0 and between equal sizes the proof must be empty.

    Raises
    ------
    LogError
        When the second tree is smaller, or the proof does not lead to both roots.

    Examples
    --------
    >>> tree = MemoryTree()
    >>> for data in (b"a", b"b", b"c"):
    ...     _ = tree.append(data)
    >>> proof = consistency_proof(tree, 2, 3)
    >>> verify_consistency(2, root_hash(tree, 2), 3, root_hash(tree, 3), proof)
    """
    _check_sizes(first, second)
    _check_hashes((first_root, second_root, *proof))
    if (first == 0 and first_root != EMPTY_ROOT) or (second == 0 and second_root != EMPTY_ROOT):
        raise LogError("the root does not fit the tree's size", why="a tree without leaves has one fixed root")
    if first in (0, second):
        consistent = not proof and (first == 0 or first_root == second_root)
    else:
        consistent = _roots(first, first_root, second, proof) == (first_root, second_root)
    if not consistent:
        raise LogError(
            "the two trees are not consistent",
            why="the newer one does not contain the older one unchanged",
            fix="keep both signed checkpoints: together they show what the log did",
            field="consistency_proof",
        )


def _roots(first: int, first_root: bytes, second: int, proof: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots as the proof gives them; None where its length does not fit the sizes."""
    if not proof:
        return None
    # A first tree of 2**k leaves is itself a node of the second; its root is not repeated in the proof.
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    place, last = first - 1, second - 1
    while place % 2:
        place, last = place // 2, last // 2
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if place % 2 or place == last:
            old, new = interior_hash(sibling, old), interior_hash(sibling, new)
            place, last = _skip_missing(place, last)
        else:
            new = interior_hash(new, sibling)
        place, last = place // 2, last // 2
    return (old, new) if last == 0 else None


def _skip_missing(place: int, last: int) -> tuple[int, int]:
    """Pass the levels at which the right edge has no sibling."""
    while place and place % 2 == 0:
        place, last = place // 2, last // 2
    return place, last


def _split(count: int) -> int:
    """The largest power of two below ``count``, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(nodes: HashReader, start: int, end: int) -> bytes:
    """The hash over leaves ``start`` to ``end - 1``; ``start`` is a multiple of the subtree's capacity."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes.node(level, start >> level)
    split = start + _split(count)
    return interior_hash(_range_hash(nodes, start, split), _range_hash(nodes, split, end))


def _check_size(size: int, field: str) -> None:
    if not 0 <= size <= MAX_TREE_SIZE:
        raise LogError("a tree size is out of range", why=f"it lies between 0 and {MAX_TREE_SIZE}", field=field)


def _check_sizes(first: int, second: int) -> None:
    _check_size(first, "first")
    _check_size(second, "second")
    if first > second:
        raise LogError("the newer tree is smaller", why="a log only grows", field="second")


def _check_index(index: int, size: int) -> None:
    _check_size(size, "size")
    if not 0 <= index < size:
        raise LogError("the tree has no such leaf", why="the index is not below the tree's size", field="index")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(digest) != HASH_SIZE for digest in hashes):
        raise LogError("a hash has the wrong length", why=f"SHA-256 has {HASH_SIZE} bytes", field="proof")


def _not_included() -> LogError:
    return LogError(
        "the leaf is not proved to be in the tree",
        why="the path does not lead from this leaf at this place to this root",
        fix="ask the log for a proof at this checkpoint",
        field="inclusion_proof",
    )
