"""The federated Cox model: the pooled one stratified by node for every split; what cannot be fitted says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cox_cases import fit_to
from descriptive_cases import Columns, described
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hansa.errors import FormulaError, HansaError, MethodError, NotEstimable, StudyError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Frame
from hansa.stats.cox import plan as cox
from hansa.stats.cox.pairs import smaller_before
from hansa.stats.cox.partial import partial
from hansa.stats.cox.result import CoxResult, nested, read_cox_result
from hansa.stats.cox.risk_sets import risk_sets
from hansa.stats.direct import DirectCohorts
from hansa.stats.plain import to_plain

ROWS = 150
VARIABLES = described(
    *(Variable(name=name, type="number") for name in ("x", "z", "entry", "time", "weight", "moved")),
    *(Variable(name=name, type="integer") for name in ("copies", "person")),
    Variable(name="dead", type="boolean"),
    Variable(name="g", type="category", levels=("a", "b", "c")),
    Variable(name="node", type="category", levels=tuple(f"s{number}" for number in range(8))),
)

MODELS: tuple[dict[str, Any], ...] = (
    {"formula": "Surv(time, dead) ~ x + g"},
    {"formula": "Surv(time, dead) ~ x + z", "ties": "breslow"},
    {"formula": "Surv(entry, time, dead) ~ x*g"},
    {"formula": "Surv(entry, time, dead) ~ x + strata(g)", "ties": "breslow", "robust": True},
    {"formula": "Surv(time, dead) ~ x + offset(moved)", "weights": "weight", "weights_type": "sampling"},
    {"formula": "Surv(time, dead) ~ x + poly(z, 2)", "weights": "copies", "weights_type": "frequency"},
)


def data(seed: int = 5, rows: int = ROWS) -> dict[str, FloatArray]:
    """Survival times with many ties, late entry, weights and groups."""
    random = np.random.default_rng(seed)
    x, z = random.normal(size=rows), random.normal(size=rows)
    time = np.ceil(random.exponential(12 * np.exp(-0.5 * x))) + 1
    return {
        "x": x,
        "z": z,
        "entry": np.floor(random.random(rows) * time * 0.6),
        "time": time,
        "dead": (random.random(rows) < 0.7).astype(np.float64),
        "g": random.integers(0, 3, rows).astype(np.float64),
        "weight": random.choice([0.0, 0.5, 1.0, 2.5], rows),
        "copies": random.integers(1, 4, rows).astype(np.float64),
        "moved": random.normal(size=rows) * 0.3,
        "person": np.arange(rows) // 3.0,
    }


def pooled(columns: Columns, owners: NDArray[np.int64], **model: Any) -> CoxResult:
    """The same at one node that holds everybody, with the node as a stratum."""
    strata = {"Surv(entry, time, dead) ~ x + strata(g)": "Surv(entry, time, dead) ~ x + strata(g, node)"}
    formula = strata.get(model["formula"], f"{model['formula']} + strata(node)")
    everything = {**columns, "node": owners.astype(np.float64)}
    return fit_to(everything, VARIABLES, np.zeros(len(owners), dtype=np.int64), **{**model, "formula": formula})


def numbers(result: CoxResult) -> list[float]:
    terms = [value for term in result.terms for value in (term.coef, term.se)]
    tests = [test.statistic for one in result.proportional for test in (*one.terms, one.whole)]
    pairs = result.concordance
    counts = [] if pairs is None else [pairs.concordant, pairs.discordant, pairs.tied]
    return [*(value for value in terms if value is not None), *result.model_errors, result.loglik, *tests, *counts]


splits = st.integers(1, 6).flatmap(
    lambda last: st.one_of(
        st.lists(st.integers(0, last), min_size=ROWS, max_size=ROWS).map(np.array),
        st.integers(0, ROWS - 1).map(lambda one: np.where(np.arange(ROWS) == one, last + 1, 0)),
    )
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["formula"])
@settings(max_examples=6, deadline=None)
@given(owners=splits)
def test_every_split_gives_the_pooled_fit_stratified_by_node(model: dict[str, Any], owners: NDArray[np.int64]) -> None:
    columns = data()
    found, whole = fit_to(columns, VARIABLES, owners, **model), pooled(columns, owners, **model)
    assert numbers(found) == pytest.approx(numbers(whole), rel=1e-8, abs=1e-8)
    assert (found.n, found.events, found.aliased) == (whole.n, whole.events, whole.aliased)


SHARED: tuple[dict[str, Any], ...] = tuple(
    {**model, "baseline": "pooled"}
    for model in (*MODELS, {"formula": "Surv(time, dead) ~ x + strata(g)", "robust": True})
    if not ("robust" in model and "entry" in model["formula"])
)


@pytest.mark.parametrize("model", SHARED, ids=lambda model: model["formula"])
@settings(max_examples=5, deadline=None)
@given(owners=splits)
def test_a_pooled_baseline_is_the_same_for_every_split(model: dict[str, Any], owners: NDArray[np.int64]) -> None:
    columns = data()
    model = {**model, "grid": 1}
    found = fit_to(columns, VARIABLES, owners, **model)
    whole = fit_to(columns, VARIABLES, np.zeros(ROWS, dtype=np.int64), **model)
    fitted, expected = (
        [*(term.coef for term in one.terms), *(term.se for term in one.terms), one.loglik, one.proportional[0].whole.p]
        for one in (found, whole)
    )
    assert fitted == pytest.approx(expected, rel=1e-9)


def test_a_pooled_baseline_of_one_node_is_its_own() -> None:
    columns, alone = data(), np.zeros(ROWS, dtype=np.int64)
    arguments = {"formula": "Surv(entry, time, dead) ~ x*g + strata(g)"}
    own = fit_to(columns, VARIABLES, alone, **arguments)
    shared = fit_to(columns, VARIABLES, alone, **arguments, baseline="pooled", grid=1)
    assert shared.aliased == own.aliased == ("g[b]", "g[c]")
    for term in own.terms:
        if term.coef is None:
            continue
        assert shared.by_name[term.name].coef == pytest.approx(term.coef, rel=1e-8)
        assert shared.by_name[term.name].se == pytest.approx(term.se, rel=1e-8)
    assert [one.whole.statistic for one in shared.proportional] == pytest.approx(
        [one.whole.statistic for one in own.proportional], rel=1e-7
    )


def test_a_treatment_that_differs_only_between_nodes_needs_the_pooled_baseline() -> None:
    columns, owners = data(), np.arange(ROWS) % 4
    treated: FloatArray = np.asarray(owners == 0, dtype=np.float64)
    arguments = {"formula": "Surv(time, dead) ~ z", "grid": 1, "baseline": "pooled"}
    found = fit_to({**columns, "z": treated}, VARIABLES, owners, **arguments)
    whole = fit_to({**columns, "z": treated}, VARIABLES, np.zeros(ROWS, dtype=np.int64), formula="Surv(time, dead) ~ z")
    assert found.by_name["z"].coef == pytest.approx(whole.by_name["z"].coef, rel=1e-8)


def test_times_off_the_grid_are_rounded_to_it_and_said_to_be() -> None:
    columns, owners = data(), np.arange(ROWS) % 3
    arguments = {"formula": "Surv(time, dead) ~ x", "baseline": "pooled"}
    weeks = fit_to(columns, VARIABLES, owners, **arguments, grid=7)
    rounded = {**columns, "time": np.rint(columns["time"] / 7)}
    expected = fit_to(rounded, VARIABLES, np.zeros(ROWS, dtype=np.int64), formula="Surv(time, dead) ~ x")
    assert (weeks.rounded, weeks.grid) == (True, 7.0)
    assert weeks.by_name["x"].coef == pytest.approx(expected.by_name["x"].coef, rel=1e-8)


@settings(max_examples=6, deadline=None)
@given(owners=splits, parts=st.integers(1, 4))
def test_partitions_of_a_node_change_nothing(owners: NDArray[np.int64], parts: int) -> None:
    columns = data()
    arguments = {"formula": "Surv(entry, time, dead) ~ x + g + cluster(person)"}
    split = []
    for node in range(int(owners.max()) + 1):
        pieces = np.array_split(np.flatnonzero(owners == node), parts)
        split.append([Frame({k: v[p] for k, v in columns.items()}, VARIABLES, len(p)) for p in pieces])
    found = cox.plan(DirectCohorts(cox.METHOD, split, VARIABLES), arguments)
    assert numbers(found) == pytest.approx(numbers(fit_to(columns, VARIABLES, owners, **arguments)), rel=1e-9)


@pytest.mark.parametrize(("shift", "size"), [(0.0, 1e6), (1e8, 1.0), (0.0, 1e-9), (-2020.0, 1e-2)])
def test_a_columns_unit_and_origin_change_nothing(shift: float, size: float) -> None:
    columns, owners = data(), np.arange(ROWS) % 3
    moved: FloatArray = np.asarray(columns["x"] * size + shift, dtype=np.float64)
    base: FloatArray = np.asarray((moved - shift) / size, dtype=np.float64)  # what float64 kept of x
    first = fit_to({**columns, "x": base}, VARIABLES, owners, formula="Surv(time, dead) ~ x + g")
    found = fit_to({**columns, "x": moved}, VARIABLES, owners, formula="Surv(time, dead) ~ x + g")
    assert (found.by_name["x"].coef or 0) * size == pytest.approx(first.by_name["x"].coef, rel=1e-8)
    assert found.loglik == pytest.approx(first.loglik, rel=1e-10)


@pytest.mark.parametrize("size", [1e-6, 86400.0, 3e10])
def test_the_unit_of_time_changes_nothing(size: float) -> None:
    columns, owners = data(), np.arange(ROWS) % 3
    longer = {**columns, "time": columns["time"] * size, "entry": columns["entry"] * size}
    arguments = {"formula": "Surv(entry, time, dead) ~ x + g"}
    found, first = (fit_to(one, VARIABLES, owners, **arguments) for one in (longer, columns))
    assert numbers(found) == pytest.approx(numbers(first), rel=1e-8)


def test_robust_errors_over_twenty_nodes_are_those_of_clusters() -> None:
    columns = data(rows=400)
    owners = np.arange(400) % 20
    variables = {name: variable for name, variable in VARIABLES.items() if name != "node"}
    found = fit_to(columns, variables, owners, formula="Surv(time, dead) ~ x + cluster(node)")
    columns["person"] = owners.astype(np.float64)
    named = fit_to(columns, VARIABLES, owners, formula="Surv(time, dead) ~ x + cluster(person)")
    assert found.clusters == named.clusters == 20
    assert numbers(found) == pytest.approx(numbers(named), rel=1e-12)


def test_a_column_that_is_constant_in_each_node_has_no_coefficient() -> None:
    columns, owners = data(), np.arange(ROWS) % 3
    constant: FloatArray = np.asarray(owners**2, dtype=np.float64)
    found = fit_to({**columns, "z": constant}, VARIABLES, owners, formula="Surv(time, dead) ~ x + z")
    assert found.aliased == ("z",)
    assert found.by_name["z"].coef is None
    with pytest.raises(NotEstimable, match="nothing varies within nodes"):
        fit_to({**columns, "z": constant}, VARIABLES, owners, formula="Surv(time, dead) ~ z")


def test_nearly_collinear_columns_keep_their_digits() -> None:
    columns, owners = data(), np.arange(ROWS) % 3
    close = {**columns, "z": columns["x"] + 1e-5 * columns["z"]}
    apart = fit_to(columns, VARIABLES, owners, formula="Surv(time, dead) ~ x + z")
    found = fit_to(close, VARIABLES, owners, formula="Surv(time, dead) ~ x + z")
    assert (found.by_name["z"].coef or 0) * 1e-5 == pytest.approx(apart.by_name["z"].coef, rel=1e-6)
    assert [one.whole.statistic for one in found.proportional] == pytest.approx(
        [one.whole.statistic for one in apart.proportional], rel=1e-6
    )


REFUSED: dict[str, tuple[dict[str, Any], type[HansaError], str]] = {
    "no time": ({"formula": "dead ~ x"}, FormulaError, "no survival time"),
    "no terms": ({"formula": "Surv(time, dead) ~ 1"}, StudyError, "no coefficients"),
    "no intercept": ({"formula": "Surv(time, dead) ~ x - 1"}, StudyError, "no intercept"),
    "a number as event": ({"formula": "Surv(time, x) ~ z"}, FormulaError, "the event is"),
    "a category of three as event": ({"formula": "Surv(time, g) ~ z"}, FormulaError, "the event is"),
    "a condition as time": ({"formula": "Surv(x > 0, dead) ~ z"}, FormulaError, "a time is a number"),
    "strata of numbers": ({"formula": "Surv(time, dead) ~ x + strata(z)"}, StudyError, "strata"),
    "few nodes as clusters": ({"formula": "Surv(time, dead) ~ x + cluster(node)"}, StudyError, "at least 20"),
    "clusters without robust errors": (
        {"formula": "Surv(time, dead) ~ x + cluster(person)", "robust": False},
        StudyError,
        "robust",
    ),
    "ties unknown": ({"formula": "Surv(time, dead) ~ x", "ties": "exact"}, StudyError, "no ties exact"),
    "weights of no kind": ({"formula": "Surv(time, dead) ~ x", "weights": "weight"}, StudyError, "kind"),
    "start after stop": ({"formula": "Surv(time, entry, dead) ~ x"}, MethodError, "cannot be used"),
    "start equals stop": ({"formula": "Surv(time, round(time), dead) ~ x"}, MethodError, "cannot be used"),
    "times below zero": ({"formula": "Surv(-time, dead) ~ x"}, MethodError, "cannot be used"),
    "a pooled baseline without a grid": (
        {"formula": "Surv(time, dead) ~ x", "baseline": "pooled"},
        StudyError,
        "needs a grid",
    ),
    "a grid without a pooled baseline": ({"formula": "Surv(time, dead) ~ x", "grid": 1}, StudyError, "needs no grid"),
    "clusters with a pooled baseline": (
        {"formula": "Surv(time, dead) ~ x + cluster(g)", "baseline": "pooled", "grid": 1},
        StudyError,
        "robust errors with clusters are to be had with the nodes' own baseline hazards only",
    ),
    "robust errors with late entry and a pooled baseline": (
        {"formula": "Surv(entry, time, dead) ~ x", "baseline": "pooled", "grid": 1, "robust": True},
        StudyError,
        "own baseline hazards only",
    ),
    "a grid that merges entry and end": (
        {"formula": "Surv(entry, time, dead) ~ x", "baseline": "pooled", "grid": 100},
        MethodError,
        "end where they start",
    ),
    "a grid that is too fine": (
        {"formula": "Surv(time, dead) ~ x", "baseline": "pooled", "grid": 1e-5},
        MethodError,
        "too fine",
    ),
    "other codes of the event": ({"formula": "Surv(time, copies) ~ x"}, MethodError, "cannot be used"),
    "nobody dies": ({"formula": "Surv(time, x > 100) ~ z"}, NotEstimable, "nobody has the event"),
    "monotone likelihood": ({"formula": "Surv(time, dead and x > 0.5) ~ I(x > 0.5)"}, NotEstimable, "no finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_fitted_says_why(name: str) -> None:
    arguments, kind, said = REFUSED[name]
    variables = {key: value for key, value in VARIABLES.items() if key != "node"}
    with pytest.raises(kind, match=said) as caught:
        fit_to(data(), variables, np.arange(ROWS) % 3, **arguments)
    assert caught.value.field or caught.value.fix


def test_a_result_survives_being_written_and_read() -> None:
    result = fit_to(data(), VARIABLES, np.arange(ROWS) % 3, formula="Surv(time, dead) ~ x + g")
    assert read_cox_result({**to_plain(result), "added later": 1}) == result


def test_nested_models_are_compared_by_likelihood_and_others_refused() -> None:
    columns, owners = data(), np.arange(ROWS) % 3
    small = fit_to(columns, VARIABLES, owners, formula="Surv(time, dead) ~ x")
    large = fit_to(columns, VARIABLES, owners, formula="Surv(time, dead) ~ x + g")
    test = nested(small, large)
    assert test.df == 2
    assert test.statistic == pytest.approx(2 * (large.loglik - small.loglik))
    with pytest.raises(MethodError, match="not nested"):
        nested(large, small)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_pairs_are_counted_as_one_by_one(drawn: st.DataObject) -> None:
    values = drawn.draw(st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=20).map(np.array))
    weighted = drawn.draw(st.booleans())
    weights = np.asarray(np.arange(len(values)) % 3 + 0.5 if weighted else np.ones(len(values)), dtype=np.float64)
    tuples = st.tuples(st.integers(0, len(values)), st.integers(0, len(values) - 1))
    questions = drawn.draw(st.lists(tuples, min_size=1, max_size=9))
    place, asked = (np.array(column, dtype=np.intp) for column in zip(*questions, strict=True))
    smaller, same = smaller_before(values, weights if weighted else None, place, asked)
    for number, (before, point) in enumerate(questions):
        bound = values[point]
        first, mass = values[:before], weights[:before]
        assert smaller[number] == pytest.approx(mass[first < bound].sum())
        assert same[number] == pytest.approx(mass[first == bound].sum())


def test_rows_that_are_never_at_risk_are_shown_as_usual_and_a_persons_rows_together() -> None:
    """Else many at 0 would hide the one whom a chosen beta singles out."""
    rows = {
        "x": np.arange(6.0)[:, None],
        "stop": np.array([1.0, 1, 3, 4, 5, 6]),
        "event": np.array([0.0, 0, 1, 1, 0, 1]),
    }
    sets = {**risk_sets(rows, late=False), "efron": np.ones(1)}
    at = partial(sets, np.array([0.5]))
    assert at is not None
    assert sorted(sets["order"].tolist()) == [2, 3, 4, 5]
    shown = at.weights(at.expected())
    assert shown[:2].tolist() == [[float(np.median(at.risk)), 0.0]] * 2
    assert shown[2:, 0].tolist() == sorted(at.risk.tolist())
    twice = {**sets, "order": np.array([2.0, 2, 4, 5])}
    both = replace(at, rows=twice).weights(at.expected())
    assert both[2, 0] == pytest.approx(at.risk[:2].sum())
    assert both[:, 1].sum() == pytest.approx(at.expected().sum())
