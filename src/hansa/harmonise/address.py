"""Where a table of a database is: ``file.duckdb?table=NAME`` or ``postgresql://user@host:port/database?table=NAME``.

A name after ``table=`` is percent-encoded (``%25`` is a percent sign, ``%26`` an ampersand) and is never SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from hansa.errors import DataError

__all__ = ["ServerAddress", "is_server", "server_address", "split_table"]

_SERVER = re.compile(r"postgres(ql)?://", re.IGNORECASE)
_TABLE = "?table="
_FORM = "postgresql://user@host:port/database?table=schema.name"


@dataclass(frozen=True, repr=False)
class ServerAddress:
    """A table of a server.

    Attributes
    ----------
    parameters : dict of str to str
        For libpq: host, port, user, dbname, as far as the address says. What it leaves out, and the password,
        libpq finds by its own rules.
    table : str
        ``name`` or ``schema.name``.
    """

    parameters: dict[str, str]
    table: str


def is_server(data: object) -> bool:
    """Whether this is an address of PostgreSQL."""
    return isinstance(data, str) and _SERVER.match(data) is not None


def server_address(address: str) -> ServerAddress:
    """Read an address, of which no part is ever shown: it may hold a password by mistake.

    Raises
    ------
    DataError
        If it holds a password, names no table, or says more than that.

    Examples
    --------
    >>> server_address("postgresql://ward@db.example:5432/cohort?table=public.people").table
    'public.people'
    """
    try:
        parts = urlsplit(address)
        # A password with "/" or "?" in it ends the host early, and its rest stands in what follows.
        if parts.password is not None or re.search(r"@|password=", parts.path + parts.query, re.IGNORECASE):
            raise _with_password()
        given = {"host": _host(parts), "port": parts.port, "user": parts.username, "dbname": parts.path[1:]}
    except ValueError:
        raise _malformed("the address cannot be read") from None
    table = _only_table(parts)
    if "\0" in unquote(address):
        raise _malformed("the address holds a null character")
    return ServerAddress({key: unquote(str(value)) for key, value in given.items() if value}, table)


def split_table(path: str | Path) -> tuple[Path, str | None]:
    """A path and the table named behind it, if one is.

    Examples
    --------
    >>> split_table("cohort.duckdb?table=people")[1]
    'people'
    """
    file, found, table = str(path).partition(_TABLE)
    return Path(file), unquote(table) if found else None


def _host(parts: SplitResult) -> str:
    """The host as it is written: a socket's folder must keep its capitals."""
    host = parts.netloc.rpartition("@")[2]
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def _with_password() -> DataError:
    return DataError(
        "the address holds a password, or an @ that is not written %40",
        why="addresses are kept in files and shown in logs",
        fix="leave it out: put the password in ~/.pgpass, or in a file that PGPASSFILE names",
        field="data",
    )


def _only_table(parts: SplitResult) -> str:
    key, _, table = parts.query.partition("=")
    if key != "table" or not table or "&" in table or parts.fragment:
        raise _malformed("the address must name one table and nothing else after it")
    return unquote(table)


def _malformed(what: str) -> DataError:
    return DataError(
        what, fix=f"write {_FORM}; set all else by libpq's environment variables, as PGSSLMODE", field="data"
    )
