"""At the hub: the tests of proportional hazards, and concordance, from a fitted model's totals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hansa.errors import NotEstimable
from hansa.model.exposure import FloatArray
from hansa.stats.cox.check_steps import TIMES
from hansa.stats.cox.fit import CoxFitted
from hansa.stats.fitting.aliasing import factored
from hansa.stats.glm.design import slopes
from hansa.stats.glm.result import Test, chi_square

__all__ = ["Concordance", "Proportional", "concordance", "proportional_tests", "score_tests"]


@dataclass(frozen=True)
class Proportional:
    """The tests that the coefficients of a term, or all of them, change with a function of ``time``.

    ``time`` is "identity" or "log".
    """

    time: str
    terms: tuple[Test, ...]
    whole: Test


@dataclass(frozen=True)
class Concordance:
    """Harrell's C: the share of pairs in which who died earlier had the higher linear predictor, ties half.

    ``scope`` says whose pairs: of people of one "node", or of the "league". Those of the league are counted in classes
    of the predictor, where ``tied`` are pairs of one class: C lies between ``lower`` and ``upper`` whatever their
    order. ``se`` is its standard error, ``uno`` Uno's C with its own.
    """

    value: float
    concordant: float
    discordant: float
    tied: float
    scope: str = "node"
    se: float | None = None
    lower: float | None = None
    upper: float | None = None
    uno: float | None = None
    uno_se: float | None = None
    uno_lower: float | None = None
    uno_upper: float | None = None


def proportional_tests(fitted: CoxFitted) -> tuple[Proportional, ...]:
    """The tests for each function of time that varies between events.

    Raises
    ------
    Refused
        When a node's gate refuses a round.
    """
    problem = fitted.problem
    scalings = [_centre_and_scale(fitted, *moments) for moments in problem.means["times"].reshape(-1, 2)]
    if not any(scale for _, scale in scalings):
        return ()
    centre, scale = np.array(scalings).T
    beta = fitted.fit.point.beta
    step = f"{problem.model.steps}.proportional"
    totals = problem.cohorts.sum(step, problem.request, beta=beta, centre=centre, scale=scale)
    parts = zip(TIMES, scale, totals["score"], totals["cross"], totals["square"], strict=True)
    return tuple(score_tests(time, fitted, *blocks) for time, size, *blocks in parts if size)


def _centre_and_scale(fitted: CoxFitted, total: float, squares: float) -> tuple[float, float]:
    """Of a function of time in units of the times' scale; a scale of 0 where it does not vary."""
    events = float(fitted.problem.means["events"])
    mean = total / events
    variance = squares / events - mean**2
    if variance <= 1e-12 * (mean**2 + 1e-300):
        return mean, 0.0
    return mean, float(2.0 ** -round(math.log2(variance) / 2))


def score_tests(time: str, fitted: CoxFitted, score: FloatArray, cross: FloatArray, square: FloatArray) -> Proportional:
    """The tests from the score of changing coefficients and the two blocks of information that go with it."""
    problem, fit = fitted.problem, fitted.fit
    kept = problem.kept
    block = np.ix_(kept, kept)
    score, cross = score[kept], cross[block]
    # what is known of the changing coefficients once the constant ones are estimated (Schur complement)
    rest = square[block] - cross.T @ fit.information.inverse @ cross
    whole = _score_test("all", score, rest)
    if problem.mix is not None:  # tests of single terms are about the columns as they were written
        unmix = np.linalg.inv(problem.mix[block])
        score, rest = unmix.T @ score, unmix.T @ rest @ unmix
    columns = [problem.design.columns[place].term for place in slopes(problem.design, "intercepts")]
    terms = np.array(columns)[kept]
    tests = tuple(
        _score_test(problem.design.terms[term], score[terms == term], rest[np.ix_(terms == term, terms == term)])
        for term in dict.fromkeys(terms.tolist())
    )
    return Proportional(time, tests, whole)


def _score_test(name: str, score: FloatArray, information: FloatArray) -> Test:
    try:
        statistic = float(score @ factored(information).solve(score))
    except NotEstimable:  # at its few event times the term does not vary
        return Test(name, math.nan, len(score), math.nan, math.nan)
    return chi_square(name, statistic, len(score))


def concordance(fitted: CoxFitted) -> Concordance | None:
    """Harrell's C over pairs at one node, in one stratum; ``None`` where there is no pair."""
    totals = fitted.problem.cohorts.sum("cox.pairs", fitted.problem.node_request, beta=fitted.fit.point.beta)
    concordant, discordant, tied = (float(count) for count in totals["pairs"])
    total = concordant + discordant + tied
    if total <= 0:
        return None
    return Concordance((concordant + tied / 2) / total, concordant, discordant, tied)
