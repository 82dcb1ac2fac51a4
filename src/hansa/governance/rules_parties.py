"""Rules about the requester: what it is, who controls it, and whether the data are its own.

Control counts: a subsidiary of an insurer is an insurer, so each rule that looks at the requester's kind
looks at its owner's too. For an organisation that nobody else controls, ``owner`` is "itself" and
``owner_kind`` is its own kind, said explicitly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Literal

from pydantic import Field

from hansa.governance.facts import Facts
from hansa.governance.rule import Answer, RuleBase
from hansa.model import PartyKind

__all__ = ["FOR_PROFIT", "CallerOwnsData", "ForbiddenRequesters", "OwnerKnown", "kind_answer"]

FOR_PROFIT: frozenset[PartyKind] = frozenset(
    {"company", "pharmaceutical", "insurer", "direct_to_consumer_testing", "data_broker"}
)
"""Kinds of organisation that DUO's not-for-profit modifiers exclude."""


class ForbiddenRequesters(RuleBase):
    """Kinds of organisation that get no answer, neither themselves nor through a subsidiary."""

    rule: Literal["forbidden_requesters"] = "forbidden_requesters"
    kinds: tuple[PartyKind, ...] = Field(min_length=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the requester and its owner are known and of other kinds."""
        return kind_answer(facts, self.kinds)


class OwnerKnown(RuleBase):
    """The requester says who controls it; ``unknown`` is the verdict where it does not."""

    rule: Literal["owner_known"] = "owner_known"
    unknown: Literal["refer", "deny"] = "refer"

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the owner is named."""
        if facts.owner is None:
            sentence = "The requester does not say who owns or controls it."
            return Answer(self.unknown, ("owner",), sentence, "name the owner (or say that it is itself)")
        return Answer("permit", ("owner",), "The requester says who owns and controls it.")


class CallerOwnsData(RuleBase):
    """The data belong to the person who runs the analysis: the policy of an embedded league without policy."""

    rule: Literal["caller_owns_data"] = "caller_owns_data"

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the node knows that the caller owns its data."""
        fields = ("owns_data",)
        change = "have the data's owner run the analysis, or give the node a policy"
        if facts.owns_data is None:
            return Answer("refer", fields, "It is not known whether the caller owns these data.", change)
        if not facts.owns_data:
            return Answer("deny", fields, "The caller does not own these data.", change)
        return Answer("permit", fields, "The caller owns these data.")


def kind_answer(facts: Facts, excluded: Collection[PartyKind]) -> Answer:
    """Whether the requester and its owner are known to be of none of the excluded kinds."""
    fields = ("requester_kind", "owner", "owner_kind")
    if facts.requester_kind in excluded:
        sentence = f"The requester is {_a(facts.requester_kind)}, which this policy excludes."
        return Answer("deny", fields, sentence, f"have a requester that is not {_any(excluded)}")
    if facts.owner_kind in excluded:
        sentence = f"The requester belongs to {_a(facts.owner_kind)}, which this policy excludes."
        return Answer("deny", fields, sentence, f"have a requester that does not belong to {_any(excluded)}")
    if facts.requester_kind is None:
        sentence = "It is not known what kind of organisation the requester is."
        return Answer("refer", fields, sentence, "say what kind of organisation the requester is")
    if facts.owner is None or facts.owner_kind is None:
        sentence = "It is not known what kind of organisation controls the requester."
        return Answer("refer", fields, sentence, "name the owner and say what kind of organisation it is")
    sentence = f"Neither the requester ({_plain(facts.requester_kind)}) nor its owner is of an excluded kind."
    return Answer("permit", fields, sentence)


def _plain(kind: str) -> str:
    return kind.replace("_", " ") + (" company" if kind == "pharmaceutical" else "")


def _a(kind: str | None) -> str:
    words = _plain(kind or "")
    return ("an " if words.startswith("i") else "a ") + words


def _any(kinds: Collection[PartyKind]) -> str:
    return " or ".join(_a(kind) for kind in sorted(kinds))
