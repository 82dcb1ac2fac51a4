"""Meta-analysis of the sites' own estimates: fixed effect, random effects, heterogeneity and where it comes from.

Each site's estimate and standard error are a release of that site; nothing here is a sum over people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy

from hansa.errors import NotEstimable, StudyError
from hansa.model.exposure import FloatArray
from hansa.stats.meta.estimators import Effect, Estimator, Heterogeneity, effect, heterogeneity, weighted_mean
from hansa.stats.meta.funnel import Funnel, funnel
from hansa.stats.meta.influence import LEAST_SITES, Influence, influences
from hansa.stats.plain import Result

__all__ = ["MetaAnalysis", "Site", "meta_analysis"]


@dataclass(frozen=True)
class Site:
    """One site: its estimate, or the reason why it has none. Weights are per cent of their sum."""

    name: str
    estimate: float | None
    se: float | None
    fixed_weight: float | None
    random_weight: float | None
    reason: str


@dataclass(frozen=True)
class MetaAnalysis(Result):
    """The combined estimates of ``used`` sites of ``asked``.

    Random effects and heterogeneity need two sites; the prediction interval, whose Student's t has
    ``prediction_df`` degrees of freedom, and ``influence``, which has an entry per used site, need three.
    """

    schema: ClassVar[str] = "meta/1.1"
    method: str
    knapp_hartung: bool
    level: float
    asked: int
    used: int
    sites: tuple[Site, ...]
    fixed: Effect
    random: Effect | None
    heterogeneity: Heterogeneity | None
    prediction: tuple[float, float] | None
    prediction_df: int | None
    influence: tuple[Influence, ...]
    funnel: Funnel


def meta_analysis(
    estimates: Sequence[float | None],
    standard_errors: Sequence[float | None],
    *,
    method: Estimator = "REML",
    knapp_hartung: bool = True,
    level: float = 0.95,
    names: Sequence[str] | None = None,
    reasons: Sequence[str] | None = None,
) -> MetaAnalysis:
    """Combine the sites' estimates.

    Parameters
    ----------
    estimates, standard_errors : sequences of length k
        ``None`` or not-a-number where a site refused or could not estimate; such a site is listed, not used.
    method : {"REML", "DL"}
        The estimator of tau^2: restricted maximum likelihood (Viechtbauer 2005, Journal of Educational and
        Behavioral Statistics 30:261) or DerSimonian and Laird (1986, Controlled Clinical
        Trials 7:177).
    knapp_hartung : bool
        Whether the random-effects interval uses t with k - 1 degrees of freedom and the variance factor of
        Knapp and Hartung (2003, Statistics in Medicine 22:2693), never below 1 (Roever, Knapp and Friede
        2015, BMC Medical Research Methodology 15:99).
    level : float
        Of confidence and prediction.
    names, reasons : sequences of length k
        The sites' names, and why a site has no estimate.

    Returns
    -------
    MetaAnalysis
        The prediction interval is that of Higgins, Thompson and Spiegelhalter (2009, JRSS A 172:137), t with
        k - 2 degrees of freedom: metafor's ``predict(pi.type="riley")``, whose default has k - 1.

    Raises
    ------
    StudyError
        When the sequences differ in length, or a standard error is not positive.
    NotEstimable
        When no site has an estimate.

    Examples
    --------
    >>> found = meta_analysis([0.5, 0.7, None], [0.1, 0.1, None], method="DL")
    >>> found.used, found.asked, round(found.fixed.estimate, 6), found.sites[2].reason
    (2, 3, 0.6, 'not estimable')
    """
    k = len(estimates)
    labels = list(names) if names is not None else [f"site {i + 1}" for i in range(k)]
    why = list(reasons) if reasons is not None else [""] * k
    _check(standard_errors, {k, len(standard_errors), len(labels), len(why)}, method, level)
    usable = [_usable(y, s) for y, s in zip(estimates, standard_errors, strict=True)]
    if not any(usable):
        raise NotEstimable("no site has an estimate", fix="see each site's reason", field="estimates")
    y, s = (
        np.array([value for value, use in zip(values, usable, strict=True) if use], dtype=np.float64)
        for values in (estimates, standard_errors)
    )
    v = s**2
    spread = heterogeneity(y, v, method) if y.size > 1 else None
    random_weights = None if spread is None else 1 / (v + spread.tau2)
    random = None if random_weights is None else effect(y, random_weights, level, knapp_hartung=knapp_hartung)
    used = [name for name, use in zip(labels, usable, strict=True) if use]
    prediction = _prediction(y, v, spread, level, knapp_hartung=knapp_hartung)
    return MetaAnalysis(
        method=method,
        knapp_hartung=knapp_hartung,
        level=level,
        asked=k,
        used=len(used),
        sites=_sites(list(zip(labels, usable, why, strict=True)), y, s, 1 / v, random_weights),
        fixed=effect(y, 1 / v, level, knapp_hartung=False),
        random=random,
        heterogeneity=spread,
        prediction=prediction,
        prediction_df=None if prediction is None else _prediction_df(y),
        influence=()
        if random is None or len(used) < LEAST_SITES
        else influences(used, y, v, random, method, level=level, knapp_hartung=knapp_hartung),
        funnel=funnel(y, s, level),
    )


def _check(errors: Sequence[float | None], lengths: set[int], method: str, level: float) -> None:
    if len(lengths) > 1:
        raise StudyError("the sequences differ in length", fix="one entry per site", field="standard_errors")
    if any(error is not None and error <= 0 for error in errors):
        raise StudyError("a standard error is not positive", fix="None for none", field="standard_errors")
    if method not in ("REML", "DL"):
        raise StudyError("there is no such estimator", fix="REML or DL", field="method")
    if not 0 < level < 1:
        raise StudyError("a confidence level is needed", fix="between 0 and 1, such as 0.95", field="level")


def _usable(estimate: float | None, se: float | None) -> bool:
    return estimate is not None and se is not None and math.isfinite(estimate) and math.isfinite(se)


def _sites(
    asked: list[tuple[str, bool, str]],
    y: FloatArray,
    s: FloatArray,
    fixed: FloatArray,
    random: FloatArray | None,
) -> tuple[Site, ...]:
    shares = zip(_percent(fixed), [None] * y.size if random is None else _percent(random), strict=True)
    rows = iter(zip(y.tolist(), s.tolist(), shares, strict=True))
    sites = []
    for name, usable, reason in asked:
        if usable:
            estimate, se, (fixed_weight, random_weight) = next(rows)
            sites.append(Site(name, estimate, se, fixed_weight, random_weight, ""))
        else:
            sites.append(Site(name, None, None, None, None, reason or "not estimable"))
    return tuple(sites)


def _percent(weights: FloatArray) -> list[float]:
    return [float(weight) for weight in 100 * weights / weights.sum()]


def _prediction(
    y: FloatArray, v: FloatArray, found: Heterogeneity | None, level: float, *, knapp_hartung: bool
) -> tuple[float, float] | None:
    if found is None or _prediction_df(y) < 1:
        return None
    mean, variance = weighted_mean(y, 1 / (v + found.tau2), knapp_hartung=knapp_hartung)
    half = float(scipy.stats.t.ppf((1 + level) / 2, _prediction_df(y))) * math.sqrt(variance + found.tau2)
    return mean - half, mean + half


def _prediction_df(y: FloatArray) -> int:
    """Of k estimates, the mean and the variance between sites each take one."""
    return y.size - 2
