"""Tails and quantiles are those of scipy.stats, also at the ends; what starts up does without it."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from hansa.stats import tails

CHANCES = (1e-300, 1e-12, 0.025, 0.5, 0.7, 0.975, 1 - 1e-12, 1.0)
PLACES = (-5.0, 0.0, 1e-300, 1e-9, 0.5, 1.0, 3.84, 37.0, 1e4, 1e300, math.inf, math.nan)
FREEDOMS = (0.0, 1.0, 1.5, 2.0, 7.0, 300.0, 1e6, math.nan)

same = np.testing.assert_equal  # NaN is NaN


@pytest.mark.parametrize("p", CHANCES)
def test_quantiles(p: float) -> None:
    same(tails.normal_quantile(p), stats.norm.ppf(p))
    for df in FREEDOMS:
        same(tails.t_quantile(p, df), stats.t.ppf(p, df))


@pytest.mark.parametrize("x", PLACES)
def test_tails(x: float) -> None:
    same(tails.normal_tail(x), stats.norm.sf(x))
    for df in FREEDOMS:
        same(tails.t_tail(x, df), stats.t.sf(x, df))
        same(tails.chi_square_tail(x, df), stats.chi2.sf(x, df))
        np.testing.assert_allclose(tails.chi_square_log_tail(x, df), stats.chi2.logsf(x, df), rtol=1e-15)
        for other in FREEDOMS:
            found = tails.f_log_tail(x, df, other)
            np.testing.assert_allclose(found, stats.f.logsf(x, df, other), rtol=1e-15)


@pytest.mark.parametrize(
    "started", ["hansa.node.daemon", "hansa.node.worker.serving", "hansa.hub.worker", "hansa.hub.daemon"]
)
def test_what_starts_up_waits_for_no_package_that_it_does_not_need(started: str) -> None:
    slow = "{'pandas', 'scipy.stats', 'scipy.interpolate', 'scipy.optimize', 'matplotlib'}"
    code = f"import sys, {started}; print(*sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
