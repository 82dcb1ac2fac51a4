"""The embedded federation answers as the pooled data would, whoever holds which rows, or it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.embedded.local import LocalLeague, local
from hansa.errors import Refused, StudyError
from hansa.examples import heart, heart_dictionary
from hansa.governance import everyone_consents, withdraw
from hansa.model import Analysis, Party
from hansa.testing import LEVELS, SyntheticCohorts, synthetic_cohorts

NODES = ("aachen", "bergen", "cadiz", "delft")


@pytest.fixture(scope="module")
def cohorts() -> SyntheticCohorts:
    return synthetic_cohorts(missing=0.1)


@pytest.fixture(scope="module")
def league(cohorts: SyntheticCohorts) -> LocalLeague:
    return local(cohorts.frames, cohorts.dictionary)


def policies(**fields: Any) -> dict[str, dict[str, Any]]:
    return {
        node: {"name": "p", "version": "1", "node": node, "rules": [{"rule": "caller_owns_data"}], **fields}
        for node in NODES
    }


def plain(view: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(view.plain)
    return found


# --- federated = pooled ---------------------------------------------------------------------------------------


def test_moments_are_the_pooled_ones(league: LocalLeague, cohorts: SyntheticCohorts) -> None:
    for found in plain(league.describe(["age", "marker", "pressure"]))["numeric"]:
        column = cohorts.pooled[found["variable"]].dropna()
        assert found["n"] == len(column)
        assert found["mean"] == pytest.approx(column.mean(), rel=1e-14)
        assert found["sd"] == pytest.approx(column.std(), rel=1e-12)


def test_counts_are_the_pooled_ones(league: LocalLeague, cohorts: SyntheticCohorts) -> None:
    (found,) = plain(league.describe(["smoking"]))["categorical"]
    assert found["counts"] == [int((cohorts.pooled["smoking"] == level).sum()) for level in LEVELS]


def test_correlations_are_the_pooled_ones(league: LocalLeague, cohorts: SyntheticCohorts) -> None:
    names = ["marker", "pressure"]
    found = plain(league.correlation(names))
    rows = cohorts.pooled[names].dropna()
    assert found["n"] == len(rows)
    assert found["r"][0][1] == pytest.approx(rows.corr().iloc[0, 1], abs=1e-13)


def test_a_linear_model_is_the_pooled_one(league: LocalLeague, cohorts: SyntheticCohorts) -> None:
    rows = cohorts.pooled[["age", "marker", "pressure"]].dropna()
    x = np.column_stack([np.ones(len(rows)), rows["age"], rows["pressure"]])
    expected = np.linalg.lstsq(x, rows["marker"], rcond=None)[0]
    found = league.glm("marker ~ age + pressure").summary["coef"].to_numpy()
    assert found == pytest.approx(expected, rel=1e-9)


@settings(max_examples=12)
@given(st.lists(st.integers(0, 3), min_size=120, max_size=120), st.integers(0, 2**16))
def test_any_split_gives_the_pooled_mean_or_a_refusal(places: list[int], seed: int) -> None:
    people = synthetic_cohorts({"all": 120}, seed=seed).frames["all"]
    split = {node: people[np.array(places) == i].reset_index(drop=True) for i, node in enumerate(NODES)}
    league = local(split, synthetic_cohorts().dictionary)
    try:
        (found,) = plain(league.describe(["marker"]))["numeric"]
    except Refused:
        assert sum(len(frame) >= 10 for frame in split.values()) < 3, "three nodes with a group are enough"
        return
    assert found["n"] == 120
    assert found["mean"] == pytest.approx(people["marker"].mean(), rel=1e-13)
    assert found["sd"] == pytest.approx(people["marker"].std(), rel=1e-11)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_extreme_scales_lose_no_digits(scale: float) -> None:
    found = synthetic_cohorts(scale=scale)
    (summary,) = plain(local(found.frames, found.dictionary).describe(["marker"]))["numeric"]
    assert summary["mean"] == pytest.approx(found.pooled["marker"].mean(), rel=1e-13)
    assert summary["sd"] == pytest.approx(found.pooled["marker"].std(), rel=1e-11)


def test_the_result_does_not_depend_on_the_order_or_the_names_of_the_nodes(cohorts: SyntheticCohorts) -> None:
    frames = list(cohorts.frames.values())
    answers = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        renamed = {f"n{place}": frames[i] for place, i in enumerate(order)}
        moved = local(renamed, cohorts.dictionary)
        fit = moved.glm("ill ~ age + marker", family="binomial").summary["coef"].to_numpy()
        answers.append((plain(moved.correlation(["age", "marker"]))["r"], fit.tolist()))
    assert answers[0] == answers[1], "bit for bit"


def test_a_node_with_nobody_adds_nothing(cohorts: SyntheticCohorts) -> None:
    empty = {**cohorts.frames, "empty": cohorts.frames["aachen"].iloc[:0]}
    found = plain(local(empty, cohorts.dictionary).correlation(["age", "marker"]))
    assert found["n"] == len(cohorts.pooled["marker"].dropna())


def test_one_person_in_many_rows_counts_once() -> None:
    many = synthetic_cohorts(rows_per_person=5)
    league = local(many.frames, many.dictionary)
    with pytest.raises(StudyError):
        league.describe(["marker"])
    node = league.nodes["aachen"]
    league.glm("marker ~ age")
    (first, *_) = node.context.store.populations(release=False)
    assert len(first.people) == 100


def test_many_rows_of_few_people_are_few_people() -> None:
    few = synthetic_cohorts(dict.fromkeys(NODES, 3), rows_per_person=50)
    with pytest.raises(Refused) as caught:
        local(few.frames, few.dictionary).glm("marker ~ age")
    assert caught.value.reason == "disclosure"


# --- leagues and nodes ---------------------------------------------------------------------------------------


def test_two_cohorts_are_no_league(cohorts: SyntheticCohorts) -> None:
    with pytest.raises(StudyError, match="too few"):
        local({node: cohorts.frames[node] for node in NODES[:2]}, cohorts.dictionary)


def test_a_question_to_two_nodes_is_refused(league: LocalLeague) -> None:
    with pytest.raises(Refused):
        league.describe(["age"], nodes=NODES[:2])


def test_a_studys_own_minimum_of_nodes_holds(cohorts: SyntheticCohorts) -> None:
    league = local(cohorts.frames, cohorts.dictionary)
    with pytest.raises(Refused):
        league.asking(min_nodes=4).describe(["age"], nodes=NODES[:3])


# --- policies ------------------------------------------------------------------------------------------------


def test_an_insurer_is_refused_where_policies_say_so(cohorts: SyntheticCohorts) -> None:
    rules = [{"rule": "forbidden_requesters", "kinds": ["insurer"]}]
    strict = policies(rules=rules)
    insurer = Party(name="insurer", kind="insurer", owner="itself", owner_kind="insurer")
    league = local(cohorts.frames, cohorts.dictionary, strict, requester=insurer)
    submitted = league.submit(league.study({"q": Analysis(method="describe", arguments={"variables": ["age"]})}))
    assert {decision.verdict for decision in submitted.decisions.values()} == {"deny"}
    with pytest.raises(Refused, match="too few cohorts"):
        submitted.run("q")
    assert not any(node.context.store.ledger() for node in league.nodes.values())


def test_who_did_not_say_what_they_are_is_not_permitted(cohorts: SyntheticCohorts) -> None:
    rules = [{"rule": "forbidden_requesters", "kinds": ["insurer"]}]
    league = local(cohorts.frames, cohorts.dictionary, policies(rules=rules), requester=Party(name="nobody"))
    submitted = league.submit(league.study({"q": Analysis(method="describe", arguments={"variables": ["age"]})}))
    assert "permit" not in {decision.verdict for decision in submitted.decisions.values()}


def test_one_node_that_says_no_does_not_fail_the_study(cohorts: SyntheticCohorts) -> None:
    mixed = policies()
    mixed["delft"]["rules"] = [{"rule": "human_review", "reason": "the committee reads every study"}]
    league = local(cohorts.frames, cohorts.dictionary, mixed)
    found = league.describe(["age"])
    assert found.provenance["nodes"] == list(NODES[:3])
    assert plain(found)["sizes"] == [300]
    assert not league.nodes["delft"].context.store.ledger()


def test_a_committees_yes_lets_a_referred_study_run(cohorts: SyntheticCohorts) -> None:
    asked = policies(rules=[{"rule": "human_review", "reason": "the committee reads every study"}])
    league = local(cohorts.frames, cohorts.dictionary, asked)
    submitted = league.submit(league.study({"q": Analysis(method="describe", arguments={"variables": ["age"]})}))
    assert {decision.verdict for decision in submitted.decisions.values()} == {"refer"}
    for node in league.nodes.values():
        node.approve(submitted.study.id, by="committee")
        stored = node.context.store.study(submitted.study.id)
        assert stored is not None
        assert stored.permit is not None
    assert plain(submitted.run("q"))["sizes"] == [400]


# --- consent, ledger, budget ---------------------------------------------------------------------------------


def test_only_people_who_consent_are_used(cohorts: SyntheticCohorts) -> None:
    consent = {node: everyone_consents(range(100)) for node in NODES}
    consent["aachen"] = withdraw(consent["aachen"], range(30))
    found = plain(local(cohorts.frames, cohorts.dictionary, consent=consent).describe(["age"]))
    pooled = pd.concat([cohorts.frames["aachen"][30:], *(cohorts.frames[node] for node in NODES[1:])])
    assert found["numeric"][0]["n"] == 370
    assert found["numeric"][0]["mean"] == pytest.approx(pooled["age"].mean(), rel=1e-14)


def test_who_withdraws_is_in_no_later_answer(cohorts: SyntheticCohorts) -> None:
    league = local(cohorts.frames, cohorts.dictionary)
    league.correlation(["age", "marker"])
    node = league.nodes["aachen"]
    node.change_consent(withdraw(node.context.consent, [7]))
    league.flow(["known: age"])
    study = node.context.store.studies()[-1]
    assert study
    epochs = node.context.store.epochs("DUO:0000042")
    assert len(epochs) == 2
    assert 7 not in epochs[-1].people
    assert len(epochs[0].people - epochs[-1].people) >= 10


def test_the_ledger_lists_every_array_that_left(cohorts: SyntheticCohorts) -> None:
    league = local(cohorts.frames, cohorts.dictionary)
    view = league.correlation(["age", "marker"])
    for node in league.nodes.values():
        entries = node.context.store.ledger()
        arrays = {(entry.step, entry.array) for entry in entries}
        assert arrays == {
            ("correlation.sums", "tally of people"),
            ("correlation.products", "tally of people"),
            ("correlation.sums", "n"),
            ("correlation.sums", "first"),
            ("correlation.products", "first"),
            ("correlation.products", "products"),
        }
        assert {entry.run for entry in entries} == {view.provenance["run"]}
        assert len({entry.round for entry in entries}) == view.provenance["requests"]
        assert all(entry.bytes == 16 * int(np.prod([int(s) for s in entry.shape.split("x")])) for entry in entries)


def test_an_identical_question_is_charged_once(cohorts: SyntheticCohorts) -> None:
    league = local(cohorts.frames, cohorts.dictionary)
    first = league.correlation(["age", "marker"])
    second = league.correlation(["age", "marker"])
    assert first.plain == second.plain
    store = league.nodes["aachen"].context.store
    used = [kept.rounds_used for kept in map(store.study, store.studies()) if kept is not None]
    assert used == [first.provenance["requests"], 0]


def test_an_exhausted_budget_says_so(cohorts: SyntheticCohorts) -> None:
    league = local(cohorts.frames, cohorts.dictionary, policies(rounds=1))
    with pytest.raises(Refused) as caught:
        league.describe(["marker"])
    assert caught.value.reason == "budget"


def test_a_wrong_variable_says_which(league: LocalLeague) -> None:
    with pytest.raises(StudyError, match="markr") as caught:
        league.describe(["markr"])
    assert "marker" in str(caught.value)


# --- heart ---------------------------------------------------------------------------------------------------


def test_the_heart_data_answer_like_one_table() -> None:
    league = local(heart(), heart_dictionary())
    pooled = pd.concat([pd.read_csv(path) for path in heart().values()])
    found = plain(league.crosstab("sex", "disease"))
    assert sum(sum(row) for row in found["counts"]) == len(pooled) == 920
