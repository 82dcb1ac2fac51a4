"""What the commands of node, hub and researcher share: the clock, an organisation's options, serving until told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hansa.model import Party

__all__ = ["PARTY", "now", "party_options", "read_party", "serve_until_told"]

_TICK = 2.0
_FIELDS = ("kind", "seat", "owner", "owner_kind", "owner_country")
PARTY = ("organisation", *_FIELDS)
"""The names of the options of :func:`party_options`."""


def now() -> dt.datetime:
    """UTC."""
    return dt.datetime.now(dt.UTC)


def party_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that describe an organisation. What is not given is not known, which no rule takes for a yes."""
    for option in reversed(
        (
            click.option("--organisation", required=True, help="The organisation's name."),
            click.option("--kind", help="university, hospital, company, insurer ... (see the policy reference)."),
            click.option("--seat", help="Two-letter code of the country of its seat."),
            click.option("--owner", help="Who controls it; `itself` where nobody else does."),
            click.option("--owner-kind", help="What kind of organisation the owner is."),
            click.option("--owner-country", help="Two-letter code of the owner's country."),
        )
    ):
        command = option(command)
    return command


def read_party(options: Mapping[str, Any]) -> Party:
    """The organisation that :func:`party_options` describe."""
    from hansa.errors import PolicyError  # loaded late: --help must stay instant
    from hansa.model import Party, read_value

    content = {"name": options["organisation"], **{name: options[name] for name in _FIELDS}}
    return read_value(Party, {name: value for name, value in content.items() if value is not None}, error=PolicyError)


def serve_until_told(tick: Callable[[], None]) -> None:
    """Wait for SIGTERM or Ctrl-C; ``tick`` is called every two seconds."""
    import signal  # loaded late, as above
    import threading

    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    while not told.wait(_TICK):
        tick()
