"""What a linear mixed model says: coefficients with Satterthwaite's degrees of freedom, and variances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hansa.stats.glm.result import Term
from hansa.stats.plain import Result

__all__ = ["Correlation", "LmmResult", "Variance"]


@dataclass(frozen=True)
class Variance:
    """The variance of a random effect between clusters, in squares of the response's unit over the term's; its root."""

    name: str
    variance: float
    sd: float


@dataclass(frozen=True)
class Correlation:
    """The correlation of two random effects; ``None`` where one of them does not vary."""

    first: str
    second: str
    correlation: float | None


@dataclass(frozen=True)
class LmmResult(Result):
    """A linear mixed model fitted over all nodes.

    ``dfs`` are Satterthwaite's degrees of freedom of ``terms`` (``None`` for an aliased column). ``criterion`` is
    minus twice ``loglik``: the restricted likelihood's under ``method`` REML. ``parameters`` counts coefficients,
    variances and covariances. ``icc`` is the share of the variance that lies between clusters, for a random intercept
    alone. ``singular`` says that some random effect, or combination of them, does not vary. Of single clusters
    nothing is shown.
    """

    schema: ClassVar[str] = "lmm/1.0"
    formula: str
    method: str
    group: str
    terms: tuple[Term, ...]
    dfs: tuple[float | None, ...]
    statistic_kind: str
    ratio: str | None
    level: float
    n: int
    clusters: int
    variances: tuple[Variance, ...]
    correlations: tuple[Correlation, ...]
    residual_variance: float
    residual_sd: float
    icc: float | None
    singular: bool
    criterion: float
    loglik: float
    aic: float
    bic: float
    parameters: int
    covariance_terms: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]
    iterations: int
    aliased: tuple[str, ...]
    knots: tuple[str, ...]
    dropped_levels: tuple[str, ...]
    facts: Mapping[str, Any] = field(hash=False)

    @property
    def by_name(self) -> dict[str, Term]:
        """The terms by name."""
        return {term.name: term for term in self.terms}
