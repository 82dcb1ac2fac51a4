"""The test of proportional hazards where all nodes share a baseline hazard, from sums by time."""

from __future__ import annotations

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.cox.diagnostics import Proportional, score_tests
from hansa.stats.cox.pooled import GridFitted

__all__ = ["grid_tests"]


def grid_tests(fitted: GridFitted) -> tuple[Proportional, ...]:
    """The tests against time and its logarithm, for those that vary between events."""
    problem, fit, sets, mean = fitted.problem, fitted.fit, fitted.sets, fitted.mean
    time = np.tile(np.arange(problem.times, dtype=np.float64), problem.strata)
    found = []
    for name, values in (("identity", time), ("log", np.log(np.maximum(time, 1.0)))):
        factor = _standard(values, fitted.weight)
        if factor is None:
            continue
        parts = []
        for power in (factor, factor**2):
            totals = problem.hazards(fit.point.beta, sets, power)
            weight = (sets.terms.weight * power[sets.terms.at])[:, None]
            parts.append((totals["score"], totals["within"] - (mean * weight).T @ mean))
        (score, cross), (_, square) = parts
        found.append(score_tests(name, fitted, score, cross, square))
    return tuple(found)


def _standard(values: FloatArray, weight: FloatArray) -> FloatArray | None:
    """A function of time about its mean over events, in its standard deviations; ``None`` where it does not vary."""
    middle = np.average(values, weights=weight)
    variance = float(np.average((values - middle) ** 2, weights=weight))
    return None if variance <= 1e-12 else np.asarray((values - middle) / np.sqrt(variance))
