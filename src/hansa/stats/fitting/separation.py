"""Telling separation from slow convergence by the steps of Newton's method alone.

Where a combination of columns predicts the outcome perfectly for some rows, the likelihood has no maximum
(Albert & Anderson 1984, Biometrika 71:1). Newton's method then walks outward in steps of nearly constant
length along that combination, while the information along it and the gain per step fall by a factor near e
at every step (for logit, probit, complementary log-log and log links alike). Ordinary convergence looks
otherwise: the step shrinks with the gain. Linear convergence with steps shrinking by a factor r has gains
that shrink by r squared and an information along the step that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hansa.model.exposure import FloatArray

__all__ = ["Step", "growing", "separated"]

_SUCCESSIVE = 3
_LENGTH_KEPT = 0.6
_INFORMATION_LOST = 0.6
_LITTLE_GAIN = 0.02
_GROWING = 0.2


@dataclass(frozen=True, eq=False)
class Step:
    """One Newton step: its direction (p,), the columns being scaled to about one, and its gain.

    ``decrement`` is score times direction over the dispersion: twice the gain in log-likelihood expected.
    """

    direction: FloatArray
    decrement: float

    @property
    def length(self) -> float:
        """The step's largest coordinate."""
        return float(np.abs(self.direction).max(initial=0.0))


def growing(size: FloatArray, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that take part in a step, by the size of its parts (p,); the intercept only if alone."""
    least = _GROWING * np.abs(size).max(initial=0.0)
    large = tuple(name for name, part in zip(names, np.abs(size), strict=True) if part >= least)
    return tuple(name for name in large if name != "(Intercept)") or large


def separated(steps: Sequence[Step]) -> bool:
    """Whether the last steps keep their length while gain and information vanish."""
    last = steps[-_SUCCESSIVE - 1 :]
    if len(last) <= _SUCCESSIVE or last[-1].decrement > _LITTLE_GAIN:
        return False
    return all(_outward(before, after) for before, after in pairwise(last))


def _outward(before: Step, after: Step) -> bool:
    kept = after.length > _LENGTH_KEPT * before.length
    lost = _curvature(after) < _INFORMATION_LOST * _curvature(before)
    aligned = after.direction @ before.direction > 0
    return bool(kept and lost and aligned)


def _curvature(step: Step) -> float:
    return step.decrement / step.length**2 if step.length > 0 else 0.0
