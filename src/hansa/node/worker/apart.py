"""A node's work in a process apart, which holds the data and nothing else (:mod:`hansa.node.worker`).

That process is a cache of what was read and prepared: every request names its rows anew, so one that crashed, ran
out of memory or took too long is replaced by a fresh one, and costs the run that was under way.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import AbstractBitMap, BitMap

from hansa.errors import DataError, HansaError, Refused
from hansa.harmonise import DataLike, open_source
from hansa.harmonise.address import is_server
from hansa.model import Dictionary
from hansa.node.prepared import Asking
from hansa.node.rows import Found, Observed, step_failed
from hansa.node.worker.child import Child
from hansa.node.worker.crossing import Plain, asking_out, found_in, observed_in
from hansa.node.worker.feed import Feed
from hansa.stats.contract import Arguments, Inputs, Step
from hansa.stats.question import Question
from hansa.wire import encode as to_cbor

__all__ = ["Encode", "RowsApart", "WorkApart"]

Encode = Callable[[Sequence[NDArray[Any]]], tuple[NDArray[np.uint32], ...]]
"""From the identifiers of every chunk to person codes."""

_WORKER = "hansa.node.worker"
_OPENING = 60.0  # least seconds to start, load the libraries and read the data
_TABLE = "?table="
_CHANGED = "the data are not those that this node was started with"


class WorkApart:
    """All of a node's rows, in a process of their own.

    Parameters
    ----------
    data, dictionary, encode, memory, seconds
        As :func:`hansa.node.work.open_work`.
    _module : str
        What the process runs; tests put methods of their own into it.

    Raises
    ------
    DataError
        If the data cannot be read, do not fit, or no process could read them.
    """

    def __init__(
        self,
        data: DataLike,
        dictionary: Dictionary,
        encode: Encode,
        *,
        memory: int | None = None,
        seconds: float | None = None,
        _module: str = _WORKER,
    ) -> None:
        self.dictionary = dictionary
        self.weaker: tuple[str, ...] = ()
        self._file = None if not isinstance(data, str | Path) or is_server(data) else _absolute(data)
        self._source = open_source(data) if self._file is None else None
        self._memory, self._seconds, self._module = memory, seconds, _module
        self._lock = threading.Lock()
        self._closed = False
        self._codes: tuple[NDArray[np.uint32], ...] = ()
        self._known = b""
        self._child = self._first(encode)

    @property
    def people(self) -> BitMap:
        """Everybody who has a row, by code."""
        return BitMap.union(*(BitMap(part) for part in self._codes))

    def select(self, question: Question, analysis: str, allowed: AbstractBitMap) -> RowsApart:
        """The rows of a question among the people who may be used; the worker reads the question for itself."""
        named = {
            "study": question.study.model_dump_json().encode(),
            "analysis": analysis,
            "allowed": allowed.serialize(),
        }
        people = self.request({"do": "people", **named})["people"]
        return RowsApart(question, self, named, BitMap.deserialize(people))

    def request(self, asked: Plain) -> Plain:
        """The worker's answer; of a fresh worker where the last one has ended.

        Raises
        ------
        Refused
            If the step failed, with the reason ``step``.
        HansaError
            What the step itself raised.
        """
        with self._lock:
            if self._closed:
                raise step_failed("this node is stopping", why="its rows were let go of", fix="start again later")
            if not self._child.alive:
                self._child = self._fresh()
            return self._child.ask(asked, self._seconds)

    def close(self) -> None:
        """End the process."""
        self._closed = True
        self._child.end()

    def _first(self, encode: Encode) -> Child:
        child = self._started()
        try:
            opened = child.ask(self._opening(), self._patience)
            self._known, people = _digest(opened), _identifiers(opened)
            self.weaker = tuple(opened["weaker"])
            self._codes = encode(people)
            child.ask(self._coding(), self._patience)
        except Refused as refusal:
            child.end()
            raise DataError(
                "the data could not be opened in a process apart",
                why=f"{refusal.what} ({refusal.why})",
                fix="raise the limits on steps, or see whether the data can be read here at all",
                field="data",
            ) from None
        except HansaError:
            child.end()
            raise
        return child

    def _fresh(self) -> Child:
        """Another worker for the same data: codes belong to rows by their place, so these may not have changed."""
        child = self._started()
        try:
            opened = child.ask(self._opening(), self._patience)
            if _digest(opened) != self._known:
                raise step_failed(_CHANGED, why="other people, another order, or other code", fix="restart the node")
            child.ask(self._coding(), self._patience)
        except HansaError:
            child.end()
            raise
        return child

    @property
    def _patience(self) -> float | None:
        return None if self._seconds is None else max(self._seconds, _OPENING)

    def _started(self) -> Child:
        feed = None if self._source is None else Feed(self._source)
        file = (self._file or "").partition(_TABLE)[0]
        return Child(self._module, (file, f"{file}.wal") if file else (), feed)  # what DuckDB has not written back yet

    def _opening(self) -> Plain:
        return {
            "do": "open",
            "file": self._file,
            "columns": None if self._source is None else list(self._source.columns),
            "dictionary": self.dictionary.model_dump_json(),
            "memory": self._memory,
        }

    def _coding(self) -> Plain:
        return {"do": "codes", "codes": [part.astype("<u4").tobytes() for part in self._codes]}


@dataclass(frozen=True, eq=False)
class RowsApart:
    """The rows of one question, wherever they are."""

    question: Question
    _work: WorkApart
    _named: Plain
    _people: BitMap

    def people(self) -> BitMap:
        """The people of the analysis set."""
        return self._people

    def ask(self, step: Step, arguments: Arguments, inputs: Inputs, asking: Asking | None) -> Found:
        """A round: prepare where needed, count the exposures where ``asking`` says of whom, compute the share."""
        asked = {
            "do": "ask",
            **self._named,
            "step": step.name,
            "version": step.version,
            "arguments": arguments,
            "inputs": dict(inputs),
            "asking": asking_out(asking),
        }
        return found_in(self._work.request(asked))

    def estimate(self, asking: Asking) -> Observed:
        """The question's whole plan over these rows alone, nothing judged yet."""
        return observed_in(self._work.request({"do": "estimate", **self._named, "asking": asking_out(asking)}))


def _absolute(data: str | Path) -> str:
    """The path as the worker finds it, which has neither this process's folder nor its home."""
    file, mark, table = str(data).partition(_TABLE)
    return f"{Path(file).expanduser().resolve()}{mark}{table}"


def _digest(opened: Plain) -> bytes:
    """Of the identifiers and the code: what may not change while runs go on."""
    return hashlib.sha256(to_cbor([opened["code"], opened["people"]])).digest()


def _identifiers(opened: Plain) -> list[NDArray[Any]]:
    return [part if isinstance(part, np.ndarray) else np.array(part, dtype=object) for part in opened["people"]]
