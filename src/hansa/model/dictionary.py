"""The typed dictionary of a cohort: what each variable is, before anyone has seen a value.

Categories, ranges and missing codes come from here and never from the data, so that every node builds the
same design and no data value decides the shape of what leaves.

Inside Hansa every column is a float64 array in which NaN is missing: numbers as they are, booleans as 0 and
1, categories as the position of their level (0, 1, ...), dates as days since 1970-01-01.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hansa.errors import DictionaryError
from hansa.model.base import Identifier, Value

__all__ = ["Dictionary", "Variable", "VariableType"]

VariableType = Literal["number", "integer", "boolean", "category", "date"]


class Variable(Value):
    """One variable.

    ``levels`` are a category's values in order, the first being the reference; ``range`` is the plausible
    range in the variable's unit (dates: days since 1970-01-01), public knowledge about the measurement;
    ``missing`` are codes that stand for "not known", compared as text after stripping.
    """

    name: Identifier
    label: str = ""
    type: VariableType
    unit: str = ""
    levels: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.type == "category") != bool(self.levels):
            raise ValueError("a category lists its levels in order, and only a category does")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("each level is listed once")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError("a range is (lowest, highest), the first below the second")
        return self

    @property
    def is_categorical(self) -> bool:
        """Whether a formula codes it by levels (categories and booleans)."""
        return self.type in ("category", "boolean")

    @property
    def coded_levels(self) -> tuple[str, ...]:
        """The levels a design uses: a category's own, ``false`` and ``true`` for a boolean, else none."""
        return ("false", "true") if self.type == "boolean" else self.levels


class Dictionary(Value):
    """All variables of a cohort.

    ``person`` names the column that identifies a person; with ``None`` each row is one person. In
    ``one_row_per_person`` data a repeated identifier is an error.
    """

    title: str = ""
    version: str = "1"
    person: str | None = None
    one_row_per_person: bool = True
    variables: tuple[Variable, ...] = Field(min_length=1)
    inferred: bool = False

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [variable.name for variable in self.variables]
        if len(set(names)) != len(names):
            raise ValueError("each variable is described once")
        return self

    @property
    def by_name(self) -> dict[str, Variable]:
        """The variables by name."""
        return {variable.name: variable for variable in self.variables}

    def __getitem__(self, name: str) -> Variable:
        try:
            return self.by_name[name]
        except KeyError:
            raise DictionaryError(
                f"there is no variable {name}",
                why="the dictionary does not describe it",
                fix="see the dictionary's names; derived variables are declared under derive",
                field=name,
            ) from None
