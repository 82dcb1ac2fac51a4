"""One stage and two: the multivariate fixed effect, and what the differences are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.stats.meta.combine import meta_analysis
from hansa.stats.meta.stages import SiteModel, Stage, Stages, multivariate, one_and_two_stages

# Made by meta_facts.R with metafor 3.8-1.
FACTS = json.loads((Path(__file__).parent / "meta_facts.json").read_text())
VECTORS = next(fact for fact in FACTS if fact["method"] == "multivariate")


def stages(models: dict[str, SiteModel], one: dict[str, tuple[float, float]], absent: tuple[str, ...] = ()) -> Stages:
    terms = {term: Stage(middle, se, middle - 1.96 * se, middle + 1.96 * se) for term, (middle, se) in one.items()}
    combined = {}
    for term in one:
        having = [(model, model.terms.index(term)) for model in models.values() if term in model.terms]
        combined[term] = meta_analysis(
            [float(model.coef[place]) for model, place in having],
            [float(model.covariance[place, place] ** 0.5) for model, place in having],
        )
    return one_and_two_stages(
        terms, combined, models, absent, formula="y ~ a + b", ratio=None, level=0.95, method="REML"
    )


def site(a: float, b: float, se: float = 0.1) -> SiteModel:
    return SiteModel(("a", "b"), np.array([a, b]), se**2 * np.eye(2))


def test_the_multivariate_fixed_effect_equals_metafor() -> None:
    models = [SiteModel(("a", "b"), np.array(one["coef"]), np.array(one["v"])) for one in VECTORS["sites"]]
    found = multivariate(("a", "b"), models, 0.95)
    for place, term in enumerate(("a", "b")):
        stage = found[term]
        assert stage is not None
        expected = [VECTORS[name][place] for name in ("b", "se", "lower", "upper")]
        assert [stage.estimate, stage.se, stage.lower, stage.upper] == pytest.approx(expected, rel=1e-8)


@given(st.integers(0, 2**32), st.lists(st.integers(6, 30), min_size=2, max_size=5))
def test_with_one_variance_for_all_the_multivariate_effect_is_the_pooled_model(seed: int, sizes: list[int]) -> None:
    random = np.random.default_rng(seed)
    models, rows, responses = [], [], []
    for node, n in enumerate(sizes):
        x = random.normal(size=(n, 2)) * (1, 3) + node
        y = x @ (0.5, -0.2) + node + random.normal(size=n)
        centred = x - x.mean(axis=0)
        gram = centred.T @ centred
        models.append(SiteModel(("a", "b"), np.linalg.solve(gram, centred.T @ y), np.linalg.inv(gram)))
        rows.append(centred)
        responses.append(y)
    pooled = np.linalg.lstsq(np.concatenate(rows), np.concatenate(responses), rcond=None)[0]
    found = multivariate(("a", "b"), models, 0.95)
    middles = [stage.estimate for stage in found.values() if stage is not None]
    assert middles == pytest.approx(pooled.tolist(), rel=1e-9, abs=1e-9)


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.05, 1)), min_size=2, max_size=6),
    st.tuples(st.floats(-2, 2), st.floats(0.05, 1)),
)
def test_the_parts_of_a_difference_add_up(values: list[tuple[float, float, float]], one: tuple[float, float]) -> None:
    models = {f"s{place}": site(*value) for place, value in enumerate(values)}
    found = stages(models, {"a": one, "b": one}).terms[0]
    assert found.random is not None
    parts: list[Any] = [found.by_likelihood, found.by_other_terms, found.by_heterogeneity]
    assert sum(parts) == pytest.approx(found.difference, rel=1e-9, abs=1e-9)
    assert found.difference == pytest.approx((found.random.estimate - one[0]) / one[1])


def test_stages_that_agree_say_so() -> None:
    found = stages({"x": site(0.5, 1.0), "y": site(0.5, 1.0)}, {"a": (0.5, 0.07), "b": (1.0, 0.07)})
    assert {term.explanation for term in found.terms} == {"the stages agree"}


def test_each_reason_is_named_where_it_is_the_one() -> None:
    spread = stages({"x": site(0.0, 1.0, 0.05), "y": site(1.0, 1.0, 0.2)}, {"a": (1 / 17, 0.05), "b": (1.0, 0.05)})
    assert spread.terms[0].explanation.startswith("the coefficient differs between sites")
    tied = SiteModel(("a", "b"), np.array([0.5, 3.0]), np.array([[0.01, 0.008], [0.008, 0.01]]))
    loose = SiteModel(("a", "b"), np.array([0.5, -3.0]), 0.01 * np.eye(2))
    one = multivariate(("a", "b"), [tied, loose], 0.95)["a"]
    assert one is not None
    others = stages({"x": tied, "y": loose}, {"a": (one.estimate, one.se), "b": (0.0, 0.1)}).terms[0]
    assert others.explanation.startswith("one stage has one coefficient of each other term")
    sparse = stages({"x": site(0.5, 1.0), "y": site(0.5, 1.0)}, {"a": (0.3, 0.07), "b": (1.0, 0.07)}).terms[0]
    assert sparse.explanation.startswith("sites are small or sparse")


def test_a_site_in_one_stage_alone_is_named_where_it_may_be_the_reason() -> None:
    models = {"x": site(0.5, 1.0), "y": site(0.5, 1.0)}
    found = stages(models, {"a": (0.3, 0.07), "b": (1.0, 0.07)}, absent=("zurich",))
    assert found.terms[0].explanation.startswith("without an estimate of their own, in one stage alone: zurich")
    assert found.terms[1].explanation == "the stages agree"
    assert found.absent == ("zurich",)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (SiteModel(("a",), np.array([0.5]), np.array([[0.01]])), "y has no estimate of b"),
        (SiteModel(("a", "b"), np.array([0.5, 1.0]), np.ones((2, 2))), "the covariance of y is singular"),
    ],
)
def test_without_all_vectors_there_is_no_multivariate_effect_and_the_reason_is_said(
    odd: SiteModel, reason: str
) -> None:
    found = stages({"x": site(0.5, 1.0), "y": odd}, {"a": (0.5, 0.07), "b": (1.0, 0.07)})
    assert found.no_multivariate == reason
    assert found.terms[0].multivariate is None
    assert (found.terms[0].by_likelihood, found.terms[0].by_other_terms) == (None, None)
    assert found.terms[0].difference == pytest.approx(0.0)


def test_a_single_site_has_a_fixed_effect_to_compare() -> None:
    found = stages({"x": site(0.5, 1.0)}, {"a": (0.4, 0.1), "b": (1.0, 0.1)}, absent=("y", "z")).terms[0]
    assert (found.random, found.by_heterogeneity, found.tau2) == (None, None, None)
    assert found.difference == pytest.approx(1.0)
