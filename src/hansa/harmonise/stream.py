"""Rows that arrive once and in order, and what stopped them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from hansa.errors import DataError

__all__ = ["Stream", "stream_of"]


@dataclass(frozen=True, eq=False)
class Stream:
    """One reading of some columns, called ``c0, c1, ...``; nothing is read before the reader is.

    The engine that reads turns every error into one of its own, so ``failures`` keeps the first.
    """

    reader: pa.RecordBatchReader
    failures: list[DataError] = field(default_factory=list)


def stream_of(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Stream:
    """A stream of batches whose source raises DataError."""
    failures: list[DataError] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except DataError as error:
            failures.append(error)
            raise

    return Stream(pa.RecordBatchReader.from_batches(schema, watched()), failures)
