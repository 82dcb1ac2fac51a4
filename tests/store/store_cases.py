"""The databases that the contract of the hub's store is tested on, and other processes that use them.

PYTEST_DONT_REWRITE: it is a plugin that is imported by name too.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hansa.store import HubStore

if TYPE_CHECKING:
    from postgres_server import Server

KEY = bytes(range(32))
NOW = dt.datetime(2027, 1, 1, 12, tzinfo=dt.UTC)
LEASE = dt.timedelta(seconds=30)
DIED = 77


def address(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "postgresql":
        server: Server = request.getfixturevalue("server")
        return server.new_database()
    return "sqlite://" if kind == "memory" else f"sqlite:///{folder / 'hub.db'}"


@pytest.fixture(params=["memory", "file", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HubStore]:
    """A new hub store on each database."""
    opened = HubStore.at(address(request.param, request, tmp_path), KEY)
    yield opened
    opened.close()


@pytest.fixture(params=["file", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database that several processes can reach."""
    return address(request.param, request, tmp_path)


class Process:
    """``store_workers.py`` with a role: it prepares, waits at the gate until all are there, works, and reports."""

    def __init__(self, role: str, url: str, name: str) -> None:
        command = [sys.executable, "-W", "error", str(Path(__file__).with_name("store_workers.py")), role, url, name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def open_gate(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def report(self) -> Any:
        output, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return json.loads(output)

    def end(self) -> int:
        self.process.communicate(timeout=60)
        return self.process.returncode


def at_once(role: str, url: str, count: int) -> list[Process]:
    """Processes of one role that have just been let go together."""
    processes = [Process(role, url, f"w{number}") for number in range(count)]
    for process in processes:
        process.wait_ready()
    for process in processes:
        process.open_gate()
    return processes


def end_of_one(role: str, url: str, name: str) -> int:
    """The exit status of one process."""
    (process,) = [Process(role, url, name)]
    process.wait_ready()
    process.open_gate()
    return process.end()


def events(store: HubStore) -> list[tuple[str, str, str]]:
    return [(event, subject, detail) for _, event, subject, detail in store.events()]
