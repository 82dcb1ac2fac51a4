"""What every value type of Hansa is: frozen, strict about unknown fields, and equal by value."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from hansa.errors import StudyError

__all__ = ["CountryCode", "Identifier", "Value", "read_value"]

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
        first = invalid.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise error(
            f"this {kind.__name__.lower()} cannot be read",
            why=first["msg"],
            fix="correct the field",
            field=field,
        ) from None
