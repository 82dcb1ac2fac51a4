"""Attacks by mixed models. Each is refused, and passes once the rule that stops it is taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_node_gate import refused, without

from hansa.embedded.local import LocalLeague, local
from hansa.errors import HansaError, NotEstimable, Refused, StudyError
from hansa.model import Analysis, Dictionary, Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Request, Totals
from hansa.testing import hub_run

NODES = ("aachen", "bergen", "cadiz")
PEOPLE, VISITS = 40, 5

DICTIONARY = Dictionary(
    title="Visits",
    person="person",
    one_row_per_person=False,
    variables=(
        Variable(name="y", type="number", range=(-100, 100)),
        Variable(name="x", type="number", range=(-8, 8)),
        Variable(name="clinic", type="integer", range=(0, 100)),
        Variable(name="age", type="integer", range=(18, 110)),
    ),
)


def visits(place: int) -> pd.DataFrame:
    """Forty people of five visits, of whom four share a clinic."""
    random = np.random.default_rng([9, place])
    person = np.repeat(np.arange(PEOPLE), VISITS)
    x = random.normal(size=len(person))
    own = random.normal(0, 2, PEOPLE)[person]
    table = {"person": [f"{place}-{one}" for one in person], "clinic": person // 4}
    age = random.integers(40, 80, PEOPLE)[person]
    return pd.DataFrame({**table, "x": x, "age": age, "y": 3 + x + own + random.normal(size=len(person))})


def league(first: pd.DataFrame | None = None) -> LocalLeague:
    """Three nodes; ``first`` takes the place of the first one's rows."""
    frames = {name: visits(place) for place, name in enumerate(NODES)}
    return local(frames if first is None else {**frames, NODES[0]: first}, DICTIONARY)


def one_who_came_often(times: int = 40) -> pd.DataFrame:
    """The first node's people, of whom the first came so many times."""
    table = visits(0)
    extra = table.iloc[[0] * (times - VISITS)].assign(x=0.5, y=7.0)
    return pd.concat([table, extra], ignore_index=True)


def one_who_changes() -> pd.DataFrame:
    """The first node's people, of whom one alone changes ``x`` from visit to visit."""
    return one_x_each(visits(0)).assign(x=lambda table: table["x"] + (table.index < VISITS) * np.arange(len(table)) % 3)


def one_x_each(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(x=table.groupby("person")["x"].transform("first"))


def posed(
    lg: LocalLeague, *factors: list[list[float]], random: str = "(1 | person)", formula: str = "y ~ x + (1 | person)"
) -> list[Totals]:
    """A hub that asks an honest study's steps with factors, and random effects, of its own."""
    study = lg.study({"q": Analysis(method="lmm", arguments={"formula": formula})})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    arguments: dict[str, Any] = {
        "formula": "y ~ x",
        "facts": {},
        "weights": None,
        "family": "gaussian",
        "link": "identity",
        "scale": [1.0, 1.0],
        "response_scale": 1.0,
        "centre": [0.0, 0.0],
        "response_centre": 0.0,
        "node": "common",
        "mix": None,
        "random": random,
    }
    steps = {one.name: one for one in question.method.steps}
    return [
        run.sum(steps["lmm.round"], Request(arguments), {"factor": np.array(factor, dtype=np.float64)})
        for factor in factors
    ]


def sums_by_size(found: list[Totals], variances: list[float], sizes: list[int]) -> FloatArray:
    """With a random intercept, W'V^-1 W is W'W less, for each size n of clusters, g / (1 + g n) times their s s'."""
    weights = np.array([[1.0, *(-g / (1 + g * n) for n in sizes)] for g in variances])
    moments = np.stack([one["moments"] for one in found])
    return np.asarray(np.linalg.solve(weights, moments.reshape(len(found), -1)).reshape(moments.shape))


def test_clusters_of_the_one_size_that_a_person_has_could_be_solved_for_and_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variances = [0.01, 0.2, 4.0]

    def attack(lg: LocalLeague) -> list[Totals]:
        return posed(lg, *([[np.sqrt(g)]] for g in variances))

    assert refused(attack, league(one_who_came_often())) == "disclosure"
    without(monkeypatch, "exposures")
    table = one_who_came_often()
    found = sums_by_size(attack(league(table)), variances, [VISITS, 40])
    person = table[table["person"] == "0-0"]
    assert np.sqrt(found[2][2, 2]) == pytest.approx(abs(person["y"].sum()), rel=1e-6)


def test_clusters_that_all_have_the_same_size_are_answered_at_any_honest_variance() -> None:
    found = posed(league(), [[0.0]], [[1e-6]], [[1.0]], [[100.0]])
    assert [float(one["invalid"]) for one in found] == [0, 0, 0, 0]
    assert all(float(one["moments"][2, 2]) > 0 for one in found)


WITHIN = [[1000.0, 0.0], [0.0, 0.0]]
"""Of a slope, what is left beside such variances between people is what changes within them."""


def people_who_keep_x() -> LocalLeague:
    frames = {name: one_x_each(visits(place)) for place, name in enumerate(NODES)}
    return local({**frames, NODES[0]: one_who_changes()}, DICTIONARY)


def slope_round(lg: LocalLeague, *factors: list[list[float]]) -> list[Totals]:
    return posed(lg, *factors, random="(1 + x | person)", formula="y ~ x + (x | person)")


def test_a_factor_under_which_one_person_makes_up_the_slope_is_refused_and_would_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert slope_round(people_who_keep_x(), [[1.0, 0.0], [0.0, 1.0]])
    assert refused(lambda lg: slope_round(lg, WITHIN), people_who_keep_x()) == "disclosure"
    without(monkeypatch, "exposures")
    (found,) = slope_round(people_who_keep_x(), WITHIN)
    table = one_who_changes()
    own = table["x"][table.index < VISITS]
    assert found["moments"][1, 1] == pytest.approx(((own - own.mean()) ** 2).sum(), rel=1e-3)


def test_a_clinic_of_two_people_is_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    table = visits(0)
    table.loc[table.index < 2 * VISITS, "clinic"] = 50

    def attack(lg: LocalLeague) -> object:
        return lg.lmm("y ~ x + (1 | clinic)").plain

    assert attack(league()) is not None
    assert refused(attack, league(table)) == "disclosure"
    without(monkeypatch, "exposures")
    assert attack(league(table)) is not None


def test_a_cluster_cut_to_one_person_is_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    table = visits(0)
    table.loc[table.index < VISITS, "age"] = 99
    derive = {"z": {"expression": "clinic + 60 * (age > 90)", "type": "number", "range": (0.0, 200.0)}}

    def attack(lg: LocalLeague) -> object:
        return lg.lmm("y ~ x + (1 | z)", derive=derive).plain

    assert refused(attack, league(table)) == "disclosure"
    for rule in ("exposures", "history", "nodes"):
        without(monkeypatch, rule)
    assert attack(league(table)) is not None


@pytest.mark.parametrize("random", ["(1 | clinic)", "(1 + age | person)", "(1 | nobody)", "1", ""])
def test_random_effects_that_the_study_does_not_have_are_refused(random: str) -> None:
    with pytest.raises(HansaError):
        posed(league(), [[1.0]], random=random)


@pytest.mark.parametrize("factor", [2e4, -1e9, 1e300])
def test_a_factor_beyond_all_reason_gives_nothing(factor: float) -> None:
    (found,) = posed(league(), [[factor]])
    assert not np.any(found["moments"])
    assert found["invalid"] == len(NODES)


def test_twelve_nodes_of_unlike_sizes_are_clusters_of_their_own() -> None:
    frames = {f"n{place:02}": visits(place).iloc[: (10 + 2 * place) * VISITS] for place in range(12)}
    shifted = {name: frame.assign(y=frame["y"] + 3 * (place % 4)) for place, (name, frame) in enumerate(frames.items())}
    found = local(shifted, DICTIONARY).lmm("y ~ x + (1 | node)").plain
    assert found["clusters"] == 12
    assert found["icc"] > 0.3


def test_few_clusters_or_nodes_are_refused_in_words() -> None:
    with pytest.raises(NotEstimable, match="fewer than 10 nodes"):
        league().lmm("y ~ x + (1 | node)")
    few = {name: visits(place).assign(clinic=lambda table: table["clinic"] // 5) for place, name in enumerate(NODES)}
    with pytest.raises(NotEstimable, match="fewer than 10 clusters"):
        local(few, DICTIONARY).lmm("y ~ x + (1 | clinic)")


def test_the_researcher_sees_nothing_of_a_cluster() -> None:
    plain = league().lmm("y ~ x + (1 | person)").plain
    numbers = [len(value) for value in plain.values() if isinstance(value, list)]
    assert max(numbers) <= 2
    assert plain["clusters"] == 120
    with pytest.raises((StudyError, Refused)):
        league().lmm("y ~ x + (1 | y2)")
