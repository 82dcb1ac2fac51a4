"""The partial likelihood of one node's rows: its value, score, information, and what robust errors need.

Cox DR (1972), JRSS B 34:187; ties after Efron (1977), JASA 72:557, or Breslow (1974), Biometrics 30:89. With
weights as in Therneau and Grambsch (2000), Modeling Survival Data, section 7.1: the deaths of one tie have
their mean weight.

The information is written with the expected events m_i of each row, sum m_i x_i x_i' - sum c E E', so that it
takes two matrix products and no loop over risk sets. E is the mean covariate of the risk set, once for each
death of a tie with Efron's method (the *terms* of the likelihood), once for each event time with Breslow's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays
from hansa.stats.cox.risk_sets import Order, at_risk, summed
from hansa.stats.glm.steps import gram_of

__all__ = ["Partial", "Terms", "partial", "terms_of"]

_FARTHEST = 300.0
"""Linear predictors beyond this have no exponential worth summing; the step is outside the model's domain."""


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of the log-likelihood's denominator, d of them: each at an event time, with part of a tie removed.

    ``at`` is the event time, ``part`` the share of the tie's deaths that is taken off the risk set (0 with
    Breslow's method), ``weight`` the weight of the term.
    """

    at: Order
    part: FloatArray
    weight: FloatArray


def terms_of(rows: Arrays) -> Terms:
    """The terms of a node's deaths; ``rows["efron"]`` says by which method."""
    died = rows["died"].astype(np.intp)
    at = rows["after"].astype(np.intp)[died] - 1
    events = len(rows["time"])
    weight = rows["prior"][died] if "prior" in rows else np.ones(len(died))
    total = summed(at, weight, events)
    if not rows["efron"][0]:
        return Terms(np.arange(events), np.zeros(events), total)
    deaths = np.bincount(at, minlength=events)
    place = np.arange(len(at)) - (np.cumsum(deaths) - deaths)[at]
    return Terms(at, place / deaths[at], (total / np.maximum(deaths, 1))[at])


@dataclass(frozen=True, eq=False)
class Partial:
    """The partial likelihood at one place. ``rows`` and ``terms`` it is of; ``eta`` and ``risk`` of each row (m,).

    ``risk`` is prior weight times exp(eta).
    """

    rows: Arrays
    terms: Terms
    eta: FloatArray
    risk: FloatArray

    @cached_property
    def died(self) -> Order:
        """The rows with an event."""
        return self.rows["died"].astype(np.intp)

    @cached_property
    def _death_time(self) -> Order:
        return self.rows["after"].astype(np.intp)[self.died] - 1

    @cached_property
    def denominator(self) -> FloatArray:
        """Per term, the weighted risks of its risk set, shape (d,)."""
        terms, deaths = self.terms, self._deaths(self.risk)
        return at_risk(self.rows, self.risk)[terms.at] - terms.part * deaths[terms.at]

    @cached_property
    def mean(self) -> FloatArray:
        """Per term, the mean covariates of its risk set, shape (d, p)."""
        terms, x = self.terms, self.rows["x"]
        total = at_risk(self.rows, self.risk, x).take(terms.at, axis=0)
        if terms.part.any():
            total -= terms.part[:, None] * self._deaths(self.risk, x).take(terms.at, axis=0)
        total /= self.denominator[:, None]
        return total

    def mean_of(self, values: FloatArray) -> FloatArray:
        """Per term, the mean of values (m,) over its risk set, shape (d,)."""
        weighed, terms = self.risk * values, self.terms
        total = at_risk(self.rows, weighed)[terms.at] - terms.part * self._deaths(weighed)[terms.at]
        return np.asarray(total / self.denominator)

    @property
    def loglik(self) -> float:
        """The log partial likelihood."""
        events = self._prior(self.died) @ self.eta[self.died]
        return float(events - self.terms.weight @ np.log(self.denominator))

    def expected(self, factor: FloatArray | None = None) -> FloatArray:
        """Expected events of each row, shape (m,); each event time counted ``factor`` (d,) times."""
        hazard = self.terms.weight / self.denominator
        return self.over_time(hazard if factor is None else hazard * factor)

    def over_time(self, values: FloatArray) -> FloatArray:
        """Per row its risk times the sum of the terms' values, shape (d,) or (d, k), over its time at risk.

        A row that dies in a tie counts for the parts of the tie that it has not left (Efron).
        """
        risk = self.risk if values.ndim == 1 else self.risk[:, None]
        part = self.terms.part if values.ndim == 1 else self.terms.part[:, None]
        by_time = self._by_time(values)
        found = self._between(by_time)
        if "faded" in self.rows:
            fade, faded = (self.rows[name].reshape(-1, *[1] * (values.ndim - 1)) for name in ("fade", "faded"))
            found = np.where(faded > 0, self._between(by_time * fade), found)
        found[self.died] -= self._by_time(part * values)[self._death_time]
        return np.asarray(risk * found)

    def _between(self, by_time: FloatArray) -> FloatArray:
        """Per row the sum over the event times at which it is at risk."""
        total = np.zeros((len(by_time) + 1, *by_time.shape[1:]))
        np.cumsum(by_time, axis=0, out=total[1:])
        return np.asarray(total[self.rows["after"].astype(np.intp)] - total[self.rows["first"].astype(np.intp)])

    def _by_time(self, values: FloatArray) -> FloatArray:
        """The terms' values (d,) or (d, k) summed by event time."""
        at, events = self.terms.at, len(self.rows["time"])
        return summed(at, values, events) if values.ndim == 1 else summed(at, np.ones(len(at)), events, values)

    def observed(self) -> FloatArray:
        """Weighted events of each row, shape (m,)."""
        found = np.zeros(len(self.risk))
        found[self.died] = self._prior(self.died)
        return found

    def score(self, expected: FloatArray, factor: FloatArray | None = None) -> FloatArray:
        """The score, shape (p,); the event of each row counted ``factor`` (m,) times, as in ``expected``."""
        events = self.observed() if factor is None else self.observed() * factor
        return np.asarray((events - expected) @ self.rows["x"])

    def information(self, expected: FloatArray, factor: FloatArray | None = None) -> FloatArray:
        """The information, shape (p, p), each term counted ``factor`` (d,) times."""
        weight = self.terms.weight if factor is None else self.terms.weight * factor
        x = self.rows["x"]
        between = (self.mean * weight[:, None]).T @ self.mean
        # without a factor expected events are not negative but for rounding, and roots may be taken
        within = gram_of(x, np.maximum(expected, 0.0)) if factor is None else (x * expected[:, None]).T @ x
        return np.asarray(within - between)

    def weights(self, *further: FloatArray) -> FloatArray:
        """What a round's inputs put on people, in the order of the node's rows: risk and others, shape (n, 1 + k).

        Rows that are in no risk set are shown with the median risk, so that they do not stand out.
        """
        n, order = int(self.rows["rows"][0]), self.rows["order"].astype(np.intp)
        columns = [np.bincount(order, column, n).astype(np.float64) for column in (self.risk, *further)]
        found = np.stack(columns, axis=1)
        apart = np.ones(n, dtype=np.bool_)
        apart[order] = False
        if 0 < np.count_nonzero(apart) < n:
            found[apart, 0] = np.median(self.risk)
        return found

    def _deaths(self, weight: FloatArray, values: FloatArray | None = None) -> FloatArray:
        died, events = self.died, len(self.rows["time"])
        return summed(self._death_time, weight[died], events, None if values is None else values.take(died, axis=0))

    def _prior(self, which: Order) -> FloatArray:
        return self.rows["prior"][which] if "prior" in self.rows else np.ones(len(which))


def partial(rows: Arrays, beta: FloatArray) -> Partial | None:
    """The partial likelihood at ``beta``, shape (p,); ``None`` where it is out of reach of exponentials."""
    eta = rows["x"] @ beta
    if "offset" in rows:
        eta += rows["offset"]
    if np.abs(eta).max(initial=0.0) > _FARTHEST:
        return None
    risk = np.exp(eta)
    return Partial(rows, terms_of(rows), eta, risk * rows["prior"] if "prior" in rows else risk)
