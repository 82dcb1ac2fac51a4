"""Which site the heterogeneity comes from: each site against the others, and what is found without it.

That all sites share one coefficient is the hypothesis that the site-by-term interaction is zero. Cochran's Q
tests it as a whole; here each site is tested against the fixed effect of the others (the externally
studentised residual; Viechtbauer & Cheung 2010, Research Synthesis Methods 1:112), which is the interaction of
the term with that site's indicator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from hansa.model.exposure import FloatArray
from hansa.stats.meta.estimators import Effect, effect, heterogeneity

__all__ = ["LEAST_SITES", "Influence", "holm", "influences"]

LEAST_SITES = 3
"""Without one of fewer sites, nothing is left to combine."""


@dataclass(frozen=True)
class Influence:
    """One site against the others, and the meta-analysis without it.

    ``difference`` is the site's estimate minus the fixed effect of the others, with its standard error,
    ``statistic`` (normal) and ``p``; ``p_adjusted`` is Holm's over all sites. ``q`` is what the site adds to
    Cochran's Q. ``without`` is the random-effects estimate of the other sites, ``without_tau2``,
    ``without_i2`` and ``without_q_p`` are their heterogeneity. ``distance`` is Cook's: the square of how many
    standard errors the random-effects estimate moves when the site is left out.
    """

    name: str
    difference: float
    se: float
    statistic: float
    p: float
    p_adjusted: float
    q: float
    without: Effect
    without_tau2: float
    without_i2: float
    without_q_p: float
    distance: float


def influences(
    names: Sequence[str],
    y: FloatArray,
    v: FloatArray,
    random: Effect,
    method: str,
    *,
    level: float,
    knapp_hartung: bool,
) -> tuple[Influence, ...]:
    """Each site's influence on the combined estimate.

    Parameters
    ----------
    names : sequence of k names
    y, v : arrays, shape (k,)
        Estimates and their variances; k is three or more.
    random : Effect
        The random-effects estimate over all sites.
    method, level, knapp_hartung
        As the estimate over all sites was made.
    """
    mean = float(effect(y, 1 / v, level, knapp_hartung=False).estimate)
    against = [_against_others(place, y, v, level) for place in range(y.size)]
    p = [2 * float(scipy.stats.norm.sf(abs(difference / se))) for difference, se in against]
    found = []
    for place, (name, (difference, se), adjusted) in enumerate(zip(names, against, holm(p), strict=True)):
        rest_y, rest_v = np.delete(y, place), np.delete(v, place)
        spread = heterogeneity(rest_y, rest_v, method)
        without = effect(rest_y, 1 / (rest_v + spread.tau2), level, knapp_hartung=knapp_hartung)
        found.append(
            Influence(
                name=name,
                difference=difference,
                se=se,
                statistic=difference / se,
                p=p[place],
                p_adjusted=adjusted,
                q=float((y[place] - mean) ** 2 / v[place]),
                without=without,
                without_tau2=spread.tau2,
                without_i2=spread.i2,
                without_q_p=spread.p,
                distance=((random.estimate - without.estimate) / random.se) ** 2,
            )
        )
    return tuple(found)


def _against_others(place: int, y: FloatArray, v: FloatArray, level: float) -> tuple[float, float]:
    """A site's estimate minus the fixed effect of the others, and the standard error of that."""
    others = effect(np.delete(y, place), 1 / np.delete(v, place), level, knapp_hartung=False)
    return float(y[place] - others.estimate), math.sqrt(float(v[place]) + others.se**2)


def holm(p: Sequence[float]) -> list[float]:
    """The p values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6:65).

    Examples
    --------
    >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p)[order]), 1.0)
    return [float(value) for value in adjusted]
