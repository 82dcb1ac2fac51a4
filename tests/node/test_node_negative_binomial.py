"""Theta is an input of a round: one that makes a sum that of a single person's count is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hansa.embedded.local import LocalLeague, local
from hansa.errors import Refused
from hansa.model import Analysis
from hansa.stats.contract import Request
from hansa.stats.glm.negative_binomial_step import NEGATIVE_BINOMIAL, THETA_RANGE
from hansa.testing import hub_run

VISITS = 70.0
"""What the attacker wants: how often the one person who came most often came."""


def frame(node: int) -> pd.DataFrame:
    random = np.random.default_rng(node)
    found = pd.DataFrame({"visits": random.negative_binomial(3, 0.5, 120), "age": random.uniform(40, 90, 120)})
    if node == 0:
        found.loc[0, "visits"] = int(VISITS)
    return found


@pytest.fixture(scope="module")
def league() -> LocalLeague:
    return local({name: frame(node) for node, name in enumerate(("aachen", "bergen", "cadiz"))})


def theta_round(league: LocalLeague, theta: float) -> float:
    asked = Analysis(method="glm", arguments={"formula": "visits ~ age", "family": "negative binomial"})
    study = league.study({"q": asked})
    league.submit(study)
    run, _ = hub_run(league, study, "q")
    arguments: dict[str, Any] = {
        "formula": "visits ~ age",
        "facts": {},
        "weights": None,
        "family": "poisson",
        "link": "log",
        "scale": [1.0, 2.0**-6],
        "response_scale": 1.0,
        "node": "common",
        "centre": [0.0, 0.0],
        "response_centre": 0.0,
        "mix": None,
    }
    inputs = {"beta": np.array([np.log(3.0), 0.0]), "theta": np.array(theta)}
    return float(run.sum(NEGATIVE_BINOMIAL, Request(arguments), inputs)["theta_score"])


def greatest(score: float, theta: float) -> float:
    """With theta large, its score is minus the sum of squared residuals, less the counts, over 2 theta^2."""
    return 3 + float(np.sqrt(-2 * theta**2 * score))


def test_an_honest_theta_is_answered_and_one_that_squares_residuals_is_not(league: LocalLeague) -> None:
    assert np.isfinite(theta_round(league, 3.0))
    with pytest.raises(Refused) as caught:
        theta_round(league, 1e4)
    assert caught.value.reason == "disclosure"


def test_the_gate_sees_it_by_the_weights_alone(league: LocalLeague, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.privacy.rules._effective", lambda *_: ())
    assert greatest(theta_round(league, 1e4), 1e4) == pytest.approx(VISITS, rel=0.15)


def test_a_theta_out_of_range_is_refused(league: LocalLeague) -> None:
    for theta in (-0.5, 2 * THETA_RANGE[1]):
        with pytest.raises(Refused):
            theta_round(league, theta)
