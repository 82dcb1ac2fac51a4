"""Meta-analysis of the sites' own estimates: fixed effect, and random effects with REML or DerSimonian-Laird.

Each site's estimate and standard error are a release of that site; nothing here is a sum over people.
Notation: k estimates y with variances v; w = 1 / (v + tau^2); P is the matrix that projects out the weighted
mean, P = W - W 1 1' W / sum(w).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from hansa.errors import NotEstimable, StudyError
from hansa.model.exposure import FloatArray
from hansa.stats.plain import Result
from hansa.stats.tails import chi_square_tail, normal_quantile, normal_tail, t_quantile, t_tail

__all__ = ["Effect", "Heterogeneity", "MetaAnalysis", "Site", "meta_analysis"]

_GRID = 200
_FINEST = 1e-12
_TOLERANCE = 1e-15

Estimator = Literal["REML", "DL"]


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
class Effect:
    """A combined estimate with its interval and test; ``df`` is ``None`` for a normal reference."""

    estimate: float
    se: float
    lower: float
    upper: float
    statistic: float
    df: int | None
    p: float


@dataclass(frozen=True)
class Heterogeneity:
    """``tau2`` is the variance between sites; ``q``, ``df`` and ``p`` are Cochran's test; ``i2`` is in per cent."""

    tau2: float
    tau2_se: float
    q: float
    df: int
    p: float
    i2: float
    h2: float


@dataclass(frozen=True)
class MetaAnalysis(Result):
    """The combined estimates of ``used`` sites of ``asked``.

    Random effects and heterogeneity need two sites, the prediction interval three.
    """

    schema: ClassVar[str] = "meta/1.0"
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
        k - 2 degrees of freedom.

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
    heterogeneity = _heterogeneity(y, v, method) if y.size > 1 else None
    fixed_weights = 1 / v
    random_weights = None if heterogeneity is None else 1 / (v + heterogeneity.tau2)
    return MetaAnalysis(
        method=method,
        knapp_hartung=knapp_hartung,
        level=level,
        asked=k,
        used=int(y.size),
        sites=_sites(list(zip(labels, usable, why, strict=True)), y, s, fixed_weights, random_weights),
        fixed=_effect(y, fixed_weights, level, knapp_hartung=False),
        random=_optional_effect(y, random_weights, level, knapp_hartung=knapp_hartung),
        heterogeneity=heterogeneity,
        prediction=_prediction(y, v, heterogeneity, level, knapp_hartung=knapp_hartung),
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


def _projection(w: FloatArray) -> FloatArray:
    projection: FloatArray = np.diag(w) - np.outer(w, w) / w.sum()
    return projection


def _reml(y: FloatArray, v: FloatArray) -> float:
    """The restricted maximum likelihood estimate of tau^2, not below 0.

    The likelihood may have several peaks, on which scoring may stick or circle; all are found as roots of the
    score over a fine grid, and the highest wins. With S the sum of squares about the mean, the score is
    negative from S + max(v) on.
    """
    from scipy.optimize import brentq  # noqa: PLC0415  # 0.3 s that only a synthesis needs

    highest = float(((y - y.mean()) ** 2).sum() + v.max())
    grid = np.concatenate([[0.0], highest * np.geomspace(_FINEST, 1.0, _GRID)])
    scores = [_score(tau2, y, v) for tau2 in grid]
    peaks = [
        float(brentq(_score, low, high, args=(y, v), xtol=_TOLERANCE * high, rtol=_TOLERANCE))
        for (low, high), (before, after) in zip(pairwise(grid), pairwise(scores), strict=True)
        if before > 0 >= after
    ]
    return max([0.0, *peaks], key=lambda tau2: _restricted_likelihood(y, v, tau2))


def _score(tau2: float, y: FloatArray, v: FloatArray) -> float:
    """Twice the derivative of the restricted likelihood: y'PPy - tr P."""
    w = 1 / (v + tau2)
    residual = y - w @ y / w.sum()
    return float(w**2 @ residual**2 - w.sum() + (w @ w) / w.sum())


def _restricted_likelihood(y: FloatArray, v: FloatArray, tau2: float) -> float:
    """Up to a constant."""
    w = 1 / (v + tau2)
    return float(np.log(w).sum() - math.log(w.sum()) - y @ _projection(w) @ y) / 2


def _dersimonian_laird(y: FloatArray, v: FloatArray) -> float:
    P = _projection(1 / v)
    return max(0.0, float((y @ P @ y - (y.size - 1)) / np.trace(P)))


def _tau2_se(v: FloatArray, tau2: float, method: str) -> float:
    """From the expected information (REML), or the variance of Q (DL; Biggerstaff and Tweedie 1997)."""
    if method == "REML":
        P = _projection(1 / (v + tau2))
        return math.sqrt(2 / float(np.sum(P * P)))
    P = _projection(1 / v)
    trace, squares = float(np.trace(P)), float(np.sum(P * P))
    return math.sqrt(2 * (v.size - 1) + 4 * tau2 * trace + 2 * tau2**2 * squares) / trace


def _mean(y: FloatArray, w: FloatArray, *, knapp_hartung: bool) -> tuple[float, float]:
    """The weighted mean and its variance."""
    mean = float(w @ y / w.sum())
    factor = max(1.0, float(w @ (y - mean) ** 2) / (y.size - 1)) if knapp_hartung else 1.0
    return mean, factor / float(w.sum())


def _effect(y: FloatArray, w: FloatArray, level: float, *, knapp_hartung: bool) -> Effect:
    mean, variance = _mean(y, w, knapp_hartung=knapp_hartung)
    se, df = math.sqrt(variance), y.size - 1 if knapp_hartung else None
    quantile = normal_quantile((1 + level) / 2) if df is None else t_quantile((1 + level) / 2, df)
    half, size = quantile * se, abs(mean / se)
    p = 2 * (normal_tail(size) if df is None else t_tail(size, df))
    return Effect(mean, se, mean - half, mean + half, mean / se, df, p)


def _optional_effect(y: FloatArray, w: FloatArray | None, level: float, *, knapp_hartung: bool) -> Effect | None:
    return None if w is None else _effect(y, w, level, knapp_hartung=knapp_hartung)


def _heterogeneity(y: FloatArray, v: FloatArray, method: str) -> Heterogeneity:
    """I^2 and H^2 from tau^2 and the typical within-site variance (Higgins and Thompson 2002)."""
    tau2 = _reml(y, v) if method == "REML" else _dersimonian_laird(y, v)
    P, df = _projection(1 / v), y.size - 1
    q, typical = float(y @ P @ y), df / float(np.trace(P))
    return Heterogeneity(
        tau2=tau2,
        tau2_se=_tau2_se(v, tau2, method),
        q=q,
        df=df,
        p=chi_square_tail(q, df),
        i2=100 * tau2 / (tau2 + typical),
        h2=tau2 / typical + 1,
    )


def _prediction(
    y: FloatArray, v: FloatArray, found: Heterogeneity | None, level: float, *, knapp_hartung: bool
) -> tuple[float, float] | None:
    if found is None or y.size < 3:
        return None
    mean, variance = _mean(y, 1 / (v + found.tau2), knapp_hartung=knapp_hartung)
    half = t_quantile((1 + level) / 2, y.size - 2) * math.sqrt(variance + found.tau2)
    return mean - half, mean + half
