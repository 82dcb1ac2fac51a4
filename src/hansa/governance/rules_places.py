"""Rules about places: where the requester has its seat, where totals are computed, where results go."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from hansa.governance.countries import CountryName, country_name, standing
from hansa.governance.facts import Facts, in_words
from hansa.governance.rule import Answer, RuleBase

__all__ = ["ComputingIn", "ResultsIn", "SeatIn", "place_answer"]

_SUBJECTS = {
    "requester_seat": ("The requester has its seat", "have a requester with its seat"),
    "owner_country": ("The requester's owner has its seat", "have a requester whose owner has its seat"),
    "computing": ("The totals would be computed", "move computing to a place"),
    "results": ("The results would be received", "send the results only to places"),
}


class _CountryRule(RuleBase):
    countries: tuple[CountryName, ...] = Field(min_length=1)


class SeatIn(_CountryRule):
    """The requester's seat; with ``owner_too`` its owner's as well."""

    rule: Literal["seat_in"] = "seat_in"
    owner_too: bool = False

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the seat is in one of the countries."""
        seat = place_answer("requester_seat", self.countries, facts)
        if not self.owner_too or seat.verdict != "permit":
            return seat
        owner = place_answer("owner_country", self.countries, facts)
        fields = tuple(dict.fromkeys(seat.facts + owner.facts))
        if owner.verdict != "permit":
            return owner._replace(facts=fields)
        sentence = "The requester and its owner have their seats in countries that this policy allows."
        return owner._replace(facts=fields, sentence=sentence)


class ComputingIn(_CountryRule):
    """Where the hub computes on totals."""

    rule: Literal["computing_in"] = "computing_in"

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where computing is in one of the countries."""
        return place_answer("computing", self.countries, facts)


class ResultsIn(_CountryRule):
    """Where results go; every place counts."""

    rule: Literal["results_in"] = "results_in"

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where all results go to the countries."""
        return place_answer("results", self.countries, facts)


def place_answer(field: str, allowed: tuple[str, ...], facts: Facts) -> Answer:
    """Whether all countries of one fact are among the allowed ones.

    A country that a list holds only under a condition (the USA under the Data Privacy Framework) needs the
    node's word that the condition is met: the fact ``adequacy.confirmed``.
    """
    subject, move = _SUBJECTS[field]
    value = getattr(facts, field)
    if value is None:
        return Answer("refer", (field,), f"It is not known where {_lower(subject)}.", "name the country")
    codes: tuple[str, ...] = value if isinstance(value, tuple) else (value,)
    standings = {code: standing(code, allowed) for code in codes}
    outside = [code for code, (place, _) in standings.items() if place == "out"]
    if outside:
        sentence = f"{subject} in {_named(outside)}; this policy allows only {in_words(allowed)}."
        return Answer("deny", (field,), sentence, f"{move} in one of: {in_words(allowed)}")
    conditions = {code: condition for code, (place, condition) in standings.items() if place == "conditional"}
    return _conditional(field, codes, conditions, facts)


def _conditional(field: str, codes: tuple[str, ...], conditions: dict[str, str], facts: Facts) -> Answer:
    subject, move = _SUBJECTS[field]
    fields = (field, "adequacy") if conditions else (field,)
    unconfirmed = [code for code in conditions if code not in (facts.adequacy or ())]
    if unconfirmed:
        words = "; ".join(f"{country_name(code)}: {conditions[code]}" for code in unconfirmed)
        sentence = f"{subject} in {_named(unconfirmed)}, which counts as safe only for some organisations."
        change = f"have the node confirm that this organisation is covered ({words}), or {move} in another country"
        return Answer("refer", fields, sentence, change)
    return Answer("permit", fields, f"{subject} in {_named(codes)}, which this policy allows.")


def _named(codes: tuple[str, ...] | list[str]) -> str:
    return " and ".join(country_name(code) for code in codes)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
