from __future__ import annotations

import datetime as dt

import pytest
from governance_cases import DEMO, INSURER, NODE_FACTS, NODES, TODAY, example
from pydantic import ValidationError

from hansa.errors import PolicyError, StudyError
from hansa.governance import (
    COUNTRY_LISTS,
    DUO,
    decide,
    explain,
    owner_policy,
    policy_hash,
    read_policy,
    standing,
    term,
    what_if,
)
from hansa.model import Decision

HEAD = 'name: p\nversion: "1"\nnode: n\n'


def test_norway_is_a_country_and_not_a_truth_value() -> None:
    policy = read_policy(HEAD + "rules:\n  - {rule: seat_in, countries: [NO]}\nalone_ok: true\n")
    assert policy.rules[0].model_dump()["countries"] == ("NO",)
    assert policy.alone_ok is True


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (HEAD + "rules:\n  - {rule: purpose, terms: [HMB]}\n", "rules.0.purpose.terms.0"),
        (HEAD + "rules:\n  - {rule: anything}\n", "rules.0"),
        (HEAD + "rounds: 0\n", "rounds"),
        (HEAD + "colour: red\n", "colour"),
        (HEAD + "disclosure: {group: .inf}\n", "disclosure.group"),
        (HEAD + "alone_ok: maybe\n", "alone_ok"),
        ("name: p\n", "version"),
        (HEAD + "rules: [\n", "line 5"),
        (HEAD + "node: m\n", "line 4"),
        (HEAD + "rules: !!python/object/apply:os.getcwd []\n", "line 4"),
        (HEAD + "? [a]\n: b\n", "line 4"),
        ("just words", ""),
        ("", ""),
    ],
)
def test_a_faulty_policy_is_an_error_that_names_the_place(text: str, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(text)
    assert caught.value.field == field
    assert caught.value.fix


def test_two_rules_of_one_kind_need_names() -> None:
    twice = "rules:\n  - {rule: human_review, reason: a}\n  - {rule: human_review, reason: b%s}\n"
    with pytest.raises(PolicyError, match="a name each"):
        read_policy(HEAD + twice % "")
    named = read_policy(HEAD + twice % ", name: second")
    assert [rule.label for rule in named.rules] == ["human_review", "second"]


def test_text_and_plain_data_give_the_same_policy() -> None:
    policy = example("budapest")
    assert read_policy(policy.model_dump(mode="json")) == policy


def test_a_policy_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        example("zurich").alone_ok = False  # type: ignore[misc]  # what the test is about


def test_the_hash_tells_policies_apart_and_ignores_how_they_were_written() -> None:
    hashes = {policy_hash(example(node)) for node in NODES}
    assert len(hashes) == len(NODES)
    assert all(len(digest) == 32 for digest in hashes)
    policy = owner_policy("a")
    assert policy_hash(read_policy(policy.model_dump(mode="json"))) == policy_hash(policy)
    assert policy_hash(policy.model_copy(update={"rounds": 1})) != policy_hash(policy)


def test_a_decision_quotes_the_policy_by_its_hash() -> None:
    policy = example("cleveland")
    decision = decide(policy, DEMO, TODAY, NODE_FACTS)
    assert decision.policy == f"Cleveland heart cohort 1.0 sha256:{policy_hash(policy).hex()}"
    assert decision.decided_on == TODAY


def test_an_explanation_has_every_sentence_and_every_way_on() -> None:
    for node in NODES:
        decision = decide(example(node), INSURER, TODAY, NODE_FACTS)
        text = explain(decision)
        for finding in decision.findings:
            assert text.count(f"  - {finding.sentence}") == 1
            assert finding.change in text
        assert text.startswith(f"{node} ")


def test_an_explanation_puts_what_stands_against_first() -> None:
    text = explain(decide(example("budapest"), INSURER, TODAY, NODE_FACTS))
    assert text.index("Against it:") < text.index("Open:") < text.index("For it:")
    assert "(missing: requester.owner)" in text


def test_an_explanation_of_a_policy_without_rules_says_why_it_does_not_permit() -> None:
    empty = Decision(node="n", study="s", verdict="refer", findings=(), policy="p", decided_on=TODAY)
    assert "no rules" in explain(empty)


def test_what_if_names_the_rules_whose_verdict_would_change() -> None:
    changes = {"ethics_approval": "E1", "purpose.commercial": False, "purpose.uses": ()}
    answer = what_if(example("cleveland"), INSURER, changes, today=TODAY, node_facts=NODE_FACTS)
    assert (answer.before.verdict, answer.after.verdict) == ("deny", "permit")
    assert answer.changed == ("data_use_modifiers", "forbidden_uses")


def test_what_if_with_the_same_value_changes_nothing() -> None:
    answer = what_if(example("zurich"), DEMO, {"requester.seat": "NL"}, today=TODAY, node_facts=NODE_FACTS)
    assert answer.before == answer.after
    assert answer.changed == ()


@pytest.mark.parametrize("path", ["requester.colour", "colour", "requester.seat.city", "a.b.c", "", "min_nodes.x"])
def test_what_if_refuses_a_path_that_the_study_does_not_have(path: str) -> None:
    with pytest.raises(StudyError) as caught:
        what_if(example("zurich"), DEMO, {path: "x"}, today=TODAY)
    assert caught.value.field == path


def test_what_if_refuses_a_value_that_does_not_fit() -> None:
    with pytest.raises(StudyError) as caught:
        what_if(example("zurich"), DEMO, {"requester.seat": "Switzerland"}, today=TODAY)
    assert caught.value.field == "requester.seat"
    assert "Switzerland" not in str(caught.value)


def test_the_code_list_is_a_tree_with_three_roots() -> None:
    roots = {"DUO:0000001", "DUO:0000017", "OBI:0000066"}
    assert all(entry.parent in roots | set(DUO) for entry in DUO.values())
    assert {entry.kind for entry in DUO.values() if entry.parent == "DUO:0000001"} == {"permission"}
    assert sum(entry.kind == "permission" for entry in DUO.values()) == 5
    assert sum(entry.kind == "modifier" for entry in DUO.values()) == 18
    shorts = [entry.short for entry in DUO.values() if entry.short]
    assert len(set(shorts)) == len(shorts) == 23


def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(PolicyError) as caught:
        term("DUO:0000005")
    assert caught.value.field == "DUO:0000005"


def test_the_country_lists_are_dated_and_disjoint_where_they_must_be() -> None:
    eu, eea, adequate = (COUNTRY_LISTS[name] for name in ("EU", "EEA", "EU_ADEQUATE"))
    assert len(eu.members) == 27
    assert eea.members - eu.members == {"IS", "LI", "NO"}
    assert not eea.members & (adequate.members | set(adequate.conditional))
    assert {"CH", "GB"} <= adequate.members
    assert "US" in adequate.conditional
    assert all(listed.as_of > dt.date(2026, 1, 1) and listed.source for listed in COUNTRY_LISTS.values())


def test_a_list_name_is_not_a_country() -> None:
    assert standing("EU", ["EU"]) == ("out", "")
