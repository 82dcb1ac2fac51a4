"""The likelihood-ratio test between two nested linear mixed models."""

from __future__ import annotations

from hansa.errors import MethodError
from hansa.stats.glm.result import Test, chi_square
from hansa.stats.lmm.result import LmmResult

__all__ = ["nested"]


def nested(small: LmmResult, large: LmmResult) -> Test:
    """Twice the difference of the log-likelihoods, on as many degrees of freedom as the larger has more parameters.

    As R's ``anova`` of two fits by ``lmer``. Where a variance is tested, which cannot be below zero, the test is on the
    safe side (Self SG, Liang KY 1987, JASA 82:605).

    Raises
    ------
    MethodError
        When the two are not nested, or restricted likelihoods of other fixed parts, which compare different data.
    """
    fixed = [{term.name for term in one.terms if term.coef is not None} for one in (small, large)]
    random = [{one.name for one in result.variances} for result in (small, large)]
    same = all(getattr(small, name) == getattr(large, name) for name in ("method", "group", "n", "clusters"))
    response = [one.formula.split("~", maxsplit=1)[0].strip() for one in (small, large)]
    inside = fixed[0] <= fixed[1] and random[0] <= random[1] and small.parameters < large.parameters
    if not (same and inside) or response[0] != response[1]:
        raise MethodError(
            "these two models are not nested",
            why="they differ in response, people, clusters or likelihood, or the larger lacks a term of the smaller",
            fix="fit both on one analysis set (complete=...) with one method",
        )
    if small.method == "REML" and fixed[0] != fixed[1]:
        raise MethodError(
            "restricted likelihoods of other fixed parts do not compare",
            why="each is the likelihood of what its own coefficients leave over",
            fix='fit both with method="ML"',
        )
    return chi_square("likelihood ratio", 2 * (large.loglik - small.loglik), large.parameters - small.parameters)
