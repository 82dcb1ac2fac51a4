"""Reading a source by its dictionary: chunks of float64 columns, in an order that never changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hansa.errors import StudyError
from hansa.harmonise.conversion import conversion, identifier
from hansa.harmonise.source import Source, column_kinds, record_batches
from hansa.model import Dictionary

__all__ = ["Chunk", "read_chunks"]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive rows.

    Attributes
    ----------
    columns : dict of str to float64 array, shape (n,)
        NaN is missing; see hansa.model.dictionary for what the numbers mean.
    person : array, shape (n,)
        Identifiers as text (object; None where there is none), or int64 row numbers where each row is one person.
    undeclared : dict of str to int
        How many values of each column the dictionary does not allow; they are missing in ``columns``.
    """

    columns: dict[str, NDArray[np.float64]]
    person: NDArray[Any]
    undeclared: dict[str, int]

    def __len__(self) -> int:
        return len(self.person)


def read_chunks(
    source: Source, dictionary: Dictionary, variables: Sequence[str], *, chunk_rows: int = 65_536
) -> Iterator[Chunk]:
    """Read the named variables, and nothing else, as float64 columns.

    Rows come in the source's order, ``chunk_rows`` at a time. Where a person has many rows, they come
    ordered by person (then by position in the source), and a chunk ends where a person ends; it is longer
    than ``chunk_rows`` only for a person with more rows than that. A source without rows gives one empty chunk.

    Values that the dictionary does not allow (a level not listed, a fraction in an integer, an infinite
    number, text in a number, a date that is not ISO 8601) become missing and are counted, never shown.

    Raises
    ------
    DictionaryError
        If the dictionary does not describe a variable.
    DataError
        If the source lacks a column, or cannot be read.

    Examples
    --------
    >>> import pandas as pd
    >>> from hansa.harmonise import open_source, read_dictionary
    >>> dictionary = read_dictionary(
    ...     {"variables": [{"name": "sex", "type": "category", "levels": ["male", "female"]}]}
    ... )
    >>> source = open_source(pd.DataFrame({"sex": ["female", "male", None, "femal"]}))
    >>> chunk = next(read_chunks(source, dictionary, ["sex"]))
    >>> chunk.columns["sex"], chunk.undeclared
    (array([ 1.,  0., nan, nan]), {'sex': 1})
    """
    if chunk_rows < 1:
        raise StudyError("a chunk has at least one row", fix="give a positive number", field="chunk_rows")
    names = list(dict.fromkeys(variables))
    rows = _rows(source, dictionary, names, chunk_rows)
    if dictionary.person is None:
        return _numbered(_cut(rows, chunk_rows, whole_persons=False), names)
    tables = _cut(rows, chunk_rows, whole_persons=not dictionary.one_row_per_person)
    return (_chunk(table, names, table["p"].to_numpy()) for table in tables)


def _rows(source: Source, dictionary: Dictionary, names: list[str], chunk_rows: int) -> Iterator[pa.RecordBatch]:
    person = dictionary.person
    # An analysis of no variable still has rows to count: any column will do.
    needed = [*names, *([person] if person is not None else [])] or list(source.columns[:1])
    kinds = column_kinds(source, needed)
    parts = [conversion(dictionary[name], position, kinds[name]) for position, name in enumerate(names)]
    parts += [identifier(len(names), kinds[person])] if person is not None else []
    steps = [", ".join(filter(None, step)) for step in ([p.text for p in parts], [p.label for p in parts])]
    return record_batches(
        source,
        needed,
        ", ".join(part.value for part in parts) or "NULL AS nothing",
        steps=[step for step in steps if step],
        tail="ORDER BY p NULLS FIRST, r" if person is not None and not dictionary.one_row_per_person else "",
        # Small batches would cost more to cut and join than they save.
        rows=max(chunk_rows, 8192),
    )


def _numbered(tables: Iterator[pa.Table], names: list[str]) -> Iterator[Chunk]:
    start = 0
    for table in tables:
        yield _chunk(table, names, np.arange(start, start + table.num_rows, dtype=np.int64))
        start += table.num_rows


def _chunk(table: pa.Table, names: list[str], person: NDArray[Any]) -> Chunk:
    columns: dict[str, NDArray[np.float64]] = {}
    undeclared: dict[str, int] = {}
    for position, name in enumerate(names):
        values = table[f"v{position}"].to_numpy()
        infinite = np.isinf(values)
        undeclared[name] = int(np.count_nonzero(infinite))
        columns[name] = np.where(infinite, np.nan, values) if undeclared[name] else values
    return Chunk(columns, person, undeclared)


def _cut(batches: Iterator[pa.RecordBatch], chunk_rows: int, *, whole_persons: bool) -> Iterator[pa.Table]:
    """The batches cut anew: the engine's batch sizes are its own affair, a chunk's are fixed."""
    end_of = _end_of_person if whole_persons else _end_of_chunk
    held: pa.Table | None = None
    for batch in batches:
        added = pa.Table.from_batches([batch])
        held = pa.concat_tables([held, added]) if held is not None and held.num_rows else added
        while (end := end_of(held, chunk_rows)) is not None:
            yield held.slice(0, end)
            held = held.slice(end)
    if held is not None:
        yield held


def _end_of_chunk(table: pa.Table, chunk_rows: int) -> int | None:
    return chunk_rows if table.num_rows > chunk_rows else None


def _end_of_person(table: pa.Table, chunk_rows: int) -> int | None:
    if table.num_rows <= chunk_rows:
        return None
    person = pc.fill_null(table["p"].combine_chunks(), "")
    ends = np.flatnonzero(pc.not_equal(person[1:], person[:-1]).to_numpy(zero_copy_only=False)) + 1
    within = np.searchsorted(ends, chunk_rows, side="right")
    if within > 0:
        return int(ends[within - 1])
    return int(ends[0]) if len(ends) else None
