"""Concordance over all pairs of the league, against R and against every pair compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cox_cases import columns, fit, fit_to, table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hansa.stats.cox.diagnostics import Concordance
from hansa.stats.cox.result import CoxResult

FACTS = {
    fact["name"]: fact
    for fact in json.loads((Path(__file__).parent / "concordance_facts.json").read_text(encoding="utf-8"))
}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "few values": ("colon", {"formula": "Surv(time, status) ~ rx + sex"}),
    "strata": ("colon", {"formula": "Surv(time, status) ~ rx + sex + strata(differ)"}),
    "late entry": ("heart", {"formula": "Surv(start, stop, event) ~ surgery + transplant", "grid": 0.5}),
    "many values": ("colon", {"formula": "Surv(time, status) ~ rx + age + sex + nodes"}),
    "copies": (
        "rotterdam",
        {"formula": "Surv(dtime, death) ~ meno + hormon + size", "weights": "copies", "weights_type": "frequency"},
    ),
}


def ranked(result: CoxResult) -> Concordance:
    assert result.concordance is not None
    assert result.concordance.scope == "league"
    return result.concordance


def asked(name: str, owners: NDArray[np.int64] | None = None) -> Concordance:
    data, arguments = ASKED[name]
    return ranked(fit(data, owners, baseline="pooled", **arguments))


@pytest.mark.parametrize("name", ["few values", "strata", "late entry", "copies"])
def test_where_each_value_has_its_class_it_is_that_of_r(name: str) -> None:
    found, fact = asked(name), FACTS[name]
    assert found.value == pytest.approx(fact["value"], rel=1e-10)
    assert (found.se is None) == (name in ("late entry", "copies"))
    if found.se is not None:
        assert found.se == pytest.approx(fact["se"], rel=1e-8)
    assert (found.uno is None) == (name != "few values")
    if found.uno is not None:
        assert found.uno == pytest.approx(fact["uno"], rel=1e-10)
        assert found.uno_se == pytest.approx(fact["uno_se"], rel=1e-8)


def test_where_classes_hold_many_values_r_lies_between_the_bounds() -> None:
    found, fact = asked("many values"), FACTS["many values"]
    assert found.lower is not None
    assert found.upper is not None
    assert found.uno is not None
    assert found.uno_lower is not None
    assert found.uno_upper is not None
    assert found.lower < fact["value"] < found.upper
    assert found.uno_lower < fact["uno"] < found.uno_upper
    assert found.upper - found.lower < 0.02
    # within a class about as many pairs are in order as overall, of which they are few
    assert found.value == pytest.approx(fact["value"], abs=1e-3)
    assert found.uno == pytest.approx(fact["uno"], abs=1e-3)
    assert found.se == pytest.approx(fact["se"], rel=0.02)
    assert found.uno_se == pytest.approx(fact["uno_se"], rel=0.02)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=50, max_size=50))
def test_the_split_over_nodes_does_not_matter(owners: list[int]) -> None:
    dealt = np.resize(np.array(owners, dtype=np.int64), len(table("colon")))
    one, other = asked("many values"), asked("many values", dealt)
    assert [other.value, other.se, other.uno] == pytest.approx([one.value, one.se, one.uno], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_bounds_hold_every_pair_compared(seed: int, late: bool) -> None:
    """Ties in time, late entry, people who are never at risk; each pair of people is looked at."""
    _, variables, _ = columns("heart")
    random = np.random.default_rng(seed)
    stop = random.integers(1, 15, 60).astype(np.float64)
    start = np.floor(random.random(60) * stop) if late else np.zeros(60)
    event, age = (random.random(60) < 0.5).astype(np.float64), random.normal(size=60)
    values = {"start": start, "stop": stop, "event": event, "age": age}
    times = "start, stop" if late else "stop"
    asked = {"formula": f"Surv({times}, event) ~ age", "baseline": "pooled", "grid": 1}
    result = fit_to(values, variables, random.integers(0, 3, 60), **asked)
    found, coef = ranked(result), result.terms[0].coef
    assert coef is not None
    ordered = total = 0.0
    for dead in np.flatnonzero(event):
        after = (stop > stop[dead]) | ((stop == stop[dead]) & (event == 0))
        others = after & (start < stop[dead])
        ordered += float((coef * age[dead] > coef * age[others]).sum())
        total += float(others.sum())
    assert found.concordant + found.discordant + found.tied == pytest.approx(total)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower - 1e-12 <= ordered / total <= found.upper + 1e-12


def test_small_sampling_weights_count_as_their_multiples_do() -> None:
    values, variables, dealt = columns("rotterdam")
    arguments = {"formula": "Surv(dtime, death) ~ meno + hormon", "weights": "wt", "weights_type": "sampling"}
    one, small = (
        ranked(fit_to({**values, "wt": scale * values["wt"]}, variables, dealt, baseline="pooled", **arguments))
        for scale in (1.0, 2.0**-20)
    )
    assert small.value == pytest.approx(one.value, rel=1e-9)
    assert (one.se, one.uno) == (None, None)
