"""Structured logs of a daemon: JSON lines on the error stream, with fixed events and an allow-list of fields.

What stands in a log travels further than its writer thinks. So a line is made of names that are in the code,
identifiers and numbers, never of text: not of an error's words, not of a traceback, not of what came over the wire.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import os
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypedDict, Unpack, get_args

import structlog

from hansa.errors import PolicyError

__all__ = ["EVENTS", "FIELDS", "Event", "Fields", "Level", "configure_logs", "log_event", "token"]

Level = Literal["debug", "info", "warning", "error"]

Event = Literal[
    "connection back",
    "connection lost",
    "connection refused",
    "fault",
    "hub serving",
    "hub stopped",
    "library",
    "message answered",
    "message declined",
    "messaging server restarted",
    "metrics served",
    "node absent",
    "node present",
    "node serving",
    "node stopped",
    "plan process replaced",
    "round answered",
    "round asked",
    "round counted",
    "run ended",
    "run started",
    "site released",
    "study decided",
]
"""All that is ever logged."""


class Fields(TypedDict, total=False):
    """What may stand beside an event; see :data:`FIELDS`."""

    study: str
    run: str
    round: int
    step: str
    node: str
    seconds: float
    bytes: int
    code: str
    rule: str
    library: str
    place: str


EVENTS: frozenset[str] = frozenset(get_args(Event))
"""The names of events."""

FIELDS: frozenset[str] = frozenset(Fields.__annotations__)
"""The names of fields: identifiers of things, numbers, and where in the code (``library``, ``place``)."""

_LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_TOKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")
_WITHHELD = "(withheld)"


def configure_logs(who: str) -> None:
    """Log this process's events; libraries, warnings and uncaught exceptions are logged without their words.

    Parameters
    ----------
    who : str
        The process, as it stands in each line: ``node zurich``, ``hub``, ``hub worker-0``.

    Raises
    ------
    PolicyError
        If the environment's ``HANSA_LOG`` is no level.
    """
    level = os.environ.get("HANSA_LOG", "info")
    if level not in _LEVELS:
        raise PolicyError("there is no such level of logs", fix=f"one of {', '.join(_LEVELS)}", field="HANSA_LOG")
    structlog.configure(
        processors=[_Line(who), structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)
    # "returning true from eof_received() has no effect when using ssl", at every connection that ends.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def log_event(event: Event, *, level: Level = "info", **fields: Unpack[Fields]) -> None:
    """Log an event, where this process logs.

    A log that cannot be written, because the disk is full or its reader has gone, stops nothing.
    """
    if structlog.is_configured():
        with suppress(OSError, ValueError):
            getattr(structlog.get_logger(), level)(event, **fields)


def token(value: object) -> str:
    """An identifier as it is, if it is short and of letters, digits and ``_ . : -`` only.

    Examples
    --------
    >>> token("0192d3c4-77"), token("age of Mrs Frei is 71")
    ('0192d3c4-77', '(withheld)')
    """
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else _WITHHELD


class _Line:
    """The last look at a line before it is written."""

    def __init__(self, who: str) -> None:
        self._who = who

    def __call__(self, _logger: object, level: str, found: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event = found.pop("event", "")
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": level, "who": self._who, "event": event if event in EVENTS else _WITHHELD}
        return line | {name: _checked(value) for name, value in found.items() if name in FIELDS}


def _checked(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 4)
    return token(value)


class _Libraries(logging.Handler):
    """What libraries say, without their words: they hold whatever a library was given."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        kind, _, trace = record.exc_info or (None, None, None)
        place = f"{Path(record.pathname).name}:{record.lineno}" if trace is None else _place(trace)
        code = record.levelname.lower() if kind is None else kind.__name__
        log_event("library", level=level, library=record.name, code=code, place=place)


def _uncaught(kind: type[BaseException], _fault: BaseException | None, trace: TracebackType | None) -> None:
    log_event("fault", level="error", code=kind.__name__, place=_place(trace))


def _place(trace: TracebackType | None) -> str:
    """The file and line where an exception was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
