"""The people of one question at one node: who is in, who was left out and why, and their rows.

Rows are read partition by partition, in an order that never changes; only the columns a preparation reads
are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyroaring import AbstractBitMap, BitMap

from hansa.formula import Expr, derive_columns, evaluate, names_in, population
from hansa.harmonise import Chunk, Source, read_chunks
from hansa.model import Dictionary
from hansa.model.exposure import BoolArray, FloatArray
from hansa.privacy.people import People
from hansa.stats.contract import Frame
from hansa.stats.question import Question

__all__ = ["AnalysisSet", "Data", "Flow", "select_people"]


@dataclass(frozen=True, eq=False)
class Data:
    """A cohort's rows as the node holds them: the source, its dictionary, each chunk's person codes.

    A cohort of one chunk is kept in memory once read, since reading it costs more than keeping it.
    """

    source: Source
    dictionary: Dictionary
    codes: tuple[NDArray[np.uint32], ...]
    _kept: list[Chunk] = field(default_factory=list, repr=False)

    @property
    def everybody(self) -> BitMap:
        """All who have a row, by code."""
        return _union(self.codes)

    def chunks(self, names: Sequence[str]) -> Iterable[Chunk]:
        """The chunks with at least these columns."""
        if len(self.codes) > 1:
            return read_chunks(self.source, self.dictionary, names)
        if not self._kept:
            everything = [variable.name for variable in self.dictionary.variables]
            self._kept.extend(read_chunks(self.source, self.dictionary, everything))
        return self._kept


@dataclass(frozen=True)
class Flow:
    """Who was left out and why, in people (STROBE, item 13). For the steward, and in sums over the league."""

    recorded: int
    consenting: int
    in_population: int
    incomplete: tuple[tuple[str, int], ...]
    analysed: int


@dataclass(frozen=True, eq=False)
class AnalysisSet:
    """The rows of one question: per chunk a mask (or ``None``: all rows) and the people behind its rows."""

    question: Question
    data: Data
    masks: tuple[BoolArray | None, ...]
    people: tuple[People, ...]
    flow: Flow

    @property
    def everybody(self) -> BitMap:
        """All who have a row in it, by code."""
        return _union([part.codes for part in self.people])

    def frames(self, expressions: Sequence[Expr]) -> Iterator[Frame]:
        """The partitions, with the columns behind these expressions."""
        names = sorted(self.question.raw_of(expressions))
        derived = _needed(expressions, self.question)
        chunks = self.data.chunks(names)
        everybody = _codes(self.everybody) if self.question.by_person else None
        for chunk, mask, people in zip(chunks, self.masks, self.people, strict=True):
            columns = {name: _masked(chunk.columns[name], mask) for name in names}
            rows = len(chunk.person) if mask is None else int(mask.sum())
            values = _derived(columns, derived, self.question)
            yield Frame(values, self.question.variables, rows, frozenset(derived), _numbered(people.codes, everybody))

    def empty_frame(self, expressions: Sequence[Expr]) -> Frame:
        """A partition without rows, from which layouts are read."""
        names = {*self.question.raw_of(expressions), *_needed(expressions, self.question)}
        columns, derived = {name: np.zeros(0) for name in names}, frozenset(self.question.derive)
        return Frame(columns, self.question.variables, 0, derived, np.zeros(0))


def select_people(question: Question, data: Data, allowed: AbstractBitMap) -> AnalysisSet:
    """The analysis set among the people who may be used."""
    one_row = data.dictionary.one_row_per_person
    conditions = [*question.complete, *([question.population] if question.population is not None else [])]
    names = sorted(question.raw_of(conditions))
    masks: list[BoolArray | None] = []
    people: list[People] = []
    tallies: list[NDArray[np.int64]] = []
    marks = _marks(allowed, data.codes)
    chunks = data.chunks(names)
    for chunk, codes in zip(chunks, data.codes, strict=True):
        columns = _derived(chunk.columns, _needed(conditions, question), question)
        stages = _stages(question, columns, marks[codes])
        mask = stages[-1]
        masks.append(None if mask.all() else mask)
        people.append(People.of(codes[mask], one_row_per_person=one_row))
        who = People.of(codes, one_row_per_person=one_row)
        tallies.append(np.array([who.any(stage).sum() for stage in stages], dtype=np.int64))
    return AnalysisSet(question, data, tuple(masks), tuple(people), _flow(question, tallies))


def _union(codes: Iterable[NDArray[np.uint32]]) -> BitMap:
    return BitMap.union(*(BitMap(part) for part in codes))


def _codes(people: AbstractBitMap) -> NDArray[np.uint32]:
    """The codes in a set, in order."""
    return np.frombuffer(people.to_array(), dtype=np.uint32)


def _numbered(codes: NDArray[np.uint32], everybody: NDArray[np.uint32] | None) -> FloatArray | None:
    """People's places among all of the set, which say no more than whose rows are the same person's."""
    return None if everybody is None else np.searchsorted(everybody, codes).astype(np.float64)


def _masked(column: FloatArray, mask: BoolArray | None) -> FloatArray:
    return column if mask is None else column[mask]


def _stages(question: Question, columns: Mapping[str, FloatArray], allowed: BoolArray) -> list[BoolArray]:
    """Masks, each within the one before: everyone, consenting, in the population, complete on each expression."""
    stages = [np.ones(len(allowed), dtype=np.bool_), allowed]
    inside = allowed
    if question.population is not None:
        inside = allowed & population(question.population, columns, question.variables)
    stages.append(inside)
    for expression in question.complete:
        stages.append(stages[-1] & ~np.isnan(evaluate(expression, columns, question.variables)))
    return stages


def _flow(question: Question, tallies: Sequence[NDArray[np.int64]]) -> Flow:
    counts = np.sum(tallies, axis=0) if tallies else np.zeros(3 + len(question.complete), dtype=np.int64)
    lost = zip((str(expression) for expression in question.complete), -np.diff(counts[2:]), strict=True)
    incomplete = tuple((name, int(count)) for name, count in lost)
    return Flow(int(counts[0]), int(counts[1]), int(counts[2]), incomplete, int(counts[-1]))


def _marks(allowed: AbstractBitMap, codes: Sequence[NDArray[np.uint32]]) -> BoolArray:
    """Per person code, whether the person may be used."""
    size = max((int(part.max()) + 1 for part in codes if part.size), default=0)
    marks = np.zeros(size, dtype=np.bool_)
    known = _codes(allowed)
    marks[known[known < size]] = True
    return marks


def _needed(expressions: Iterable[Expr], question: Question) -> tuple[str, ...]:
    """The derived variables behind expressions, themselves derived from others or not."""
    wanted: set[str] = set()
    queue = [name for expression in expressions for name in names_in(expression)]
    while queue:
        name = queue.pop()
        if name in question.derive and name not in wanted:
            wanted.add(name)
            queue.extend(names_in(question.derive[name]))
    return tuple(sorted(wanted))


def _derived(columns: Mapping[str, FloatArray], names: Sequence[str], question: Question) -> Mapping[str, FloatArray]:
    if not names:
        return columns
    declared = {name: question.study.derive[name] for name in names}
    return derive_columns(declared, columns, question.dictionary.by_name)[0]
