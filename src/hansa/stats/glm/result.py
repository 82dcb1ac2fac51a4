"""What a generalised linear model says: coefficients, fit, and tests between and within results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy import special

from hansa.errors import MethodError
from hansa.model.exposure import FloatArray
from hansa.stats.plain import Result

__all__ = [
    "Estimated",
    "GlmResult",
    "Term",
    "Test",
    "as_rows",
    "chi_square",
    "exponential",
    "likelihood_ratio",
    "log_p_value",
    "term",
    "wald",
]


@dataclass(frozen=True)
class Term:
    """One coefficient, on the scale of the linear predictor, with its interval.

    ``p_log`` is the natural logarithm of ``p``, which stays exact where ``p`` is too small for a float.
    ``exponentiated`` with its bounds is the ratio that ``GlmResult.ratio`` names. All are ``None`` for an
    aliased column.
    """

    name: str
    coef: float | None
    se: float | None
    statistic: float | None
    p: float | None
    p_log: float | None
    lower: float | None
    upper: float | None
    exponentiated: float | None
    exponentiated_lower: float | None
    exponentiated_upper: float | None


@dataclass(frozen=True)
class Test(Result):
    """A test's statistic, degrees of freedom, p value and its natural logarithm."""

    schema: ClassVar[str] = "test/1.0"
    name: str
    statistic: float
    df: float
    p: float
    p_log: float


@dataclass(frozen=True)
class GlmResult(Result):
    """A generalised linear model fitted over all nodes.

    ``statistic_kind`` is ``z`` where the dispersion is known, else ``t`` with ``df_residual``. ``covariance``
    has the rows and columns of ``covariance_terms``, the coefficients that are not aliased. ``n`` counts rows
    (the sum of frequency weights). ``pseudo_r2`` is McFadden's (``None`` with a dispersion), ``deviance_r2``
    the share of the null deviance explained. ``loglik``, ``aic`` and ``bic`` are ``None`` with sampling
    weights. ``facts`` are the pooled facts of the design, from which :mod:`hansa.stats.validation.plan` builds it
    again; ``knots`` and ``dropped_levels`` say them in words.

    With ``penalty`` "firth" tests and intervals of ``terms`` are those of the profile of the penalised likelihood
    (``statistic_kind`` is ``chi2``, with one degree of freedom), and ``wald_terms`` are the same with Wald's;
    ``loglik`` and ``null_loglik`` are penalised, and ``aic``, ``bic``, ``pseudo_r2`` and ``deviance_r2`` are
    ``None``.

    A negative binomial model has ``theta`` with its error, and the likelihood-ratio test against the Poisson
    model (``overdispersion_statistic``, ``overdispersion_p``).
    """

    schema: ClassVar[str] = "glm/1.1"
    formula: str
    family: str
    link: str
    node: str
    terms: tuple[Term, ...]
    ratio: str | None
    statistic_kind: str
    level: float
    n: int
    df_residual: int
    df_null: int
    deviance: float
    null_deviance: float | None
    loglik: float | None
    null_loglik: float | None
    aic: float | None
    bic: float | None
    dispersion: float
    pearson: float
    pseudo_r2: float | None
    deviance_r2: float | None
    lr_statistic: float | None
    lr_df: int
    lr_p: float | None
    covariance_terms: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]
    covariance_kind: str
    weights: str | None
    weights_type: str | None
    iterations: int
    converged: bool
    aliased: tuple[str, ...]
    knots: tuple[str, ...]
    dropped_levels: tuple[str, ...]
    facts: Mapping[str, Any] = field(hash=False)
    penalty: str | None = None
    wald_terms: tuple[Term, ...] = ()
    theta: float | None = None
    theta_se: float | None = None
    overdispersion_statistic: float | None = None
    overdispersion_p: float | None = None

    @property
    def by_name(self) -> dict[str, Term]:
        """The terms by name."""
        return {term.name: term for term in self.terms}

    @property
    def t_df(self) -> int | None:
        """The degrees of freedom of Student's t; ``None`` where the dispersion is known."""
        return self.df_residual if self.statistic_kind == "t" else None


_NOTHING = (None,) * 10


def term(name: str, coef: float | None, se: float, *, df: float | None, level: float, ratio: bool) -> Term:
    """A coefficient with its test and interval.

    Parameters
    ----------
    coef : float or None
        ``None`` for an aliased column.
    df : float or None
        Degrees of freedom of Student's t; ``None`` for the normal distribution.
    ratio : bool
        Whether exp(coef) means something.
    """
    if coef is None:
        return Term(name, *_NOTHING)
    quantile = special.ndtri(0.5 + level / 2) if df is None else special.stdtrit(df, 0.5 + level / 2)
    lower, upper = coef - float(quantile) * se, coef + float(quantile) * se
    statistic = coef / se if se > 0 else math.copysign(math.inf, coef)
    p_log = log_p_value(statistic, df)
    ratios = tuple(exponential(value) if ratio else None for value in (coef, lower, upper))
    return Term(name, coef, se, statistic, math.exp(p_log), p_log, lower, upper, *ratios)


def log_p_value(statistic: float, df: float | None) -> float:
    """The natural logarithm of the two-sided p value, exact however small.

    Parameters
    ----------
    statistic : float
    df : float or None
        Of Student's t; ``None`` for the normal distribution.

    Examples
    --------
    >>> round(log_p_value(1.959963985, None), 6) == round(math.log(0.05), 6)
    True
    >>> round(log_p_value(100.0, None), 1)
    -5004.8
    """
    size = abs(statistic)
    if df is None:
        return min(0.0, math.log(2) + float(special.log_ndtr(-size)))
    if not df > 0 or math.isnan(size):
        return math.nan
    # p = I_x(df/2, 1/2) with x = df / (df + t^2)
    x, a, b = df / (df + size**2), df / 2, 0.5
    p = float(special.betainc(a, b, x))
    if p > 1e-280 or size == math.inf:
        return math.log(p) if p > 0 else -math.inf
    log_x = -math.log1p(size / df * size)
    series = float(special.hyp2f1(a + b, 1.0, a + 1, x))
    return a * log_x + b * math.log1p(-x) - math.log(a) - float(special.betaln(a, b)) + math.log(series)


def exponential(value: float) -> float:
    """The exponential, infinite where a float cannot hold it."""
    return math.exp(value) if value < 709 else math.inf


class Estimated(Protocol):
    """The part of a regression's result that a Wald test looks at."""

    @property
    def by_name(self) -> Mapping[str, Term]:
        """The terms by name."""
        ...

    @property
    def covariance_terms(self) -> tuple[str, ...]:
        """The terms that are not aliased."""
        ...

    @property
    def covariance(self) -> tuple[tuple[float, ...], ...]:
        """Their covariance."""
        ...

    @property
    def t_df(self) -> int | None:
        """The degrees of freedom of Student's t; ``None`` where the normal distribution is taken."""
        ...


def wald(result: Estimated, names: Sequence[str]) -> Test:
    """The Wald test that all named coefficients are zero.

    Chi-square where the dispersion is known, else F with ``df_residual`` (its statistic divided by the number
    of coefficients). ``names`` are terms of the result, or prefixes of them that end at a bracket or digit
    (``cp`` for all ``cp[...]``).

    Raises
    ------
    MethodError
        When a name fits no estimated coefficient.
    """
    places = [place for name in names for place in _places(result, name)]
    chosen = list(dict.fromkeys(places))
    coef = np.array([result.by_name[result.covariance_terms[place]].coef for place in chosen], dtype=np.float64)
    block = np.array(result.covariance)[np.ix_(chosen, chosen)]
    statistic = float(coef @ np.linalg.solve(block, coef))
    freedom = result.t_df
    if freedom is None:
        return chi_square("Wald", statistic, len(chosen))
    f = statistic / len(chosen)
    p_log = _logarithm(float(special.fdtrc(len(chosen), freedom, f)))
    return Test("Wald F", f, len(chosen), math.exp(p_log), p_log)


def _places(result: Estimated, name: str) -> list[int]:
    starts = (f"{name}[", *(f"{name}{digit}" for digit in "123456789"))
    terms = result.covariance_terms
    found = [place for place, one in enumerate(terms) if one == name]
    found = found or [place for place, one in enumerate(terms) if one.startswith(starts) and ":" not in one]
    if not found:
        raise MethodError(f"no estimated coefficient is called {name}", fix=f"one of {', '.join(terms)}")
    return found


def likelihood_ratio(small: GlmResult, large: GlmResult) -> Test:
    """The likelihood-ratio test between two nested models on the same people.

    Raises
    ------
    MethodError
        When the two are penalised, or cannot be nested: other families, links, nodes, weights, or numbers of rows,
        or the first has no fewer coefficients.
    """
    if small.penalty or large.penalty:
        raise MethodError(
            "penalised likelihoods of two models cannot be compared",
            why="each has the penalty of its own columns",
            fix="see the penalised likelihood-ratio test of each term, or wald() for several",
        )
    kinds = [(result.family, result.link, result.weights, result.weights_type, result.n) for result in (small, large)]
    df = small.df_residual - large.df_residual
    if kinds[0] != kinds[1] or df <= 0 or small.loglik is None or large.loglik is None:
        raise MethodError(
            "these two models are not nested",
            why="they differ in family, link, weights or people, or the first is not the smaller",
            fix="fit both on one analysis set (complete=...), the smaller first",
        )
    return chi_square("likelihood ratio", 2 * (large.loglik - small.loglik), df)


def chi_square(name: str, statistic: float, df: float) -> Test:
    """A chi-square test; a statistic below zero is rounding and counts as zero."""
    p_log = _logarithm(float(special.chdtrc(df, max(statistic, 0.0)))) if df > 0 else 0.0
    return Test(name, statistic, df, math.exp(p_log), p_log)


def _logarithm(p: float) -> float:
    return math.log(p) if p > 0 else (-math.inf if p == 0 else math.nan)


def as_rows(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    """A matrix as plain numbers."""
    return tuple(tuple(float(value) for value in row) for row in matrix)
