"""Attacks that the gate stops. Each passes once the rule that stops it is taken out, so the attack is real.

``without`` replaces one rule by a function that finds nothing, in the running nodes and only there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hansa.embedded.local import LocalLeague, local
from hansa.errors import NotEstimable, Refused
from hansa.examples import heart, heart_dictionary
from hansa.model import Analysis, Party
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Request
from hansa.testing import WEIGHED, SyntheticCohorts, hub_run, submit_bytes, synthetic_cohorts, weighed_round

NODES = ("aachen", "bergen", "cadiz", "delft")
RULES: dict[str, tuple[str, Callable[..., object]]] = {
    "exposures": ("hansa.node.run.judge", lambda *_: ()),
    "history": ("hansa.node.comparisons.judge_differences", lambda *_: ()),
    "node sets": ("hansa.node.run.given_away", lambda *_, **__: frozenset()),
    "nodes": ("hansa.node.run.judge_nodes", lambda *_: ()),
    "parameters": ("hansa.node.run.judge_parameters", lambda *_: ()),
    "combinations": ("hansa.node.site.isolates_few", lambda *_: False),
    "site exposures": ("hansa.node.site.judge", lambda *_: ()),
}

Attack = Callable[[LocalLeague], object]


def without(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    monkeypatch.setattr(*RULES[rule])


def cohorts() -> SyntheticCohorts:
    return synthetic_cohorts().with_person("aachen", age=99, marker=321.5, sex="female", ill=True, smoking="none")


def league_of(found: SyntheticCohorts, **options: Any) -> LocalLeague:
    return local(found.frames, found.dictionary, **options)


def mean(league: Any, variable: str = "marker", **fields: Any) -> float:
    return float(league.describe([variable], **fields).plain["numeric"][0]["mean"])


def z(expression: str) -> dict[str, Any]:
    return {"z": {"expression": expression, "type": "number", "range": (0.0, 5000.0)}}


def refused(attack: Attack, league: LocalLeague) -> str:
    with pytest.raises(Refused) as caught:
        attack(league)
    return caught.value.reason


def _two_cases(league: LocalLeague) -> object:
    return mean(league, "z", derive=z("1 * (age > 90 or (age == 69 and marker > 240))"))


def _differ_by_one(league: LocalLeague) -> object:
    return mean(league), mean(league, population="age <= 90")


def _differ_by_one_backwards(league: LocalLeague) -> object:
    return mean(league, population="age <= 90"), mean(league)


def _two_requesters(league: LocalLeague) -> object:
    friend = league.asking(requester=Party(name="a friend", owner="itself"))
    return mean(league), mean(friend, population="age <= 90")


def _another_id(league: LocalLeague) -> object:
    return mean(league), mean(league, population="age <= 90 and age > 0", complete=("pressure",))


def _derived_columns(league: LocalLeague) -> object:
    return [mean(league, "z", derive=z(text)) for text in ("marker * (age > 50)", "marker * (age > 50 and age <= 90)")]


SINGLED_OUT: dict[str, tuple[str, Attack]] = {
    "the mean of a 0/1 variable with few cases": ("exposures history", _two_cases),
    "an indicator of one person": ("exposures", lambda lg: mean(lg, "z", derive=z("1 * (age > 90)"))),
    "a population of one person": ("exposures", lambda lg: lg.flow(["age > 0"], population="age > 90")),
    "populations that differ by one": ("history", _differ_by_one),
    "populations that differ by one, smaller first": ("history", _differ_by_one_backwards),
    "populations that differ by one, two requesters": ("history", _two_requesters),
    "populations that differ by one, spelt otherwise": ("history", _another_id),
    "derived columns that differ by one": ("exposures history", _derived_columns),
}


@pytest.mark.parametrize("name", sorted(SINGLED_OUT))
def test_what_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(SINGLED_OUT[name][1], league_of(cohorts())) == "disclosure"


@pytest.mark.parametrize("name", sorted(SINGLED_OUT))
def test_what_singles_a_person_out_would_pass_without_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, attack = SINGLED_OUT[name]
    for rule in rules.split():
        without(monkeypatch, rule)
    if "exposures" in rules:
        without(monkeypatch, "nodes")
    assert attack(league_of(cohorts())) is not None


def test_without_the_history_the_difference_is_the_persons_value(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "history")
    league = league_of(cohorts())
    assert mean(league) * 400 - mean(league, population="age <= 90") * 399 == pytest.approx(321.5)


# --- models ------------------------------------------------------------------------------------------------------


def few_women() -> SyntheticCohorts:
    found = synthetic_cohorts(seed=3)
    frames = {node: frame.assign(sex="male") for node, frame in found.frames.items()}
    frames["aachen"].loc[:5, "sex"] = "female"
    return SyntheticCohorts(frames, found.dictionary)


def _model(formula: str, **fields: Any) -> Attack:
    return lambda league: league.glm(formula, **fields).plain


MODELS: dict[str, tuple[str, Attack]] = {
    "I(age > 80)": ("exposures", _model("marker ~ I(age > 80)")),
    "I(age > 80) beside age": ("exposures", _model("marker ~ age + I(age > 80)")),
    "an offset that singles a person out": ("exposures", _model("marker ~ pressure + offset(1000 * (age > 90))")),
    "a derived covariate": ("exposures", _model("marker ~ pressure + z", derive=z("1 * (age > 90)"))),
    "a derived weight": (
        "exposures",
        _model("marker ~ pressure", weights="z", derive=z("1 + 4999 * (age > 90)")),
    ),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_that_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(MODELS[name][1], league_of(cohorts())) == "disclosure"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_that_singles_a_person_out_would_pass_without_its_rule(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, attack = MODELS[name]
    without(monkeypatch, rule)
    without(monkeypatch, "nodes")
    try:
        assert attack(league_of(cohorts())) is not None
    except NotEstimable:
        return  # it went through the gate, and the algebra had its own objection


def test_six_women_at_one_node_are_too_few_for_an_interaction_with_age() -> None:
    assert refused(_model("marker ~ age * sex"), league_of(few_women())) == "disclosure"


def test_six_women_at_one_node_would_pass_if_nodes_were_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "nodes")
    assert _model("marker ~ age * sex")(league_of(few_women())) is not None


# --- chosen inputs -----------------------------------------------------------------------------------------------


@pytest.fixture
def weighing(monkeypatch: pytest.MonkeyPatch) -> LocalLeague:
    monkeypatch.setattr("hansa.embedded.local.catalogue", lambda: {**catalogue(), "weighed": WEIGHED})
    return league_of(cohorts())


def _chosen_beta(league: LocalLeague) -> object:
    study = league.study({"q": Analysis(method="weighed", arguments={"variables": ["age", "marker"]})})
    league.submit(study)
    run, question = hub_run(league, study, "q", methods={"weighed": WEIGHED})
    return weighed_round(run, question, beta=[50.0, 0.0], intercept=-50.0 * 95)[1]


def test_a_chosen_beta_that_only_one_person_passes_is_refused(weighing: LocalLeague) -> None:
    assert refused(_chosen_beta, weighing) == "disclosure"


def test_a_chosen_beta_would_give_the_persons_value(weighing: LocalLeague, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "exposures")
    assert _chosen_beta(weighing) == pytest.approx(321.5)


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_inputs_that_overflow_a_share_are_one_more_disclosure(value: float) -> None:
    league = league_of(cohorts())
    study = league.study({"q": Analysis(method="describe", arguments={"variables": ["marker"]})})
    league.submit(study)
    run, question = hub_run(league, study, "q")
    step = next(step for step in question.method.steps if step.name == "describe.sums")
    arguments = {"variables": ["marker"], "by": None, "ranks": 10}
    with pytest.raises(Refused) as caught:
        run.sum(step, Request(arguments), {"centre": np.zeros(1), "scale": np.array([value])})
    assert caught.value.reason == "disclosure"


# --- node sets -----------------------------------------------------------------------------------------------------


def closed() -> dict[str, dict[str, Any]]:
    rules = [{"rule": "caller_owns_data"}]
    return {node: {"name": "p", "version": "1", "node": node, "rules": rules, "alone_ok": False} for node in NODES}


def _node_sets(league: LocalLeague) -> tuple[float, float]:
    return mean(league), mean(league, nodes=NODES[1:])


def test_node_sets_that_differ_by_one_are_refused_where_that_node_does_not_agree() -> None:
    league = league_of(cohorts(), policy=closed())
    with pytest.raises(Refused):
        _node_sets(league)


def test_node_sets_that_differ_by_one_in_the_other_order_are_refused() -> None:
    league = league_of(cohorts(), policy=closed())
    mean(league, nodes=NODES[1:])
    with pytest.raises(Refused):
        mean(league)


def test_node_sets_that_differ_by_one_would_give_the_share_away(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "node sets")
    monkeypatch.setattr("hansa.hub.rounds.given_away", RULES["node sets"][1])
    league = league_of(cohorts(), policy=closed())
    everybody, others = _node_sets(league)
    share = everybody * 400 - others * 300
    assert share == pytest.approx(cohorts().frames["aachen"]["marker"].sum())


def test_a_node_that_agrees_may_be_left_out() -> None:
    assert _node_sets(league_of(cohorts())) is not None


# --- site releases ---------------------------------------------------------------------------------------------------


def _releases(league: LocalLeague, *populations: str) -> list[dict[str, str]]:
    found = []
    for population in populations:
        asked = Analysis(method="describe", arguments={"variables": ["marker"]}, population=population, sites=True)
        study = league.study({"q": asked})
        league.submit(study)
        answers = league.hub.sites(study.id, "q").result
        found.append({answer.node: answer.refused for answer in answers})
    return found


PARTS = ("age <= 50", "age > 50 and age <= 90", "")


def test_releases_whose_combination_is_one_person_are_refused_at_that_site_only() -> None:
    last = _releases(league_of(cohorts()), *PARTS)[-1]
    assert last == {"aachen": "disclosure", "bergen": "", "cadiz": "", "delft": ""}


def test_releases_that_combine_would_pass_without_the_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "combinations")
    assert _releases(league_of(cohorts()), *PARTS)[-1]["aachen"] == ""


def seven_old() -> SyntheticCohorts:
    found = synthetic_cohorts()
    frames = {node: frame.assign(age=[80] * 7 + list(frame["age"][7:])) for node, frame in found.frames.items()}
    return SyntheticCohorts(frames, found.dictionary)


def test_a_release_of_seven_people_is_refused_and_would_pass_without_its_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert set(_releases(league_of(seven_old()), "age > 75")[0].values()) == {"disclosure"}
    without(monkeypatch, "site exposures")
    without(monkeypatch, "combinations")
    assert set(_releases(league_of(seven_old()), "age > 75")[0].values()) == {""}


# --- restarts, people ------------------------------------------------------------------------------------------------


def test_history_survives_a_restart(tmp_path: Path) -> None:
    mean(league_of(cohorts(), store=tmp_path))
    assert refused(lambda lg: mean(lg, population="age <= 90"), league_of(cohorts(), store=tmp_path)) == "disclosure"


def test_without_a_kept_store_a_new_league_has_no_history() -> None:
    mean(league_of(cohorts()))
    assert mean(league_of(cohorts()), population="age <= 90") > 0


def many_rows() -> SyntheticCohorts:
    found = synthetic_cohorts(dict.fromkeys(NODES, 40), rows_per_person=1)
    frames = {}
    for node, frame in found.frames.items():
        named = frame.assign(person=[f"{node}-{row}" for row in range(len(frame))], sex="male")
        frames[node] = named.loc[named.index.repeat([50, *[1] * 39])].reset_index(drop=True)
        frames[node].loc[:49, "sex"] = "female"
    dictionary = found.dictionary.model_copy(update={"person": "person", "one_row_per_person": False})
    return SyntheticCohorts(frames, dictionary)


def test_one_woman_with_fifty_rows_is_no_group() -> None:
    assert refused(_model("marker ~ sex"), league_of(many_rows())) == "disclosure"


def test_fifty_rows_would_be_a_group_if_rows_were_people() -> None:
    found = many_rows()
    by_row = found.dictionary.model_copy(update={"person": None, "one_row_per_person": True})
    frames = {node: frame.drop(columns="person") for node, frame in found.frames.items()}
    assert _model("marker ~ sex")(local(frames, by_row)) is not None


# --- what a refusal says ------------------------------------------------------------------------------


def test_all_refusals_for_disclosure_read_the_same_and_name_nothing() -> None:
    said = set()
    for _, attack in [*SINGLED_OUT.values(), *MODELS.values()]:
        with pytest.raises(Refused) as caught:
            attack(league_of(cohorts()))
        said.add((str(caught.value), caught.value.reason, tuple(caught.value.to_dict().values())))
    ((text, _, _),) = said
    assert not any(character.isdigit() for character in text)
    assert not any(word in text for word in (*NODES, "cell", "group", "history", "marker", "age"))


def test_the_steward_sees_what_the_outside_does_not() -> None:
    league = league_of(cohorts())
    refused(_differ_by_one, league)
    for node in league.nodes.values():
        refusals = [detail for _, event, _, detail in node.context.store.events() if event == "refused"]
        assert any("differing at history" in detail for detail in refusals)


def test_a_refused_question_leaves_nothing_and_costs_nothing() -> None:
    league = league_of(cohorts())
    study = league.study({"q": Analysis(method="glm", arguments={"formula": "marker ~ I(age > 80)"})})
    league.hub.submit(submit_bytes(league, study))
    with pytest.raises(Refused):
        league.hub.run(study.id, "q")
    for node in league.nodes.values():
        kept = node.context.store.study(study.id)
        assert kept is not None
        assert not any("irls" in entry.step for entry in node.context.store.ledger())


# --- honest work ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hospitals() -> LocalLeague:
    return local(heart(), heart_dictionary())


def test_a_table_of_all_and_a_model_of_the_complete_both_pass(hospitals: LocalLeague) -> None:
    table = hospitals.table1(["age", "sex", "resting_bp"], by="disease").plain
    assert sum(table["sizes"][1:]) == 920
    fit = hospitals.glm("disease ~ age + sex + resting_bp", family="binomial").plain
    assert fit["n"] == 860


def test_three_missing_values_lead_to_one_analysis_set_which_works() -> None:
    found = synthetic_cohorts(seed=2)
    found.frames["bergen"].loc[:2, "pressure"] = np.nan
    league = league_of(found)
    league.glm("marker ~ age")
    with pytest.raises(Refused) as caught:
        league.glm("marker ~ age + pressure")
    assert "fix one analysis set" in caught.value.fix
    fresh = league_of(found)
    assert fresh.glm("marker ~ age", complete=("pressure",)).plain["n"] == 397
    assert fresh.glm("marker ~ age + pressure").plain["n"] == 397
