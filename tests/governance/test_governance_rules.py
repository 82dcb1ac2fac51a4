from __future__ import annotations

from typing import Any

import pytest
from governance_cases import NODE_FACTS, TODAY, study
from pydantic import TypeAdapter, ValidationError

from hansa.governance import gather_facts
from hansa.governance.rules import Rule, RuleBase
from hansa.model import Finding

RULE: TypeAdapter[RuleBase] = TypeAdapter(Rule)


def finding(rule: dict[str, Any], changes: dict[str, Any], node_facts: dict[str, Any]) -> Finding:
    return RULE.validate_python(rule).finding(gather_facts(study(**changes), node_facts=node_facts), TODAY)


PURPOSE_HMB = {"rule": "purpose", "terms": ["DUO:0000006"]}
PURPOSE_DS = {"rule": "purpose", "terms": ["DUO:0000007"], "diseases": ["MONDO:0005010"]}


def purpose(*terms: str) -> dict[str, Any]:
    return {"rule": "purpose", "terms": list(terms)}


def modifiers(*terms: str, **more: Any) -> dict[str, Any]:
    return {"rule": "data_use_modifiers", "terms": list(terms), **more}


def claims(*terms: str, **more: Any) -> dict[str, Any]:
    return {"purpose__terms": terms, **more}


ADEQUATE = {"rule": "computing_in", "countries": ["EEA", "EU_ADEQUATE"]}
SEAT_OWNER = {"rule": "seat_in", "countries": ["EEA"], "owner_too": True}
NO_INSURER = {"rule": "forbidden_requesters", "kinds": ["insurer"]}
NO_UNDERWRITING = {"rule": "forbidden_uses", "uses": ["underwriting"]}
ANALYSES = {"model": {"method": "glm"}}

VERDICTS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    # purpose: broad covers narrow and not the other way round
    (purpose("DUO:0000004"), claims("DUO:0000042"), {}, "permit"),
    (purpose("DUO:0000042"), claims("DUO:0000006", "DUO:0000007"), {}, "permit"),
    (purpose("DUO:0000042"), claims("DUO:0000004"), {}, "deny"),
    (PURPOSE_HMB, claims("DUO:0000007"), {}, "permit"),
    (PURPOSE_HMB, claims("DUO:0000042"), {}, "deny"),
    (PURPOSE_HMB, claims("DUO:0000011"), {}, "deny"),
    (PURPOSE_HMB, claims("DUO:0000007", "DUO:0000033"), {}, "deny"),
    (PURPOSE_HMB, claims("DUO:0000032"), {}, "refer"),
    (PURPOSE_HMB, claims("DUO:0000021"), {}, "refer"),
    (PURPOSE_HMB, claims("DUO:9999999"), {}, "refer"),
    (PURPOSE_HMB, claims(), {}, "refer"),
    (PURPOSE_HMB, claims("DUO:0000043"), {}, "deny"),
    (purpose("DUO:0000006", "DUO:0000043"), claims("DUO:0000043"), {}, "permit"),
    (PURPOSE_DS, {}, {}, "permit"),
    (PURPOSE_DS, {"purpose__disease": None}, {}, "refer"),
    (PURPOSE_DS, {"purpose__disease": " "}, {}, "refer"),
    (PURPOSE_DS, {"purpose__disease": "MONDO:0005148"}, {}, "deny"),
    (PURPOSE_DS, claims("DUO:0000006"), {}, "deny"),
    (purpose("DUO:0000042", "DUO:0000015"), claims("DUO:0000031"), {}, "deny"),
    (purpose("DUO:0000042"), claims("DUO:0000031"), {}, "permit"),
    (purpose("DUO:0000042", "DUO:0000044"), claims("DUO:0000011"), {}, "deny"),
    (purpose("DUO:0000042", "DUO:0000044"), claims("DUO:0000033"), {}, "deny"),
    (purpose("DUO:0000042", "DUO:0000044"), claims("DUO:0000032"), {}, "refer"),
    (purpose("DUO:0000042", "DUO:0000044"), {}, {}, "permit"),
    (purpose("DUO:0000011"), claims("DUO:0000033"), {}, "permit"),
    (purpose("DUO:0000011"), claims("DUO:0000006"), {}, "deny"),
    (purpose("DUO:0000006", "DUO:0000016"), {}, {}, "refer"),
    (purpose("DUO:0000006", "DUO:0000016"), claims("DUO:0000007", "DUO:0000038"), {}, "permit"),
    # conditions of use
    (modifiers("DUO:0000021"), {}, {}, "permit"),
    (modifiers("DUO:0000021"), {"ethics_approval": None}, {}, "refer"),
    (modifiers("DUO:0000021"), {"ethics_approval": ""}, {}, "refer"),
    (modifiers("DUO:0000020"), {}, {}, "permit"),
    (modifiers("DUO:0000020"), {"collaboration_agreed": False}, {}, "deny"),
    (modifiers("DUO:0000020"), {"collaboration_agreed": None}, {}, "refer"),
    (modifiers("DUO:0000029"), {}, {}, "permit"),
    (modifiers("DUO:0000029"), {"returns_results": False}, {}, "deny"),
    (modifiers("DUO:0000029"), {"returns_results": None}, {}, "refer"),
    (modifiers("DUO:0000046"), {}, {}, "permit"),
    (modifiers("DUO:0000046"), {"purpose__commercial": True}, {}, "deny"),
    (modifiers("DUO:0000046"), {"purpose__commercial": None}, {}, "refer"),
    (modifiers("DUO:0000045"), {"purpose__commercial": True}, {}, "permit"),
    (modifiers("DUO:0000045"), {"requester__kind": "company"}, {}, "deny"),
    (modifiers("DUO:0000045"), {"requester__owner_kind": "pharmaceutical"}, {}, "deny"),
    (modifiers("DUO:0000045"), {"requester__owner_kind": None}, {}, "refer"),
    (modifiers("DUO:0000018"), {}, {}, "permit"),
    (modifiers("DUO:0000018"), {"purpose__commercial": True}, {}, "deny"),
    (modifiers("DUO:0000018"), {"requester__kind": None}, {}, "refer"),
    (modifiers("DUO:0000022", countries=["EU"]), {}, {}, "permit"),
    (modifiers("DUO:0000022", countries=["EU"]), {"places__results": ("NL", "NO")}, {}, "deny"),
    (modifiers("DUO:0000022", countries=["EU"]), {"places__computing": None}, {}, "refer"),
    (modifiers("DUO:0000024", publish_from="2027-03-01"), {}, {}, "permit"),
    (modifiers("DUO:0000024", publish_from="2027-03-02"), {}, {}, "refer"),
    (modifiers("DUO:0000024", publish_from="2027-03-02"), {}, {"moratorium.accepted": True}, "permit"),
    (modifiers("DUO:0000024", publish_from="2027-03-02"), {}, {"moratorium.accepted": False}, "deny"),
    (modifiers("DUO:0000025", use_until="2028-03-01"), {}, {}, "permit"),
    (modifiers("DUO:0000025", use_until="2028-02-28"), {}, {}, "deny"),
    (modifiers("DUO:0000025", use_until="2028-03-01"), {"valid_until": None}, {}, "refer"),
    (modifiers("DUO:0000019"), {}, {}, "refer"),
    (modifiers("DUO:0000019"), {}, {"publication.agreed": True}, "permit"),
    (modifiers("DUO:0000012"), {}, {"research_type.approved": True}, "permit"),
    (modifiers("DUO:0000012"), {}, {}, "refer"),
    (modifiers("DUO:0000026"), {}, {"user.approved": False}, "deny"),
    (modifiers("DUO:0000027"), {}, {"project.approved": None}, "refer"),
    (modifiers("DUO:0000028"), {}, {"institution.approved": True}, "permit"),
    (modifiers("DUO:0000021", "DUO:0000020"), {"ethics_approval": None}, {}, "refer"),
    (
        modifiers("DUO:0000021", "DUO:0000020"),
        {"ethics_approval": None, "collaboration_agreed": False},
        {},
        "deny",
    ),
    # uses
    (NO_UNDERWRITING, {"purpose__uses": ("underwriting",)}, {}, "deny"),
    (NO_UNDERWRITING, {"purpose__uses": ("teaching",), "purpose__commercial": True}, {}, "permit"),
    (NO_UNDERWRITING, {}, {}, "permit"),
    (NO_UNDERWRITING, {"purpose__uses": None}, {}, "refer"),
    (NO_UNDERWRITING, {"purpose__uses": (), "purpose__commercial": True}, {}, "permit"),
    # parties: a subsidiary of an insurer is an insurer
    (NO_INSURER, {}, {}, "permit"),
    (NO_INSURER, {"requester__kind": "insurer"}, {}, "deny"),
    (
        NO_INSURER,
        {"requester__kind": "company", "requester__owner": "X", "requester__owner_kind": "insurer"},
        {},
        "deny",
    ),
    (NO_INSURER, {"requester__kind": None, "requester__owner_kind": "insurer"}, {}, "deny"),
    (NO_INSURER, {"requester__owner": None}, {}, "refer"),
    (NO_INSURER, {"requester__owner_kind": None}, {}, "refer"),
    (NO_INSURER, {"requester__kind": None}, {}, "refer"),
    ({"rule": "owner_known"}, {}, {}, "permit"),
    ({"rule": "owner_known"}, {"requester__owner": None}, {}, "refer"),
    ({"rule": "owner_known", "unknown": "deny"}, {"requester__owner": None}, {}, "deny"),
    ({"rule": "caller_owns_data"}, {}, {"requester.owns_data": True}, "permit"),
    ({"rule": "caller_owns_data"}, {}, {"requester.owns_data": False}, "deny"),
    ({"rule": "caller_owns_data"}, {}, {}, "refer"),
    # places
    ({"rule": "seat_in", "countries": ["EEA"]}, {}, {}, "permit"),
    ({"rule": "seat_in", "countries": ["NO"]}, {}, {}, "deny"),
    ({"rule": "seat_in", "countries": ["EU"]}, {"requester__seat": "EU"}, {}, "deny"),
    ({"rule": "seat_in", "countries": ["EEA"]}, {"requester__seat": None}, {}, "refer"),
    (SEAT_OWNER, {}, {}, "permit"),
    (SEAT_OWNER, {"requester__owner_country": "US"}, {}, "deny"),
    (SEAT_OWNER, {"requester__owner_country": None}, {}, "refer"),
    (ADEQUATE, {"places__computing": "CH"}, {}, "permit"),
    (ADEQUATE, {"places__computing": "US"}, {}, "refer"),
    (ADEQUATE, {"places__computing": "US"}, {"adequacy.confirmed": ["JP"]}, "refer"),
    (ADEQUATE, {"places__computing": "US"}, {"adequacy.confirmed": ["US"]}, "permit"),
    (ADEQUATE, {"places__computing": "CN"}, {"adequacy.confirmed": ["CN"]}, "deny"),
    ({"rule": "results_in", "countries": ["NL", "DE"]}, {"places__results": ("NL", "DE")}, {}, "permit"),
    ({"rule": "results_in", "countries": ["NL"]}, {"places__results": ("NL", "DE")}, {}, "deny"),
    ({"rule": "results_in", "countries": ["NL"]}, {"places__results": ()}, {}, "refer"),
    # the study
    ({"rule": "consent"}, {}, {"consent.register": True}, "permit"),
    ({"rule": "consent"}, {}, {"consent.register": False}, "deny"),
    ({"rule": "consent"}, {}, {}, "refer"),
    ({"rule": "valid_between", "first": "2027-03-01", "last": "2027-03-01"}, {}, {}, "permit"),
    ({"rule": "valid_between", "first": "2027-03-02"}, {}, {}, "deny"),
    ({"rule": "valid_between", "last": "2027-02-28"}, {}, {}, "deny"),
    ({"rule": "study_dates", "days": 366}, {}, {}, "permit"),
    ({"rule": "study_dates", "days": 365}, {}, {}, "deny"),
    ({"rule": "study_dates", "days": 366}, {"valid_until": "2027-02-28"}, {}, "deny"),
    ({"rule": "study_dates", "days": 366}, {"valid_until": None}, {}, "refer"),
    ({"rule": "min_nodes", "at_least": 3}, {}, {}, "permit"),
    ({"rule": "min_nodes", "at_least": 4}, {}, {}, "deny"),
    ({"rule": "variables_allowed", "variables": ["age"]}, {"variables": ("age",)}, {}, "permit"),
    ({"rule": "variables_allowed", "variables": ["age"]}, {"variables": ("age", "sex")}, {}, "deny"),
    ({"rule": "variables_allowed", "variables": ["age"]}, {}, {}, "refer"),
    ({"rule": "variables_forbidden", "variables": ["sex"]}, {"variables": ("age",)}, {}, "permit"),
    ({"rule": "variables_forbidden", "variables": ["sex"]}, {"variables": ("age", "sex")}, {}, "deny"),
    ({"rule": "variables_forbidden", "variables": ["sex"]}, {}, {}, "refer"),
    ({"rule": "methods_allowed", "methods": ["glm"]}, {"analyses": ANALYSES}, {}, "permit"),
    ({"rule": "methods_allowed", "methods": ["counts"]}, {"analyses": ANALYSES}, {}, "deny"),
    ({"rule": "methods_allowed", "methods": ["glm"]}, {}, {}, "refer"),
    ({"rule": "human_review", "reason": "sensitive data"}, {}, {}, "refer"),
]


@pytest.mark.parametrize(("rule", "changes", "node_facts", "verdict"), VERDICTS)
def test_each_rule_gives_the_verdict_of_the_table(
    rule: dict[str, Any], changes: dict[str, Any], node_facts: dict[str, Any], verdict: str
) -> None:
    found = finding(rule, changes, node_facts)
    assert found.verdict == verdict
    assert found.rule == rule["rule"]


@pytest.mark.parametrize(("rule", "changes", "node_facts", "verdict"), VERDICTS)
def test_what_would_change_a_verdict_is_said_unless_it_permits(
    rule: dict[str, Any], changes: dict[str, Any], node_facts: dict[str, Any], verdict: str
) -> None:
    found = finding(rule, changes, node_facts)
    assert bool(found.change) == (verdict != "permit")
    assert found.sentence.endswith(".")
    assert found.sentence[0].isupper()


@pytest.mark.parametrize(("rule", "changes", "node_facts", "verdict"), VERDICTS)
def test_a_permit_never_rests_on_a_missing_fact(
    rule: dict[str, Any], changes: dict[str, Any], node_facts: dict[str, Any], verdict: str
) -> None:
    found = finding(rule, changes, node_facts)
    assert verdict != "permit" or not found.facts_missing


def test_the_table_has_every_rule_with_every_verdict_it_can_give() -> None:
    seen: dict[str, set[str]] = {}
    for rule, _, _, verdict in VERDICTS:
        seen.setdefault(rule["rule"], set()).add(verdict)
    kinds = {kind["$ref"].rsplit("/", 1)[1] for kind in RULE.json_schema()["oneOf"]}
    assert len(seen) == len(kinds)
    one_sided = {"human_review": {"refer"}, "valid_between": {"permit", "deny"}, "min_nodes": {"permit", "deny"}}
    for kind, verdicts in seen.items():
        assert verdicts == one_sided.get(kind, {"permit", "refer", "deny"})


def test_a_refusal_names_what_would_help() -> None:
    found = finding({"rule": "computing_in", "countries": ["CH", "EEA"]}, {"places__computing": "CN"}, {})
    assert found.change == "move computing to a place in one of: CH, EEA"
    assert found.facts_used == {"places.computing": "CN"}


def test_a_missing_fact_is_named_by_its_path() -> None:
    found = finding({"rule": "owner_known"}, {"requester__owner": None}, {})
    assert found.facts_missing == ("requester.owner",)
    assert found.facts_used == {}


def test_the_disease_counts_as_used_only_where_it_decides() -> None:
    both = {"rule": "purpose", "terms": ["DUO:0000006", "DUO:0000007"], "diseases": ["MONDO:0005010"]}
    assert "purpose.disease" not in finding(both, {}, {}).facts_used
    assert "purpose.disease" in finding(PURPOSE_DS, {}, {}).facts_used


def test_several_conditions_speak_of_those_that_stand_in_the_way() -> None:
    rule = modifiers("DUO:0000021", "DUO:0000020", "DUO:0000046")
    found = finding(rule, {"ethics_approval": None, "purpose__commercial": True}, {})
    assert found.verdict == "deny"
    assert "commercial" in found.sentence
    assert "ethics" not in found.sentence
    assert "ethics" in found.change


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "purpose", "terms": []},
        {"rule": "purpose", "terms": ["DUO:0000015"]},
        {"rule": "purpose", "terms": ["DUO:0000021"]},
        {"rule": "purpose", "terms": ["DUO:0000007"]},
        {"rule": "purpose", "terms": ["DUO:0000006"], "diseases": ["MONDO:0005010"]},
        {"rule": "data_use_modifiers", "terms": ["DUO:0000006"]},
        {"rule": "data_use_modifiers", "terms": ["DUO:0000022"]},
        {"rule": "data_use_modifiers", "terms": ["DUO:0000021"], "countries": ["EU"]},
        {"rule": "seat_in", "countries": []},
        {"rule": "seat_in", "countries": ["UK"]},
        {"rule": "seat_in", "countries": ["Europe"]},
        {"rule": "valid_between"},
        {"rule": "valid_between", "first": "2027-03-02", "last": "2027-03-01"},
        {"rule": "owner_known", "unknown": "permit"},
        {"rule": "human_review", "reason": ""},
        {"rule": "anything_goes"},
    ],
)
def test_a_rule_that_says_nothing_or_too_much_cannot_be_written(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RULE.validate_python(rule)


def test_a_consent_finding_never_holds_a_number() -> None:
    found = finding({"rule": "consent"}, {}, NODE_FACTS)
    assert not any(character.isdigit() for character in found.model_dump_json())
