from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from descriptive_cases import FixedPoint, ask, deal, described, frame, heart_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import Refused, StudyError
from hansa.model import Variable
from hansa.stats.contract import Request
from hansa.stats.descriptive.describe import METHOD, NumericSummary
from hansa.stats.plain import to_plain

X = Variable(name="x", type="number", range=(0.0, 200.0))
BARE = Variable(name="bare", type="number")
SEX = Variable(name="sex", type="category", levels=("male", "female"))
STAGE = Variable(name="stage", type="category", levels=("i", "ii", "iii", "iv"))
YES = Variable(name="yes", type="boolean")
VARIABLES = described(X, BARE, SEX, STAGE, YES)


def sample(n: int = 600, seed: int = 0) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(100, 20, n),
        "bare": rng.gamma(2, 5000, n),
        "sex": rng.integers(0, 2, n).astype(float),
        "stage": rng.integers(0, 4, n).astype(float),
        "yes": rng.integers(0, 2, n).astype(float),
    }


def summary(found: Any, variable: str, group: str = "") -> NumericSummary:
    numeric: tuple[NumericSummary, ...] = found.numeric
    return next(s for s in numeric if (s.variable, s.group) == (variable, group))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7), st.sampled_from([12, 60, 400]))
def test_any_split_gives_the_pooled_moments(seed: int, nodes: int, n: int) -> None:
    columns = sample(n, seed)
    owners = np.random.default_rng(seed).integers(0, nodes, n)
    owners[owners == nodes - 1] = 0
    owners[0] = nodes - 1
    found = ask(METHOD, columns, VARIABLES, owners, variables=["x", "bare"])
    for name in ("x", "bare"):
        one = summary(found, name)
        assert one.n == n
        assert one.mean == pytest.approx(columns[name].mean(), rel=1e-10)
        assert one.sd == pytest.approx(columns[name].std(ddof=1), rel=1e-10)


@pytest.mark.parametrize(
    ("centre", "sd", "range_"),
    [
        (1e9, 1.0, None),
        (1e9, 1.0, (0.0, 2e9)),
        (1e9, 1.0, (0.0, 1e12)),
        (1e5, 3e4, (0.0, 1e6)),
        (1980.0, 12.0, (1900.0, 2030.0)),
        (3e-6, 1e-6, (0.0, 1e-5)),
        (3e-6, 1e-6, None),
        (50.0, 2e7, (0.0, 1.0)),
    ],
)
def test_no_scale_loses_digits(centre: float, sd: float, range_: tuple[float, float] | None) -> None:
    variable = Variable(name="v", type="number", range=range_)
    values = np.random.default_rng(4).normal(centre, sd, 5000)
    one = summary(ask(METHOD, {"v": values}, described(variable), variables=["v"]), "v")
    true = values - centre
    assert one.mean == pytest.approx(centre + true.mean(), rel=1e-10)
    assert one.sd == pytest.approx(true.std(ddof=1), rel=1e-10)


def test_a_constant_has_no_spread_and_its_own_value_as_quantiles() -> None:
    for value in (0.1, 0.0, 1e9):
        found = ask(METHOD, {"x": np.full(100, value)}, described(X), variables=["x"])
        one = summary(found, "x")
        assert one.mean == pytest.approx(value)
        assert one.sd == 0
        assert one.quantiles[2].estimate == pytest.approx(value, abs=1e-6)


def test_quantiles_are_within_their_bound_of_numpys() -> None:
    columns = sample(3000)
    found = ask(METHOD, columns, VARIABLES, variables=["x", "bare"], by="sex")
    for one in found.numeric:
        rows = columns["sex"] == ["male", "female"].index(one.group) if one.group else slice(None)
        for q in one.quantiles:
            true = np.quantile(columns[one.variable][rows], q.probability)
            assert q.estimate is not None
            assert q.error_bound is not None
            assert abs(q.estimate - true) <= q.error_bound
            assert q.error_bound < 0.25 * (one.sd or 0)


def test_no_extreme_is_given_for_few_people() -> None:
    one = summary(ask(METHOD, sample(100), VARIABLES, variables=["x"]), "x")
    given_ = [q.probability for q in one.quantiles if q.estimate is not None]
    assert given_ == [0.25, 0.5, 0.75]


def test_groups_equal_pandas_on_the_heart_data() -> None:
    data, columns, variables, owners = heart_frame()
    names = ["age", "resting_bp", "chol", "oldpeak"]
    found = ask(METHOD, columns, variables, owners, variables=[*names, "cp"], by="sex")
    assert found.groups == ("", "male", "female")
    assert found.sizes == (920, *data["sex"].value_counts()[["male", "female"]])
    for name in names:
        for group in found.groups:
            rows = data if not group else data[data["sex"] == group]
            values = rows[name].dropna().astype(float)
            one = summary(found, name, group)
            # Few women lack some variables: women's and men's counts are blank there, and digits with them.
            few = 0 < data.loc[data["sex"] == "female", name].isna().sum() < 5
            exact = not (few and group)
            assert (one.n, one.missing) == ((len(values), len(rows) - len(values)) if exact else (None, None))
            standard_error = values.std() / np.sqrt(len(values))
            assert one.mean == pytest.approx(values.mean(), rel=1e-10, abs=0 if exact else standard_error)
            assert one.sd == pytest.approx(values.std(), rel=1e-10, abs=0 if exact else standard_error)
            for q in one.quantiles:
                if q.estimate is None or q.error_bound is None:
                    assert len(values) < 202
                    assert q.probability in (0.05, 0.95)
                    continue
                assert abs(q.estimate - values.quantile(q.probability)) <= q.error_bound
    cp = next(c for c in found.categorical if c.group == "female")
    counts = data[data["sex"] == "female"]["cp"].value_counts()
    assert cp.counts == tuple(counts[level] for level in cp.levels)


def test_few_missing_values_are_not_counted_and_not_betrayed_by_digits() -> None:
    columns = sample(400)
    columns["x"] = np.round(columns["x"])
    columns["x"][[3, 77]] = np.nan
    one = summary(ask(METHOD, columns, VARIABLES, variables=["x"]), "x")
    assert one.n is None
    assert one.missing is None
    true = np.nanmean(columns["x"])
    assert one.mean is not None
    assert one.mean == pytest.approx(true, abs=1)
    # Every feasible number of missing values offers a sum of whole numbers with the mean that is shown.
    digits = abs(one.mean - true)
    assert digits < np.nanstd(columns["x"]) / 20
    step = 0.5
    assert all(np.floor((one.mean + step / 2) * n) >= np.ceil((one.mean - step / 2) * n) for n in range(396, 400))
    for q in one.quantiles:
        assert q.estimate is not None
        assert q.error_bound is not None
        assert abs(q.estimate - np.nanquantile(columns["x"], q.probability)) <= q.error_bound


def test_a_small_count_of_missing_in_one_group_blanks_another_group_or_the_total() -> None:
    columns = sample(600)
    columns["x"][np.flatnonzero(columns["sex"] == 0)[:3]] = np.nan
    columns["x"][np.flatnonzero(columns["sex"] == 1)[:40]] = np.nan
    found = ask(METHOD, columns, VARIABLES, variables=["x"], by="sex")
    blank = {s.group: s.missing is None for s in found.numeric}
    assert blank["male"]
    assert blank["female"] or blank[""]
    assert all((s.n is None) == (s.missing is None) for s in found.numeric)


def test_small_levels_are_blank_with_a_complement() -> None:
    stage = np.repeat([0.0, 1.0, 2.0, 3.0], [100, 80, 60, 3])
    found = ask(METHOD, {"stage": stage}, described(STAGE), variables=["stage"])
    (counts,) = found.categorical
    assert counts.counts[3] is None
    assert sum(count is None for count in (*counts.counts, counts.missing)) >= 2


def test_people_without_a_group_are_counted_apart() -> None:
    columns = sample(600)
    columns["sex"][:50] = np.nan
    found = ask(METHOD, columns, VARIABLES, variables=["x"], by="sex")
    assert found.ungrouped == 50
    assert found.sizes[0] == 550 == sum(found.sizes[1:])
    assert summary(found, "x").mean == pytest.approx(columns["x"][50:].mean())


def test_a_level_that_never_occurs_is_empty_and_harmless() -> None:
    columns = sample(300)
    columns["sex"][:] = 0.0
    found = ask(METHOD, columns, VARIABLES, variables=["x"], by="sex")
    empty = summary(found, "x", "female")
    assert (empty.n, empty.missing, empty.mean, empty.sd) == (0, 0, None, None)


def test_a_group_of_few_people_is_refused_without_a_number() -> None:
    columns = sample(300)
    columns["sex"][:] = 0.0
    columns["sex"][:3] = 1.0
    with pytest.raises(Refused) as refusal:
        ask(METHOD, columns, VARIABLES, variables=["x"], by="sex")
    assert refusal.value.reason == "disclosure"
    assert not any(character.isdigit() for character in str(refusal.value))


def test_a_variable_that_few_people_have_gives_no_numbers() -> None:
    columns = sample(300)
    columns["x"][7:] = np.nan
    one = summary(ask(METHOD, columns, VARIABLES, variables=["x"]), "x")
    assert (one.mean, one.sd) == (None, None)
    assert all(q.estimate is None for q in one.quantiles)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "variables"),
        ({"variables": []}, "variables"),
        ({"variables": ["x", "x"]}, "variables"),
        ({"variables": ["xx"]}, "variables"),
        ({"variables": ["x"], "by": "bare"}, "by"),
        ({"variables": ["x"], "by": "nobody"}, "by"),
        ({"variables": ["sex"], "by": "sex"}, "by"),
        ({"variables": ["x"], "cell": 3}, "cell"),
        ({"variables": ["x"], "smallest_bin": 2}, "smallest_bin"),
        ({"variables": ["x"], "smallest_bin": 12.5}, "smallest_bin"),
        ({"variables": ["x"], "order": 1}, "order"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as error:
        ask(METHOD, sample(50), VARIABLES, **arguments)
    assert error.value.field == field


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(StudyError, match="did you mean stage"):
        ask(METHOD, sample(50), VARIABLES, variables=["stages"])


def test_a_description_takes_few_rounds() -> None:
    cohorts = FixedPoint(METHOD, deal(sample(2000), VARIABLES, np.arange(2000) % 4), VARIABLES)
    METHOD.plan(cohorts, {"variables": ["x", "stage"]})
    assert len(cohorts.rounds) <= 8


def test_one_node_with_several_partitions_gives_the_same() -> None:
    columns = sample(700)
    parts = [frame({k: v[rows] for k, v in columns.items()}, VARIABLES) for rows in np.array_split(np.arange(700), 3)]
    alone = METHOD.plan(FixedPoint(METHOD, [parts], VARIABLES), {"variables": ["x", "sex"]})
    spread = ask(METHOD, columns, VARIABLES, variables=["x", "sex"])
    assert alone.categorical == spread.categorical
    assert summary(alone, "x").mean == pytest.approx(summary(spread, "x").mean, rel=1e-12)


def exposures(columns: Any, by: str | None) -> list[tuple[Any, ...]]:
    preparation = METHOD.steps[0].preparation
    arguments = {"variables": ["x", "stage"], "by": by, "ranks": 10}
    found = preparation.exposures(frame(columns, VARIABLES), arguments)
    return [(e.name, e.names, e.strata, e.variables, e.stratum, e.derived, e.indicator) for e in found]


def test_exposures_are_the_same_at_every_node() -> None:
    full, empty = sample(80), {name: column[:0] for name, column in sample(80).items()}
    other = sample(30, seed=9)
    other["sex"][:] = 0.0
    for by in (None, "sex"):
        assert exposures(full, by) == exposures(other, by) == exposures(empty, by)


def test_exposures_name_groups_and_what_is_summed() -> None:
    found = exposures(sample(80), "sex")
    assert [e[0] for e in found] == [
        "sex",
        "x",
        "stage",
        "x, sex = male",
        "stage, sex = male",
        "x, sex = female",
        "stage, sex = female",
    ]
    assert found[0][1:4] == (("sex[male]", "sex[female]"), (True, True), frozenset({"sex"}))
    assert found[2][1] == ()
    assert [e[4] for e in found] == [False, False, False, True, True, True, True]


def test_an_exposure_has_the_rows_of_its_group_that_have_the_variable() -> None:
    columns = sample(50)
    columns["x"][:5] = np.nan
    preparation = METHOD.steps[0].preparation
    found = preparation.exposures(frame(columns, VARIABLES), {"variables": ["x"], "by": "sex", "ranks": 10})
    male = next(e for e in found if e.name == "x, sex = male")
    assert male.rows.tolist() == ((columns["sex"] == 0) & ~np.isnan(columns["x"])).tolist()


def test_every_output_has_its_declared_shape_for_any_arguments() -> None:
    cohorts = FixedPoint(METHOD, deal(sample(40), VARIABLES, np.zeros(40, dtype=np.int64)), VARIABLES)
    request = Request({"variables": ["x"], "by": "stage", "ranks": 4})
    totals = cohorts.sum("describe.sizes", request)
    assert totals.people.shape == (5,)
    assert cohorts.sum("describe.levels", request)["counts"].shape == (5, 0)


def test_the_result_is_plain() -> None:
    plain = to_plain(ask(METHOD, sample(200), VARIABLES, variables=["x", "stage"], by="sex"))
    assert plain["schema"] == "describe/1.0"
