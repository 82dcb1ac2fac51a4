"""A worker process answers its node: it opens the data, selects people, computes steps.

Everything here is kept only for speed. A request names its rows in full, so that a fresh worker gives the same answer.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from hansa.errors import HansaError, ProtocolError
from hansa.harmonise import Source, open_source, read_chunks
from hansa.model import Dictionary, Study
from hansa.node.analysis_set import Data
from hansa.node.work import RowsHere, WorkHere
from hansa.node.worker.child import EXIT_MEMORY
from hansa.node.worker.confine import limit_memory, refuse_in_python
from hansa.node.worker.crossing import Plain, asking_in, error_out, found_out, observed_out
from hansa.node.worker.feed import fed_source
from hansa.node.worker.pipes import receive, send
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Step
from hansa.stats.question import read_question
from hansa.version import __version__

__all__ = ["serve"]

T = TypeVar("T")

_KEPT = 4  # analysis sets (each with its arrays) that stay ready
_QUERY = 1 << 30  # most bytes that reading takes, or half of what there is


def serve(weaker: tuple[str, ...]) -> None:
    """Answer until the node goes away. Standard streams lead nowhere: a step may print, and nobody hears it."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    threading.Thread(target=_leave_with, args=(requests,), daemon=True).start()
    _settle()
    refuse_in_python()
    desk = _Desk(requests, answers, weaker)
    while True:
        try:
            asked = receive(requests)
            answer = _answered(desk, asked)
            send(answers, answer)
        except EOFError:
            return
        except MemoryError:
            os._exit(EXIT_MEMORY)


def _leave_with(requests: int) -> None:
    """End with the node, even in the middle of a step."""
    poller = select.poll()
    poller.register(requests, 0)  # no event but that the other end is closed
    poller.poll()
    os._exit(0)


def _settle() -> None:
    """Let the libraries reserve what they want for themselves, before memory is limited to so much more."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    square = np.ones((256, 256))
    square @ square


def _answered(desk: _Desk, asked: Plain) -> Plain:
    try:
        return desk.answer(asked)
    except HansaError as error:
        return {"error": error_out(error)}
    except Exception as fault:  # a step's; its text may hold data, so its name alone is told
        name = MemoryError if isinstance(fault, MemoryError) else type(fault)
        return {"fault": name.__name__}


class _Desk:
    """What a worker has before it: the data, and the rows asked for last."""

    def __init__(self, requests: int, answers: int, weaker: tuple[str, ...]) -> None:
        self._requests, self._answers, self._weaker = requests, answers, weaker
        self._opened: tuple[Source, Dictionary] | None = None
        self._work: WorkHere | None = None
        self._kept: dict[tuple[bytes, str, bytes], RowsHere] = {}
        self._does: dict[str, Callable[[Plain], Plain]] = {
            "open": self._open,
            "codes": self._code,
            "people": lambda asked: self._on_rows(asked, lambda rows: {"people": rows.people().serialize()}),
            "ask": lambda asked: self._on_rows(asked, lambda rows: _asked(rows, asked)),
            "estimate": lambda asked: self._on_rows(asked, lambda rows: _estimated(rows, asked)),
        }

    def answer(self, asked: Plain) -> Plain:
        return self._does[asked["do"]](asked)

    def _open(self, asked: Plain) -> Plain:
        memory = asked["memory"]
        if memory is not None:
            limit_memory(memory)
        limit = f"{min(_QUERY, memory // 2 if memory else _QUERY) >> 20}MiB"
        dictionary = Dictionary.model_validate_json(asked["dictionary"])
        if asked["file"] is None:
            source = fed_source(asked["columns"], self._fetch, memory_limit=limit)
        else:
            source = open_source(asked["file"], memory_limit=limit)
        self._opened = source, dictionary
        people = [chunk.person for chunk in read_chunks(source, dictionary, [])]
        plain = [part if part.dtype.kind == "i" else part.tolist() for part in people]
        return {"people": plain, "weaker": list(self._weaker), "code": __version__}

    def _code(self, asked: Plain) -> Plain:
        assert self._opened is not None
        codes = tuple(np.frombuffer(part, dtype="<u4") for part in asked["codes"])
        self._work = WorkHere(Data(*self._opened, codes))
        return {}

    def _fetch(self, wanted: Plain) -> Plain:
        send(self._answers, {"feed": wanted})
        answer: Plain = receive(self._requests)
        return answer

    def _on_rows(self, asked: Plain, act: Callable[[RowsHere], T]) -> T:
        """Act on the rows asked for; where memory runs out, once more with nothing else kept."""
        try:
            return act(self._rows(asked))
        except MemoryError:
            if len(self._kept) < 2:
                raise
            self._kept.clear()
        return act(self._rows(asked))

    def _rows(self, asked: Plain) -> RowsHere:
        assert self._work is not None
        key = asked["study"], asked["analysis"], asked["allowed"]
        rows = self._kept.pop(key, None)
        if rows is None:
            study = Study.model_validate_json(asked["study"])
            question = read_question(study, asked["analysis"], self._work.dictionary, catalogue())
            rows = self._work.select(question, asked["analysis"], BitMap.deserialize(asked["allowed"]))
        self._kept[key] = rows
        while len(self._kept) > _KEPT:
            self._kept.pop(next(iter(self._kept)))
        return rows


def _asked(rows: RowsHere, asked: Plain) -> Plain:
    step = _step(rows, asked["step"], asked["version"])
    return found_out(rows.ask(step, asked["arguments"], asked["inputs"], asking_in(asked["asking"])))


def _estimated(rows: RowsHere, asked: Plain) -> Plain:
    asking = asking_in(asked["asking"])
    assert asking is not None
    return observed_out(rows.estimate(asking))


def _step(rows: RowsHere, name: str, version: int) -> Step:
    for step in rows.question.method.steps:
        if (step.name, step.version) == (name, version):
            return step
    raise ProtocolError("a round asks for a step that is not installed here")
