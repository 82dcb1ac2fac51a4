"""Newton's method (Fisher scoring) on pooled sums, one round per evaluation, with halved steps.

It needs nothing but the totals, so it takes the same path however the rows are split over nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hansa.errors import ConvergenceError, NotEstimable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Totals
from hansa.stats.fitting.aliasing import Factored, factored
from hansa.stats.fitting.separation import Step, separated

__all__ = ["Fit", "Point", "maximise"]

MAX_ITERATIONS = 50
_MAX_HALVINGS = 12
_CONVERGED = 1e-20
_NOISE = 1e-12
_ROUNDING = 1e-24

Ask = Callable[[FloatArray], Totals]


@dataclass(frozen=True, eq=False)
class Point:
    """A place on the way, shape (p,), and the league's totals there."""

    beta: FloatArray
    totals: Totals

    @property
    def deviance(self) -> float:
        """The deviance there; infinite where some rows are outside the model's domain."""
        return float(self.totals["deviance"]) if self.totals["invalid"] < 0.5 else np.inf


@dataclass(frozen=True, eq=False)
class Fit:
    """Where the deviance is least, the information there (of the kept columns), and the steps it took."""

    point: Point
    information: Factored
    iterations: int


def maximise(
    ask: Ask,
    start: Point,
    kept: BoolArray,
    dispersion: Callable[[Totals], float],
    grown: Callable[[FloatArray], Sequence[str]],
) -> Fit:
    """Maximise the likelihood over the kept coefficients.

    It ends when the Newton decrement, the squared length of the step in standard errors, is below 1e-20, or
    below 1e-12 where rounding stops it.

    Parameters
    ----------
    ask : from beta (p,) to the totals of a round
    start : Point
    kept : array of bool, shape (p,)
        The others stay as they are.
    dispersion : from totals to the present estimate of the dispersion
    grown : from a direction (p,) to the names of the terms that take part in it, for errors

    Raises
    ------
    NotEstimable
        When the data separate the outcome, so that a coefficient grows without end.
    ConvergenceError
        When there are no valid values to start from, no smaller step helps, or 50 steps do not suffice.
    """
    if not np.isfinite(start.deviance):
        raise ConvergenceError(
            "there is no valid place to start from",
            why="the link allows only some linear predictors, and the first ones are not among them",
            fix="take another link (log suits most positive outcomes)",
            field="link",
        )
    point, steps, scale = start, list[Step](), np.ones(int(kept.sum()))
    floor = _ROUNDING * abs(start.deviance)
    for iteration in range(MAX_ITERATIONS):
        information = factored(point.totals["gram"][np.ix_(kept, kept)])
        score = point.totals["score"][kept]
        direction = information.solve(score)
        scale = information.root if iteration == 0 else scale
        decrement = float(direction @ score)
        relative = decrement / max(dispersion(point.totals), 1e-300)
        steps.append(Step(direction * scale, relative))
        stalled = len(steps) > 1 and relative > 0.25 * steps[-2].decrement and relative < _NOISE
        if relative < _CONVERGED or decrement <= floor or stalled:
            return Fit(point, information, iteration)
        if separated(steps):
            raise _separation(grown(_spread(direction, kept)))
        point = _halved(ask, point, _spread(direction, kept), relative)
    raise ConvergenceError(
        f"the fit did not settle in {MAX_ITERATIONS} steps",
        why="the data hardly determine the model, or the link does not suit them",
        fix="leave out or merge sparse terms, or take the canonical link",
        field="formula",
    )


def _spread(direction: FloatArray, kept: BoolArray) -> FloatArray:
    full = np.zeros(len(kept))
    full[kept] = direction
    return full


def _halved(ask: Ask, point: Point, step: FloatArray, relative: float) -> Point:
    slack = 1e-10 * abs(point.deviance)
    for _ in range(_MAX_HALVINGS):
        found = Point(point.beta + step, ask(point.beta + step))
        if found.deviance <= point.deviance + slack:
            return found
        step = step / 2
    raise ConvergenceError(
        "no smaller step improves the fit",
        why="the best values lie at the edge of what the link allows"
        if relative > _NOISE
        else "rounding hides any further progress",
        fix="take another link, or centre and merge sparse terms",
        field="link",
    )


def _separation(growing: Sequence[str]) -> NotEstimable:
    return NotEstimable(
        f"no finite estimate exists for {', '.join(growing)}",
        why="the terms predict the outcome perfectly for some people (separation), so the coefficients grow "
        "without end",
        fix="merge levels, drop the term, or widen the population; logistic and Cox models have finite estimates with "
        'penalty = "firth"',
        field="formula",
    )
