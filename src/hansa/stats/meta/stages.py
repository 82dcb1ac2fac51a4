"""One stage beside two: the pooled model with an intercept in each node, and the sites' estimates combined.

Both estimate the same coefficients, and differ for three reasons that add up exactly:

- the pooled likelihood is not quadratic in the coefficients, has one dispersion for all, and keeps sites that have
  no estimate of their own: one stage against the *multivariate* fixed effect, which combines whole vectors of
  coefficients by their covariances (Becker & Wu 2007, Statistical Science 22:414) and is what one stage tends to
  as sites grow;
- one stage has one coefficient of each other term for all sites, a meta-analysis of one term lets each site have
  its own: the multivariate against the univariate fixed effect;
- coefficients that differ between sites: the fixed effect against random effects.

Burke, Ensor & Riley (2017), Statistics in Medicine 36:855.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy

from hansa.model.exposure import FloatArray
from hansa.stats.meta.combine import MetaAnalysis
from hansa.stats.meta.estimators import Effect, Estimator
from hansa.stats.plain import Result

__all__ = ["SiteModel", "Stage", "StageTerm", "Stages", "multivariate", "one_and_two_stages"]

_NOTABLE = 0.1
"""In standard errors: a smaller difference of the stages is not worth a reason."""


@dataclass(frozen=True, eq=False)
class SiteModel:
    """A site's released estimates: ``coef`` (p,) of ``terms`` with their ``covariance`` (p, p)."""

    terms: tuple[str, ...]
    coef: FloatArray
    covariance: FloatArray


@dataclass(frozen=True)
class Stage:
    """An estimate with its interval."""

    estimate: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True)
class StageTerm:
    """One coefficient four ways.

    Differences are in standard errors of the one-stage estimate: ``difference`` is random effects minus one
    stage, the sum of ``by_likelihood`` (multivariate minus one stage), ``by_other_terms`` (fixed minus
    multivariate) and ``by_heterogeneity`` (random minus fixed). Without a multivariate estimate the first two
    are ``None``; with a single site there are no random effects. ``explanation`` says the largest in words.
    """

    term: str
    one_stage: Stage
    multivariate: Stage | None
    fixed: Stage
    random: Stage | None
    sites: int
    tau2: float | None
    i2: float | None
    difference: float | None
    by_likelihood: float | None
    by_other_terms: float | None
    by_heterogeneity: float | None
    explanation: str


@dataclass(frozen=True)
class Stages(Result):
    """One-stage and two-stage estimates of the terms that any site has; ``absent`` sites have none of their own.

    ``no_multivariate`` is why there is no multivariate estimate, or empty.
    """

    schema: ClassVar[str] = "stages/1.0"
    formula: str
    method: str
    level: float
    ratio: str | None
    terms: tuple[StageTerm, ...]
    absent: tuple[str, ...]
    no_multivariate: str


def one_and_two_stages(
    one_stage: dict[str, Stage],
    combined: dict[str, MetaAnalysis],
    models: dict[str, SiteModel],
    absent: Sequence[str],
    *,
    formula: str,
    ratio: str | None,
    level: float,
    method: Estimator,
) -> Stages:
    """Put one-stage estimates beside those of two stages.

    Parameters
    ----------
    one_stage : the pooled model's coefficients, by term
    combined : the meta-analysis of each term that any site has
    models : by site, its estimates of these terms
    absent : sites without an estimate
    """
    terms = [term for term in one_stage if term in combined]
    reason = _incomplete(terms, models)
    together = dict.fromkeys(terms) if reason else multivariate(terms, list(models.values()), level)
    return Stages(
        formula=formula,
        method=method,
        level=level,
        ratio=ratio,
        terms=tuple(_beside(term, one_stage[term], together[term], combined[term], absent) for term in terms),
        absent=tuple(absent),
        no_multivariate=reason,
    )


def _incomplete(terms: Sequence[str], models: dict[str, SiteModel]) -> str:
    """Why the sites' vectors cannot be combined; empty where they can."""
    for site, model in models.items():
        missing = [term for term in terms if term not in model.terms]
        if missing:
            return f"{site} has no estimate of {', '.join(missing)}"
        root = np.sqrt(model.covariance.diagonal())
        if not np.all(root > 0) or np.linalg.matrix_rank(model.covariance / np.outer(root, root)) < len(terms):
            return f"the covariance of {site} is singular"
    return ""


def multivariate(terms: Sequence[str], models: Sequence[SiteModel], level: float) -> dict[str, Stage | None]:
    """The multivariate fixed effect: vectors weighted by the inverses of their covariances."""
    total, weighted = np.zeros((len(terms), len(terms))), np.zeros(len(terms))
    for model in models:
        places = [model.terms.index(term) for term in terms]
        information = np.linalg.inv(model.covariance[np.ix_(places, places)])
        total += information
        weighted += information @ model.coef[places]
    covariance = np.linalg.inv(total)
    middle, errors = covariance @ weighted, np.sqrt(covariance.diagonal())
    half = float(scipy.stats.norm.ppf((1 + level) / 2)) * errors
    rows = zip(terms, middle.tolist(), errors.tolist(), half.tolist(), strict=True)
    return {term: Stage(value, se, value - wide, value + wide) for term, value, se, wide in rows}


def _beside(term: str, one: Stage, together: Stage | None, found: MetaAnalysis, absent: Sequence[str]) -> StageTerm:
    fixed, random = _stage(found.fixed), None if found.random is None else _stage(found.random)
    parts = {
        "by_likelihood": _apart(together, one, one.se),
        "by_other_terms": _apart(fixed, together, one.se),
        "by_heterogeneity": _apart(random, fixed, one.se),
    }
    difference = _apart(random or fixed, one, one.se)
    spread = found.heterogeneity
    return StageTerm(
        term=term,
        one_stage=one,
        multivariate=together,
        fixed=fixed,
        random=random,
        sites=found.used,
        tau2=None if spread is None else spread.tau2,
        i2=None if spread is None else spread.i2,
        difference=difference,
        **parts,
        explanation=_explained(difference, parts, absent),
    )


def _stage(effect: Effect) -> Stage:
    return Stage(effect.estimate, effect.se, effect.lower, effect.upper)


def _apart(one: Stage | None, other: Stage | None, se: float) -> float | None:
    if one is None or other is None or not se > 0 or not math.isfinite(se):
        return None
    return (one.estimate - other.estimate) / se


_WHY = {
    "by_heterogeneity": "the coefficient differs between sites, and random effects give small sites more weight",
    "by_other_terms": "one stage has one coefficient of each other term for all sites, two stages let them differ",
    "by_likelihood": "sites are small or sparse, so that their estimates and errors do not sum their data up",
}


def _explained(difference: float | None, parts: dict[str, float | None], absent: Sequence[str]) -> str:
    """The larger reasons for a difference, the largest first."""
    if difference is None:
        return "no comparison: an estimate or its error does not exist"
    known = {name: part for name, part in parts.items() if part is not None and abs(part) >= _NOTABLE}
    if not known and abs(difference) < _NOTABLE:
        return "the stages agree"
    words = [_WHY[name] for name in sorted(known, key=lambda name: -abs(known[name]))]
    if absent and ("by_likelihood" in known or parts["by_likelihood"] is None):
        words.insert(0, f"without an estimate of their own, in one stage alone: {', '.join(absent)}")
    if abs(difference) < _NOTABLE:
        words.insert(0, "the stages agree, since parts of the difference cancel")
    return "; ".join(words) or "no single part is large"
