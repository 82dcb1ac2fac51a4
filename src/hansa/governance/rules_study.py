"""Rules about the study itself: its dates, nodes, variables and methods, consent, and people's judgement."""

from __future__ import annotations

import datetime as dt
from typing import Literal, Self

from pydantic import Field, model_validator

from hansa.governance.facts import Facts
from hansa.governance.rule import Answer, RuleBase
from hansa.model import Identifier

__all__ = [
    "Consent",
    "HumanReview",
    "MethodsAllowed",
    "MinNodes",
    "StudyDates",
    "ValidBetween",
    "VariablesAllowed",
    "VariablesForbidden",
]


class Consent(RuleBase):
    """Only people whose consent covers the purpose take part, which needs a register of consent.

    The rule never looks at how many consent: decisions use governance facts only, and a number would tell
    outsiders something about people.
    """

    rule: Literal["consent"] = "consent"

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the node keeps a register of consent for the purpose."""
        fields, change = ("consent_register",), "have the node keep a register of consent for this purpose"
        if facts.consent_register is None:
            return Answer("refer", fields, "It is not known whether the node keeps track of consent.", change)
        if not facts.consent_register:
            return Answer("deny", fields, "The node keeps no register of consent for this purpose.", change)
        sentence = "The node keeps a register of consent and uses data only of people whose consent covers this."
        return Answer("permit", fields, sentence)


class ValidBetween(RuleBase):
    """The days on which the policy says yes, both included."""

    rule: Literal["valid_between"] = "valid_between"
    first: dt.date | None = None
    last: dt.date | None = None

    @model_validator(mode="after")
    def _some_day(self) -> Self:
        if self.first is None and self.last is None:
            raise ValueError("say the first day, the last day, or both")
        if self.first and self.last and self.first > self.last:
            raise ValueError("the first day does not come after the last")
        return self

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit on the days given."""
        if self.first and today < self.first:
            sentence = f"This policy says yes only from {self.first} on."
            return Answer("deny", (), sentence, f"ask again on or after {self.first}")
        if self.last and today > self.last:
            sentence = f"This policy ended on {self.last}."
            return Answer("deny", (), sentence, "ask the node to renew its policy")
        return Answer("permit", (), "The policy is in force today.")


class StudyDates(RuleBase):
    """The study ends, and at most ``days`` days from today."""

    rule: Literal["study_dates"] = "study_dates"
    days: int = Field(ge=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:
        """Permit where the study's last day is known, not over, and soon enough."""
        fields, last = ("valid_until",), today + dt.timedelta(days=self.days)
        change = f"let the study end on a day from {today} to {last}"
        if facts.valid_until is None:
            return Answer("refer", fields, "The study does not say when it ends.", change)
        if facts.valid_until < today:
            return Answer("deny", fields, "The study has already ended.", change)
        if facts.valid_until > last:
            sentence = f"The study lasts longer than the {self.days} days that this policy allows."
            return Answer("deny", fields, sentence, change)
        return Answer("permit", fields, f"The study ends within {self.days} days.")


class MinNodes(RuleBase):
    """The study waits for at least so many nodes before anything is added up."""

    rule: Literal["min_nodes"] = "min_nodes"
    at_least: int = Field(ge=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the study's own minimum is high enough."""
        fields, change = ("min_nodes",), f"set min_nodes to at least {self.at_least}"
        if facts.min_nodes is None:
            return Answer("refer", fields, "The study does not say how many cohorts it needs.", change)
        if facts.min_nodes < self.at_least:
            sentence = f"The study may run with fewer than {self.at_least} cohorts together."
            return Answer("deny", fields, sentence, change)
        return Answer("permit", fields, f"The study runs only with at least {self.at_least} cohorts together.")


class VariablesAllowed(RuleBase):
    """The only variables that a study may use."""

    rule: Literal["variables_allowed"] = "variables_allowed"
    variables: tuple[Identifier, ...] = Field(min_length=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where all variables that the study lists are among these."""
        return _listed("variables", facts.variables, self.variables, "variables")


class MethodsAllowed(RuleBase):
    """The only methods that a study may use."""

    rule: Literal["methods_allowed"] = "methods_allowed"
    methods: tuple[str, ...] = Field(min_length=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where all methods of the study's analyses are among these."""
        return _listed("methods", facts.methods, self.methods, "methods")


class VariablesForbidden(RuleBase):
    """Variables that no study may use."""

    rule: Literal["variables_forbidden"] = "variables_forbidden"
    variables: tuple[Identifier, ...] = Field(min_length=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the study lists its variables and none of them is forbidden."""
        fields = ("variables",)
        if facts.variables is None:
            return Answer("refer", fields, "The study does not list its variables.", "list the variables")
        found = ", ".join(name for name in facts.variables if name in self.variables)
        if found:
            sentence = f"The study asks for variables that this policy keeps back: {found}."
            return Answer("deny", fields, sentence, f"leave out {found}")
        return Answer("permit", fields, "The study asks for no variable that this policy keeps back.")


class HumanReview(RuleBase):
    """People decide, whatever the other rules say: always refer."""

    rule: Literal["human_review"] = "human_review"
    reason: str = Field(min_length=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Always refer, with the policy's reason."""
        sentence = f"People at the node must decide: {self.reason.rstrip('.')}."
        return Answer("refer", (), sentence, "wait for the decision of the node's committee")


def _listed(field: str, asked: tuple[str, ...] | None, allowed: tuple[str, ...], what: str) -> Answer:
    words = ", ".join(allowed)
    if asked is None:
        return Answer("refer", (field,), f"The study does not list its {what}.", f"list {what} among: {words}")
    outside = ", ".join(name for name in asked if name not in allowed)
    if outside:
        sentence = f"The study asks for {what} that this policy does not allow: {outside}."
        return Answer("deny", (field,), sentence, f"use only {what} among: {words}")
    return Answer("permit", (field,), f"The study asks only for {what} that this policy allows.")
