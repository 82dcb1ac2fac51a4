"""Tests between survival curves: the log-rank family, stratified where strata are given.

Mantel N (1966), Cancer Chemotherapy Reports 50:163; weights of Gehan (1965), Tarone and Ware (1977), and
Fleming and Harrington (1991; rho and gamma, S being the Kaplan-Meier curve of all groups just before).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.glm.result import Test, chi_square
from hansa.stats.survival.arguments import CurveModel
from hansa.stats.survival.curves import Table

__all__ = ["Compared", "compare"]


@dataclass(frozen=True)
class Compared:
    """Events seen and expected in each group were the hazards the same; the test that they are."""

    observed: tuple[float, ...]
    expected: tuple[float, ...]
    test: Test


def compare(strata: Sequence[Table], model: CurveModel) -> Compared | None:
    """The test over strata, each a table of shape (groups, T); ``None`` with fewer than two groups of people."""
    parts = [_stratum(table, model) for table in strata]
    observed, expected, difference, variance = (np.sum(column, axis=0) for column in zip(*parts, strict=True))
    present = np.diag(variance) > 0
    if int(present.sum()) < 2:
        return None
    kept = np.flatnonzero(present)[1:]
    score = difference[kept]
    statistic = float(score @ np.linalg.solve(variance[np.ix_(kept, kept)], score))
    test = chi_square(_named(model), statistic, len(kept))
    return Compared(tuple(observed.tolist()), tuple(expected.tolist()), test)


def _stratum(table: Table, model: CurveModel) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Observed and expected events (groups,), their weighted difference, and its covariance (groups, groups)."""
    risk, died = table.at_risk, table.events
    times = died.sum(axis=0) > 0
    risk, died = risk[:, times], died[:, times]
    n, d = risk.sum(axis=0), died.sum(axis=0)
    share = risk / n
    weight = _weights(n, d, model)
    spread = weight**2 * d * (n - d) / np.maximum(n - 1, 1)
    variance = np.diag(share @ spread) - (share * spread) @ share.T
    return died.sum(axis=1), share @ d, (died - share * d) @ weight, variance


def _weights(n: FloatArray, d: FloatArray, model: CurveModel) -> FloatArray:
    match model.weighting:
        case "gehan":
            return n
        case "tarone-ware":
            return np.asarray(np.sqrt(n))
        case "fleming-harrington":
            before = np.append(1.0, np.cumprod(1 - d / n))[:-1]
            return np.asarray(before**model.rho * (1 - before) ** model.gamma)
    return np.ones_like(n)


def _named(model: CurveModel) -> str:
    if model.weighting == "fleming-harrington":
        return f"Fleming-Harrington (rho {model.rho:g}, gamma {model.gamma:g})"
    return {"logrank": "log-rank", "gehan": "Gehan-Wilcoxon", "tarone-ware": "Tarone-Ware"}[model.weighting]
