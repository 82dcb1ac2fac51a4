"""Maximising a penalised likelihood from pooled sums: its peak, its peak under constraints, its profile bounds.

The penalised log-likelihood is l(beta) + log det I(beta) / 2. Its score is known exactly at each place (two
rounds: information and score, then the penalty's score); of its second derivatives the information is known,
and the penalty's part is learnt from the change of the penalty's score by symmetric secants (SR1; Dennis, Gay &
Welsch 1981, ACM TOMS 7:348, for the structure), so that the last steps are as good as Newton's.

Profile bounds are found by the method of Venzon & Moolgavkar (1988), Applied Statistics 37:87, and where that does not
settle, by climbing at each value tried. Either follows the profile's ridge outward from the peak.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hansa.errors import ConvergenceError, NotEstimable
from hansa.model.exposure import FloatArray
from hansa.stats.fitting.aliasing import factored

__all__ = ["Peak", "Place", "climb", "inverse_and_log_determinant", "nearest", "profile_bound"]

_MAX_STEPS = 100
_MAX_HALVINGS = 20
_MAX_BOUND_STEPS = 60
_CONVERGED = 1e-20
_SETTLED = 1e-17
"""A gain that no longer falls below this is rounding of the score; above it, a step that went astray."""
_NOISE = 1e-13
_SLACK = 1e-13
_PARALLEL = 1e-8
_FLAT = 0.01
_CLOSE = 1e-11
_ROUNDING = 1e-13
_FARTHEST = 1.5
"""A step towards a bound is at most so many times as long as a bound lies away from the peak, if all is normal."""


@dataclass(frozen=True, eq=False)
class Place:
    """A place ``beta`` (p,): the penalised log-likelihood, its score, and the penalty's part of that.

    Where the information is singular the value is minus infinity, and the scores are zero.
    """

    beta: FloatArray
    value: float
    score: FloatArray
    pull: FloatArray
    information: FloatArray


At = Callable[[FloatArray], Place]


@dataclass(frozen=True, eq=False)
class Peak:
    """Where a search ended, what was learnt of the penalty's curvature (p, p), and how many steps it took."""

    place: Place
    curvature: FloatArray
    steps: int


def climb(at: At, start: Place, curvature: FloatArray, constraints: FloatArray) -> Peak:
    """The peak among places that differ from ``start`` by a vector that the rows of ``constraints`` (m, p) annul.

    Raises
    ------
    ConvergenceError
        When no smaller step helps, or 100 steps do not suffice.
    """
    if not math.isfinite(start.value):
        return Peak(start, curvature, 0)
    place, before, free = start, math.inf, _annulled(constraints)
    for steps in range(_MAX_STEPS):
        hessian = _second(place, curvature, free)
        step = free @ np.linalg.solve(free.T @ hessian @ free, free.T @ place.score)
        gain = float(step @ place.score)
        if gain < _CONVERGED or (gain < _SETTLED and gain >= before):
            return Peak(place, curvature, steps)
        found = _higher(at, place, step)
        if found is None and curvature.any():
            curvature = np.zeros_like(curvature)  # what was learnt far away does not hold here
            continue
        if found is None:
            if gain < _NOISE:
                return Peak(place, curvature, steps)
            raise _unsettled()
        curvature, place, before = _learnt(curvature, place, found), found, gain
    raise _unsettled()


def nearest(peak: Peak, constraints: FloatArray, values: FloatArray) -> FloatArray:
    """The place where ``constraints`` (m, p) times beta is ``values``, as the peak's curvature has it.

    A coefficient that is held at zero is zero to the last digit: from what rounding leaves of it the linear
    predictor would differ for a few rows only, which looks to a node as if it were to single them out.
    """
    hessian = _second(peak.place, peak.curvature, np.eye(len(peak.place.beta)))
    spread = np.linalg.solve(hessian, constraints.T)
    lacking = values - constraints @ peak.place.beta
    found: FloatArray = peak.place.beta + spread @ np.linalg.solve(constraints @ spread, lacking)
    return np.where(np.abs(found) > _ROUNDING * np.abs(peak.place.beta), found, 0.0)


def profile_bound(at: At, peak: Peak, row: FloatArray, drop: float, side: float) -> float:
    """How far ``row @ beta`` goes to one side until the profile of the penalised log-likelihood has fallen.

    Parameters
    ----------
    at, peak
        The function and its peak.
    row : array, shape (p,)
    drop : float
        How far it falls: half a quantile of chi-square.
    side : float
        -1 for the lower bound, 1 for the upper.

    Raises
    ------
    ConvergenceError
        When neither search settles.
    """
    found = _bound_at_once(at, peak, row, drop, side)
    return _bound_by_climbing(at, peak, row, drop, side) if found is None else found


def _bound_at_once(at: At, peak: Peak, row: FloatArray, drop: float, side: float) -> float | None:
    """Venzon and Moolgavkar's search, along the row and across it together; ``None`` where it does not settle."""
    place, curvature, before = peak.place, peak.curvature, math.inf
    level, free = peak.place.value - drop, _annulled(row[None, :])
    metric = _second(peak.place, peak.curvature, np.eye(len(row)))
    for _ in range(_MAX_BOUND_STEPS):
        step = _towards(_second(place, curvature, free), place, row, level, side)
        if step is None:
            return None
        longest, length = _FARTHEST * math.sqrt(2 * drop), math.sqrt(float(step @ metric @ step))
        step = step * min(1.0, longest / length) if length > 0 else step
        size = float(step @ place.information @ step)
        if size < _CONVERGED or (size < _NOISE and size >= before):
            return float(row @ place.beta) if side * float(row @ (place.beta - peak.place.beta)) > 0 else None
        found = at(place.beta + step)
        curvature, place, before = _learnt(curvature, place, found), found, size
    return None


def _bound_by_climbing(at: At, peak: Peak, row: FloatArray, drop: float, side: float) -> float:
    """The bound where the profile itself, climbed to at each value, reaches the level.

    The root of twice the fall is nearly a straight line in the value, so that Newton's method on it takes few
    steps; it is kept between values known to be too near and too far.
    """
    wanted, here = math.sqrt(2 * drop), peak
    middle = float(row @ peak.place.beta)
    near, far = 0.0, math.inf
    spread = float(row @ np.linalg.solve(_second(peak.place, peak.curvature, np.eye(len(row))), row))
    distance = wanted * math.sqrt(spread)
    for _ in range(_MAX_BOUND_STEPS):
        begin = nearest(here, row[None, :], np.array([middle + side * distance]))
        here = climb(at, at(begin), here.curvature, row[None, :])
        fallen = math.sqrt(2 * max(peak.place.value - here.place.value, 0.0))
        near, far = (distance, far) if fallen < wanted else (near, distance)
        falling = -side * float(here.place.score @ row) / float(row @ row)
        newton = distance - (fallen - wanted) * fallen / falling if min(falling, fallen) > 0 else math.inf
        if abs(newton - distance) <= _CLOSE * distance:
            return middle + side * newton
        if near < far <= near * (1 + _CLOSE):  # the ridge ends, and the profile falls past the level at once
            return middle + side * far
        inside = near < newton < min(far, _FARTHEST * distance)
        distance = newton if inside else min((near + far) / 2, _FARTHEST * distance)
    raise _unsettled()


def _towards(hessian: FloatArray, place: Place, row: FloatArray, level: float, side: float) -> FloatArray | None:
    """The step to where the quadratic model is at the level and its score is a multiple of the row."""
    whole, part = np.linalg.solve(hessian, np.stack([place.score, row]).T).T
    above = 2 * (place.value - level) + float(place.score @ whole)
    spread = float(row @ part)
    if above * spread <= 0:
        return None
    step: FloatArray = whole + side * math.sqrt(above / spread) * part
    return step


def _annulled(constraints: FloatArray) -> FloatArray:
    """An orthonormal basis (p, p - m) of the vectors that the constraints annul."""
    m, p = constraints.shape
    if m == 0:
        return np.eye(p)
    basis = np.asarray(np.linalg.qr(constraints.T, mode="complete").Q[:, m:])
    return np.where(np.abs(basis) > _ROUNDING, basis, 0.0)  # see nearest


def _higher(at: At, place: Place, step: FloatArray) -> Place | None:
    """The first place along ever smaller steps that is not lower."""
    slack = _SLACK * (1 + abs(place.value))
    for _ in range(_MAX_HALVINGS):
        found = at(place.beta + step)
        if found.value >= place.value - slack:
            return found
        step = step / 2
    return None


def _second(place: Place, curvature: FloatArray, free: FloatArray) -> FloatArray:
    """The negative second derivatives; the information alone where, along ``free``, these are not those of a peak.

    So no step leads to a saddle, where the score vanishes, too.
    """
    known, learnt = free.T @ place.information @ free, free.T @ curvature @ free
    root = np.sqrt(np.maximum(known.diagonal(), 1e-300))
    least, least_known = (
        float(np.linalg.eigvalsh(matrix / np.outer(root, root)).min(initial=1.0)) for matrix in (known + learnt, known)
    )
    peaked = least > _FLAT * least_known
    return place.information + curvature if peaked else place.information


def _learnt(curvature: FloatArray, before: Place, after: Place) -> FloatArray:
    """The symmetric rank-one update by which the curvature explains the change of the penalty's score."""
    step = after.beta - before.beta
    missing = before.pull - after.pull - curvature @ step
    along = float(missing @ step)
    if abs(along) <= _PARALLEL * math.sqrt(float(missing @ missing) * float(step @ step)):
        return curvature
    return curvature + np.outer(missing, missing) / along


def inverse_and_log_determinant(information: FloatArray) -> tuple[FloatArray, float] | None:
    """The inverse (p, p), and the logarithm of the determinant; ``None`` where it is singular."""
    try:
        found = factored(information)
    except NotEstimable:
        return None
    log_root = float(np.log(np.diag(found.factor)).sum() + np.log(found.root).sum())
    return found.inverse, 2 * log_root


def _unsettled() -> ConvergenceError:
    return ConvergenceError(
        "the penalised fit did not settle",
        why="the data hardly determine the model",
        fix="leave out or merge sparse terms",
        field="formula",
    )
