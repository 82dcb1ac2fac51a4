"""DUO's modifiers as one rule: conditions on who uses the data, where, until when and against what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hansa.governance import duo
from hansa.governance.countries import CountryName
from hansa.governance.facts import Facts
from hansa.governance.rule import Answer, RuleBase
from hansa.governance.rules_parties import FOR_PROFIT, kind_answer
from hansa.governance.rules_places import place_answer
from hansa.model import strictest

__all__ = ["DataUseModifiers", "ModifierCode"]


def _is_modifier(code: str) -> str:
    if code not in _ANSWERS:
        raise ValueError(f"a modifier is one of the DUO codes {', '.join(sorted(_ANSWERS))}")
    return code


ModifierCode = Annotated[str, AfterValidator(_is_modifier)]
"""A DUO modifier that is a condition on use; those that concern the purpose stand in the rule ``purpose``."""


class DataUseModifiers(RuleBase):
    """Conditions of use, by their DUO codes.

    ``countries`` go with GS (geographical restriction), ``publish_from`` with MOR (publication moratorium),
    ``use_until`` with TS (time limit on use). PUB, MOR, RS, US, PS and IS need a fact that the node supplies.
    """

    rule: Literal["data_use_modifiers"] = "data_use_modifiers"
    terms: tuple[ModifierCode, ...] = Field(min_length=1)
    countries: tuple[CountryName, ...] = ()
    publish_from: dt.date | None = None
    use_until: dt.date | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {duo.GS: self.countries, duo.MOR: self.publish_from, duo.TS: self.use_until}
        for code, value in needs.items():
            if (code in self.terms) != bool(value):
                raise ValueError(
                    "countries go with DUO:0000022, publish_from with DUO:0000024, use_until with DUO:0000025"
                )
        return self

    def answer(self, facts: Facts, today: dt.date) -> Answer:
        """The strictest of the conditions' answers; the sentence speaks of those."""
        return _all_of([_ANSWERS[code](self, facts, today) for code in self.terms])


_Condition = Callable[[DataUseModifiers, Facts, dt.date], Answer]


def _all_of(answers: list[Answer]) -> Answer:
    verdict = strictest(tuple(answer.verdict for answer in answers))
    fields = dict.fromkeys(field for answer in answers for field in answer.facts)
    sentences = dict.fromkeys(answer.sentence for answer in answers if answer.verdict == verdict)
    changes = dict.fromkeys(answer.change for answer in answers if answer.change)
    joined = "; ".join(sentence.rstrip(".") for sentence in sentences) + "."
    return Answer(verdict, tuple(fields), joined, "; ".join(changes))


def _agreed(field: str, good: str, bad: str, unknown: str, change: str) -> _Condition:
    def condition(_rule: DataUseModifiers, facts: Facts, _today: dt.date) -> Answer:
        value = getattr(facts, field)
        if value is None:
            return Answer("refer", (field,), unknown, change)
        return Answer("permit", (field,), good) if value else Answer("deny", (field,), bad, change)

    return condition


def _not_commercial(_rule: DataUseModifiers, facts: Facts, _today: dt.date) -> Answer:
    fields, change = ("commercial",), "declare the study non-commercial, if it is"
    if facts.commercial is None:
        return Answer("refer", fields, "The study does not say whether it is commercial.", change)
    if facts.commercial:
        return Answer("deny", fields, "The study is commercial, and the data may not be used so.", change)
    return Answer("permit", fields, "The study is not commercial.")


def _not_for_profit(_rule: DataUseModifiers, facts: Facts, _today: dt.date) -> Answer:
    return kind_answer(facts, FOR_PROFIT)


def _neither(rule: DataUseModifiers, facts: Facts, today: dt.date) -> Answer:
    return _all_of([_not_for_profit(rule, facts, today), _not_commercial(rule, facts, today)])


def _within_region(rule: DataUseModifiers, facts: Facts, _today: dt.date) -> Answer:
    fields = ("requester_seat", "computing", "results")
    return _all_of([place_answer(field, rule.countries, facts) for field in fields])


def _moratorium(rule: DataUseModifiers, facts: Facts, today: dt.date) -> Answer:
    if rule.publish_from is not None and today >= rule.publish_from:
        return Answer("permit", (), "The time before which nothing may be published is over.")
    return _agreed(
        "moratorium_accepted",
        f"The requester will publish nothing before {rule.publish_from}.",
        f"The requester would publish before {rule.publish_from}, when results may be published.",
        f"It is not known whether the requester will wait with publication until {rule.publish_from}.",
        f"agree with the node not to publish before {rule.publish_from}",
    )(rule, facts, today)


def _time_limit(rule: DataUseModifiers, facts: Facts, _today: dt.date) -> Answer:
    fields, change = ("valid_until",), f"end the study by {rule.use_until}"
    if facts.valid_until is None or rule.use_until is None:
        return Answer("refer", fields, "The study does not say when it ends.", change)
    if facts.valid_until > rule.use_until:
        return Answer("deny", fields, f"The study ends after {rule.use_until}, when use must end.", change)
    return Answer("permit", fields, f"The study ends by {rule.use_until}, when use must end.")


_ANSWERS: dict[str, _Condition] = {
    duo.IRB: _agreed(
        "ethics_approval",
        "The study names an approval by an ethics committee.",
        "No ethics committee has approved the study.",
        "The study names no approval by an ethics committee.",
        "name the ethics approval",
    ),
    duo.COL: _agreed(
        "collaboration_agreed",
        "The requester has agreed to work together with the cohort's researchers.",
        "The requester does not want to work together with the cohort's researchers.",
        "It is not known whether the requester will work together with the cohort's researchers.",
        "agree on a collaboration with the cohort's researchers",
    ),
    duo.RTN: _agreed(
        "returns_results",
        "The requester will give results back to the cohort.",
        "The requester will not give results back to the cohort.",
        "It is not known whether the requester will give results back to the cohort.",
        "undertake to give results back to the cohort",
    ),
    duo.PUB: _agreed(
        "publication_agreed",
        "The requester has agreed to publish the results.",
        "The requester has not agreed to publish the results.",
        "It is not known whether the results will be published.",
        "agree with the node that results are published",
    ),
    duo.RS: _agreed(
        "research_type_approved",
        "The node has approved this type of research.",
        "The node has not approved this type of research.",
        "People at the node must judge whether this type of research is allowed.",
        "ask the node to approve this type of research",
    ),
    duo.US: _agreed(
        "user_approved",
        "The node has approved the people who ask.",
        "The node has not approved the people who ask.",
        "It is not known whether the node has approved the people who ask.",
        "ask the node to approve the people",
    ),
    duo.PS: _agreed(
        "project_approved",
        "The node has approved this project.",
        "The node has not approved this project.",
        "It is not known whether the node has approved this project.",
        "ask the node to approve the project",
    ),
    duo.IS: _agreed(
        "institution_approved",
        "The node has approved the requester's institution.",
        "The node has not approved the requester's institution.",
        "It is not known whether the node has approved the requester's institution.",
        "ask the node to approve the institution",
    ),
    duo.NCU: _not_commercial,
    duo.NPU: _not_for_profit,
    duo.NPUNCU: _neither,
    duo.GS: _within_region,
    duo.MOR: _moratorium,
    duo.TS: _time_limit,
}
