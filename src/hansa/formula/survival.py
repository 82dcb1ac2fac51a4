"""The response of a survival model: ``Surv(time, event)`` or, with late entry, ``Surv(start, stop, event)``.

The event is a condition, a category of two levels of which the second is the event, or a whole number that is
1 where the event was seen and 0 where the person was last seen without it (R's ``survival::Surv``; its coding
by 1 and 2 is not taken, since which one is meant would have to be guessed). With competing risks it is a category:
one level for those last seen without any event, the others the causes (R's ``Surv`` of a factor).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hansa.errors import FormulaError
from hansa.formula.evaluation import BoolArray, FloatArray, evaluate
from hansa.formula.faults import fault
from hansa.formula.terms import Formula
from hansa.formula.tree import Expr
from hansa.formula.types import Variables, check_expression, check_numeric

__all__ = ["Observed", "check_survival", "observed"]


@dataclass(frozen=True, eq=False)
class Observed:
    """When people were watched, each of shape (n,): after ``start`` (0 without late entry) up to ``stop``.

    ``event`` is 1 where the event was seen at ``stop``, else 0; with causes it is the level's place. Rows of which
    ``usable`` is false hold a time or event that is missing, negative, of another coding, or a stop that is not after
    the start.
    """

    start: FloatArray
    stop: FloatArray
    event: FloatArray
    usable: BoolArray


def check_survival(formula: Formula, variables: Variables, *, causes: bool = False) -> None:
    """Refuse a ``Surv()`` whose times are no numbers or whose event is no event (with ``causes``: no category).

    Raises
    ------
    FormulaError
        With the place; also where the response is no ``Surv()``.
    """
    *times, event = _parts(formula)
    for time in times:
        if check_numeric(time, variables).type == "boolean":
            raise fault("a time is a number, not a condition", at=time)
    found = check_expression(event, variables)
    if causes and found.type != "category":
        raise fault("with competing risks the event is a category", at=event, fix="name one: censored, relapse, died")
    if found.type == "category" and (causes or len(found.levels) == 2):
        return
    if found.type not in ("boolean", "integer"):
        raise fault(
            "the event is a condition, a category of two levels, or 0 and 1",
            at=event,
            fix=f"compare it: {event} == '{(found.levels or ('died',))[-1]}'",
        )


def observed(
    formula: Formula, columns: Mapping[str, FloatArray], variables: Variables, *, causes: bool = False
) -> Observed:
    """Start, stop and event of each row; with ``causes`` the event is a category's level.

    Raises
    ------
    FormulaError
        When the response is no ``Surv()``, or does not fit the dictionary.

    Examples
    --------
    >>> from hansa.formula import parse_formula
    >>> from hansa.model import Variable
    >>> variables = {name: Variable(name=name, type="integer") for name in ("days", "dead")}
    >>> rows = {"days": np.array([5.0, 0.0, 3.0]), "dead": np.array([1.0, 0.0, 2.0])}
    >>> observed(parse_formula("Surv(days, dead) ~ 1"), rows, variables).usable.tolist()
    [True, True, False]
    """
    check_survival(formula, variables, causes=causes)
    *times, event = (evaluate(part, columns, variables) for part in _parts(formula))
    stop = times[-1]
    start = times[0] if len(times) == 2 else np.zeros_like(stop)
    ordered = start < stop if len(times) == 2 else stop >= 0
    known = np.isfinite(event) if causes else np.isin(event, (0.0, 1.0))
    return Observed(start, stop, event, ordered & known)


def _parts(formula: Formula) -> tuple[Expr, ...]:
    if formula.survival is None:
        raise FormulaError(
            "the response is no survival time",
            fix="write Surv(time, event) or Surv(start, stop, event) to the left of ~",
            field="formula",
        )
    return formula.survival
