"""A worker whose method misbehaves, for tests. Only in the worker: imported, the same method just adds up ages.

Run as ``python -m faulty_worker FILE`` it confines itself, installs the method and serves, as the real one does.
"""

from __future__ import annotations

import sys

from hansa.node.worker.confine import confine

WEAKER = confine(sys.argv[1:]) if __name__ == "__main__" else ()

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hansa.errors import NotEstimable
from hansa.model import Variable
from hansa.model.exposure import Exposure
from hansa.stats.contract import (
    Arguments,
    Arrays,
    Cohorts,
    Frame,
    Inputs,
    Method,
    Output,
    Preparation,
    Request,
    Step,
)

__all__ = ["FAULTS", "METHOD", "STEP"]

_ALLOWED = {"PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}
_LIMITS = {"MALLOC_ARENA_MAX", "ARROW_DEFAULT_MEMORY_POOL", "PYTHONDONTWRITEBYTECODE"}
_ALGEBRA = {
    *("OPENBLAS_NUM_ALGEBRA", "OMP_NUM_ALGEBRA", "MKL_NUM_ALGEBRA"),
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR"),
}


def _raise() -> None:
    raise ValueError("the patient in bed 321.5")


def _allocate() -> None:
    np.ones(10 * 2**30 // 8)


def _loop() -> None:
    while True:
        pass


def _not_estimable() -> None:
    raise NotEstimable("a is not estimable", why="nobody has it", fix="leave it out", field="formula")


def _babble() -> None:
    for place in range(3, 64):
        try:
            os.write(place, b"\xff" * 64)
        except OSError:
            continue


def _loopback() -> None:
    """Past Python: a socket of the C library's own, to loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
    there = b"\x02\x00\x00\x35\x7f\x00\x00\x01" + bytes(8)
    _check(libc.connect(place, there, len(there)))


def _write_past_python() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    place = libc.open(sys.argv[1].encode(), os.O_RDWR)
    _check(place)


def _truncate_past_python() -> None:
    _check(ctypes.CDLL(None, use_errno=True).truncate(sys.argv[1].encode(), ctypes.c_long(0)))


def _remove_past_python() -> None:
    _check(ctypes.CDLL(None, use_errno=True).unlink(sys.argv[1].encode()))


def _signal_past_python() -> None:
    _check(ctypes.CDLL(None, use_errno=True).kill(os.getppid(), 0))


def _check(done: int) -> None:
    if done < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _read_key() -> None:
    (Path(sys.argv[1]).parent / "keys" / "sign").read_bytes()


def _read_parent() -> None:
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


def _look_for_secrets() -> None:
    found = set(os.environ) - _ALLOWED - _LIMITS - _ALGEBRA
    if found or sys.argv[2:] != [f"{sys.argv[1]}.wal"]:
        raise LookupError


FAULTS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "raise": _raise,
    "memory": _allocate,
    "sleep": lambda: time.sleep(3600),
    "loop": _loop,
    "exit": lambda: os._exit(7),
    "killed": lambda: signal.raise_signal(signal.SIGSEGV),
    "leave": lambda: sys.exit(0),
    "babble": _babble,
    "print": lambda: os.write(1, b"321.5\n" * 100) + os.write(2, b"321.5\n"),
    "socket": socket.socket,
    "loopback": _loopback,
    "program": lambda: subprocess.run(["/bin/true"], check=True),
    "write": lambda: Path(sys.argv[1]).write_text("gone", encoding="utf-8"),
    "write past Python": _write_past_python,
    "truncate past Python": _truncate_past_python,
    "remove past Python": _remove_past_python,
    "signal past Python": _signal_past_python,
    "read a key": _read_key,
    "read the node": _read_parent,
    "secrets": _look_for_secrets,
    "not estimable": _not_estimable,
}


def _exposures(frame: Frame, _arguments: Arguments) -> tuple[Exposure, ...]:
    rows = np.ones(frame.rows, dtype=np.bool_)
    return (Exposure("age", rows, np.empty((frame.rows, 0)), variables=frozenset({"age"})),)


def _dimensions(_arguments: Arguments, _variables: Mapping[str, Variable]) -> Mapping[str, int]:
    return {}


def _add_up(arrays: Arrays, inputs: Inputs) -> Arrays:
    if __name__ == "__main__":
        list(FAULTS.values())[int(inputs["fault"])]()
    return {"sum": arrays["age"].sum()}


def _plan(cohorts: Cohorts, arguments: Arguments) -> Any:
    fault = list(FAULTS).index(arguments["fault"])
    return {"sum": float(cohorts.sum("faulty.sum", Request(arguments), fault=float(fault)).sum)}


_PREPARATION = Preparation(
    "faulty.age",
    1,
    lambda _arguments: ("age",),
    _dimensions,
    lambda frame, _arguments: {"age": frame.columns["age"]},
    _exposures,
)
STEP = Step("faulty.sum", 1, _PREPARATION, (Output("sum", (), "intermediate"),), _add_up)
METHOD = Method("faulty", 1, "Ages, added up", (STEP,), _plan, lambda _a, _v: ("age",), site_release=True)


def _serve() -> None:
    from hansa.node.worker import serving  # noqa: PLC0415  # tests that only import the method need no worker
    from hansa.stats.catalogue import catalogue  # noqa: PLC0415  # as above

    installed = {**catalogue(), METHOD.name: METHOD}
    setattr(serving, "catalogue", lambda: installed)  # noqa: B010  # as an installed package would add it
    serving.serve(WEAKER)


if __name__ == "__main__":
    _serve()
