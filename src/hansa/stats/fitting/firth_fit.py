"""Firth's penalised likelihood of a problem over all nodes: places, profiles, and terms with their tests.

A place takes two rounds: information and score, then what the penalty adds to the score, for which every node needs
the inverse of the pooled information. A test leaves the penalty as it is: that of all columns, also of the one whose
coefficient is held at zero (Heinze & Schemper 2002, Statistics in Medicine 21:2409).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy

from hansa.errors import ConvergenceError
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Cohorts, Request, Totals
from hansa.stats.fitting.aliasing import factored
from hansa.stats.fitting.firth import Peak, Place, climb, inverse_and_log_determinant, nearest, profile_bound
from hansa.stats.fitting.newton import Fit, Point
from hansa.stats.glm.result import Term, chi_square, exponential

__all__ = ["Penalty", "Profile", "profiled_term", "profiles_of"]


class Posed(Protocol):
    """A problem of which the kept coefficients are sought."""

    @property
    def cohorts(self) -> Cohorts: ...
    @property
    def request(self) -> Request: ...
    @property
    def start(self) -> Point: ...
    @property
    def kept(self) -> BoolArray: ...
    def ask(self, beta: FloatArray) -> Totals: ...


@dataclass(frozen=True)
class Profile:
    """Of one coefficient: twice the fall of the penalised log-likelihood at zero, and the profile interval."""

    statistic: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class Penalty:
    """The penalised likelihood as a function of the kept coefficients; ``step`` gives the penalty's score."""

    problem: Posed
    step: str

    def __call__(self, beta: FloatArray) -> Place:
        """The place ``beta`` (p,), in two rounds."""
        return self.seen(beta, self.problem.ask(self._full(beta)))

    def seen(self, beta: FloatArray, totals: Totals) -> Place:
        """The place where these totals are from, in one round."""
        kept = self.problem.kept
        information = totals["gram"][np.ix_(kept, kept)]
        found = inverse_and_log_determinant(information)
        if found is None:
            nothing = np.zeros(len(beta))
            return Place(beta, -math.inf, nothing, nothing, information)
        inverse, log_determinant = found
        full = np.zeros((len(kept), len(kept)))
        full[np.ix_(kept, kept)] = inverse
        asked = {"beta": self._full(beta), "inverse": full}
        pull = self.problem.cohorts.sum(self.step, self.problem.request, **asked)["score"][kept]
        value = (log_determinant - float(totals["deviance"])) / 2
        return Place(beta, value, totals["score"][kept] + pull, pull, information)

    def fit(self, peak: Peak) -> Fit:
        """The peak with its round's totals, as the plain fit has them."""
        beta = self._full(peak.place.beta)
        return Fit(Point(beta, self.problem.ask(beta)), factored(peak.place.information), peak.steps)

    def _full(self, beta: FloatArray) -> FloatArray:
        full = self.problem.start.beta.copy()
        full[self.problem.kept] = beta
        return full


def profiles_of(at: Penalty, peak: Peak, back: FloatArray, start: Place, level: float) -> tuple[Profile, ...]:
    """For each row of ``back`` (k, p): the test that it is zero times beta, and the profile interval."""
    drop = float(scipy.stats.chi2.ppf(level, 1)) / 2
    return tuple(_profile(at, peak, row, start, drop) for row in back)


def _profile(at: Penalty, peak: Peak, row: FloatArray, start: Place, drop: float) -> Profile:
    zero = _held(at, peak, row[None, :], start)
    lower, upper = (profile_bound(at, peak, row, drop, side) for side in (-1.0, 1.0))
    return Profile(max(2 * (peak.place.value - zero.value), 0.0), lower, upper)


def _held(at: Penalty, peak: Peak, constraints: FloatArray, start: Place) -> Place:
    """The highest place where the constraints times beta are zero.

    The search begins at the nearest such place, or at ``start`` where that is one, and higher.
    """
    begin = at(nearest(peak, constraints, np.zeros(len(constraints))))
    if not (constraints @ start.beta).any() and start.value > begin.value:
        begin = start
    found = climb(at, begin, peak.curvature, constraints).place
    if not math.isfinite(found.value):
        raise ConvergenceError(
            "a test of the penalised fit did not settle",
            why="with a coefficient at zero the data determine no others",
            fix="leave out or merge sparse terms",
            field="formula",
        )
    return found


def profiled_term(wald: Term, profile: Profile, *, ratio: bool) -> Term:
    """A term with the test and interval of its profile."""
    test = chi_square("likelihood ratio", profile.statistic, 1)
    ends = (profile.lower, profile.upper)
    ratios = tuple(exponential(end) if ratio else None for end in ends)
    return replace(
        wald,
        statistic=profile.statistic,
        p=test.p,
        p_log=test.p_log,
        lower=profile.lower,
        upper=profile.upper,
        exponentiated_lower=ratios[0],
        exponentiated_upper=ratios[1],
    )
