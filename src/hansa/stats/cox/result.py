"""What a Cox model says: hazard ratios, tests of the whole model, and the checks of its assumptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hansa.errors import MethodError
from hansa.stats.cox.baseline import BaselineHazard, BaselinePoint
from hansa.stats.cox.diagnostics import Concordance, Proportional
from hansa.stats.glm.result import Term, Test, chi_square
from hansa.stats.plain import Result

__all__ = ["CoxResult", "cox_fields", "nested", "read_cox_result"]


@dataclass(frozen=True)
class CoxResult(Result):
    """A Cox proportional-hazards model over all nodes.

    ``baseline`` is "node": each node has a baseline hazard of its own, which stays there; or "pooled": one for all,
    exact for times on the ``grid``, to which some were ``rounded`` or not; ``baseline_hazards`` are then those of
    each stratum, where they may be shown. ``covariance`` has the
    rows and columns of ``covariance_terms``, the coefficients that are not aliased; it is ``covariance_kind``
    "model" (the inverse information) or "robust" (Lin and Wei's sandwich over ``clusters``), and
    ``model_errors`` are the standard errors by the inverse information in either case. ``tests`` are the
    likelihood-ratio, Wald and score tests that all coefficients are zero; with weights of people sampled the
    likelihood is none, and the first is missing. ``aic`` and ``bic`` take the partial likelihood, ``bic`` with
    the number of events.

    With ``penalty`` "firth" the log-likelihoods are penalised, the tests and intervals of ``terms`` those of the
    profile, and ``wald_terms`` has Wald's; AIC and BIC are none. With "ridge" of strength ``theta``, ``df`` are the
    effective degrees of freedom, and ``model_errors`` those of an estimator that is drawn towards zero.
    """

    schema: ClassVar[str] = "cox/1.2"
    formula: str
    baseline: str
    grid: float | None
    rounded: bool
    ties: str
    strata: tuple[str, ...]
    late_entry: bool
    terms: tuple[Term, ...]
    ratio: str
    statistic_kind: str
    level: float
    n: int
    events: int
    df: float
    loglik: float
    null_loglik: float
    aic: float | None
    bic: float | None
    tests: tuple[Test, ...]
    covariance_terms: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]
    covariance_kind: str
    model_errors: tuple[float, ...]
    clusters: int | None
    weights: str | None
    weights_type: str | None
    baseline_hazards: tuple[BaselineHazard, ...]
    proportional: tuple[Proportional, ...]
    concordance: Concordance | None
    iterations: int
    aliased: tuple[str, ...]
    knots: tuple[str, ...]
    dropped_levels: tuple[str, ...]
    facts: Mapping[str, Any] = field(hash=False)
    penalty: str | None = None
    theta: float | None = None
    wald_terms: tuple[Term, ...] = ()

    @property
    def by_name(self) -> dict[str, Term]:
        """The terms by name."""
        return {term.name: term for term in self.terms}

    @property
    def t_df(self) -> int | None:
        """Tests take the normal distribution."""
        return None


def read_cox_result(plain: Mapping[str, Any]) -> CoxResult:
    """A result from its plain values; fields that a newer minor version added are left aside."""
    return CoxResult(**cox_fields(CoxResult, plain))


def cox_fields(kind: type[CoxResult], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Cox model, or of what has these and more, from plain values."""
    known = {one.name for one in dataclasses.fields(kind)}
    given = {name: value for name, value in plain.items() if name in known}
    fields: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
    fields["covariance"] = tuple(map(tuple, fields["covariance"]))
    for terms in fields.keys() & {"terms", "wald_terms"}:
        fields[terms] = tuple(Term(**term) for term in fields[terms])
    fields["tests"] = tuple(map(_test, fields["tests"]))
    fields["proportional"] = tuple(map(_proportional, fields["proportional"]))
    fields["baseline_hazards"] = tuple(map(_hazard, fields["baseline_hazards"]))
    if fields["concordance"] is not None:
        fields["concordance"] = Concordance(**fields["concordance"])
    return fields


def _hazard(plain: Mapping[str, Any]) -> BaselineHazard:
    points = (BaselinePoint(**{**point, "mean": tuple(point["mean"])}) for point in plain["points"])
    return BaselineHazard(plain["stratum"], tuple(plain["reference"]), tuple(points))


def _proportional(plain: Mapping[str, Any]) -> Proportional:
    return Proportional(plain["time"], tuple(map(_test, plain["terms"])), _test(plain["whole"]))


def _test(plain: Mapping[str, Any]) -> Test:
    return Test(**{name: value for name, value in plain.items() if name != "schema"})


def nested(small: CoxResult, large: CoxResult) -> Test:
    """The likelihood-ratio test between two nested models on the same people.

    Raises
    ------
    MethodError
        When the two cannot be nested, or have no likelihood.
    """

    def asked(result: CoxResult) -> tuple[object, ...]:
        response = result.formula.split("~", maxsplit=1)[0]
        return response, result.strata, result.ties, result.weights, result.n, result.events

    if asked(small) != asked(large) or small.df >= large.df or "sampling" in (small.weights_type, large.weights_type):
        raise MethodError(
            "these two models are not nested",
            why="they differ in times, strata, ties, weights or people, or the first is not the smaller",
            fix="fit both on one analysis set (complete=...), the smaller first",
        )
    return chi_square("likelihood ratio", 2 * (large.loglik - small.loglik), large.df - small.df)
