"""What every value type of Hansa is: frozen, strict about unknown fields, and equal by value."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from hansa.errors import StudyError

__all__ = ["CountryCode", "Identifier", "Value", "read_json", "read_value"]

T = TypeVar("T", bound="Value")

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
"""A name that may stand in a formula: a letter, then letters, digits and underscores."""

CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""An ISO 3166-1 alpha-2 code."""


class Value(BaseModel):
    """A frozen value; two with equal fields are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_value(kind: type[T], data: Any, *, error: type[StudyError] = StudyError) -> T:
    """Validate plain data into a value; the error names the field and never shows its content.

    Raises
    ------
    StudyError
        (or the subclass given) for the first field that does not fit.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as invalid:
        raise _unreadable(kind, invalid, error) from None


def read_json(kind: type[T], text: bytes, *, error: type[StudyError] = StudyError) -> T:
    """Validate JSON into a value, if it has one meaning: written again, it reads as the same.

    Raises
    ------
    StudyError
        (or the subclass given) for the first field that does not fit, for what is no JSON, and for numbers that
        JSON does not have (``NaN``, infinity), which another reader would take for something else.
    """
    again: T | None
    try:
        found = kind.model_validate_json(text)
        again = kind.model_validate_json(found.model_dump_json())
    except ValidationError as invalid:
        raise _unreadable(kind, invalid, error) from None
    except ValueError:  # a number of more digits than Python writes
        again = None
    if again != found:
        what = f"this {kind.__name__.lower()} holds a number that JSON does not have"
        raise error(what, why="another reader would take it for something else", fix="write a number")
    return found


def _unreadable(kind: type[T], invalid: ValidationError, error: type[StudyError]) -> StudyError:
    first = invalid.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    what = f"this {kind.__name__.lower()} cannot be read"
    return error(what, why=first["msg"], fix="correct the field", field=field)
