"""The algebra of cumulative incidence, from counts of those who leave at each time by the way they leave.

Aalen OO, Johansen S (1978), Scandinavian Journal of Statistics 5:141. Errors are those of the infinitesimal jackknife
(Jaeckel 1972), as in R's ``survfit`` of several states: each person's derivative of the estimate with regard to
the person's weight, squared and added up. People who leave at one time in one way share theirs, so counts suffice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hansa.model.exposure import FloatArray

__all__ = ["Incidence", "ways_at_risk"]


def ways_at_risk(left: FloatArray) -> FloatArray:
    """Those at risk at each time, from those who leave in each way, shape (..., ways, times)."""
    leaving = left.sum(axis=-2)
    return np.asarray(np.cumsum(leaving[..., ::-1], axis=-1)[..., ::-1])


@dataclass(frozen=True, eq=False)
class Incidence:
    """One group: ``left`` of shape (1 + causes, T), those censored first.

    Examples
    --------
    >>> found = Incidence(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 2]]))
    >>> found.incidence.tolist()
    [[0.25, 0.25, 0.25], [0.0, 0.0, 0.75]]
    """

    left: FloatArray

    @cached_property
    def at_risk(self) -> FloatArray:
        """Those at risk at each time, shape (T,)."""
        return ways_at_risk(self.left)

    @cached_property
    def before(self) -> FloatArray:
        """The probability of no event before each time, shape (T,)."""
        return np.append(1.0, np.cumprod(1 - self._hazards.sum(axis=0)))[:-1]

    @cached_property
    def incidence(self) -> FloatArray:
        """The probability of each cause up to each time, shape (causes, T)."""
        return np.cumsum(self.before * self._hazards, axis=1)

    def errors(self, ends: NDArray[np.intp]) -> FloatArray:
        """Standard errors of the incidence at these places, shape (causes, ends)."""
        return np.array([[self._error(cause, int(end)) for end in ends] for cause in range(len(self.left) - 1)])

    @cached_property
    def _safe(self) -> FloatArray:
        return np.maximum(self.at_risk, 1.0)

    @cached_property
    def _hazards(self) -> FloatArray:
        """Of each cause at each time, shape (causes, T)."""
        return np.asarray(self.left[1:] / self._safe)

    @cached_property
    def _log_weights(self) -> tuple[FloatArray, FloatArray]:
        """Greenwood's sum, and what an event takes from it; where all at risk had it nothing comes after."""
        died = self.left[1:].sum(axis=0)
        stay = self.at_risk - died
        safe = np.maximum(stay, 1.0)
        return np.cumsum(np.where(stay > 0, died / (self._safe * safe), 0.0)), np.where(stay > 0, 1 / safe, 0.0)

    def _error(self, cause: int, end: int) -> float:
        """Those who leave at x before ``end`` move survival between x and the end, and the jumps up to x."""
        upto = slice(0, end + 1)
        greenwood, taken = self._log_weights
        jumps = (self.before * self._hazards[cause])[upto]
        earlier = np.append(0.0, greenwood)[: end + 1]
        shared = np.cumsum(jumps * (earlier - 1 / self._safe[upto]))
        later = self.incidence[cause, end] - self.incidence[cause, upto]
        derivative = np.tile(shared + later * greenwood[upto], (len(self.left), 1))
        derivative[1:] -= later * taken[upto]
        derivative[1 + cause] += (self.before / self._safe)[upto]
        remaining = self.at_risk[end] - self.left[:, end].sum()
        return float(np.sqrt((self.left[:, upto] * derivative**2).sum() + remaining * shared[-1] ** 2))
