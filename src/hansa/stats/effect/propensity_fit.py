"""What analyses by propensity scores share: whether the model is determined, its coefficients, and balance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hansa.errors import NotEstimable
from hansa.model.exposure import FloatArray
from hansa.stats.effect.result import Balance
from hansa.stats.glm.fit import Problem

__all__ = ["check_estimable", "differences_of", "on_columns"]


def check_estimable(problem: Problem) -> None:
    """Refuse a model in which a term has no coefficient.

    Raises
    ------
    NotEstimable
        With the terms' names.
    """
    if not problem.kept.all():
        missing = ", ".join(name for name, kept in zip(problem.names, problem.kept, strict=True) if not kept)
        raise NotEstimable(
            f"{missing} cannot be told from other terms",
            why="a term that does not vary, or follows from others, overall or within an arm, identifies no contrast",
            fix="drop the term, or merge levels",
            field="adjust",
        )


def on_columns(problem: Problem, beta: FloatArray) -> FloatArray:
    """Coefficients of the scaled, centred columns, whether or not those were mixed for the fit."""
    return beta if problem.mix is None else np.asarray(problem.mix @ beta)


def differences_of(
    names: Sequence[str], people: FloatArray, plain: FloatArray, weight: FloatArray, weighted: FloatArray
) -> tuple[Balance, ...]:
    """Standardised differences, by the unweighted standard deviations of the arms both times.

    ``people`` and ``weight`` are by arm (2,), ``plain`` and ``weighted`` the sums of columns and of their squares by
    arm, (2, 2, p).
    """
    before, after = plain / people[:, None], weighted / weight[:, None]
    spread = np.sqrt(np.maximum((before[1] - before[0] ** 2).mean(axis=0), 0.0))
    apart = [(mean[1] - mean[0]) / np.where(spread > 0, spread, np.nan) for mean in (before[0], after[0])]
    return tuple(
        Balance(name, float(apart[0][place]), float(apart[1][place]))
        for place, name in enumerate(names)
        if name != "(Intercept)"
    )
