"""What the gate counts: for every column that would be summed, the people behind it.

A *tally* is a vector of numbers that are additive over partitions and nodes; its *layout* names each number
and is the same at every node, since it follows from the question and the dictionary alone. The nodes sum
their tallies in the count round and judge the totals (:mod:`hansa.privacy.rules`).

For each exposure: the people in it; for each column the people with a value other than zero, the people with
a zero, and the two sums of Kish's effective number of people (Kish 1965, section 11.7),
(sum |d|)^2 / sum d^2, where d is a person's distance from a fixed centre of the column at that node; for
each pair of columns whose product is summed, the people with both not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import Exposure, FloatArray
from hansa.privacy.people import People

__all__ = ["Block", "Tally", "block_of", "centres_of", "tally_exposure", "tally_weights", "weight_block"]

_NOISE = 2.0**-46
"""Distances below this part of the largest are rounding, not people (float64 sums of 1,000 terms round so)."""


@dataclass(frozen=True)
class Block:
    """The layout of one exposure: where its numbers stand in the tally."""

    name: str
    names: tuple[str, ...]
    indicator: tuple[bool, ...]
    products: bool
    weights: bool = False

    @property
    def size(self) -> int:
        """How many numbers the block holds."""
        c = len(self.names)
        return 1 + 4 * c + (c * (c - 1) // 2 if self.products else 0)


@dataclass(frozen=True, eq=False)
class Tally:
    """A block with its numbers, shape (block.size,)."""

    block: Block
    numbers: FloatArray

    @property
    def people(self) -> float:
        """The people in the exposure's rows."""
        return float(self.numbers[0])

    def column(self, kind: int) -> FloatArray:
        """Per column: people not zero (0), people with a zero (1), sum of distances (2), of squares (3)."""
        c = len(self.block.names)
        return self.numbers[1 + kind * c : 1 + (kind + 1) * c]

    @property
    def pairs(self) -> FloatArray:
        """The people with both columns not zero, for i < j in row order; empty where nothing is multiplied."""
        return self.numbers[1 + 4 * len(self.block.names) :]


def block_of(exposure: Exposure) -> Block:
    """The layout of an exposure; an exposure of no rows gives the same as any other."""
    indicator = exposure.indicator or (False,) * len(exposure.names)
    return Block(exposure.name, exposure.names, indicator, exposure.products)


def weight_block(names: Sequence[str]) -> Block:
    """The layout for the row weights of a step."""
    return Block("weights", tuple(names), (False,) * len(names), products=False, weights=True)


def centres_of(exposure: Exposure) -> FloatArray:
    """A centre per column: its median among the rows of a node's first partition, shape (c,)."""
    inside = exposure.columns[exposure.rows]
    return np.median(inside, axis=0) if inside.size else np.zeros(exposure.columns.shape[1])


def tally_exposure(exposure: Exposure, people: People, centres: FloatArray) -> Tally:
    """Count one partition of an exposure."""
    block = block_of(exposure)
    rows = exposure.rows[:, None]
    present = people.any((exposure.columns != 0) & rows)
    absent = people.any((exposure.columns == 0) & rows)
    distance = people.total(np.where(rows, np.abs(exposure.columns - centres), 0.0))
    numbers = [
        np.array([people.any(exposure.rows).sum()], dtype=np.float64),
        present.sum(axis=0, dtype=np.float64),
        absent.sum(axis=0, dtype=np.float64),
        *_effective_sums(distance),
    ]
    if exposure.products:
        both = present.astype(np.float32)
        numbers.append((both.T @ both)[np.triu_indices(both.shape[1], k=1)].astype(np.float64))
    tally = np.concatenate(numbers)
    assert tally.shape == (block.size,)
    return Tally(block, tally)


def tally_weights(
    weights: FloatArray, people: People, names: Sequence[str], *, centred: int, centres: FloatArray
) -> Tally:
    """Count one partition of a step's row weights, shape (n, k)."""
    middle = np.where(np.arange(weights.shape[1]) < centred, centres, 0.0)
    distance = people.total(np.abs(weights - middle))
    n = np.full(weights.shape[1], float(distance.shape[0]))
    numbers = [np.array([float(distance.shape[0])]), n, np.zeros_like(n), *_effective_sums(distance)]
    return Tally(weight_block(names), np.concatenate(numbers))


def _effective_sums(distance: FloatArray) -> tuple[FloatArray, FloatArray]:
    if not distance.size:
        return np.zeros(distance.shape[1]), np.zeros(distance.shape[1])
    real = np.where(distance > _NOISE * distance.max(axis=0, initial=0.0), distance, 0.0)
    return real.sum(axis=0), np.einsum("ij,ij->j", real, real)
