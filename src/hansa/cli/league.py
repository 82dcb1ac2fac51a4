"""The league a command works on: the built-in example, or one described in a file.

A league file is YAML: ``dictionary`` (a path), ``min_nodes``, ``store`` (a folder, optional) and ``nodes``,
each with ``data`` (a path) and ``policy`` (a path, optional). Paths are relative to the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hansa.embedded.local import LocalLeague

__all__ = ["league_option", "open_league"]

league_option = click.option(
    "--league",
    "league",
    default="heart",
    show_default=True,
    help="A league file (YAML), or `heart`: the built-in example of four hospitals.",
)


def open_league(name: str) -> LocalLeague:
    """The league of this name or file.

    Raises
    ------
    StudyError
        If the file cannot be read or lacks a part.
    """
    from hansa.embedded.local import local  # loaded late: --help must stay instant
    from hansa.examples import heart, heart_dictionary, heart_policies

    if name == "heart":
        return local(heart(), heart_dictionary(), heart_policies())
    folder, parts = _read(Path(name))
    nodes = parts["nodes"]
    policies = {node: folder / entry["policy"] for node, entry in nodes.items() if "policy" in entry}
    return local(
        {node: _source(folder, entry["data"]) for node, entry in nodes.items()},
        folder / parts["dictionary"] if "dictionary" in parts else None,
        policies or None,
        folder / parts["store"] if "store" in parts else None,
        int(parts.get("min_nodes", 3)),
    )


def _source(folder: Path, data: str) -> str | Path:
    """An address as it is; a path as seen from the league file."""
    return data if "://" in data else folder / data


def _read(path: Path) -> tuple[Path, dict[str, Any]]:
    import yaml  # loaded late, as above

    from hansa.errors import StudyError

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        nodes = content["nodes"]
        if not all(isinstance(entry, dict) and "data" in entry for entry in nodes.values()):
            raise StudyError("a node lacks its data", fix="give nodes.NAME.data a path", field="nodes")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as fault:
        raise StudyError(
            f"{path} is no league file",
            why=type(fault).__name__,
            fix="give `heart`, or a YAML file with nodes, each with a path under data",
            field="--league",
        ) from None
    return path.parent, content
