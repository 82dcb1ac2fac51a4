"""What a Cox model says: hazard ratios, tests of the whole model, and the checks of its assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hansa.stats.cox_tests import Concordance, Proportional
from hansa.stats.glm_result import Term, Test
from hansa.stats.plain import Result

__all__ = ["CoxResult"]


@dataclass(frozen=True)
class CoxResult(Result):
    """A Cox proportional-hazards model over all nodes.

    ``baseline`` is "node": each node has a baseline hazard of its own, which stays there. ``covariance`` has the
    rows and columns of ``covariance_terms``, the coefficients that are not aliased; it is ``covariance_kind``
    "model" (the inverse information) or "robust" (Lin and Wei's sandwich over ``clusters``), and
    ``model_errors`` are the standard errors by the inverse information in either case. ``tests`` are the
    likelihood-ratio, Wald and score tests that all coefficients are zero; with weights of people sampled the
    likelihood is none, and the first is missing. ``aic`` and ``bic`` take the partial likelihood, ``bic`` with
    the number of events.
    """

    schema: ClassVar[str] = "cox/1.0"
    formula: str
    baseline: str
    ties: str
    strata: tuple[str, ...]
    late_entry: bool
    terms: tuple[Term, ...]
    ratio: str
    statistic_kind: str
    level: float
    n: int
    events: int
    df: int
    loglik: float
    null_loglik: float
    aic: float
    bic: float
    tests: tuple[Test, ...]
    covariance_terms: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]
    covariance_kind: str
    model_errors: tuple[float, ...]
    clusters: int | None
    weights: str | None
    weights_type: str | None
    proportional: tuple[Proportional, ...]
    concordance: Concordance | None
    iterations: int
    aliased: tuple[str, ...]
    knots: tuple[str, ...]
    dropped_levels: tuple[str, ...]
    facts: Mapping[str, Any] = field(hash=False)

    @property
    def by_name(self) -> dict[str, Term]:
        """The terms by name."""
        return {term.name: term for term in self.terms}
