"""An arm that few nodes hold is these nodes' own release: what they allow, what is judged, what is remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_node_gate import Attack, refused, without

from hansa.embedded.local import LocalLeague, local
from hansa.errors import HansaError, Refused
from hansa.governance import owner_policy
from hansa.model import Analysis
from hansa.node.views import steward_view
from hansa.stats.contract import Request
from hansa.testing import hub_run, synthetic_cohorts

NODES = ("aachen", "bergen", "cadiz", "delft", "evora")


def league(*silent: str, trials: int = 1, nodes: int = 5, few: int = 0, strays: int = 0) -> LocalLeague:
    """The first ``trials`` nodes treat everybody, the others nobody; ``silent`` ones are not told of alone.

    ``strays`` people of the second and third node are treated as well. One person is 99. ``few`` of the first node's
    people do not smoke, are not kept, and are men without a pair; at the second ten are not kept.
    """
    frames: dict[str, pd.DataFrame] = {}
    cohorts = synthetic_cohorts(dict.fromkeys(NODES[:nodes], 100)).with_person(
        "aachen", age=99, marker=321.5, ill=True, smoking="none"
    )
    for place, (node, frame) in enumerate(cohorts.frames.items()):
        random = np.random.default_rng([11, place])
        number = np.arange(len(frame))
        paired = _without_pairs(frame["sex"] == "male", few) if place == 0 else random.random(len(frame)) < 0.5
        smokes = number >= few if place == 0 else random.random(len(frame)) < 0.5
        frames[node] = frame.drop(columns=["pressure", "smoking"]).assign(
            given=(place < trials) | ((place in (1, 2)) & (number < strays)),
            level=np.where(place == 0, number < few, random.random(len(frame)) < 0.5) * 0.5 + 1.0,
            time=random.integers(1, 400, len(frame)),
            smokes=smokes,
            paired=paired,
            rare=_rare(frame["ill"].astype(bool), place),
            kept=number >= (few if place == 0 else 10 * (place == 1)),
        )
    policies = {node: owner_policy(node).model_copy(update={"alone_ok": node not in silent}) for node in frames}
    return local(frames, policy=policies)


def _without_pairs(men: pd.Series, few: int) -> pd.Series:
    """All but a few men and twenty women have a pair."""
    return ~((men & (men.cumsum() <= few)) | (~men & ((~men).cumsum() <= 20)))


def _rare(ill: pd.Series, place: int) -> pd.Series:
    """Twenty people at each node, of whom three over the league have the event."""
    return (~ill & ((~ill).cumsum() <= 20)) | (ill & (ill.cumsum() <= 1) & (place in (1, 2, 3)))


def arm(adjust: str = "age", survival: str = "Surv(time, ill)", treatment: str = "given", **fields: Any) -> Attack:
    return lambda lg: lg.control_arm(survival, treatment, adjust, **fields).plain


def reasons(lg: LocalLeague, node: str) -> str:
    return str(steward_view(lg.nodes[node].context).refusals)


def test_a_trial_node_that_allows_it_is_compared_and_notes_what_it_gave_of_itself() -> None:
    lg = league()
    assert arm()(lg) is not None
    noted = {name: [entry.array for entry in node.context.store.ledger()] for name, node in lg.nodes.items()}
    assert "sums of an arm that few nodes hold" in noted["aachen"]
    assert all("sums of an arm that few nodes hold" not in noted[name] for name in NODES[1:])
    (roster,) = {population.roster for population in lg.nodes["aachen"].context.store.populations(release=True)}
    assert roster == {"aachen"}


def test_a_trial_node_that_does_not_allow_it_is_not_told_of_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lg = league("aachen")
    assert refused(arm(), lg) == "disclosure"
    assert "alone" in reasons(lg, "aachen")
    monkeypatch.setattr("hansa.node.run.is_own_release", lambda *_: False)
    assert arm()(league("aachen")) is not None


def test_control_nodes_need_no_such_permission_where_they_are_enough() -> None:
    assert arm()(league(*NODES[1:])) is not None


@pytest.mark.parametrize("silent", ["bergen", "cadiz"])
def test_two_control_nodes_could_each_take_its_own_away_and_must_agree(silent: str) -> None:
    lg = league(silent, nodes=3)
    assert refused(arm(), lg) == "disclosure"
    assert "alone" in reasons(lg, silent)
    assert arm()(league(nodes=3)) is not None


def test_a_few_treated_elsewhere_do_not_hide_the_trial_node() -> None:
    lg = league("aachen", strays=6)
    assert refused(arm(), lg) == "disclosure"
    assert "alone" in reasons(lg, "aachen")


def test_its_own_people_are_judged_as_a_release_is(monkeypatch: pytest.MonkeyPatch) -> None:
    lg = league(few=3)
    assert refused(arm("age + smokes"), lg) == "disclosure"
    assert "lack this level" in reasons(lg, "aachen")
    assert arm("age + smokes")(league(few=30)) is not None
    monkeypatch.setattr("hansa.node.run.is_own_release", lambda *_: False)
    assert arm("age + smokes")(league(few=3)) is not None


def test_all_four_cells_of_two_levels_are_judged_at_the_trial_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough of its people are men, enough have no pair, and few are both."""
    lg = league(few=3)
    assert refused(arm("age + sex + paired"), lg) == "disclosure"
    assert "four cells" in reasons(lg, "aachen")
    monkeypatch.setattr("hansa.node.run.judge_alone", lambda *_: [])
    assert arm("age + sex + paired")(league(few=3)) is not None


def test_a_trial_less_three_of_its_people_is_refused_however_many_controls_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lg = league(few=3)
    assert arm()(lg) is not None
    assert refused(arm(population="kept"), lg) == "disclosure"
    assert "differ" in reasons(lg, "aachen")
    monkeypatch.setattr("hansa.node.run.is_own_release", lambda *_: False)
    unguarded = league(few=3)
    assert arm()(unguarded) is not None
    assert arm(population="kept")(unguarded) is not None


def test_a_trial_less_three_whom_an_earlier_release_had_is_refused() -> None:
    lg = league(few=3)
    assert "aachen" not in lg.sites("marker ~ age", population="kept").reasons
    assert refused(arm(), lg) == "disclosure"
    assert "differ" in reasons(lg, "aachen")


def test_two_requests_of_one_run_that_differ_by_three_of_the_trial_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _two_levels(league(few=30)) is not None
    with pytest.raises(Refused):
        _two_levels(league(few=3))
    monkeypatch.setattr("hansa.node.run.is_own_release", lambda *_: False)
    assert _two_levels(league(few=3)) is not None


def _two_levels(lg: LocalLeague) -> Any:
    """A hub that asks the propensity model's means with one derived level, then with another."""
    cuts = ("age > 40", "age > 40 and level < 1.25")
    terms = " + ".join(f"I({cut})" for cut in cuts)
    asked = {"survival": "Surv(time, ill)", "treatment": "given", "adjust": terms}
    study = lg.study({"q": Analysis(method="control_arm", arguments=asked)})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    (step,) = [one for one in question.method.steps if one.name == "glm.means"]
    facts = {f"levels({name})": {"present": [True, True]} for name in ("given", *cuts)}
    logistic = {"family": "binomial", "link": "logit", "response_scale": 1.0, "weights": None, "facts": facts}
    requests = [Request({**logistic, "formula": f"given ~ I({cut})", "scale": [1.0, 1.0]}) for cut in cuts]
    return [run.sum(step, request, {}) for request in requests]


def test_a_release_of_the_trial_node_is_compared_with_the_arm_that_was_told() -> None:
    lg = league(few=3)
    assert arm()(lg) is not None
    assert "aachen" in lg.sites("marker ~ age", population="kept").reasons
    assert "aachen" not in league(few=3).sites("marker ~ age", population="kept").reasons


def derived(expression: str) -> dict[str, Any]:
    return {"z": {"expression": expression, "type": "boolean"}}


ATTACKS: dict[str, tuple[str, Attack]] = {
    "one person treated": ("exposures history", arm(treatment="z", derive=derived("age > 90"))),
    "one person with the event": ("exposures history", arm("marker", "Surv(time, z)", derive=derived("age > 90"))),
    "a term of one person": ("exposures history", arm("age + I(age > 90)")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_analysis_that_singles_a_person_out_is_refused(name: str) -> None:
    assert refused(ATTACKS[name][1], league()) == "disclosure"


@pytest.mark.parametrize("name", ATTACKS)
def test_it_would_pass_without_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, attack = ATTACKS[name]
    for rule in (*rules.split(), "nodes"):
        without(monkeypatch, rule)
    monkeypatch.setattr("hansa.node.run.is_own_release", lambda *_: False)
    try:
        assert attack(league()) is not None
    except Refused:
        raise
    except HansaError:
        return  # it went through the gate, and the algebra had its own objection


def _posed(
    lg: LocalLeague,
    step: str,
    inputs: dict[str, Any],
    *,
    treatment: str = "given",
    term: str = "smokes",
    **outcome: str,
) -> Any:
    """A hub that asks a step of an honest study with inputs, or a treatment, of its own."""
    asked = {"survival": "Surv(time, ill)", "treatment": "given", "adjust": f"age + {term}"}
    study = lg.study({"q": Analysis(method="control_arm", arguments=asked)})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    facts = {f"levels({name})": {"present": [True, True]} for name in ("given", term)}
    columns = {**outcome, "scale": [1.0, 0.03125, 1.0, 0.03125, 1.0], "time_scale": 0.001953125, "facts": facts}
    other = term if treatment == "given" else "given"
    logistic = {"family": "binomial", "link": "logit", "response_scale": 1.0, "response_centre": 0.0}
    score = {"formula": f"{treatment} ~ age + {other}", "scale": [1.0, 0.03125, 1.0], "centre": [0.0, 50.0, 0.0]}
    arguments = {
        "survival": "Surv(time, ill)",
        "propensity": {**logistic, **score, "facts": facts, "weights": None, "node": "common", "mix": None},
        "outcome": columns,
        "estimand": "ATT",
        "grid": 1.0,
        "times": 512,
    }
    steps = {one.name: one for one in question.method.steps}
    arrays = {"alpha": np.array([0.0, 0.1, 0.0]), **inputs}
    return run.sum(steps[step], Request(arguments), arrays)


def _functions(value: float, time: slice) -> dict[str, Any]:
    """Influences of those only who leave in a span of time."""
    own = np.zeros((3, 2, 512))
    own[:, :, time] = value
    return {"own": own, "passed": np.zeros_like(own)}


def test_influences_on_which_few_people_rest_are_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _posed(league(), "control_arm.equations", _functions(1.0, slice(0, 512))) is not None
    single = _functions(1.0, slice(100, 103))
    with pytest.raises(Refused):
        _posed(league(), "control_arm.equations", single)
    without(monkeypatch, "exposures")
    assert _posed(league(), "control_arm.equations", single) is not None


def test_weights_that_one_person_dominates_are_refused_and_would_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"alpha": np.array([-60.0, 48.0, 0.0])}
    with pytest.raises(Refused):
        _posed(league(trials=0), "control_arm.table", chosen)
    without(monkeypatch, "exposures")
    assert _posed(league(trials=0), "control_arm.table", chosen) is not None


def test_a_hub_that_takes_another_variable_for_the_treatment_meets_the_nodes_rule() -> None:
    """Then the arms are smokers and others, and the treatment is a level that each node must fill."""
    lg = league()
    with pytest.raises(Refused):
        _posed(lg, "control_arm.table", {}, treatment="smokes")
    assert "enough people in every level" in reasons(lg, "bergen")


def test_a_hub_cannot_leave_a_term_out_of_what_is_judged() -> None:
    assert _posed(league(), "control_arm.table", {}, formula="Surv(time, ill) ~ given * (age)") is not None
    for formula in ({}, {"formula": "Surv(time, ill) ~ given * (age)"}):
        with pytest.raises(Refused):
            _posed(league(), "control_arm.table", {}, term="rare", **formula)


def test_the_first_sums_of_the_arms_are_judged_too() -> None:
    """The propensity model's mean response is a sum over the treated, before anything else is asked."""
    lg = league("aachen")
    asked = {"survival": "Surv(time, ill)", "treatment": "given", "adjust": "age"}
    study = lg.study({"q": Analysis(method="control_arm", arguments=asked)})
    lg.submit(study)
    run, question = hub_run(lg, study, "q")
    steps = {one.name: one for one in question.method.steps}
    facts = {"levels(given)": {"present": [True, True]}}
    logistic = {"family": "binomial", "link": "logit", "response_scale": 1.0, "weights": None, "facts": facts}
    with pytest.raises(Refused):
        run.sum(steps["glm.means"], Request({**logistic, "formula": "given ~ age", "scale": [1.0, 0.03125]}), {})
    assert "alone" in reasons(lg, "aachen")
