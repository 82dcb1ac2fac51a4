"""Reading a method's arguments: every fault is a study error that names the argument."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from hansa.errors import StudyError
from hansa.formula import Formula
from hansa.model import Variable
from hansa.stats.contract import Arguments

__all__ = [
    "flag",
    "known",
    "level",
    "names",
    "no_others",
    "no_survival",
    "one_name",
    "one_of",
    "prior_weights",
    "whole_number",
]


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


def one_of(arguments: Arguments, field: str, allowed: tuple[str, ...], default: str) -> str:
    """One of the allowed words; the default where it is absent.

    Raises
    ------
    StudyError
        When it is another.
    """
    value = arguments.get(field)
    if value is None:
        return default
    if value not in allowed:
        raise StudyError(f"there is no {field} {value}", fix=f"one of {', '.join(allowed)}", field=field)
    return str(value)


def level(arguments: Arguments) -> float:
    """The level of confidence of intervals; 0.95 where it is absent.

    Raises
    ------
    StudyError
        When it does not lie between 0 and 1.
    """
    value = arguments.get("level", 0.95)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise StudyError("a level of confidence lies between 0 and 1", fix="0.95, say", field="level")
    return float(value)


def prior_weights(
    arguments: Arguments, variables: Mapping[str, Variable], kinds: tuple[str, ...]
) -> tuple[str | None, str | None]:
    """The variable that ``weights`` names, and of which of the ``kinds`` its numbers are.

    Raises
    ------
    StudyError
        When it is no number, or the kind is not said.
    """
    name = arguments.get("weights")
    if name is None:
        if arguments.get("weights_type") is not None:
            raise StudyError("there are no weights to be of a type", fix="name a variable", field="weights")
        return None, None
    variable = known(name, variables, "weights")
    if variable.type not in ("number", "integer"):
        raise StudyError(f"{name} is no weight", why=f"it is a {variable.type}", field="weights")
    if arguments.get("weights_type") is None:
        raise StudyError(
            "the kind of the weights is needed",
            why="each kind gives other standard errors",
            fix=f"one of {', '.join(kinds)}",
            field="weights_type",
        )
    return variable.name, one_of(arguments, "weights_type", kinds, "")


def no_survival(formula: Formula, method: str) -> None:
    """Refuse what belongs to survival models: ``Surv()``, ``strata()`` and ``cluster()``.

    Raises
    ------
    StudyError
        Naming the method that takes it.
    """
    if formula.survival is not None:
        raise StudyError(f"Surv() is no response of {method}", fix="take cox for survival times", field="formula")
    if formula.strata or formula.cluster is not None:
        said = "strata()" if formula.strata else "cluster()"
        raise StudyError(f"{method} has no {said}", fix="write the variable as a term, or take cox", field="formula")


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
