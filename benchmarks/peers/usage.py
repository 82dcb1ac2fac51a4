"""CPU seconds of everything that a run started, wherever its processes hang: they are known by a mark they inherit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MARK", "cpu_seconds", "marked"]

MARK = "HANSA_PEER_MARK"
_TICKS = os.sysconf("SC_CLK_TCK")


def marked(mark: str) -> Iterator[int]:
    """The processes whose environment holds the mark."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and wanted in _read(entry / "environ").split(b"\0"):
            yield int(entry.name)


def cpu_seconds(mark: str) -> float:
    """What they have used so far, and what their ended children had used."""
    return sum(_used(pid) for pid in marked(mark))


def _used(pid: int) -> float:
    # The second field, the name in brackets, may hold anything: what follows it starts at field 3.
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS  # user and system, own and of ended children


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process has ended meanwhile
        return b""
