"""Competing risks over all cohorts: the cumulative incidence of each cause by Aalen and Johansen, and Gray's tests.

The hub adds up how many people leave at each time of a public grid, by the way they leave; researchers see values at
the ends of intervals in which enough people leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.competing.arguments import CompetingModel, read_competing, states_of
from hansa.stats.competing.curves import Incidence
from hansa.stats.competing.gray import gray
from hansa.stats.competing.release import competing_ends, shown_causes
from hansa.stats.competing.result import (
    CauseCurve,
    CauseTest,
    CompetingResult,
    GroupIncidence,
    IncidencePoint,
    RiskPoint,
)
from hansa.stats.competing.steps import EXTENT, TABLE
from hansa.stats.contract import Arguments, Cohorts, Method, Request
from hansa.stats.survival.arguments import groups_of
from hansa.stats.survival.curves import bounds
from hansa.stats.survival.release import CELL
from hansa.stats.survival.steps import cells_of, times_of

__all__ = ["METHOD", "CompetingResult", "plan"]


def plan(cohorts: Cohorts, arguments: Arguments) -> CompetingResult:
    """Estimate the cumulative incidence of each cause in each group over all cohorts.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``formula``: ``Surv(time, status) ~ arm + sex``, or ``~ 1``; ``status`` is a category, ``strata()`` stratifies
        the tests. ``censored``: the level of those last seen without any event; the first. ``grid``: the unit in
        which times are counted; 1 for whole numbers. ``interval``: "log" (default), "log-log" or "plain". ``rho``:
        the power of (1 - F) that weights the tests; 0. ``level``: 0.95.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When nobody is in the analysis set.
    """
    model = read_competing(arguments, cohorts.variables)
    base = {"formula": str(model.formula), "grid": model.grid}
    extent = cohorts.sum("competing_risks.extent", Request(base))
    times = times_of(extent["sizes"], float(extent["unusable"]))
    totals = cohorts.sum("competing_risks.table", Request({**base, "times": times}))
    strata, groups = cells_of(model.formula, cohorts.variables)
    order = _censored_first(model, states_of(model.formula, cohorts.variables))
    left = np.rint(totals["left"]).reshape(strata, groups, len(order), times)[:, :, order]
    names = groups_of(model.formula, cohorts.variables)[1]
    whole = left.sum(axis=0)
    return CompetingResult(
        formula=str(model.formula),
        censored=model.censored,
        causes=model.causes,
        grid=model.grid,
        rounded=bool(extent["rounded"] > 0.5),
        interval=model.interval,
        level=model.level,
        rho=model.rho,
        groups=tuple(_group(model, name, table) for name, table in zip(names, whole, strict=True)),
        compared=_compared(model, list(left)) if groups > 1 else (),
        strata=tuple(map(str, model.formula.strata)),
    )


def _censored_first(model: CompetingModel, states: Sequence[str]) -> list[int]:
    return [states.index(state) for state in (model.censored, *model.causes)]


def _group(model: CompetingModel, name: str, left: FloatArray) -> GroupIncidence:
    people = round(float(left.sum()))
    ends, found = competing_ends(left), Incidence(left)
    gone = np.cumsum(left.sum(axis=0))
    risk = tuple(
        RiskPoint(float(end * model.grid), round(float(people - gone[end])), round(float(gone[end])))
        for end in ends.tolist()
    )
    errors, shown = found.errors(ends), shown_causes(left)
    curves = tuple(
        _curve(model, found, place, errors[place], ends) if shown[place] else CauseCurve(cause, None, ())
        for place, cause in enumerate(model.causes)
    )
    return GroupIncidence(name, people if people == 0 or people >= CELL else None, risk, curves)


def _curve(
    model: CompetingModel, found: Incidence, place: int, error: FloatArray, ends: NDArray[np.intp]
) -> CauseCurve:
    events, value = np.cumsum(found.left[1 + place]), found.incidence[place, ends]
    seen = np.where(value > 0, value, np.nan)
    lower, upper = bounds(seen, error / seen, model.interval, model.level)
    points = tuple(
        IncidencePoint(
            time=float(end * model.grid),
            events=round(float(events[end])),
            incidence=float(value[number]),
            se=float(error[number]),
            lower=float(lower[number]),
            upper=float(upper[number]),
        )
        for number, end in enumerate(ends.tolist())
    )
    return CauseCurve(model.causes[place], round(float(events[-1])), points)


def _compared(model: CompetingModel, strata: Sequence[FloatArray]) -> tuple[CauseTest, ...]:
    """Of each cause with at least a cell of events, where groups can be compared."""
    found = []
    for place, cause in enumerate(model.causes, 1):
        if sum(float(left[:, place].sum()) for left in strata) >= CELL:
            test = gray(strata, place, model.rho)
            found += [] if test is None else [CauseTest(cause, test)]
    return tuple(found)


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return tuple(str(expression) for expression in read_competing(arguments, variables).formula.expressions)


METHOD = Method(
    name="competing_risks",
    version=1,
    title="Competing risks",
    steps=(EXTENT, TABLE),
    plan=plan,
    complete=_complete,
    citations=(
        "Aalen OO, Johansen S (1978). An empirical transition matrix for Markov chains. Scand J Stat 5:141.",
        "Gray RJ (1988). Comparing the cumulative incidence of a competing risk. Ann Stat 16:1141.",
    ),
)
