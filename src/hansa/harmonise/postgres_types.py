"""How a column of PostgreSQL travels: the SQL that is copied, and the Arrow type that its text is read as.

The result is what a Parquet file of the same table would hold: integers and doubles as such, decimals with their
digits, text, enumerations and UUIDs as text, dates and times of day as days.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["Travel", "travel_of"]

_FAR = 2**31 - 1
"""DuckDB's infinite date; like there, no dictionary declares it."""

_DAYS = (
    "CASE ({0})::date WHEN 'infinity' THEN " + f"{_FAR} WHEN '-infinity' THEN {-_FAR}"
    " ELSE ({0})::date - DATE '1970-01-01' END"
)
_LARGEST_DECIMAL = 38


@dataclass(frozen=True)
class Travel:
    """``expression`` holds ``{0}`` for the column; ``read_as`` is what its text is parsed as, ``kind`` what it is."""

    expression: str
    read_as: pa.DataType
    kind: pa.DataType


_TEXT = Travel("({0})::text", pa.string(), pa.string())
_WHOLE = Travel("{0}", pa.int64(), pa.int64())
_DOUBLE = Travel("({0})::float8", pa.float64(), pa.float64())
_DATE = Travel(_DAYS, pa.int32(), pa.date32())

_BY_NAME = {
    "bool": Travel("{0}", pa.bool_(), pa.bool_()),
    **dict.fromkeys(("int2", "int4", "int8"), _WHOLE),
    **dict.fromkeys(("float4", "float8"), _DOUBLE),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "uuid"), _TEXT),
    **dict.fromkeys(("date", "timestamp"), _DATE),
}


def travel_of(name: str, sort: str, precision: int | None, scale: int | None) -> Travel | None:
    """The way of a type, domains resolved, or ``None`` if no variable can be so.

    Parameters
    ----------
    name, sort : str
        ``pg_type.typname``; ``pg_type.typtype``, which is ``e`` for an enumeration.
    precision, scale : int or None
        Of ``numeric``; without them, or where an Arrow decimal has no room, a number travels as a double.
    """
    if sort == "e":
        return _TEXT
    if name != "numeric":
        return _BY_NAME.get(name) if sort == "b" else None
    if precision is None or scale is None or not 0 <= scale <= precision <= _LARGEST_DECIMAL:
        return _DOUBLE
    decimal = pa.decimal128(precision, scale)
    return Travel("nullif({0}, 'NaN')", decimal, decimal)
