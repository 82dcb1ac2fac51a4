"""What the gate counts: for every column that would be summed, the people behind it.

A *tally* is a vector of numbers that are additive over partitions and nodes; its *layout* names each number
and is the same at every node, since it follows from the question and the dictionary alone. The nodes sum
their tallies in the count round and judge the totals (:mod:`hansa.privacy.rules`).

For each exposure: the people in it; for each column the people with a value other than zero, the people with
a zero, the people with a value that is neither of the first two that the node sees (none of these over the
league: the column has two values, however it is written), and the two sums of Kish's effective number of
people (Kish 1965, section 11.7), (sum |d|)^2 / sum d^2, where d is a person's distance from a fixed centre of
the column at that node; for each pair of columns whose product is summed, the people with both not zero.

Hub and nodes can add the tallies up before they are judged, so they hold no sizes, only their powers of two:
the effective number changes by less than a factor of two, and of a single person only a power of two is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.privacy.people import People

__all__ = [
    "Block",
    "Tally",
    "block_of",
    "centres_of",
    "marks_of",
    "tally_exposure",
    "tally_weights",
    "weight_block",
]

_NOISE = 2.0**-46
"""Distances below this part of the largest are rounding, not people (float64 sums of 1,000 terms round so)."""


_CENTRE_ROWS = 4096
_BLOCK_ROWS = 4096
_EXPONENT = np.int64(0x7FF0000000000000)  # IEEE 754: the bits of a float64 that hold its power of two
_SMALLEST = 2.0**-28
_MANY = 2.0**10
_KINDS = 5  # numbers for each column


@dataclass(frozen=True)
class Block:
    """The layout of one exposure: where its numbers stand in the tally."""

    name: str
    names: tuple[str, ...]
    indicator: tuple[bool, ...]
    derived: tuple[bool, ...]
    products: bool
    weights: bool = False
    parameters: bool = False

    @property
    def size(self) -> int:
        """How many numbers the block holds."""
        c = len(self.names)
        return 1 + _KINDS * c + (c * (c - 1) // 2 if self.products else 0)


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
        """Per column: people not zero (0), with a zero (1), sum of distances (2), of squares (3), others (4)."""
        c = len(self.block.names)
        return self.numbers[1 + kind * c : 1 + (kind + 1) * c]

    @property
    def pairs(self) -> FloatArray:
        """The people with both columns not zero, for i < j in row order; empty where nothing is multiplied."""
        return self.numbers[1 + _KINDS * len(self.block.names) :]


def block_of(exposure: Exposure) -> Block:
    """The layout of an exposure; an exposure of no rows gives the same as any other."""
    indicator = exposure.indicator or (False,) * len(exposure.names)
    parameters = exposure.products or exposure.parameters
    return Block(exposure.name, exposure.names, indicator, exposure.derived, exposure.products, parameters=parameters)


def weight_block(names: Sequence[str]) -> Block:
    """The layout for the row weights of a step."""
    never = (False,) * len(names)
    return Block("weights", tuple(names), never, never, products=False, weights=True)


def centres_of(exposure: Exposure) -> FloatArray:
    """A centre per column, shape (c,): its median among the first rows of a node's first partition.

    Any value that the node fixes once would do; one near most people keeps the distances of the others apart.
    """
    inside = exposure.columns[exposure.rows][:_CENTRE_ROWS]
    return np.median(inside, axis=0) if inside.size else np.zeros(exposure.columns.shape[1])


def marks_of(exposure: Exposure, known: FloatArray | None = None) -> FloatArray:
    """Per column the first two values that the node sees, shape (2, c); NaN where there is none yet."""
    inside = exposure.columns[exposure.rows]
    marks = np.full((2, inside.shape[1]), np.nan) if known is None else known
    if not len(inside):
        return marks
    first = np.where(np.isnan(marks[0]), inside[0], marks[0])
    differs = inside != first
    place = np.argmax(differs, axis=0)
    columns = np.arange(inside.shape[1])
    found = np.where(differs[place, columns], inside[place, columns], np.nan)
    return np.stack([first, np.where(np.isnan(marks[1]), found, marks[1])])


def tally_exposure(exposure: Exposure, people: People, centres: FloatArray, marks: FloatArray | None = None) -> Tally:
    """Count one partition of an exposure; ``marks`` are the node's first two values of each column."""
    block = block_of(exposure)
    marks = marks_of(exposure) if marks is None else marks
    total = np.zeros(block.size)
    for rows, who in people.blocks(_BLOCK_ROWS):
        total += _numbers(block, exposure.columns[rows], exposure.rows[rows], who, centres=centres, marks=marks)
    return Tally(block, total)


def _numbers(
    block: Block, columns: FloatArray, rows: BoolArray, people: People, *, centres: FloatArray, marks: FloatArray
) -> FloatArray:
    """The tally of some rows; small enough runs stay in a core's cache."""
    nonzero = columns != 0
    other = (columns != marks[0]) & (columns != marks[1])
    distance = np.abs(columns - centres)
    if not rows.all():
        nonzero &= rows[:, None]
        other &= rows[:, None]
        distance[~rows] = 0.0  # missing values stand only outside the rows
    present = people.any(nonzero).astype(np.float32)
    both = (present.T @ present).astype(np.float64)  # exact: a run has far fewer than 2^24 people
    count = float(people.any(rows).sum())
    absent = count - both.diagonal() if people.index is None else _people(people, rows[:, None] & ~nonzero)
    numbers = [np.array([count]), both.diagonal(), absent, *_sums(people.total(distance)), _people(people, other)]
    if block.products:
        numbers.append(both[np.triu_indices(both.shape[1], k=1)])
    tally = np.concatenate(numbers)
    assert tally.shape == (block.size,)
    return tally


def _people(people: People, marked: BoolArray) -> FloatArray:
    """Per column, the people who own a marked row."""
    counts: FloatArray = np.count_nonzero(people.any(marked), axis=0).astype(np.float64)
    return counts


def tally_weights(
    weights: FloatArray, people: People, names: Sequence[str], *, centred: int, centres: FloatArray
) -> Tally:
    """Count one partition of a step's row weights, shape (n, k)."""
    total: list[list[float]] = []
    for place in range(weights.shape[1]):
        column = np.ascontiguousarray(weights[:, place])
        distance = people.total(np.abs(column - centres[place] if place < centred else column))
        least = _NOISE * float(distance.max(initial=0.0))
        distance[distance <= least] = 0.0
        first, second = _sums(distance[:, None])
        total.append([len(distance), 0.0, float(first[0]), float(second[0]), 0.0])
    numbers = np.array(total).T.ravel()
    return Tally(weight_block(names), np.concatenate([numbers[:1], numbers]))


def _sums(distance: FloatArray) -> list[FloatArray]:
    """Per column, the sums of the sizes' powers of two and of their squares."""
    sizes = _powers_of_two(distance)
    first, second = np.ones(len(sizes)) @ sizes, np.einsum("ij,ij->j", sizes, sizes)
    # Too small to be told apart in 64 fraction bits: whoever wrote such a column is refused, not believed.
    lost = (first > 0) & (sizes.max(axis=0, initial=0.0) < _SMALLEST)
    return [np.where(lost, 1.0, first), np.where(lost, _MANY, second)]


def _powers_of_two(sizes: FloatArray) -> FloatArray:
    """Each size's nearest power of two (on the logarithmic scale); zero stays zero."""
    rounded: FloatArray = ((sizes * np.sqrt(2.0)).view(np.int64) & _EXPONENT).view(np.float64)
    return rounded
