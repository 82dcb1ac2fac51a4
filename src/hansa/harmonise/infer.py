"""A dictionary from the data themselves: for a caller who holds all of them.

Between sovereign nodes this must not happen: levels and ranges seen at one node would tell the others. In
one process the caller owns every frame, and the result says ``inferred``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hansa.errors import DataError, DictionaryError
from hansa.harmonise.conversion import DATE_PATTERN, identifier, label, stripped
from hansa.harmonise.source import ColumnKind, DataLike, Source, column_kinds, fetch, open_source
from hansa.harmonise.sql import literal
from hansa.model import Dictionary, Variable, VariableType

__all__ = ["infer_dictionary"]

_PERSON = frozenset(
    f"{who}{suffix}"
    for who in ("person", "patient", "subject", "participant")
    for suffix in ("", "_id", "id", "_identifier")
) | {"id"}

_SPELLED_MISSING = ("NA", "N/A", "NaN", "nan", "NULL", "null")
_MOST_LEVELS = 50
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class _Seen:
    """What one column holds, in one frame or in several."""

    values: int
    numbers: int
    whole: int
    truths: int
    dates: int
    spelled: int
    low: float
    high: float
    first_day: float
    last_day: float

    def __add__(self, other: _Seen) -> _Seen:
        return _Seen(
            self.values + other.values,
            self.numbers + other.numbers,
            self.whole + other.whole,
            self.truths + other.truths,
            self.dates + other.dates,
            self.spelled + other.spelled,
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.first_day, other.first_day),
            max(self.last_day, other.last_day),
        )


def infer_dictionary(frames: Mapping[str, DataLike], *, memory_limit: str = "1GB") -> Dictionary:
    """Describe the columns that all frames have, from all frames together.

    Types: ``boolean`` (true and false; 0 and 1 are integers), ``date`` (ISO 8601), ``integer``, ``number``, and
    ``category`` for text of at most 50 different values, in sorted order. Left out are columns with more,
    without any value, of any other type (lists, times with a zone), or with a name that no formula can hold.
    Ranges are rounded outward to round numbers, so that they are not anyone's value. NA, NaN and NULL written
    out become missing codes.

    A column named person, patient_id, subject, id or alike identifies people; if any of its values repeats
    within a frame, people have many rows.

    Raises
    ------
    DictionaryError
        If there is no frame or no common column, or a person column has gaps.

    Examples
    --------
    >>> import pandas as pd
    >>> frames = {
    ...     "ulm": pd.DataFrame({"age": [41, 67], "sex": ["f", "m"]}),
    ...     "bern": pd.DataFrame({"age": [38], "sex": ["f"]}),
    ... }
    >>> dictionary = infer_dictionary(frames)
    >>> dictionary["age"].range, dictionary["sex"].levels
    ((30.0, 70.0), ('f', 'm'))
    """
    sources = {node: open_source(data, memory_limit=memory_limit) for node, data in frames.items()}
    common = _common_columns(sources)
    person = next((name for name in common if name.lower() in _PERSON), None)
    described = [_variable(name, sources) for name in common if name != person and _NAME.fullmatch(name)]
    variables = tuple(variable for variable in described if variable is not None)
    if not variables:
        raise DictionaryError(
            "no variable can be inferred",
            why="the frames share no column that a formula can use",
            fix="give all frames the same column names, or give a dictionary",
        )
    return Dictionary(
        title="inferred from the data",
        person=person,
        one_row_per_person=person is None or _one_row_each(person, sources),
        variables=variables,
        inferred=True,
    )


def _common_columns(sources: Mapping[str, Source]) -> list[str]:
    tables = [source.columns for source in sources.values()]
    return [name for name in tables[0] if all(name in table for table in tables)] if tables else []


def _one_row_each(person: str, sources: Mapping[str, Source]) -> bool:
    each = True
    for node, source in sources.items():
        parts = identifier(0, column_kinds(source, [person])[person])
        [(rows, named, people)] = fetch(
            source,
            [person],
            "count(*) AS n, count(p) AS named, count(DISTINCT p) AS people",
            steps=[parts.text, parts.label, parts.value],
        )
        if named < rows:
            raise DictionaryError(
                "this column looks like the person's identifier but has gaps",
                why=f"{rows - named} rows of {node} lack it",
                fix="complete it, rename it, or give a dictionary",
                field=person,
            )
        each = each and people == named
    return each


def _variable(name: str, sources: Mapping[str, Source]) -> Variable | None:
    try:
        kinds = {node: column_kinds(source, [name])[name] for node, source in sources.items()}
    except DataError:
        return None
    parts = [_seen(source, name, kinds[node]) for node, source in sources.items()]
    seen = sum(parts[1:], start=parts[0])
    kind = _type(seen)
    if kind is None:
        return None
    levels = _levels(name, sources, kinds) if kind == "category" else ()
    if len(levels) > _MOST_LEVELS:
        return None
    return Variable(
        name=name,
        type=kind,
        levels=levels,
        range=_range(seen, kind),
        missing=_SPELLED_MISSING if seen.spelled else (),
    )


def _type(seen: _Seen) -> VariableType | None:
    if seen.values == 0:
        return None
    if seen.truths == seen.values:
        return "boolean"
    if seen.dates == seen.values:
        return "date"
    if seen.numbers == seen.values:
        return "integer" if seen.whole == seen.values else "number"
    return "category"


def _range(seen: _Seen, kind: VariableType) -> tuple[float, float] | None:
    if kind == "date":
        return outward(seen.first_day, seen.last_day, whole=True)
    return outward(seen.low, seen.high, whole=kind == "integer") if kind in ("integer", "number") else None


def outward(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """The interval widened to multiples of a step of 1, 2 or 5 times a power of ten, beyond both its ends.

    An interval on one side of zero stays there: zero is the scale's bound, not anyone's value.

    Examples
    --------
    >>> outward(28, 77, whole=True)
    (20.0, 80.0)
    >>> outward(0, 1, whole=False)
    (0.0, 1.5)
    """
    step = _step(high / 2 - low / 2 or abs(low) / 2 or 1.0)
    step = max(step, 1.0) if whole else step
    below, above = _beyond(low, step, math.floor), _beyond(high, step, math.ceil)
    if low >= 0:
        return max(below, 0.0), above
    return below, min(above, 0.0) if high <= 0 else above


def _beyond(value: float, step: float, towards: Callable[[float], int]) -> float:
    digits = max(0, -math.floor(math.log10(step)))
    bound = round(towards(value / step) * step, digits)
    reached = bound < value if towards is math.floor else bound > value
    return bound if reached else round(bound + (-step if towards is math.floor else step), digits)


def _step(width: float) -> float:
    power = 10.0 ** math.floor(math.log10(width))
    return max(factor * power for factor in (1.0, 2.0, 5.0) if factor * power <= width * (1 + 1e-9))


def _seen(source: Source, name: str, kind: ColumnKind) -> _Seen:
    counted = [
        "count(value)",
        "count(number)",
        "count(number) FILTER (number = trunc(number))",
        "count(truth)",
        "count(day)",
        "count(text) - count(value)",
        "coalesce(min(number), 'inf'::DOUBLE)",
        "coalesce(max(number), '-inf'::DOUBLE)",
        "coalesce(min(day), 'inf'::DOUBLE)",
        "coalesce(max(day), '-inf'::DOUBLE)",
    ]
    select = ", ".join(f"{fact} AS f{position}" for position, fact in enumerate(counted))
    steps = _stored_steps() if kind in ("integer", "float") else _text_steps(kind)
    [row] = fetch(source, [name], select, steps=steps)
    return _Seen(*row)


def _stored_steps() -> list[str]:
    return [
        "CASE WHEN isfinite(CAST(c0 AS DOUBLE)) THEN CAST(c0 AS DOUBLE) END AS number",
        "number AS value, number AS text, NULL AS truth, NULL::DOUBLE AS day",
    ]


def _text_steps(kind: ColumnKind) -> list[str]:
    return [
        f"{stripped('c0', kind)} AS s",
        f"{label('s')} AS text",
        f"CASE WHEN text NOT IN ({', '.join(map(literal, _SPELLED_MISSING))}) THEN text END AS value",
        "TRY_CAST(value AS DOUBLE) AS x, TRY_CAST(left(value, 10) AS DATE) AS d",
        "CASE WHEN isfinite(x) THEN x END AS number",
        "CASE WHEN lower(value) IN ('true', 'false') THEN true END AS truth",
        f"CASE WHEN regexp_full_match(value, '{DATE_PATTERN}') THEN d - DATE '1970-01-01' END AS days",
        "CAST(days AS DOUBLE) AS day",
    ]


def _levels(name: str, sources: Mapping[str, Source], kinds: Mapping[str, ColumnKind]) -> tuple[str, ...]:
    found: set[str] = set()
    # Enough rows to see that there are too many, whatever missing codes are among them.
    limit = _MOST_LEVELS + len(_SPELLED_MISSING) + 2
    for node, source in sources.items():
        steps = [f"{stripped('c0', kinds[node])} AS s", f"{label('s')} AS text"]
        rows = fetch(source, [name], "DISTINCT text", steps=steps, tail=f"LIMIT {limit}")
        found.update(level for (level,) in rows if level is not None and level not in _SPELLED_MISSING)
    return tuple(sorted(found))
