from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from descriptive_cases import FixedPoint, ask, deal, described, frame, heart_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hansa.errors import StudyError
from hansa.model import Variable
from hansa.stats.descriptive.correlation import METHOD, fisher_interval
from hansa.stats.plain import to_plain

A = Variable(name="a", type="number", range=(0.0, 200.0))
B = Variable(name="b", type="number")
C = Variable(name="c", type="number", range=(0.0, 2e9))
YES = Variable(name="yes", type="boolean")
KIND = Variable(name="kind", type="category", levels=("p", "q"))
VARIABLES = described(A, B, C, YES, KIND)


def sample(n: int = 300, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    return {
        "a": 100 + 15 * z,
        "b": 3e5 * (z + rng.normal(size=n)),
        "c": 1e9 + z - rng.normal(size=n),
        "yes": (z > 0).astype(float),
        "kind": np.zeros(n),
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7), st.sampled_from([12, 50, 400]))
def test_any_split_gives_the_pooled_matrix(seed: int, nodes: int, n: int) -> None:
    columns = sample(n, seed)
    owners = np.random.default_rng(seed).integers(0, nodes, n)
    owners[owners == nodes - 1] = 0
    owners[0] = nodes - 1
    found = ask(METHOD, columns, VARIABLES, owners, variables=["a", "b", "c"])
    expected = np.corrcoef([columns["a"], columns["b"], columns["c"] - 1e9])
    assert np.array(found.r) == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_the_heart_matrix_equals_pandas_on_complete_cases() -> None:
    data, columns, variables, owners = heart_frame()
    names = ["age", "resting_bp", "chol", "max_heart_rate", "oldpeak"]
    found = ask(METHOD, columns, variables, owners, variables=names)
    complete = data[names].dropna().astype(float)
    assert found.n == len(complete)
    assert np.array(found.r) == pytest.approx(complete.corr().to_numpy(), rel=1e-10)


def test_the_interval_equals_scipys() -> None:
    columns = sample()
    found = ask(METHOD, columns, VARIABLES, variables=["a", "b"], level=0.9)
    expected = stats.pearsonr(columns["a"], columns["b"]).confidence_interval(0.9)
    assert found.lower[0][1] == pytest.approx(expected.low, rel=1e-9)
    assert found.upper[0][1] == pytest.approx(expected.high, rel=1e-9)
    assert found.lower[0][0] == found.upper[0][0] == 1


def test_a_boolean_is_correlated_as_zero_and_one() -> None:
    columns = sample()
    found = ask(METHOD, columns, VARIABLES, variables=["a", "yes"])
    expected = stats.pointbiserialr(columns["yes"], columns["a"]).statistic
    assert found.r[0][1] == pytest.approx(expected, rel=1e-10)


def test_a_constant_has_no_correlation() -> None:
    columns = sample()
    columns["a"][:] = 0.1
    found = ask(METHOD, columns, VARIABLES, variables=["a", "b"])
    assert found.r[0] == (None, None)
    assert found.lower[0] == (None, None)
    assert found.r[1][1] == pytest.approx(1)


def test_two_copies_correlate_exactly() -> None:
    columns = sample()
    columns["b"] = -2 * columns["a"]
    found = ask(METHOD, columns, VARIABLES, variables=["a", "b"])
    assert found.r[0][1] == pytest.approx(-1, abs=1e-14)


def test_the_interval_needs_four_people() -> None:
    assert fisher_interval(0.5, 3, 0.95) == (None, None)
    assert fisher_interval(0.5, 4, 0.95)[0] is not None


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"variables": ["a"]}, "variables"),
        ({"variables": ["a", "kind"]}, "variables"),
        ({"variables": ["a", "b"], "level": 95}, "level"),
        ({"variables": ["a", "b"], "level": "0.95"}, "level"),
        ({"variables": ["a", "b"], "method": "spearman"}, "method"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as error:
        ask(METHOD, sample(), VARIABLES, **arguments)
    assert error.value.field == field


def test_few_rounds_suffice() -> None:
    cohorts = FixedPoint(METHOD, deal(sample(), VARIABLES, np.arange(300) % 3), VARIABLES)
    METHOD.plan(cohorts, {"variables": ["a", "yes"]})
    assert cohorts.rounds == ["correlation.sums", "correlation.products"]


def test_the_exposure_names_columns_and_products() -> None:
    columns = sample(40)
    columns["a"][:3] = np.nan
    preparation = METHOD.steps[0].preparation
    (found,) = preparation.exposures(frame(columns, VARIABLES), {"variables": ["a", "yes"]})
    assert found.products
    assert found.names == ("a", "yes")
    assert found.indicator == (False, True)
    assert found.rows.sum() == 37
    assert METHOD.complete({"variables": ["a", "yes"]}, VARIABLES) == ("a", "yes")


def test_the_result_is_plain() -> None:
    plain = to_plain(ask(METHOD, sample(), VARIABLES, variables=["a", "b"]))
    assert plain["schema"] == "correlation/1.0"
    assert isinstance(plain["r"][0][1], float)
