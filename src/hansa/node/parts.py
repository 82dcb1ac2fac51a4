"""The parts of derived variables and formulas: each is a column of its own to the disclosure rules.

In ``age + 4 * weight * (age > 90)`` the last summand is one person's weight; added to everybody's age it would
hide in the sum, and come out again when the sum of ages is taken away. So every operand that is more than a
variable is counted: people behind conditions and behind values that are not zero, and effective people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from hansa.errors import FormulaError
from hansa.formula import Expr, check_expression, evaluate, names_in
from hansa.formula.tree import Name
from hansa.model.exposure import Exposure
from hansa.stats.contract import Frame
from hansa.stats.question import Question

__all__ = ["part_exposures", "parts_of"]

_COUNTED = ("number", "integer", "boolean")


def parts_of(expressions: Iterable[Expr], question: Question) -> tuple[Expr, ...]:
    """The operands that hold a variable and are more than one, those of derivations included, each once."""
    found: dict[Expr, None] = {}
    queue, seen = list(expressions), set[str]()
    while queue:
        for part in _walk(queue.pop()):
            if isinstance(part, Name):
                if part.name in question.derive and part.name not in seen:
                    seen.add(part.name)
                    queue.append(question.derive[part.name])
            elif names_in(part) and _is_counted(part, question):
                found[part] = None
    return tuple(sorted(found, key=str))


def part_exposures(parts: Sequence[Expr], frame: Frame, question: Question) -> tuple[Exposure, ...]:
    """One exposure for each part, over the rows in which it is known."""
    return tuple(_exposure(part, frame, question) for part in parts)


def _exposure(part: Expr, frame: Frame, question: Question) -> Exposure:
    values = evaluate(part, frame.columns, frame.variables)
    return Exposure(
        name="parts",
        rows=~np.isnan(values),
        columns=values[:, None],
        names=(str(part),),
        derived=(True,),
        strata=(False,),
        variables=frozenset(names_in(part)),
        indicator=(check_expression(part, question.variables).type == "boolean",),
        remembered=False,
    )


def _walk(expression: Expr) -> Iterator[Expr]:
    yield expression
    for child in expression.children:
        yield from _walk(child)


def _is_counted(part: Expr, question: Question) -> bool:
    try:
        return check_expression(part, question.variables).type in _COUNTED
    except FormulaError:
        return False  # a list of levels, an interval: no value of its own
