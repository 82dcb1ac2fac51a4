"""What every command prints: a table for people, JSON for programs, and progress on what takes a while."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hansa.engine import Progress

__all__ = ["as_json", "json_option", "show", "watching"]

json_option = click.option("--json", "as_json_flag", is_flag=True, help="Print JSON for programs.")


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, sort_keys=True, default=_plain))


def _plain(value: Any) -> Any:
    """Read-only mappings as they are, anything else (dates, paths) as text."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def show(value: Any) -> None:
    """Print text or a rich renderable, to the width of the terminal."""
    from rich.console import Console  # loaded late: --help must stay instant

    Console().print(value, soft_wrap=isinstance(value, str), markup=False, highlight=False)


@contextmanager
def watching(what: str, *, quiet: bool) -> Iterator[Progress]:
    """Progress of a run on the error stream: the round and its step."""
    if quiet:
        yield lambda _text: None
        return
    from rich.console import Console  # loaded late, as above

    console = Console(stderr=True)
    with console.status(what) as status:
        yield lambda text: status.update(f"{what}: {text}")
