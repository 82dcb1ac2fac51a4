"""What is known about a study: each fact has a value or is missing, and nothing stands in for a missing one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pydantic import Field, StrictBool

from hansa.errors import PolicyError
from hansa.model import CountryCode, PartyKind, Study, Value, read_value

__all__ = ["NODE_FACTS", "Facts", "gather_facts", "in_words"]


class Facts(Value):
    """The facts that rules may use; ``None`` is missing.

    Each has a dotted name (its alias), which for a study's facts is the path in the study, and by which
    people, decisions and node facts call it.
    """

    requester_kind: PartyKind | None = Field(None, alias="requester.kind")
    requester_seat: CountryCode | None = Field(None, alias="requester.seat")
    owner: str | None = Field(None, alias="requester.owner")
    owner_kind: PartyKind | None = Field(None, alias="requester.owner_kind")
    owner_country: CountryCode | None = Field(None, alias="requester.owner_country")
    purpose_terms: tuple[str, ...] | None = Field(None, alias="purpose.terms")
    disease: str | None = Field(None, alias="purpose.disease")
    uses: tuple[str, ...] | None = Field(None, alias="purpose.uses")
    commercial: bool | None = Field(None, alias="purpose.commercial")
    computing: CountryCode | None = Field(None, alias="places.computing")
    results: tuple[CountryCode, ...] | None = Field(None, alias="places.results")
    min_nodes: int | None = Field(None, alias="min_nodes")
    variables: tuple[str, ...] | None = Field(None, alias="variables")
    methods: tuple[str, ...] | None = Field(None, alias="analyses")
    valid_until: dt.date | None = Field(None, alias="valid_until")
    ethics_approval: str | None = Field(None, alias="ethics_approval")
    collaboration_agreed: bool | None = Field(None, alias="collaboration_agreed")
    returns_results: bool | None = Field(None, alias="returns_results")

    owns_data: StrictBool | None = Field(None, alias="requester.owns_data")
    consent_register: StrictBool | None = Field(None, alias="consent.register")
    adequacy: tuple[CountryCode, ...] | None = Field(None, alias="adequacy.confirmed")
    publication_agreed: StrictBool | None = Field(None, alias="publication.agreed")
    moratorium_accepted: StrictBool | None = Field(None, alias="moratorium.accepted")
    research_type_approved: StrictBool | None = Field(None, alias="research_type.approved")
    user_approved: StrictBool | None = Field(None, alias="user.approved")
    project_approved: StrictBool | None = Field(None, alias="project.approved")
    institution_approved: StrictBool | None = Field(None, alias="institution.approved")


NODE_FACTS = frozenset(
    {
        "requester.owns_data",
        "consent.register",
        "adequacy.confirmed",
        "publication.agreed",
        "moratorium.accepted",
        "research_type.approved",
        "user.approved",
        "project.approved",
        "institution.approved",
    }
)
"""Facts that only the node itself can supply; a study cannot claim them."""


def gather_facts(study: Study, *, node_facts: Mapping[str, Any]) -> Facts:
    """The facts of a study and those that the node adds.

    Empty text and empty lists count as missing. One emptiness says something: a study that lists no ``uses``
    declares that it has none; one that leaves them out has not said.

    Parameters
    ----------
    study : Study
    node_facts : Mapping
        By dotted name, see `NODE_FACTS`.

    Raises
    ------
    PolicyError
        If a node fact is none of `NODE_FACTS` or is not of its type; a typing error must not pass silently.
    """
    for name in sorted(set(node_facts) - NODE_FACTS):
        raise PolicyError(
            "this is not a fact that a node supplies",
            why="it is the study's to say, or no rule knows it",
            fix=f"use one of {', '.join(sorted(NODE_FACTS))}",
            field=name,
        )
    given = {**_study_facts(study), **node_facts}
    return read_value(Facts, {name: _present(value) for name, value in given.items()}, error=PolicyError)


def in_words(value: object) -> str:
    """A fact's value as a person reads it.

    Examples
    --------
    >>> in_words(True), in_words(("NL", "DE")), in_words(())
    ('yes', 'NL, DE', 'none')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _present(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _study_facts(study: Study) -> dict[str, Any]:
    party, purpose, places = study.requester, study.purpose, study.places
    return {
        "requester.kind": party.kind,
        "requester.seat": party.seat,
        "requester.owner": party.owner,
        "requester.owner_kind": party.owner_kind,
        "requester.owner_country": party.owner_country,
        "purpose.terms": purpose.terms or None,
        "purpose.disease": purpose.disease,
        "purpose.uses": purpose.uses,
        "purpose.commercial": purpose.commercial,
        "places.computing": places.computing,
        "places.results": places.results or None,
        "min_nodes": study.min_nodes,
        "variables": study.variables or None,
        "analyses": tuple(sorted({asked.method for asked in study.analyses.values()})) or None,
        "valid_until": study.valid_until,
        "ethics_approval": study.ethics_approval,
        "collaboration_agreed": study.collaboration_agreed,
        "returns_results": study.returns_results,
    }
