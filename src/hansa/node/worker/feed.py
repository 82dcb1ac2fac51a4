"""Rows for a process that cannot reach them itself: a frame in memory, or a table of a database server.

It asks for some columns, then for one batch after the other, as Arrow's own streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from hansa.errors import HansaError, ProtocolError
from hansa.harmonise import Source
from hansa.harmonise.files import connect
from hansa.harmonise.source import record_batches
from hansa.harmonise.stream import Stream, stream_of
from hansa.node.worker.crossing import Plain, error_in, error_out

__all__ = ["Feed", "fed_source"]


class Feed:
    """The side that has the rows. One reading is under way at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._number = -1
        self._batches: Iterator[pa.RecordBatch] = iter(())

    def answer(self, wanted: Plain) -> Plain:
        """The next batch of a reading, empty bytes at its end; a reading starts with a batch of no rows."""
        try:
            if "columns" in wanted:
                self._open(wanted["columns"])
            elif wanted["reading"] != self._number:
                raise ProtocolError("a reading was left for another one and cannot go on")
            batch = next(self._batches, None)
            return {"reading": self._number, "batch": b"" if batch is None else _bytes(batch)}
        except HansaError as error:
            return {"error": error_out(error)}

    def _open(self, positions: Sequence[int]) -> None:
        names = [self._source.columns[position] for position in positions]
        select = ", ".join(f"c{index}" for index in range(len(names)))
        self._number += 1
        self._batches = record_batches(self._source, names, select)


def fed_source(columns: Sequence[str], ask: Callable[[Plain], Plain], *, memory_limit: str) -> Source:
    """The side that reads: a source whose rows come from a :class:`Feed`."""

    def stream(positions: Sequence[int]) -> Stream:
        first = _told(ask({"columns": list(positions)}))

        def batches() -> Iterator[pa.RecordBatch]:
            while body := _told(ask({"reading": first["reading"]}))["batch"]:
                yield _batch(body)

        return stream_of(_batch(first["batch"]).schema, batches())

    return Source(tuple(columns), connect(memory_limit), "frame", stream=stream)


def _told(answer: Plain) -> Plain:
    if "error" in answer:
        raise error_in(answer["error"])
    return answer


def _bytes(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _batch(body: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(body) as reader:
        return reader.read_next_batch()
