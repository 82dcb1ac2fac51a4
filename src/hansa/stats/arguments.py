"""Reading a method's arguments: every fault is a study error that names the argument."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from hansa.errors import StudyError
from hansa.model import Variable
from hansa.stats.contract import Arguments

__all__ = ["flag", "known", "names", "no_others", "one_name", "whole_number"]


def no_others(arguments: Arguments, *allowed: str) -> None:
    """Refuse arguments that the method does not have.

    Raises
    ------
    StudyError
        For the first argument that is not allowed.
    """
    for name in arguments:
        if name not in allowed:
            raise StudyError("the method has no such argument", fix=f"it takes {', '.join(allowed)}", field=str(name))


def known(name: Any, variables: Mapping[str, Variable], field: str) -> Variable:
    """The variable of that name.

    Raises
    ------
    StudyError
        When neither the dictionary nor the study describes it; the nearest name is suggested.
    """
    if isinstance(name, str) and name in variables:
        return variables[name]
    near = difflib.get_close_matches(str(name), variables, n=1)
    raise StudyError(
        f"there is no variable {name}",
        why="neither the dictionary nor the study's derivations describe it",
        fix=f"did you mean {near[0]}?" if near else "name a variable of the dictionary",
        field=field,
    )


def one_name(arguments: Arguments, field: str, variables: Mapping[str, Variable]) -> Variable:
    """The variable that an argument names.

    Raises
    ------
    StudyError
        When the argument is absent or names no variable.
    """
    if arguments.get(field) is None:
        raise StudyError("the argument is needed", fix="name a variable", field=field)
    return known(arguments[field], variables, field)


def names(arguments: Arguments, field: str, variables: Mapping[str, Variable]) -> tuple[Variable, ...]:
    """The variables that an argument lists, each once.

    Raises
    ------
    StudyError
        When the list is absent or empty, repeats a name, or names no variable.
    """
    listed = arguments.get(field)
    if not isinstance(listed, list | tuple) or not listed:
        raise StudyError("a list of variables is needed", fix="list one name or more", field=field)
    found = tuple(known(name, variables, field) for name in listed)
    if len({variable.name for variable in found}) != len(found):
        raise StudyError("a variable is listed twice", fix="list each name once", field=field)
    return found


def whole_number(arguments: Arguments, field: str, *, default: int, least: int) -> int:
    """A whole number that may be raised above ``least`` but never lowered below it.

    Raises
    ------
    StudyError
        When it is no whole number or is below ``least``.

    Examples
    --------
    >>> whole_number({"cell": 8}, "cell", default=5, least=5)
    8
    """
    value = arguments.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise StudyError("a whole number is needed", fix=f"{least} or more", field=field)
    if value < least:
        raise StudyError("the number is too small", fix=f"{least} or more", field=field)
    return value


def flag(arguments: Arguments, field: str) -> bool:
    """A yes or no; no where it is absent.

    Raises
    ------
    StudyError
        When it is anything else.
    """
    value = arguments.get(field, False)
    if not isinstance(value, bool):
        raise StudyError("yes or no is needed", fix="true or false", field=field)
    return value
