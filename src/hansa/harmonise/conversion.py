"""From a stored column to float64, as SQL.

The result is NULL (or NaN) where the value is missing, and infinity where it is undeclared: a level that the
dictionary does not list, text in a number, a fraction in an integer, an infinite number. One stream of
doubles so carries both, and a stored column of plain numbers costs no more than its copy.

A conversion has up to three steps, each built on the columns of the one before: ``c`` as it is stored, ``s``
its text, ``t`` that text as a label or number, ``v`` the value. Steps keep the query short, which is most of
what it costs on small data.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from hansa.errors import DictionaryError
from hansa.harmonise.source import ColumnKind
from hansa.harmonise.sql import literal
from hansa.model import Variable

__all__ = ["DATE_PATTERN", "Conversion", "conversion", "identifier", "label", "stripped"]

DATE_PATTERN = r"\d{4}-\d{2}-\d{2}([T ].*)?"
"""A date of ISO 8601, with or without a time of day, which is dropped."""

_SPACE = "e' \\t\\n\\r'"
_UNDECLARED = "'inf'::DOUBLE"
_WHOLE = r"^([+-]?[0-9]+)\.0$"
_EXACT = 2**53


@dataclass(frozen=True)
class Conversion:
    """The SQL of each step; empty where there is nothing to do."""

    text: str
    label: str
    value: str


def stripped(column: str, kind: ColumnKind) -> str:
    """SQL of a stored column's text: without white space around it, a date as ISO 8601, NULL if nothing is left."""
    if kind == "date":
        return f"strftime({column}, '%Y-%m-%d')"
    text = f"CAST({column} AS VARCHAR)"
    if kind == "text":
        # White space sorts below "!"; asking first spares nearly every value the slower trim.
        padded = f"{text} < '!' OR right({text}, 1) < '!'"
        return f"nullif(CASE WHEN {padded} THEN trim({text}, {_SPACE}) ELSE {text} END, '')"
    return f"CASE WHEN NOT isnan(CAST({column} AS DOUBLE)) THEN {text} END" if kind == "float" else text


def label(text: str) -> str:
    """SQL of a text, a whole number without its zero decimal.

    Thus the number 1 is the level "1" whether the source stores it as 1, 1.0 or "1".
    """
    return f"CASE WHEN suffix({text}, '.0') THEN regexp_replace({text}, '{_WHOLE}', '\\1') ELSE {text} END"


def identifier(position: int, kind: ColumnKind) -> Conversion:
    """A person's identifier as text; NULL where there is none, or a float too large to be exact."""
    text, value = stripped(f"c{position}", kind), f"t{position}"
    if kind == "float":
        value = f"CASE WHEN abs(c{position}) < {_EXACT} THEN {value} END"
    return Conversion(f"{text} AS s{position}", f"{label(f's{position}')} AS t{position}", f"{value} AS p")


def conversion(variable: Variable, position: int, kind: ColumnKind) -> Conversion:
    """The steps that turn column ``c<position>`` into the variable's float64 column ``v<position>``.

    Raises
    ------
    DictionaryError
        If two levels of a category read alike.
    """
    text, value = f"s{position}", f"t{position}"
    if variable.type in ("number", "integer"):
        if kind in ("integer", "float"):
            return Conversion(
                "", f"CAST(c{position} AS DOUBLE) AS {value}", f"{_stored(variable, value)} AS v{position}"
            )
        step = f"TRY_CAST({text} AS DOUBLE) AS {value}"
        found = _written(variable, text, value)
    else:
        step = f"{label(text)} AS {value}"
        absent = f"WHEN {value} IS NULL{_or_in(value, variable.missing)} THEN NULL"
        found = f"CASE {absent} {_READERS[variable.type](variable, value)} END"
    return Conversion(f"{stripped(f'c{position}', kind)} AS {text}", step, f"{found} AS v{position}")


def _stored(variable: Variable, value: str) -> str:
    cases = _number_cases(variable, value)
    return f"CASE {cases} ELSE {value} END" if cases else value


def _written(variable: Variable, text: str, value: str) -> str:
    absent = f"WHEN {text} IS NULL{_or_in(text, variable.missing)} THEN NULL"
    return f"CASE {absent} {_number_cases(variable, value)} ELSE coalesce({value}, {_UNDECLARED}) END"


def _number_cases(variable: Variable, value: str) -> str:
    codes = ", ".join(f"{code!r}::DOUBLE" for code in map(_number, variable.missing) if math.isfinite(code))
    missing = f"WHEN {value} IN ({codes}) THEN NULL" if codes else ""
    fraction = f"WHEN {value} <> trunc({value}) THEN {_UNDECLARED}" if variable.type == "integer" else ""
    return f"{missing} {fraction}".strip()


def _number(code: str) -> float:
    try:
        return float(code)
    except ValueError:
        return math.nan


def _boolean(_: Variable, value: str) -> str:
    return (
        f"WHEN lower({value}) IN ('true', 'yes', '1') THEN 1.0::DOUBLE "
        f"WHEN lower({value}) IN ('false', 'no', '0') THEN 0.0::DOUBLE ELSE {_UNDECLARED}"
    )


def _category(variable: Variable, value: str) -> str:
    levels = [_canonical(level) for level in variable.levels]
    if len(set(levels)) < len(levels) or "" in levels:
        raise DictionaryError(
            "two levels of this category read alike, or one is empty",
            why="spaces around a level and zero decimals are not told apart",
            fix="list each level once",
            field=variable.name,
        )
    position = f"enum_code(TRY_CAST({value} AS ENUM({', '.join(map(literal, levels))})))"
    return f"ELSE coalesce(CAST({position} AS DOUBLE), {_UNDECLARED})"


def _date(variable: Variable, value: str) -> str:
    day = f"left({value}, 10)"
    days = f"CAST(date_diff('day', DATE '1970-01-01', TRY_CAST({day} AS DATE)) AS DOUBLE)"
    missing = f"WHEN false{_or_in(day, variable.missing)} THEN NULL"
    read = f"WHEN regexp_full_match({value}, '{DATE_PATTERN}') THEN coalesce({days}, {_UNDECLARED})"
    return f"{missing} {read} ELSE {_UNDECLARED}"


_READERS = {"boolean": _boolean, "category": _category, "date": _date}


def _or_in(expression: str, codes: tuple[str, ...]) -> str:
    return f" OR {expression} IN ({', '.join(literal(_canonical(code)) for code in codes)})" if codes else ""


def _canonical(text: str) -> str:
    """What ``stripped`` and ``label`` do, for the dictionary's own texts."""
    return re.sub(_WHOLE, r"\1", text.strip(" \t\n\r"))
