"""YAML text as plain values, with one kind of error."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["parse_yaml"]


def parse_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """What the text says, by a safe loader: plain values and nothing to execute.

    Raises
    ------
    yaml.YAMLError
        If it is no YAML. The library itself raises many other errors for a value that is not what it looks like
        (``2026-13-45`` is no day) or for what is nested very deeply.

    Examples
    --------
    >>> parse_yaml("{a: [1, yes]}")
    {'a': [1, True]}
    """
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506  # a safe loader, or a subclass of it
    except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError):
        raise yaml.YAMLError("a value is not what it looks like, or nested too deeply") from None
