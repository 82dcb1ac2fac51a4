"""The custodian's own Dask cluster: a connection that is made anew when it was lost, and what is asked of it.

Dask pickles what passes between its parties, so who controls the cluster controls this process too
(docs/explanation/trust.md). Only values that the gate has checked are handed to it, the hub's among them as CBOR.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TypeVar

from hansa.errors import DataError, Refused
from hansa.node.dask import partitions
from hansa.node.rows import step_failed
from hansa.node.worker.crossing import Plain, error_in
from hansa.version import __version__

try:
    from distributed import Client, Future
except ImportError:
    raise DataError(
        "a Dask cluster cannot be used here",
        why="the package distributed is not installed",
        fix="pip install 'hansa[dask]'",
        field="compute.dask",
    ) from None

__all__ = ["Cluster", "Lost", "connect", "describe"]

T = TypeVar("T")

_CONNECTING = 10.0  # most seconds until a scheduler and a first worker answer


class Lost(Exception):  # what is lost is no error of its own: it is sent again
    """Something that was on the cluster is not there any more."""


def connect(address: str) -> Client:
    """A connection to a cluster whose workers all run this version of Hansa.

    Raises
    ------
    DataError
        If it does not answer, has no workers, or a worker runs another version.
    """
    try:
        client = Client(address, timeout=_CONNECTING, set_as_default=False, direct_to_workers=True, name="hansa-node")
    except (OSError, ValueError) as fault:
        raise _unreachable(f"{address} does not answer ({type(fault).__name__})") from None
    try:
        client.wait_for_workers(1, timeout=_CONNECTING)
        _check_versions(client.run(partitions.version, on_error="return"))
    except (OSError, CancelledError) as fault:
        client.close()
        raise _unreachable(f"{address} has no workers that answer ({type(fault).__name__})") from None
    except DataError:
        client.close()
        raise
    return client


def describe(address: str) -> str:
    """What answers at an address, in words.

    Raises
    ------
    DataError
        As :func:`connect`.
    """
    with connect(address) as client:
        return f"{len(client.nthreads())} Dask workers at {address}, Hansa {__version__}"


def _check_versions(found: dict[str, object]) -> None:
    wrong = sorted(worker for worker, version in found.items() if version != __version__)
    if wrong:
        raise DataError(
            "a worker of the Dask cluster runs another version of Hansa, or none",
            why=f"this node runs {__version__}; {wrong[0]} does not",
            fix="install the same version on the node and on every worker, and restart the workers",
            field="compute.dask",
        )


def _unreachable(why: str) -> DataError:
    fix = "see whether its scheduler and workers run, and whether this machine can open connections to them"
    return DataError("the Dask cluster cannot be reached", why=why, fix=fix, field="compute.dask")


class Cluster:
    """What a node asks of its cluster; each request may take ``seconds``.

    Raises
    ------
    DataError
        As :func:`connect`.
    """

    def __init__(self, address: str, seconds: float | None) -> None:
        self._address, self._seconds = address, seconds
        self._lock = threading.Lock()
        self._closed = False
        self._client = connect(address)

    def until(self) -> float | None:
        """When a request that begins now has to be done."""
        return None if self._seconds is None else time.monotonic() + self._seconds

    def session(self) -> Client:
        """The connection; another one where the last was lost.

        Raises
        ------
        Refused
            With the reason ``step``, if there is none to be had.
        """
        with self._lock:
            if self._closed:
                raise step_failed("this node is stopping", why="its rows were let go of", fix="start again later")
            if self._client.status != "running":
                self._client.close()
                self._client = self._again()
            return self._client

    def send(self, client: Client, value: Plain, until: float | None) -> Future[Plain]:
        """Put a value into the memory of one of the workers."""

        async def put() -> Future[Plain]:
            (there,) = await client.scatter([value], direct=True, hash=False)
            kept: Future[Plain] = there
            return kept

        return self._waited(client, put, until, ())

    def gather(self, client: Client, futures: Sequence[Future[Plain]], until: float | None) -> list[Plain]:
        """The answers of steps, in order.

        Raises
        ------
        Lost
            If a worker died that had what a step stands on.
        Refused
            With the reason ``step``, if one failed or took too long; its worker is then started anew.
        HansaError
            What a step raised.
        """

        async def get() -> list[Plain]:
            found: list[Plain] = await client.gather(list(futures), errors="skip", direct=True)
            if len(found) < len(futures):
                raise Lost
            return found

        return [_told(answer) for answer in self._waited(client, get, until, futures)]

    def close(self) -> None:
        """Let go of everything that is there."""
        with self._lock:
            self._closed = True
            self._client.close()

    def _again(self) -> Client:
        try:
            return connect(self._address)
        except DataError as fault:
            raise step_failed("the step could not be run at this node", why=str(fault), fix="try again later") from None

    def _waited(
        self, client: Client, act: Callable[[], Awaitable[T]], until: float | None, futures: Sequence[Future[Plain]]
    ) -> T:
        left = None if until is None else max(until - time.monotonic(), 0.001)
        try:
            found: T = client.sync(act, callback_timeout=left)
        except (CancelledError, OSError, RuntimeError) as fault:
            if isinstance(fault, TimeoutError) and until is not None and time.monotonic() >= until:
                _end_steps(client, futures)
                raise _too_long(self._seconds) from None
            raise Lost from None
        return found


def _told(answer: Plain) -> Plain:
    if answer["code"] != __version__:
        why = "a worker of the cluster runs another version of Hansa"
        raise step_failed("the step could not be run at this node", why=why)
    if "error" in answer:
        raise error_in(answer["error"])
    if answer.get("fault") == MemoryError.__name__:
        fix = "ask its custodian for more memory, or ask for less at once"
        raise step_failed("the step ran out of memory at this node", why="a worker of the cluster", fix=fix)
    if "fault" in answer:
        raise step_failed("the step failed at this node", why=str(answer["fault"]))
    return answer


def _too_long(seconds: float | None) -> Refused:
    fix = "ask its custodian for more time, or ask for less at once"
    return step_failed("the step took too long at this node", why=f"more than {seconds:g} seconds", fix=fix)


def _end_steps(client: Client, futures: Sequence[Future[Plain]]) -> None:
    """A step that runs cannot be interrupted: the worker that runs it is ended, and its nanny starts another."""
    keys = {future.key for future in futures}
    with suppress(OSError, ValueError, CancelledError):  # the cluster is gone, or has no nannies: it goes on there
        busy = [worker for worker, running in client.processing().items() if keys & set(running)]
        client.cancel(list(futures), force=True)
        client.restart_workers(busy, timeout=_CONNECTING, raise_for_error=False)
