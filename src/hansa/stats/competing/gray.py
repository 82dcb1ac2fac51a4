"""Gray's test that the cumulative incidence of a cause is the same in all groups, stratified where strata are given.

Gray RJ (1988). A class of K-sample tests for comparing the cumulative incidence of a competing risk. Annals of
Statistics 16:1141. With ties the variance of a group's events at one time is that of draws without replacement, as in
the ``cuminc`` of R's cmprsk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.competing.curves import ways_at_risk
from hansa.stats.glm.result import Test, chi_square

__all__ = ["gray"]


def gray(strata: Sequence[FloatArray], cause: int, rho: float) -> Test | None:
    """The test over strata; ``None`` with fewer than two groups of people, or where nothing can be compared.

    Parameters
    ----------
    strata : sequence of arrays, shape (groups, 1 + causes, T)
        Those who leave, by the way they leave; those censored first.
    cause : int
        From 1 on.
    rho : float
        Differences are weighted by (1 - F)**rho, F being the incidence of all groups just before.
    """
    parts = [_stratum(_Table.of(left, cause), rho) for left in strata]
    score, variance = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    kept = np.flatnonzero(np.diag(variance) > 0)[1:]
    inside = variance[np.ix_(kept, kept)]
    if not len(kept) or not np.isfinite(inside).all() or np.linalg.matrix_rank(inside) < len(kept):
        return None
    statistic = float(score[kept] @ np.linalg.solve(inside, score[kept]))
    return chi_square("Gray", statistic, len(kept))


@dataclass(frozen=True, eq=False)
class _Table:
    """Per group and time with an event, shape (groups, times): at risk, events of the cause and of others.

    ``before`` and ``after``: the probability of no event before and up to the time; ``free`` of not this cause before.
    """

    risk: FloatArray
    events: FloatArray
    others: FloatArray
    before: FloatArray
    after: FloatArray
    free: FloatArray

    @classmethod
    def of(cls, left: FloatArray, cause: int) -> _Table:
        times = left[:, 1:].sum(axis=(0, 1)) > 0
        risk, events = ways_at_risk(left)[:, times], left[:, cause, times]
        others = left[:, 1:, times].sum(axis=1) - events
        safe = np.maximum(risk, 1.0)
        after = np.cumprod(1 - (events + others) / safe, axis=1)
        before = np.column_stack([np.ones(len(left)), after])[:, :-1]
        incidence = np.cumsum(before * events / safe, axis=1)
        free = 1 - np.column_stack([np.zeros(len(left)), incidence])[:, :-1]
        return cls(risk, events, others, before, after, free)

    @property
    def weighed(self) -> FloatArray:
        """Those at risk, were nobody lost to other causes or censoring: R of the paper over 1 - F."""
        return np.where(self.risk > 0, self.risk / np.where(self.risk > 0, self.before, 1.0), 0.0)


def _stratum(table: _Table, rho: float) -> tuple[FloatArray, FloatArray]:
    """The score of each group (groups,) and its covariance (groups, groups)."""
    weighed = table.weighed
    events, people = table.events.sum(axis=0), weighed.sum(axis=0)
    jumps = events / people
    free = 1 - np.cumsum(jumps)  # of all groups, up to the time
    earlier = free + jumps
    weight = earlier**rho
    adjusted = weighed * table.free
    score = (table.events - events * adjusted / adjusted.sum(axis=0)) @ weight
    variance = np.zeros((len(score), len(score)))
    for group in np.flatnonzero(table.risk.any(axis=1)).tolist():
        own = (np.arange(len(score)) == group)[:, None]
        effect = weight * weighed[group] * (own - weighed / people)
        variance += _from_group(table, group, effect, jumps=jumps, free=free, earlier=earlier)
    return score, variance


def _from_group(
    table: _Table, group: int, effect: FloatArray, *, jumps: FloatArray, free: FloatArray, earlier: FloatArray
) -> FloatArray:
    """What one group's events add to the covariance: sums of a a'/h dF and b b'/h dF2 in the paper's section 3."""
    risk, before, after = table.risk[group], table.before[group], table.after[group]
    events, people = table.events.sum(axis=0), table.weighed.sum(axis=0)
    at = risk > 0
    gathered = np.cumsum(effect * jumps / earlier, axis=1)
    rest = gathered[:, -1:] - gathered
    ratio = np.where(after > 0, free / np.where(after > 0, after, 1.0), 0.0)
    safe = np.where(at, risk, 1.0)
    tied = np.where(events > 1, 1 - (events - 1) / np.where(events > 1, people * before - 1, 1.0), 1.0)
    spread = np.where(at, tied * before * jumps / safe, 0.0)
    own = effect + (1 - ratio) * rest
    others = table.others[group]
    tied = np.where(others > 1, 1 - (others - 1) / np.maximum(risk - 1, 1.0), 1.0)
    apart = np.where(at & (after > 0), tied * before**2 * others / safe**2, 0.0)
    return np.asarray((own * spread) @ own.T + (ratio * rest * apart) @ (ratio * rest).T)
