"""The matrix of Firth's penalty puts weights on people; one that puts them on a single person is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hansa.embedded.local import LocalLeague, local
from hansa.errors import Refused
from hansa.model import Analysis
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Request
from hansa.stats.glm.firth_step import PENALTY
from hansa.testing import hub_run

NODES = ("aachen", "bergen", "cadiz")
AGE = 67.25
"""What the attacker wants: the age of the one person who is exposed to all of a, b and c."""

FORMULA = "ill ~ a + b + c + age"


def frame(node: int) -> pd.DataFrame:
    random = np.random.default_rng(node)
    kinds = [kind for kind in product((0, 1), repeat=3) if 0 < sum(kind) < 3]
    rows = np.repeat(kinds, 15, axis=0)
    found = pd.DataFrame(rows, columns=["a", "b", "c"]).astype(bool)
    found["age"] = random.uniform(40, 90, len(found)).round(2)
    found["ill"] = random.random(len(found)) < 0.4
    if node == 0:
        found.loc[len(found)] = {"a": True, "b": True, "c": True, "age": AGE, "ill": True}
    return found


@pytest.fixture(scope="module")
def league() -> LocalLeague:
    return local({name: frame(node) for node, name in enumerate(NODES)})


def singling_out() -> FloatArray:
    """The matrix M whose x' M x, x being (1, a, b, c, age), is 1 for (1, 1, 1) and 0 for all others there are."""
    kinds = np.array([kind for kind in product((0.0, 1.0), repeat=3) if sum(kind) > 0])
    pairs = [(0, 1), (0, 2), (1, 2)]
    terms = np.column_stack([np.ones(7), kinds, *(kinds[:, i] * kinds[:, j] for i, j in pairs)])
    found = np.linalg.solve(terms, (kinds.sum(axis=1) == 3).astype(float))
    matrix = np.zeros((5, 5))
    matrix[0, 0] = found[0]
    matrix[0, 1:4] = matrix[1:4, 0] = found[1:4] / 2
    for (i, j), part in zip(pairs, found[4:], strict=True):
        matrix[i + 1, j + 1] = matrix[j + 1, i + 1] = part / 2
    return matrix


BETA = np.array([-1.0, 0.0, 0.0, 0.0, 0.0])


def penalty_round(league: LocalLeague, inverse: FloatArray) -> FloatArray:
    asked = Analysis(method="glm", arguments={"formula": FORMULA, "family": "binomial", "penalty": "firth"})
    study = league.study({"q": asked})
    league.submit(study)
    run, _ = hub_run(league, study, "q")
    arguments: dict[str, Any] = {
        "formula": FORMULA,
        "facts": {f"levels({name})": {"present": [True, True]} for name in "abc"},
        "weights": None,
        "family": "binomial",
        "link": "logit",
        "scale": [1.0, 1.0, 1.0, 1.0, 2.0**-6],
        "response_scale": 1.0,
        "node": "common",
        "centre": [0.0] * 5,
        "response_centre": 0.0,
        "mix": None,
    }
    return run.sum(PENALTY, Request(arguments), {"beta": BETA, "inverse": inverse})["score"]


def test_a_matrix_that_singles_out_a_person_would_give_their_row() -> None:
    rows = pd.concat([frame(node) for node in range(3)])
    x = np.column_stack([np.ones(len(rows)), rows[["a", "b", "c", "age"]].to_numpy(dtype=float)])
    arrays = {"x": x, "y": rows["ill"].to_numpy(dtype=float), "model": np.array([1.0, 2.0])}
    score = PENALTY.compute(arrays, {"beta": BETA, "inverse": singling_out()})["score"]  # type: ignore[arg-type]  # one partition
    assert score[4] / score[0] == pytest.approx(AGE)


def test_it_is_refused_and_an_honest_one_is_not(league: LocalLeague) -> None:
    assert np.isfinite(penalty_round(league, np.eye(5) / 100)).all()
    with pytest.raises(Refused) as caught:
        penalty_round(league, singling_out())
    assert caught.value.reason == "disclosure"


def test_the_gate_sees_it_by_the_weights_alone(league: LocalLeague, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.privacy.rules._effective", lambda *_: ())
    score = penalty_round(league, singling_out())
    assert 64 * score[4] / score[0] == pytest.approx(AGE)
