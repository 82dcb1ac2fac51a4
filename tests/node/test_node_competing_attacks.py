"""Attacks by competing risks. Each is refused, and passes once the rule that stops it is taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_node_gate import Attack, refused, without

from hansa.embedded.local import LocalLeague, local
from hansa.testing import synthetic_cohorts


def frames() -> dict[str, pd.DataFrame]:
    """Four nodes of 100 people who leave in four ways, of which a rare one is of the person of 99 at aachen alone."""
    found = {}
    cohorts = synthetic_cohorts().with_person("aachen", age=99, marker=321.5, sex="female", ill=True, smoking="none")
    for place, (node, frame) in enumerate(cohorts.frames.items()):
        random = np.random.default_rng([7, place])
        status = random.choice(["censored", "death", "relapse"], len(frame), p=[0.4, 0.3, 0.3])
        found[node] = frame.drop(columns="pressure").assign(
            days=np.ceil(random.exponential(400, len(frame))),
            status=status,
            rare=np.where(frame["age"] > 90, "rare", status),
            seldom=np.where(frame["age"] > 90, "a last one seen", np.where(status == "censored", "death", status)),
        )
    return found


def league() -> LocalLeague:
    return local(frames())


def _ask(formula: str, **fields: Any) -> Attack:
    return lambda lg: lg.competing_risks(formula, **fields).plain


_CUT: dict[str, Any] = {
    "expression": "case(age > 90, 'x', status == 'death', 'd', 'c')",
    "type": "category",
    "levels": ["c", "d", "x"],
}

ATTACKS: dict[str, tuple[str, Attack]] = {
    "a cause of one person": ("exposures", _ask("Surv(days, rare) ~ 1")),
    "one person censored": ("exposures", _ask("Surv(days, seldom) ~ 1")),
    "a group of one person": ("exposures history", _ask("Surv(days, status) ~ I(age > 90)")),
    "a stratum of one person": ("exposures history", _ask("Surv(days, status) ~ sex + strata(age > 90)")),
    "a derived cause of one person": ("exposures history", _ask("Surv(days, z) ~ 1", derive={"z": _CUT})),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_incidence_that_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(ATTACKS[name][1], league()) == "disclosure"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_incidence_that_singles_a_person_out_would_pass_without_its_rule(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, attack = ATTACKS[name]
    for rule in (*rules.split(), "nodes", "parameters"):
        without(monkeypatch, rule)
    assert attack(league()) is not None


def test_derived_times_are_refused_by_the_node() -> None:
    """The hub knows a derived variable only by its type; the node knows that it is derived."""
    moved = {"z": {"expression": "days + 3", "type": "integer", "range": (0, 9999)}}
    lg = league()
    assert refused(lambda one: one.competing_risks("Surv(z, status) ~ 1", derive=moved), lg) == "step"
    assert lg.competing_risks("Surv(days, status) ~ 1").plain["groups"][0]["risk"]
