"""A preparation at one node: the arrays its steps need, and the tallies the gate judges.

The arrays of one preparation are kept at a time, since a design matrix may fill half the memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from hansa.formula import Expr, parse_expression
from hansa.model.exposure import Exposure, FloatArray
from hansa.node.analysis_set import AnalysisSet
from hansa.privacy.counts import Tally, block_of, centres_of, tally_exposure, tally_weights, weight_block
from hansa.privacy.history import Population
from hansa.privacy.people import People
from hansa.privacy.rules import dominant
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Arguments, Arrays, Preparation, Share, Step
from hansa.wire import encode

__all__ = ["Counted", "Prepared", "count_exposures", "count_weights", "exposure_key", "prepare"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The partitions' arrays, those without rows left out, and the people behind each."""

    partitions: tuple[Arrays, ...]
    people: tuple[People, ...]


@dataclass(frozen=True, eq=False)
class Counted:
    """What a node counted of a preparation's exposures.

    ``strata`` marks, per tally, the columns that are levels; ``populations`` are the people behind the sums;
    ``dominated`` names sums that few people dominate at this node (a rule for releases of one site only).
    """

    tallies: tuple[Tally, ...]
    strata: tuple[tuple[bool, ...], ...]
    populations: tuple[Population, ...]
    dominated: tuple[str, ...]


def exposure_key(preparation: Preparation, arguments: Arguments) -> bytes:
    """What the exposures depend on: two preparations with one key expose the same."""
    names = preparation.exposed_by
    chosen = dict(arguments) if names is None else {name: arguments.get(name) for name in names}
    source = preparation.exposures
    return hashlib.sha256(encode([source.__module__, source.__qualname__, chosen])).digest()


def prepare(preparation: Preparation, arguments: Arguments, among: AnalysisSet) -> Prepared:
    """Build the arrays of every partition that has rows."""
    built = [
        (preparation.build(frame, arguments), people)
        for frame, people in zip(among.frames(_reads(preparation, arguments)), among.people, strict=True)
        if frame.rows
    ]
    return Prepared(tuple(arrays for arrays, _ in built), tuple(people for _, people in built))


def count_exposures(
    preparation: Preparation,
    arguments: Arguments,
    among: AnalysisSet,
    *,
    roster: frozenset[str],
    limits: Thresholds,
) -> Counted:
    """Count the people behind every sum that this preparation's steps give."""
    reads = _reads(preparation, arguments)
    layout = preparation.exposures(among.empty_frame(reads), arguments)
    totals = [np.zeros(block_of(exposure).size) for exposure in layout]
    centres: list[FloatArray] | None = None
    bitmaps = [[BitMap() for _ in _places(exposure)] for exposure in layout]
    dominated: set[str] = set()
    for frame, people in zip(among.frames(reads), among.people, strict=True):
        if not frame.rows:
            continue
        exposures = preparation.exposures(frame, arguments)
        centres = centres or [centres_of(exposure) for exposure in exposures]
        for position, exposure in enumerate(exposures):
            totals[position] += tally_exposure(exposure, people, centres[position]).numbers
            for bitmap, rows in zip(bitmaps[position], _rows_of(exposure), strict=True):
                bitmap.update(people.bitmap(rows))
            if len(among.people) == 1:  # beyond one partition of 65,536 rows the effective people decide
                dominated.update(dominant(exposure, people, limits))
    tallies = tuple(Tally(block_of(exposure), numbers) for exposure, numbers in zip(layout, totals, strict=True))
    populations = tuple(
        _population(exposure, place, people, among, roster)
        for exposure, found in zip(layout, bitmaps, strict=True)
        for place, people in zip(_places(exposure), found, strict=True)
    )
    return Counted(tallies, tuple(e.strata for e in layout), populations, tuple(sorted(dominated)))


def count_weights(step: Step, found: Share, prepared: Prepared) -> Tally:
    """Count the effective people behind the row weights that a round's inputs make."""
    block = weight_block(step.weight_names)
    people = [_joined(prepared.people)] if step.over_node and prepared.people else list(prepared.people)
    total = np.zeros(block.size)
    centres: FloatArray | None = None
    for weights, who in zip(found.weights, people, strict=True):
        if weights.size:
            centres = np.median(weights, axis=0) if centres is None else centres
            tally = tally_weights(weights, who, step.weight_names, centred=step.centred, centres=centres)
            total += tally.numbers
    return Tally(block, total)


def _joined(people: Sequence[People]) -> People:
    codes = np.concatenate([part.codes for part in people])
    return People.of(codes, one_row_per_person=people[0].index is None)


def _reads(preparation: Preparation, arguments: Arguments) -> tuple[Expr, ...]:
    return tuple(parse_expression(text) for text in preparation.reads(arguments))


def _places(exposure: Exposure) -> tuple[int | None, ...]:
    """The populations of an exposure: its rows (``None``) and each column that marks some people."""
    indicator = exposure.indicator or (False,) * len(exposure.names)
    marked = [i for i, (two, derived) in enumerate(zip(indicator, exposure.derived, strict=True)) if two or derived]
    return (None, *marked)


def _rows_of(exposure: Exposure) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return [
        exposure.rows if place is None else exposure.rows & (exposure.columns[:, place] != 0)
        for place in _places(exposure)
    ]


def _population(
    exposure: Exposure, place: int | None, people: BitMap, among: AnalysisSet, roster: frozenset[str]
) -> Population:
    column = "" if place is None else exposure.names[place]
    variables = among.question.raw_of(parse_expression(name) for name in exposure.variables)
    parts = [among.question.set_digest, exposure.name, column, *sorted(variables)]
    kind = ("stratum" if exposure.stratum else "set") if place is None else "column"
    derived = place is not None and exposure.derived[place]
    digest = hashlib.sha256(encode(parts)).hexdigest()
    return Population(digest, kind, derived, variables, roster, people)
