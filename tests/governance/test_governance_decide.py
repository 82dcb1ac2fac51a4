from __future__ import annotations

import random
from typing import Any

import pytest
from governance_cases import DEMO, INSURER, NODE_FACTS, NODES, TODAY, example, study
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import PolicyError
from hansa.governance import Policy, decide, owner_policy, read_policy
from hansa.model import Decision, Study

COUNTRIES = ("NL", "US", "CH", "CN")
KINDS = ("hospital", "company", "insurer")
OPTIONAL: dict[str, tuple[Any, ...]] = {
    "requester__kind": KINDS,
    "requester__seat": COUNTRIES,
    "requester__owner": ("itself", "Holding"),
    "requester__owner_kind": KINDS,
    "requester__owner_country": COUNTRIES,
    "purpose__disease": ("MONDO:0005010", "MONDO:0005148"),
    "purpose__commercial": (True, False),
    "places__computing": COUNTRIES,
    "places__results": (("NL",), ("NL", "US"), ("CN",)),
    "valid_until": ("2027-06-01", "2028-03-01", "2031-01-01"),
    "ethics_approval": ("METC 2027-001",),
    "collaboration_agreed": (True, False),
    "returns_results": (True, False),
}
STATED: dict[str, tuple[Any, ...]] = {
    "purpose__terms": ((), ("DUO:0000007",), ("DUO:0000006",), ("DUO:0000007", "DUO:0000033")),
    "purpose__uses": ((), ("underwriting",), ("teaching",), None),
    "variables": ((), ("age",), ("age", "sex")),
    "min_nodes": (2, 3),
}
FACTS: dict[str, tuple[Any, ...]] = {
    "consent.register": (True, False),
    "adequacy.confirmed": (("US",), ("CA",)),
    "publication.agreed": (True, False),
    "moratorium.accepted": (True, False),
    "institution.approved": (True, False),
}
PATHS = {path.replace("__", "."): path for path in OPTIONAL}

RULES: tuple[dict[str, Any], ...] = (
    {"rule": "purpose", "terms": ["DUO:0000006"]},
    {"rule": "purpose", "name": "disease", "terms": ["DUO:0000007"], "diseases": ["MONDO:0005010"]},
    {"rule": "data_use_modifiers", "terms": ["DUO:0000021", "DUO:0000020", "DUO:0000029"]},
    {"rule": "data_use_modifiers", "name": "users", "terms": ["DUO:0000018", "DUO:0000028"]},
    {"rule": "data_use_modifiers", "name": "region", "terms": ["DUO:0000022"], "countries": ["EU"]},
    {
        "rule": "data_use_modifiers",
        "name": "times",
        "terms": ["DUO:0000019", "DUO:0000024", "DUO:0000025"],
        "publish_from": "2028-01-01",
        "use_until": "2029-01-01",
    },
    {"rule": "forbidden_uses", "uses": ["underwriting"]},
    {"rule": "forbidden_requesters", "kinds": ["insurer"]},
    {"rule": "owner_known"},
    {"rule": "owner_known", "name": "owner_strict", "unknown": "deny"},
    {"rule": "seat_in", "countries": ["EEA", "EU_ADEQUATE"], "owner_too": True},
    {"rule": "computing_in", "countries": ["EEA", "EU_ADEQUATE"]},
    {"rule": "results_in", "countries": ["EEA", "EU_ADEQUATE"]},
    {"rule": "consent"},
    {"rule": "valid_between", "first": "2027-01-01", "last": "2027-12-31"},
    {"rule": "study_dates", "days": 400},
    {"rule": "min_nodes", "at_least": 3},
    {"rule": "variables_allowed", "variables": ["age"]},
    {"rule": "variables_forbidden", "variables": ["sex"]},
    {"rule": "human_review", "reason": "the committee asked for it"},
)


def policy(rules: list[dict[str, Any]]) -> Policy:
    return read_policy({"name": "p", "version": "1", "node": "n", "rules": rules})


def drawn(fields: dict[str, tuple[Any, ...]], missing: bool) -> st.SearchStrategy[dict[str, Any]]:
    # The first value is the good one; half of the draws take it, so that permits are not rare.
    none = (None,) if missing else ()
    return st.fixed_dictionaries(
        {name: st.one_of(st.just(values[0]), st.sampled_from(values + none)) for name, values in fields.items()}
    )


studies = st.builds(lambda a, b: study(**a, **b), drawn(OPTIONAL, True), drawn(STATED, False))
near_demo = st.builds(
    lambda changes: study(**changes),
    st.one_of(
        st.just({}),
        st.sampled_from([{path: value} for path, values in OPTIONAL.items() for value in values]),
    ),
)
node_facts = drawn(FACTS, True)
policies = st.lists(st.sampled_from(RULES), unique_by=lambda rule: rule.get("name", rule["rule"]), max_size=6).map(
    policy
)


def without(asked: Study, path: str) -> Study:
    *parents, last = path.split("__")
    plain = asked.model_dump()
    place = plain
    for part in parents:
        place = place[part]
    place[last] = None
    return Study.model_validate(plain)


EVERY_RULE = policy(list(RULES))


def deleting(name: str, asked: Study, facts: dict[str, Any]) -> Decision:
    asked_less = without(asked, PATHS[name]) if name in PATHS else asked
    return decide(EVERY_RULE, asked_less, TODAY, {key: value for key, value in facts.items() if key != name})


@given(policies, st.one_of(studies, near_demo), node_facts, st.sampled_from(sorted(OPTIONAL)))
def test_deleting_a_fact_of_the_study_never_turns_another_verdict_into_permit(
    rules: Policy, asked: Study, facts: dict[str, Any], path: str
) -> None:
    before = decide(rules, asked, TODAY, facts)
    after = decide(rules, without(asked, path), TODAY, facts)
    assert after.verdict != "permit" or before.verdict == "permit"


@given(policies, st.one_of(studies, near_demo), node_facts, st.sampled_from(sorted(FACTS)))
def test_dropping_a_fact_of_the_node_never_turns_another_verdict_into_permit(
    rules: Policy, asked: Study, facts: dict[str, Any], name: str
) -> None:
    before = decide(rules, asked, TODAY, facts)
    after = decide(rules, asked, TODAY, {key: value for key, value in facts.items() if key != name})
    assert after.verdict != "permit" or before.verdict == "permit"


@given(st.one_of(studies, near_demo), node_facts)
def test_no_rule_permits_because_a_fact_is_gone(asked: Study, facts: dict[str, Any]) -> None:
    before = decide(EVERY_RULE, asked, TODAY, facts)
    for name in [*PATHS, *FACTS]:
        after = deleting(name, asked, facts)
        for old, new in zip(before.findings, after.findings, strict=True):
            assert new.verdict != "permit" or old.verdict == "permit"


@given(st.one_of(studies, near_demo), node_facts)
def test_a_rule_that_permitted_because_of_a_fact_does_not_permit_without_it(
    asked: Study, facts: dict[str, Any]
) -> None:
    before = decide(EVERY_RULE, asked, TODAY, facts)
    for name in [*PATHS, *FACTS]:
        after = deleting(name, asked, facts)
        for old, new in zip(before.findings, after.findings, strict=True):
            if old.verdict == "permit" and name in old.facts_used:
                assert new.verdict != "permit"
                assert after.verdict != "permit"


@given(policies, st.one_of(studies, near_demo), node_facts, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter_and_each_answers_once(
    rules: Policy, asked: Study, facts: dict[str, Any], shuffler: random.Random
) -> None:
    shuffled = list(rules.rules)
    shuffler.shuffle(shuffled)
    one = decide(rules, asked, TODAY, facts)
    other = decide(rules.model_copy(update={"rules": tuple(shuffled)}), asked, TODAY, facts)
    assert one.verdict == other.verdict
    assert [finding.rule for finding in one.findings] == [rule.label for rule in rules.rules]
    assert {finding.rule: finding for finding in one.findings} == {finding.rule: finding for finding in other.findings}


def test_claiming_no_purpose_lists_or_variables_counts_as_missing() -> None:
    rules = policy([RULES[0], RULES[17]])
    assert decide(rules, study(variables=("age",)), TODAY).verdict == "permit"
    assert decide(rules, study(), TODAY).verdict == "refer"
    assert decide(rules, study(variables=("age",), purpose__terms=()), TODAY).verdict == "refer"


def test_a_policy_without_rules_refers() -> None:
    assert decide(policy([]), DEMO, TODAY).verdict == "refer"


def test_one_denial_outweighs_all_permits_and_referrals() -> None:
    rules = policy([RULES[0], {"rule": "human_review", "reason": "r"}, {"rule": "min_nodes", "at_least": 4}])
    assert [finding.verdict for finding in decide(rules, DEMO, TODAY).findings] == ["permit", "refer", "deny"]
    assert decide(rules, DEMO, TODAY).verdict == "deny"


@pytest.mark.parametrize(
    ("node_facts", "verdict"),
    [({}, "refer"), ({"requester.owns_data": False}, "deny"), ({"requester.owns_data": True}, "permit")],
)
def test_the_owner_policy_permits_only_the_known_owner(node_facts: dict[str, Any], verdict: str) -> None:
    assert decide(owner_policy("here"), DEMO, TODAY, node_facts).verdict == verdict


@pytest.mark.parametrize(
    "node_facts",
    [
        {"consent.registers": True},
        {"requester.kind": "hospital"},
        {"consent.register": "yes"},
        {"consent.register": 1},
        {"adequacy.confirmed": "US"},
    ],
)
def test_a_node_fact_that_is_unknown_ill_typed_or_the_studys_to_say_is_an_error(
    node_facts: dict[str, Any],
) -> None:
    with pytest.raises(PolicyError) as caught:
        decide(policy([]), DEMO, TODAY, node_facts)
    assert caught.value.field.startswith(next(iter(node_facts)))


@pytest.mark.parametrize("node", NODES)
def test_every_example_policy_permits_the_demo_study(node: str) -> None:
    decision = decide(example(node), DEMO, TODAY, NODE_FACTS)
    assert decision.node == node
    assert {finding.verdict for finding in decision.findings} == {"permit"}
    assert decision.verdict == "permit"


def test_only_zurich_lets_its_share_be_seen_alone() -> None:
    assert [node for node in NODES if example(node).alone_ok] == ["zurich"]


def test_the_insurers_subsidiary_is_stopped_everywhere_for_different_reasons() -> None:
    decisions = {node: decide(example(node), INSURER, TODAY, NODE_FACTS) for node in NODES}
    assert {node: decision.verdict for node, decision in decisions.items()} == {
        "cleveland": "deny",
        "budapest": "deny",
        "zurich": "refer",
        "long_beach": "deny",
    }
    reasons = {
        node: " ".join(found.sentence for found in decision.findings if found.verdict == decision.verdict)
        for node, decision in decisions.items()
    }
    assert "commercial" in reasons["cleveland"]
    assert "who owns or controls" in reasons["budapest"]
    assert "ethics" in reasons["zurich"]
    assert "a company" in reasons["long_beach"]


def test_the_subsidiary_with_its_owner_disclosed_is_an_insurer() -> None:
    party = {**INSURER.requester.model_dump(), "owner": "Insurance plc", "owner_kind": "insurer"}
    disclosed = Study.model_validate({**INSURER.model_dump(), "requester": party})
    decision = decide(example("zurich"), disclosed, TODAY, NODE_FACTS)
    assert decision.verdict == "deny"
    assert [found.rule for found in decision.findings if found.verdict == "deny"] == ["forbidden_requesters"]
