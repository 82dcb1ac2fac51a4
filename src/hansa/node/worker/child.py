"""One worker process: started without secrets, asked through pipes, ended when it takes too long."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from typing import Any

from hansa.errors import ProtocolError, Refused
from hansa.node.rows import step_failed
from hansa.node.worker.crossing import Plain, error_in
from hansa.node.worker.feed import Feed
from hansa.node.worker.pipes import receive, send

__all__ = ["EXIT_MEMORY", "Child"]

EXIT_MEMORY = 86
"""The exit status of a worker that had too little memory to say so."""

_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
_ALGEBRA = (  # what decides the last bits of sums: how many threads, and for which processor
    *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR"),
)
_FRUGAL = {
    "MALLOC_ARENA_MAX": "2",  # address space is what is limited, and these reserve much of it unused
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Child:
    """A worker process (see :mod:`hansa.node.worker`).

    Parameters
    ----------
    module : str
        What it runs.
    files : sequence of str
        All that it may read beyond Python's own libraries.
    feed : Feed, optional
        The rows that it cannot reach itself.
    """

    def __init__(self, module: str, files: Sequence[str], feed: Feed | None) -> None:
        environment = {name: os.environ[name] for name in (*_KEPT, *_ALGEBRA) if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter, a module of this installation
            [sys.executable, "-P", "-m", module, *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | _FRUGAL,
            cwd="/",
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the node, which finishes what is under way
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._feed = feed
        self._requests, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe, False)
        self.end = weakref.finalize(self, _end, self._process)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.end.alive

    def ask(self, asked: Plain, seconds: float | None) -> Plain:
        """Its answer, within so many seconds.

        Raises
        ------
        Refused
            With the reason ``step``, where there is no answer; the process has then ended, unless the step merely
            raised what is none of Hansa's errors.
        HansaError
            What was raised there.
        """
        until = None if seconds is None else time.monotonic() + seconds
        try:
            answer = self._answer(asked, until)
        except TimeoutError:
            self.end()
            raise _too_long(seconds) from None
        except (EOFError, OSError, ProtocolError) as fault:
            raise self._lost(fault) from None
        if "error" in answer:
            raise error_in(answer["error"])
        if "fault" in answer:
            raise self._failed(str(answer["fault"]))
        return answer

    def _answer(self, asked: Plain, until: float | None) -> Plain:
        send(self._requests, asked, until)
        while "feed" in (answer := _mapping(receive(self._answers, until))):
            if self._feed is None:
                raise ProtocolError("a worker asks for rows that it has")
            send(self._requests, self._feed.answer(answer["feed"]), until)
        return answer

    def _failed(self, fault: str) -> Refused:
        if fault != MemoryError.__name__:
            return step_failed("the step failed at this node", why=fault)
        self.end()  # what it still holds is scattered over its memory
        return _no_memory()

    def _lost(self, fault: Exception) -> Refused:
        """Why there is no answer, from how the process ended; one that talks nonsense is ended."""
        talks = isinstance(fault, ProtocolError)
        status = None if talks else self._status()
        self.end()
        if status == EXIT_MEMORY:
            return _no_memory()
        why = "its answer could not be read" if talks else f"its process ended with status {status}"
        return step_failed("the step crashed at this node", why=why)

    def _status(self) -> int | None:
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return None


def _mapping(value: Any) -> Plain:
    if not isinstance(value, dict):
        raise ProtocolError("a worker's answer is no map")
    return value


def _no_memory() -> Refused:
    fix = "ask its custodian for more memory, or ask for less at once"
    return step_failed("the step ran out of memory at this node", why="limits.memory_mb", fix=fix)


def _too_long(seconds: float | None) -> Refused:
    fix = "ask its custodian for more time, or ask for less at once"
    return step_failed("the step took too long at this node", why=f"more than {seconds:g} seconds", fix=fix)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
