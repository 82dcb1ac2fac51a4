"""A preparation at one node: the arrays its steps need, and the tallies the gate judges.

The arrays of one preparation are kept at a time, since a design matrix may fill half the memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyroaring import BitMap

from hansa.errors import ProtocolError
from hansa.formula import Expr, parse_expression
from hansa.model.exposure import Exposure, FloatArray
from hansa.node.analysis_set import AnalysisSet
from hansa.node.parts import part_exposures, parts_of
from hansa.privacy.counts import (
    Tally,
    block_of,
    centres_of,
    marks_of,
    tally_exposure,
    tally_weights,
    weight_block,
)
from hansa.privacy.history import Population
from hansa.privacy.people import People
from hansa.privacy.rules import dominant
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Arguments, Arrays, Frame, Preparation, Share, Step, joined
from hansa.stats.fitting.scaling import power_of_two
from hansa.stats.question import Question
from hansa.wire import encode

__all__ = [
    "Asking",
    "Counted",
    "Prepared",
    "count_exposures",
    "count_weights",
    "exposure_key",
    "preparation_key",
    "prepare",
    "prepare_and_count",
    "reads",
    "refined",
]


@dataclass(frozen=True)
class Asking:
    """Of whom a question is asked: the nodes, the epochs whose people it is about, and this node's limits.

    ``epochs`` is a digest over purpose and epoch of every node; populations of other epochs are other people.
    """

    roster: frozenset[str]
    epochs: str
    limits: Thresholds


@dataclass(frozen=True, eq=False)
class Prepared:
    """The partitions' arrays, those without rows left out, and the people behind each; what they were built for."""

    name: str
    arguments: Arguments
    partitions: tuple[Arrays, ...]
    people: tuple[People, ...]


@dataclass(frozen=True, eq=False)
class Counted:
    """What a node counted of a preparation's exposures.

    ``strata`` marks, per tally, the columns that are levels, ``arms`` those of arms; ``populations`` are the people
    behind the sums; ``dominated`` names sums that few people dominate at this node (a rule for releases of one site
    only).
    """

    tallies: tuple[Tally, ...]
    strata: tuple[tuple[bool, ...], ...]
    arms: tuple[tuple[bool, ...], ...]
    populations: tuple[Population, ...]
    dominated: tuple[str, ...]


def exposure_key(preparation: Preparation, arguments: Arguments) -> bytes:
    """What the exposures depend on: two preparations with one key expose the same."""
    names = preparation.exposed_by
    chosen = dict(arguments) if names is None else {name: arguments.get(name) for name in names}
    source = preparation.exposures
    return hashlib.sha256(encode([source.__module__, source.__qualname__, chosen])).digest()


def preparation_key(preparation: Preparation, arguments: Arguments) -> bytes:
    """What the arrays depend on, among those of one analysis set."""
    return hashlib.sha256(encode([preparation.name, arguments])).digest()


def reads(preparation: Preparation, arguments: Arguments) -> tuple[Expr, ...]:
    """The expressions that a preparation reads, parsed.

    Raises
    ------
    ProtocolError
        If the arguments, which are the hub's word, are none that the preparation knows.
    """
    try:
        return tuple(parse_expression(text) for text in preparation.reads(arguments))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise ProtocolError("a round's arguments are not those of its step") from None


def prepare(preparation: Preparation, arguments: Arguments, among: AnalysisSet) -> Prepared:
    """Build the arrays of every partition that has rows."""
    frames = among.frames(reads(preparation, arguments))
    built = [
        (preparation.build(frame, arguments), people)
        for frame, people in zip(frames, among.people, strict=True)
        if frame.rows
    ]
    return _prepared(preparation, arguments, [arrays for arrays, _ in built], [people for _, people in built])


def _prepared(
    preparation: Preparation, arguments: Arguments, partitions: Sequence[Arrays], people: Sequence[People]
) -> Prepared:
    """The partitions as the steps take them, with the people behind each."""
    behind = people if preparation.join is None or len(people) < 2 else [_joined(people)]
    return Prepared(preparation.name, arguments, joined(preparation, partitions), tuple(behind))


def refined(
    preparation: Preparation, arguments: Arguments, among: AnalysisSet, built: Prepared | None
) -> Prepared | None:
    """The preparation made from the arrays of another, whose memory it may take over; ``None``: build it anew."""
    if built is None or preparation.refine is None or preparation.refines != built.name:
        return None
    if any(name not in arguments or arguments[name] != value for name, value in built.arguments.items()):
        return None
    variables = among.question.variables
    arrays = [preparation.refine(one, arguments, variables) for one in built.partitions]
    found = tuple(one for one in arrays if one is not None)
    return _prepared(preparation, arguments, found, built.people) if len(found) == len(arrays) else None


def count_exposures(
    preparation: Preparation,
    arguments: Arguments,
    among: AnalysisSet,
    *,
    asking: Asking,
    frames: Iterable[Frame] | None = None,
) -> Counted:
    """Count the people behind every sum that this preparation's steps give.

    ``frames`` are the partitions, for a caller that has another use for them in the same pass.
    """
    return _prepare_and_count(preparation, arguments, among, asking=asking, build=False, frames=frames)[1]


def prepare_and_count(
    preparation: Preparation,
    arguments: Arguments,
    among: AnalysisSet,
    *,
    asking: Asking,
) -> tuple[Prepared, Counted]:
    """Both, in one pass over the rows."""
    return _prepare_and_count(preparation, arguments, among, asking=asking, build=True)


def _prepare_and_count(
    preparation: Preparation,
    arguments: Arguments,
    among: AnalysisSet,
    *,
    asking: Asking,
    build: bool,
    frames: Iterable[Frame] | None = None,
) -> tuple[Prepared, Counted]:
    expressions = reads(preparation, arguments)
    parts = parts_of(expressions, among.question)

    def all_exposed(own: tuple[Exposure, ...], frame: Frame) -> tuple[Exposure, ...]:
        found = (*own, *part_exposures(parts, frame, among.question))
        return tuple(_scaled(exposure, among.question) for exposure in found)

    empty = among.empty_frame(expressions)
    counting = _Counting(all_exposed(preparation.exposures(empty, arguments), empty), asking.limits)
    partitions: list[Arrays] = []
    people: list[People] = []
    for frame, who in zip(among.frames(expressions) if frames is None else frames, among.people, strict=True):
        if not frame.rows:
            continue
        if build:
            arrays, own = preparation.build_exposed(frame, arguments)
            partitions.append(arrays)
            people.append(who)
        else:
            own = preparation.exposures(frame, arguments)
        counting.add(all_exposed(own, frame), who, whole=among.question.sites and len(among.people) == 1)
    return _prepared(preparation, arguments, partitions, people), counting.counted(among, asking)


def _scaled(exposure: Exposure, question: Question) -> Exposure:
    """Columns of known range, divided by a public power of two: the counts are the same, and none overflows."""
    ranges = [question.variables[name].range if name in question.variables else None for name in exposure.names]
    if exposure.scaled or not any(ranges):
        return exposure
    scales = np.array([power_of_two(known)[1] for known in ranges])
    return replace(exposure, columns=exposure.columns * scales)


class _Counting:
    """The tallies of a preparation's exposures, partition by partition."""

    def __init__(self, layout: tuple[Exposure, ...], limits: Thresholds) -> None:
        self._layout = layout
        self._limits = limits
        self._totals = [np.zeros(block_of(exposure).size) for exposure in layout]
        self._bitmaps = [[BitMap() for _ in _places(exposure)] for exposure in layout]
        self._centres: list[FloatArray] = []
        self._marks: dict[int, FloatArray] = {}
        self._dominated: set[str] = set()

    def add(self, exposures: tuple[Exposure, ...], people: People, *, whole: bool) -> None:
        """Count one partition; ``whole`` where it is the only one of a site that gives a release of its own."""
        self._centres = self._centres or [centres_of(exposure) for exposure in exposures]
        for position, exposure in enumerate(exposures):
            marks = marks_of(exposure, self._marks.get(position))
            self._marks[position] = marks
            tally = tally_exposure(exposure, people, self._centres[position], marks)
            self._totals[position] += tally.numbers
            for bitmap, rows in zip(self._bitmaps[position], _rows_of(exposure), strict=True):
                bitmap.update(people.bitmap(rows))
            if whole:  # beyond one partition of 65,536 rows the effective people decide
                self._dominated.update(dominant(exposure, people, self._limits))

    def counted(self, among: AnalysisSet, asking: Asking) -> Counted:
        """All that was counted."""
        tallies = tuple(
            Tally(block_of(exposure), numbers) for exposure, numbers in zip(self._layout, self._totals, strict=True)
        )
        populations = tuple(
            _population(exposure, place, people, among, asking)
            for exposure, found in zip(self._layout, self._bitmaps, strict=True)
            for place, people in zip(_places(exposure), found, strict=True)
        )
        strata = tuple(exposure.strata for exposure in self._layout)
        arms = tuple(exposure.arms for exposure in self._layout)
        return Counted(tallies, strata, arms, populations, tuple(sorted(self._dominated)))


def count_weights(step: Step, found: Share, behind: Sequence[People]) -> Tally:
    """Count the effective people behind the row weights that a round's inputs make; ``behind`` each partition."""
    block = weight_block(step.weight_names)
    people = [_joined(behind)] if step.over_node and behind else behind
    total = np.zeros(block.size)
    centres: FloatArray | None = None
    for weights, who in zip(found.weights, people, strict=True):
        if weights.size:
            centres = np.median(weights[:, : step.centred], axis=0) if centres is None else centres
            tally = tally_weights(weights, who, step.weight_names, centred=step.centred, centres=centres)
            total += tally.numbers
    return Tally(block, total)


def _joined(people: Sequence[People]) -> People:
    codes = np.concatenate([part.codes for part in people])
    return People.of(codes, one_row_per_person=people[0].index is None)


def _places(exposure: Exposure) -> tuple[int | None, ...]:
    """The populations of an exposure: its rows (``None``), and those whom a column of 0 and 1 marks.

    Other derived columns are compared by the conditions in them, which are parts of their own.
    """
    marked = [place for place, two_valued in enumerate(exposure.indicator) if two_valued]
    return (None, *marked) if exposure.remembered else tuple(marked)


def _rows_of(exposure: Exposure) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return [
        exposure.rows if place is None else exposure.rows & (exposure.columns[:, place] != 0)
        for place in _places(exposure)
    ]


def _population(
    exposure: Exposure, place: int | None, people: BitMap, among: AnalysisSet, asking: Asking
) -> Population:
    column = "" if place is None else exposure.names[place]
    condition = [] if among.question.population is None else [among.question.population]
    variables = among.question.raw_of([*map(parse_expression, exposure.variables), *condition])
    parts = [among.question.set_digest, exposure.name, column, *sorted(variables), asking.epochs]
    kind = ("stratum" if exposure.stratum else "set") if place is None else "column"
    derived = place is not None and exposure.derived[place]
    digest = hashlib.sha256(encode(parts)).hexdigest()
    return Population(digest, kind, derived, variables, asking.roster, people)
