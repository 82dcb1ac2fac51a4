"""What the gate sees of a model, and the parts of the fit by themselves."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from descriptive_cases import deal
from glm_cases import VARIABLES, data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hansa.errors import NotEstimable
from hansa.model.exposure import Exposure
from hansa.stats.contract import Frame
from hansa.stats.direct import DirectCohorts
from hansa.stats.fitting.aliasing import estimable, factored
from hansa.stats.fitting.separation import Step, separated
from hansa.stats.fitting.sizes import bucket_scale, size_counts
from hansa.stats.glm import plan as glm
from hansa.stats.glm.design import COLUMNS, DESIGN, SIZE
from hansa.stats.glm.families import check_family, fits, linked, working

ARGUMENTS: dict[str, Any] = {
    "formula": "yes ~ x + g + I(year - 2000) + x:g + offset(log(time))",
    "facts": {"levels(g)": {"present": [True, True, True]}},
    "weights": "copies",
    "family": "binomial",
    "link": "logit",
    "scale": [1.0, 0.5, 1.0, 1.0, 0.125, 0.5, 0.5],
    "response_scale": 1.0,
}


def frame(rows: int = 240, derived: frozenset[str] = frozenset()) -> Frame:
    columns, _ = data()
    return Frame({name: column[:rows] for name, column in columns.items()}, VARIABLES, rows, derived)


def exposure(rows: int = 240, derived: frozenset[str] = frozenset()) -> Exposure:
    (found,) = COLUMNS.exposures(frame(rows, derived), ARGUMENTS)
    return found


# --- exposures ----------------------------------------------------------------------------------------------


def test_every_column_the_response_weights_and_offset_are_exposed_with_products() -> None:
    found = exposure()
    assert found.names == ("x", "g[b]", "g[c]", "I(year - 2000)", "x:g[b]", "x:g[c]", "yes", "weights", "offset")
    assert found.products
    assert found.variables == {"yes", "x", "g", "year", "time", "copies"}


def test_transformed_columns_are_derived_and_products_of_plain_ones_are_not() -> None:
    marked = dict(zip(exposure().names, exposure().derived, strict=True))
    assert {name for name, derived in marked.items() if derived} == {"I(year - 2000)", "offset"}


def test_columns_of_derived_variables_are_derived() -> None:
    found = exposure(derived=frozenset({"g", "copies"}))
    marked = dict(zip(found.names, found.derived, strict=True))
    assert all(marked[name] for name in ("g[b]", "g[c]", "x:g[b]", "weights"))
    assert not any(found.strata)


def test_levels_are_strata_and_two_valued_and_the_outcome_is_no_stratum() -> None:
    found = exposure()
    chosen = [name for name, stratum in zip(found.names, found.strata, strict=True) if stratum]
    two = [name for name, indicator in zip(found.names, found.indicator, strict=True) if indicator]
    assert chosen == ["g[b]", "g[c]"]
    assert two == ["g[b]", "g[c]", "yes"]


def test_exposed_columns_are_not_centred_and_keep_their_zeros() -> None:
    found, columns = exposure(), data()[0]
    assert np.array_equal(found.columns[:, 0], columns["x"] * 0.5)
    assert np.array_equal(found.columns[:, 4] == 0, columns["g"] != 1)


def test_an_empty_partition_has_the_same_layout() -> None:
    full, empty = exposure(), exposure(0)
    for part in ("name", "names", "derived", "strata", "indicator", "products", "variables"):
        assert getattr(full, part) == getattr(empty, part)
    assert empty.columns.shape == (0, 9)


def test_preparations_of_one_design_expose_the_same() -> None:
    assert COLUMNS.exposures is DESIGN.exposures
    assert COLUMNS.exposed_by == DESIGN.exposed_by
    (first,) = COLUMNS.exposures(frame(), ARGUMENTS)
    (again,) = DESIGN.exposures(frame(), {**ARGUMENTS, "node": "common", "centre": [0.0] * 7, "link": "probit"})
    assert np.array_equal(first.columns, again.columns)


def test_incomplete_rows_are_outside_the_exposure() -> None:
    columns, _ = data()
    columns = {**columns, "x": np.where(np.arange(240) == 3, np.nan, columns["x"])}
    (found,) = COLUMNS.exposures(Frame(columns, VARIABLES, 240), ARGUMENTS)
    assert np.flatnonzero(~found.rows).tolist() == [3]


def test_rough_sizes_expose_the_analysis_set_alone() -> None:
    (found,) = SIZE.exposures(frame(), ARGUMENTS)
    assert found.columns.shape == (240, 0)
    assert found.variables == exposure().variables


def test_every_step_that_takes_coefficients_gives_the_weights_they_put_on_people() -> None:
    assert {step.name for step in glm.METHOD.steps if step.weight_names} == {
        "glm.irls",
        "glm.profile",
        "glm.meat",
        "glm.profile_meat",
        "glm.penalty",
        "glm.negative_binomial",
        "glm.negative_binomial_profile",
    }


def test_no_step_returns_a_number_the_league_may_show() -> None:
    outputs = [output for step in glm.METHOD.steps for output in step.outputs]
    assert {output.disclosure for output in outputs} == {"protected", "intermediate"}


def test_a_plan_is_deterministic() -> None:
    columns, owners = data()
    nodes = deal(columns, VARIABLES, owners)
    arguments = {"formula": "yes ~ x + g", "family": "binomial", "node": "intercepts"}
    first, again = (glm.plan(DirectCohorts(glm.METHOD, nodes, VARIABLES), arguments) for _ in range(2))
    assert first == again


# --- sizes --------------------------------------------------------------------------------------------------


@given(arrays(np.float64, (6, 3), elements=st.floats(-1e150, 1e150)))
def test_a_column_over_its_scale_is_near_one(values: np.ndarray[Any, Any]) -> None:
    scale = bucket_scale(size_counts([{"values": values[:2]}, {"values": values[2:]}], {})["counts"])
    largest = np.abs(values).max(axis=0)
    scaled = largest * scale
    normal = (largest > 1e-70) & (largest < 1e70)
    assert np.all((scaled[normal] > 2.0**-5) & (scaled[normal] < 2.0**7))
    assert np.all(scale[largest == 0] == 1)


# --- families -----------------------------------------------------------------------------------------------

PAIRS = [
    ("gaussian", "identity"), ("gaussian", "log"), ("gaussian", "inverse"),
    ("binomial", "logit"), ("binomial", "probit"), ("binomial", "cloglog"), ("binomial", "log"),
    ("poisson", "log"), ("poisson", "identity"), ("gamma", "inverse"), ("gamma", "log"), ("gamma", "identity"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "link"), PAIRS)
@given(eta=st.floats(-1e6, 1e6), y=st.sampled_from([0.0, 1.0, 0.3, 12.0]))
def test_a_row_is_finite_whatever_its_linear_predictor(family: str, link: str, eta: float, y: float) -> None:
    if not fits(family, np.array([y]))[0]:
        y = 1.0
    row = working(family, link, np.array([y]), np.array([eta]))
    assert all(np.isfinite(part).all() for part in (row.mu, row.weight, row.residual, row.deviance))
    assert row.weight[0] >= 0
    assert row.deviance[0] >= 0


@pytest.mark.parametrize(("family", "link"), PAIRS)
@pytest.mark.parametrize("mean", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("y", [0.0, 1.0, 3.0])
def test_the_score_is_minus_half_the_deviances_slope(family: str, link: str, mean: float, y: float) -> None:
    if not fits(family, np.array([y]))[0]:
        y = 1.0
    eta, step = float(linked(link, np.array([mean]))[0]), 1e-6
    around = np.array([eta - step, eta + step])
    low, high = working(family, link, np.array([y, y]), around).deviance
    residual = float(working(family, link, np.array([y]), np.array([eta])).residual[0])
    assert residual == pytest.approx(-(high - low) / (4 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_link_and_mean_are_inverse(family: str, link: str) -> None:
    mean = np.array([0.05, 0.3, 0.5, 0.9])
    assert working(family, link, np.ones(4), linked(link, mean)).mu == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("eta", [-35.0, -8.0, 0.3, 6.0, 30.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_binomial_rows_are_exact_in_the_tails(eta: float, y: float) -> None:
    mpmath.mp.dps = 250
    e = mpmath.mpf(eta)
    exact = {
        "logit": 1 / (1 + mpmath.exp(-e)),
        "probit": mpmath.ncdf(e),
        "cloglog": 1 - mpmath.exp(-mpmath.exp(min(e, 3))),
    }
    for link, mu in exact.items():
        at = min(eta, 3.0) if link == "cloglog" else eta
        row = working("binomial", link, np.array([y]), np.array([at]))
        deviance = -2 * mpmath.log(mu if y else 1 - mu)
        assert float(row.deviance[0]) == pytest.approx(float(deviance), rel=1e-10)


def test_a_link_a_family_does_not_have_is_refused_with_those_it_has() -> None:
    assert check_family("gamma", None) == ("gamma", "inverse")
    with pytest.raises(Exception, match="log, identity"):
        check_family("poisson", "logit")


# --- algebra ------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 5), max_size=4))
def test_columns_that_repeat_earlier_ones_are_aliased_and_no_others(seed: int, copies: list[int]) -> None:
    rng = np.random.default_rng(seed)
    columns = list(rng.normal(size=(6, 40)))
    for source in copies:
        columns.append(columns[source] * 3 - 2 * columns[0])
    x = np.column_stack(columns)
    assert estimable(x.T @ x).tolist() == [True] * 6 + [False] * len(copies)


def test_inverse_solution_and_whitening_belong_to_one_matrix() -> None:
    x = np.random.default_rng(1).normal(size=(30, 4)) * [1, 1e6, 1e-6, 1]
    gram = x.T @ x
    found = factored(gram)
    assert gram @ found.inverse == pytest.approx(np.eye(4), abs=1e-3)
    solution = np.array([1, 1e-6, 1e6, 1])
    assert found.solve(gram @ solution) == pytest.approx(solution, rel=1e-9)
    assert found.whitening.T @ gram @ found.whitening == pytest.approx(np.eye(4), abs=1e-9)
    assert np.array_equal(found.whitening, np.triu(found.whitening))


def test_a_singular_matrix_is_not_inverted() -> None:
    for gram in (np.ones((2, 2)), np.diag([1.0, 0.0])):
        with pytest.raises(NotEstimable):
            factored(gram)


@given(st.floats(0.05, 0.95), st.floats(0.001, 10.0))
def test_linear_convergence_is_no_separation(rate: float, length: float) -> None:
    steps = [Step(np.array([length * rate**k]), (length * rate**k) ** 2) for k in range(40)]
    assert not any(separated(steps[: k + 1]) for k in range(40))


@given(st.floats(0.2, 3.0))
def test_steps_of_one_length_whose_gain_decays_are_separation(length: float) -> None:
    steps = [Step(np.array([length]), 100 * math.exp(-k)) for k in range(14)]
    assert [separated(steps[: k + 1]) for k in (3, 8, 13)] == [False, False, True]


# --- shortcuts ----------------------------------------------------------------------------------------------


def centred(**changes: Any) -> dict[str, Any]:
    more = {"node": "common", "centre": [0.0, 0.3, 0.2, 0.1, 7.0, 0.01, 0.02], "response_centre": 0.0, "mix": None}
    return {**ARGUMENTS, **more, **changes}


@pytest.mark.parametrize("node", ["common", "intercepts"])
def test_a_design_from_built_columns_is_the_design_to_the_last_bit(node: str) -> None:
    assert DESIGN.refine is not None
    arguments = centred(node=node)
    refined = DESIGN.refine(COLUMNS.build(frame(), ARGUMENTS), arguments, VARIABLES)
    built = DESIGN.build(frame(), arguments)
    assert refined is not None
    assert set(refined) == set(built)
    assert all(np.array_equal(refined[name], built[name]) for name in built)


def test_a_centred_response_is_refined_too() -> None:
    assert DESIGN.refine is not None
    gaussian: dict[str, Any] = {
        "family": "gaussian",
        "link": "identity",
        "formula": "x ~ year",
        "weights": None,
        "facts": {},
    }
    arguments = centred(
        **gaussian, scale=[1.0, 2.0**-9], centre=[0.0, 2000.3], response_centre=0.37, response_scale=0.5
    )
    plain = {name: value for name, value in arguments.items() if name in ARGUMENTS}
    refined = DESIGN.refine(COLUMNS.build(frame(), plain), arguments, VARIABLES)
    assert refined is not None
    assert np.array_equal(refined["y"], DESIGN.build(frame(), arguments)["y"])


def test_unusable_rows_or_mixed_columns_are_built_anew() -> None:
    assert DESIGN.refine is not None
    columns = dict(data()[0])
    columns["x"] = columns["x"].copy()
    columns["x"][3] = np.nan
    with_gap = COLUMNS.build(Frame(columns, VARIABLES, len(columns["x"])), ARGUMENTS)
    assert DESIGN.refine(with_gap, centred(), VARIABLES) is None
    assert DESIGN.refine(COLUMNS.build(frame(), ARGUMENTS), centred(mix=np.eye(7).tolist()), VARIABLES) is None


def test_arrays_and_exposures_together_are_those_apart() -> None:
    arrays, (exposed,) = COLUMNS.build_exposed(frame(), ARGUMENTS)
    apart = COLUMNS.build(frame(), ARGUMENTS)
    assert all(np.array_equal(arrays[name], apart[name]) for name in apart)
    assert np.array_equal(exposed.columns, exposure().columns)
