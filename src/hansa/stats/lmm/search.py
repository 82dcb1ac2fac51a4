"""The search for the theta at which the criterion is least: Newton's method, with few rounds.

Each round costs all nodes a pass, and tells the hub the sums at one more theta; the exact second derivatives make about
six of them enough. The criterion is the same for a factor and for one whose column has the other sign, so that theta
needs no bounds: a variance of zero is a stationary point inside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hansa.errors import ConvergenceError, NotEstimable
from hansa.model.exposure import FloatArray
from hansa.stats.lmm.criterion import Criterion
from hansa.stats.lmm.steps import LARGEST_FACTOR

__all__ = ["least"]

_MAX_STEPS = 60
_MAX_SHORTENINGS = 30
_SHORTENED = 0.35  # no half: from one side of a variance of zero, two of them would lead right onto it
_EXPECTED = 1e-4
_OFF_SADDLE = 0.1
_CONVERGED = 1e-10
_NOISE = 1e-6
_SLACK = 1e-13
_FLAT = 1e-10
_LONGEST = 1.5


def least(at: Callable[[FloatArray], Criterion], start: FloatArray) -> tuple[Criterion, int]:
    """The least criterion and the number of steps to it.

    Parameters
    ----------
    at : callable
        The criterion at a theta, shape (k,): one round.
    start : array, shape (k,)

    Raises
    ------
    NotEstimable
        When the random effects explain all.
    ConvergenceError
        When the search ends without an answer.
    """
    place = at(start)
    for taken in range(_MAX_STEPS):
        step = _step(place)
        size = float(np.abs(step).max() / max(1.0, np.abs(place.theta).max()))
        if size < _CONVERGED:
            return place, taken
        found = _lower(at, place, step)
        if found is None and size < _NOISE:  # rounding of the criterion hides what is left
            return place, taken
        if found is None:
            break
        place = found
    raise ConvergenceError(
        "the search for the variances did not settle",
        why="the data hardly tell the random effects apart",
        fix="leave a random slope out",
        field="formula",
    )


def _step(place: Criterion) -> FloatArray:
    """Newton's step, downhill in every direction, off a saddle, and not too long."""
    bends, directions = np.linalg.eigh(place.bend)
    slopes = directions.T @ place.slope
    sizes = np.maximum(np.abs(bends), _FLAT * np.abs(bends).max())
    along = -slopes / np.where(sizes > 0, sizes, 1.0)
    saddle = (bends < -_FLAT * sizes.max()) & (np.abs(along) < _OFF_SADDLE)
    along[saddle] = np.copysign(_OFF_SADDLE, along[saddle])
    step = directions @ along
    longest = _LONGEST * max(1.0, float(np.abs(place.theta).max()))
    return np.asarray(step * min(1.0, longest / max(float(np.abs(step).max()), 1e-300)))


def _lower(at: Callable[[FloatArray], Criterion], place: Criterion, step: FloatArray) -> Criterion | None:
    """The first place along ever smaller steps that is lower by a part of what the slope says (Armijo 1966)."""
    slack = _SLACK * abs(place.value)
    for _ in range(_MAX_SHORTENINGS):
        theta = place.theta + step
        if np.abs(theta).max() > LARGEST_FACTOR:
            raise _too_large()
        found = at(theta)
        if found.value <= place.value + _EXPECTED * float(step @ place.slope) + slack:
            return found
        step = step * _SHORTENED
    return None


def _too_large() -> NotEstimable:
    return NotEstimable(
        "the residuals are nothing beside the random effects",
        why="rows of one cluster hardly differ, or are as many as its random effects",
        fix="see that the clusters have several rows each, or leave random slopes out",
        field="formula",
    )
