"""Linear mixed models for any split of the rows: clusters, partitions, refusals in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from descriptive_cases import Columns, FixedPoint, deal, described
from hypothesis import given, settings
from hypothesis import strategies as st
from lmm_cases import MODELS, fit, table, whole_clusters
from numpy.typing import NDArray

from hansa.errors import ConvergenceError, FormulaError, MethodError, NotEstimable, StudyError
from hansa.model import Variable
from hansa.stats.contract import Frame
from hansa.stats.lmm import plan as lmm
from hansa.stats.lmm.compared import nested
from hansa.stats.lmm.criterion import factor_of
from hansa.stats.lmm.result import LmmResult
from hansa.stats.lmm.steps import directions

VARIABLES = described(
    *(Variable(name=name, type="number") for name in ("y", "x", "t", "moved")),
    Variable(name="g", type="integer"),
    Variable(name="arm", type="category", levels=("a", "b", "c")),
    Variable(name="yes", type="boolean"),
)


def rows(seed: int, clusters: int = 16, most: int = 6) -> Columns:
    """Clusters of one to ``most`` rows."""
    random = np.random.default_rng(seed)
    g = np.repeat(np.arange(clusters), random.integers(1, most + 1, clusters))
    n = len(g)
    x, t = random.normal(size=n), random.uniform(0, 4, n)
    own = random.normal(size=(clusters, 2)) * (2.0, 0.5)
    y = 5 + x + own[g, 0] + (0.5 + own[g, 1]) * t + random.normal(size=n)
    arm = random.integers(0, 3, n).astype(float)
    return {"y": y, "x": x, "t": t, "moved": 2 * x, "g": g.astype(float), "arm": arm, "yes": (x > 0).astype(float)}


def numbers(found: LmmResult) -> list[float]:
    terms = [value for term in found.terms for value in (term.coef, term.se)]
    spread = [one.variance for one in found.variances]
    return [*(0.0 if value is None else value for value in terms), *spread, found.residual_variance, found.criterion]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), nodes=st.integers(2, 7), slopes=st.booleans(), reml=st.booleans())
def test_the_nodes_that_clusters_lie_at_make_no_difference(seed: int, nodes: int, slopes: bool, reml: bool) -> None:
    """Nodes without rows, of one cluster and of one row are among them."""
    columns = rows(seed, clusters=30)
    asked = {"formula": f"y ~ x + t + ({'t' if slopes else '1'} | g)", "method": "REML" if reml else "ML"}
    owners = np.random.default_rng(seed).integers(0, nodes, 30)[columns["g"].astype(int)]
    pooled, dealt = (fit(columns, where, VARIABLES, **asked) for where in (np.zeros(len(owners), dtype=int), owners))
    assert numbers(dealt) == pytest.approx(numbers(pooled), rel=1e-8, abs=1e-8)
    assert list(dealt.dfs) == pytest.approx(list(pooled.dfs), rel=1e-6)


def partitions(columns: Columns, order: NDArray[np.int64], parts: int, *, person: bool = False) -> list[Frame]:
    """One node's rows in this order, in several partitions, so that clusters lie in more than one."""
    found = []
    for chosen in np.array_split(order, parts):
        part = {name: column[chosen] for name, column in columns.items()}
        found.append(Frame(part, VARIABLES, len(chosen), person=part["g"] if person else None))
    return found


def fit_to(nodes: list[list[Frame]], formula: str) -> LmmResult:
    return lmm.plan(FixedPoint(lmm.METHOD, nodes, VARIABLES), {"formula": formula})


def test_clusters_may_lie_in_several_partitions_and_rows_in_any_order() -> None:
    columns = rows(3)
    n = len(columns["y"])
    plain = fit_to([partitions(columns, np.arange(n), 1)], "y ~ x + t + (t | g)")
    mixed = fit_to([partitions(columns, np.random.default_rng(1).permutation(n), 5)], "y ~ x + t + (t | g)")
    assert numbers(mixed) == pytest.approx(numbers(plain), rel=1e-9)


def test_people_are_clusters_by_their_identifier() -> None:
    columns = rows(4)
    order = np.arange(len(columns["y"]))
    by_name = fit_to([partitions(columns, order, 2)], "y ~ x + (1 | g)")
    by_person = fit_to([partitions(columns, order, 2, person=True)], "y ~ x + (1 | person)")
    assert numbers(by_person) == numbers(by_name)
    assert by_person.group == "person"


def test_clusters_of_one_name_at_two_nodes_are_two() -> None:
    columns = rows(5)
    twice = {name: np.concatenate([column, column]) for name, column in columns.items()}
    owners = np.repeat([0, 1], len(columns["y"]))
    named = {**twice, "g": twice["g"] + 100 * owners}
    same, apart = (fit(one, owners, VARIABLES, formula="y ~ x + (1 | g)") for one in (twice, named))
    assert same.clusters == 32
    assert numbers(same) == numbers(apart)


def test_each_node_is_a_cluster_where_the_formula_says_so() -> None:
    columns = rows(6, clusters=14, most=20)
    owners = columns["g"].astype(np.int64)
    by_node = fit(columns, owners, VARIABLES, formula="y ~ x + t + (1 + t | node)")
    by_name = fit(columns, owners % 3, VARIABLES, formula="y ~ x + t + (1 + t | g)")
    assert by_node.clusters == 14
    assert numbers(by_node) == pytest.approx(numbers(by_name), rel=1e-9)


def test_offsets_categories_conditions_and_combinations_are_as_in_glm() -> None:
    columns = rows(7, clusters=25)
    owners = whole_clusters(columns, "g", 3)
    formula = "y ~ x + moved + C(arm, ref='b') + I(t > 2) + offset(3 * t) + (1 + I(t > 2) | g)"
    found = fit(columns, owners, VARIABLES, formula=formula)
    moved = {**columns, "y": columns["y"] - 3 * columns["t"]}
    plain = fit(moved, owners, VARIABLES, formula=formula.replace(" + offset(3 * t)", ""))
    assert found.aliased == ("moved",)
    assert found.dfs[found.aliased.index("moved") + 2] is None
    assert numbers(found) == pytest.approx(numbers(plain), rel=1e-8)


def test_units_move_numbers_as_units_do() -> None:
    columns = rows(8, clusters=25)
    owners = whole_clusters(columns, "g", 3)
    other = {**columns, "y": 1000 * columns["y"] - 4e5, "t": 1950 + columns["t"] / 365.25}
    found, moved = (fit(one, owners, VARIABLES, formula="y ~ t + (t | g)") for one in (columns, other))
    assert moved.by_name["t"].coef == pytest.approx(365250 * (found.by_name["t"].coef or 0), rel=1e-8)
    assert moved.variances[1].sd == pytest.approx(365250 * found.variances[1].sd, rel=1e-6)
    assert moved.residual_sd == pytest.approx(1000 * found.residual_sd, rel=1e-8)
    assert moved.dfs[1] == pytest.approx(found.dfs[1], rel=1e-5)
    n, p = found.n, 2
    shift = 2 * (n - p) * np.log(1000) - 2 * np.log(365.25)
    assert moved.criterion == pytest.approx(found.criterion + shift, rel=1e-9)


@pytest.mark.parametrize("apart", [1.0, 1e-3], ids=["free columns", "columns that are close"])
@pytest.mark.parametrize("reml", [True, False])
def test_the_whole_covariance_matrix_gives_the_same_coefficients_errors_and_likelihood(
    *, apart: float, reml: bool
) -> None:
    """Written out for all rows at the variances found; columns that are close are mixed on the way."""
    columns = rows(13, clusters=25)
    close = columns["x"] + apart * np.random.default_rng(4).normal(size=len(columns["x"]))
    given_columns: Columns = {**columns, "moved": np.asarray(close, dtype=np.float64)}
    owners = whole_clusters(columns, "g", 4)
    asked = {"formula": "y ~ x + moved + t + (1 + t | g)", "method": "REML" if reml else "ML"}
    found = fit(given_columns, owners, VARIABLES, **asked)
    x = np.column_stack([np.ones(len(close)), columns["x"], close, columns["t"]])
    sds = np.array([one.sd for one in found.variances])
    correlation = found.correlations[0].correlation or 0.0
    between = np.outer(sds, sds) * np.array([[1, correlation], [correlation, 1]])
    z = x[:, [0, 3]]
    same = columns["g"][:, None] == columns["g"]
    inverse = np.linalg.inv(found.residual_variance * np.eye(len(x)) + same * (z @ between @ z.T))
    information = x.T @ inverse @ x
    coef = np.linalg.solve(information, x.T @ inverse @ columns["y"])
    residual = columns["y"] - x @ coef
    constant = (len(x) - 4 * reml) * np.log(2 * np.pi) + reml * np.linalg.slogdet(information)[1]
    criterion = constant - np.linalg.slogdet(inverse)[1] + residual @ inverse @ residual
    assert [term.coef for term in found.terms] == pytest.approx(coef.tolist(), rel=1e-8)
    assert [term.se for term in found.terms] == pytest.approx(
        np.sqrt(np.diag(np.linalg.inv(information))).tolist(), rel=1e-8
    )
    assert found.criterion == pytest.approx(float(criterion), rel=1e-10)


def test_the_fits_say_where_nothing_varies_between_clusters() -> None:
    columns = rows(9, clusters=40)
    owners = whole_clusters(columns, "g", 3)
    noise = np.random.default_rng(2).normal(size=len(owners))
    flat: Columns = {**columns, "y": np.asarray(columns["x"] + noise, dtype=np.float64)}
    dealt: Columns = {**flat, "g": np.asarray(np.arange(len(owners)) % 20, dtype=np.float64)}
    found = fit(dealt, np.zeros(len(owners), dtype=np.int64), VARIABLES, formula="y ~ x + (1 + x | g)")
    assert found.singular
    assert found.icc is None


def test_effects_that_do_not_vary_have_no_correlation() -> None:
    """What is left of each cluster's rows has neither mean nor slope, so that these vary less than chance has it."""
    random = np.random.default_rng(6)
    g = np.repeat(np.arange(20.0), 6)
    x, noise = random.normal(size=(2, len(g)))
    for one in range(20):
        inside = np.column_stack([np.ones(6), x[g == one]])
        noise[g == one] -= inside @ np.linalg.lstsq(inside, noise[g == one], rcond=None)[0]
    owners = g.astype(np.int64) % 3
    still, moving = (
        fit({"g": g, "x": x, "y": x + shift + noise}, owners, VARIABLES, formula="y ~ x + (1 + x | g)")
        for shift in (0.0, 3 * np.sin(g))
    )
    assert still.singular
    assert moving.singular
    assert max(one.sd for one in still.variances) < 1e-4
    assert still.correlations[0].correlation is None
    assert moving.variances[0].sd > 1
    assert abs(moving.correlations[0].correlation or 0.0) == pytest.approx(1.0)


REFUSED: dict[str, tuple[type[Exception], str, str]] = {
    "no random effects": (StudyError, "y ~ x", "no random effects"),
    "two groups": (StudyError, "y ~ x + (1 | g) + (1 | node)", "one group"),
    "no response": (StudyError, "~ x + (1 | g)", "no response"),
    "nothing fixed": (StudyError, "y ~ 0 + (1 | g)", "no coefficients"),
    "an unknown group": (StudyError, "y ~ x + (1 | h)", "no variable h"),
    "a condition as group": (StudyError, "y ~ x + (1 | yes)", "names no groups"),
    "a slope about nothing": (StudyError, "y ~ x + (t | g)", "about nothing"),
    "four effects": (StudyError, "y ~ x + t + arm + (x + t + arm | g)", "too many"),
    "survival": (FormulaError, "Surv(t, yes) ~ x + (1 | g)", "no response of lmm"),
    "strata": (StudyError, "y ~ x + strata(arm) + (1 | g)", "no strata()"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mixed_model_is_refused_in_words(name: str) -> None:
    error, formula, words = REFUSED[name]
    columns = rows(10)
    with pytest.raises((error, StudyError)) as caught:
        fit(columns, whole_clusters(columns, "g", 3), VARIABLES, formula=formula)
    assert words in str(caught.value)


def test_other_arguments_are_refused() -> None:
    columns = rows(10)
    wrong: list[dict[str, Any]] = [{"method": "MCMC"}, {"level": 2}, {"weights": "x"}, {"formula": None}]
    for one in wrong:
        with pytest.raises(StudyError):
            fit(columns, whole_clusters(columns, "g", 3), VARIABLES, **{"formula": "y ~ x + (1 | g)", **one})


@pytest.mark.parametrize(
    ("clusters", "most", "formula", "words"),
    [
        (9, 6, "y ~ x + (1 | g)", "fewer than 10 clusters"),
        (30, 1, "y ~ x + (1 | g)", "each g has one row"),
        (16, 6, "y ~ x + (1 | node)", "fewer than 10 nodes"),
    ],
)
def test_too_few_clusters_and_single_rows_are_refused(clusters: int, most: int, formula: str, words: str) -> None:
    columns = rows(11, clusters=clusters, most=most)
    with pytest.raises(NotEstimable, match=words):
        fit(columns, whole_clusters(columns, "g", 3), VARIABLES, formula=formula)


def test_clusters_whose_rows_are_all_alike_leave_no_residuals() -> None:
    columns = rows(12)
    alike = {**columns, "y": np.sin(columns["g"]) * 10}
    with pytest.raises((NotEstimable, ConvergenceError)):
        fit(alike, whole_clusters(columns, "g", 3), VARIABLES, formula="y ~ 1 + (1 | g)")


def test_the_rounds_are_the_designs_then_one_per_theta() -> None:
    columns, variables = table("sleep")
    owners = whole_clusters(columns, "subject", 3)
    cohorts = FixedPoint(lmm.METHOD, deal(columns, variables, owners), variables)
    found = lmm.plan(cohorts, MODELS["sleep slopes"])
    assert cohorts.rounds.count("lmm.count") == 1
    assert cohorts.rounds.count("lmm.round") <= found.iterations + 3


@pytest.mark.parametrize("effects", [1, 2, 3])
def test_directions_are_the_derivatives_of_a_symmetric_matrix(effects: int) -> None:
    theta = np.arange(1.0, effects * (effects + 1) / 2 + 1)
    matrix = factor_of(theta, effects)
    symmetric = matrix + matrix.T - np.diag(np.diag(matrix))
    assert np.einsum("k,kab->ab", theta, directions(effects)) == pytest.approx(symmetric)


def test_two_nested_models_are_compared_as_by_anova() -> None:
    """anova(lmer(Reaction ~ Days + (1 | Subject)), lmer(Reaction ~ Days + (Days | Subject))), both by ML; R 4.2."""
    columns, variables = table("sleep")
    owners = columns["subject"].astype(int) % 3
    formulas = (f"reaction ~ {terms} | subject)" for terms in ("1 + (1", "days + (1", "days + (days"))
    one, two, three = (fit(columns, owners, variables, formula=formula, method="ML") for formula in formulas)
    found = nested(two, three)
    assert found.df == 2
    assert found.statistic == pytest.approx(42.1392985162, rel=1e-7)
    assert found.p == pytest.approx(7.0724126e-10, rel=1e-5)
    assert nested(one, two).df == 1
    for small, large in ((three, two), (two, two), (replace(two, n=3), three), (replace(two, group="x"), three)):
        with pytest.raises(MethodError, match="not nested"):
            nested(small, large)
    with pytest.raises(MethodError, match="fixed parts"):
        nested(replace(one, method="REML"), replace(two, method="REML"))
    assert nested(replace(two, method="REML"), replace(three, method="REML")).df == 2
