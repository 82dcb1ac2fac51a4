"""A study: who asks what, of whom, about which people, for what purpose."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from hansa.model.base import CountryCode, Identifier, Value
from hansa.model.dictionary import VariableType
from hansa.model.party import Party

__all__ = ["Analysis", "Derivation", "Places", "Purpose", "Study", "TargetTrial"]

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]


class Purpose(Value):
    """What the data would be used for.

    ``terms`` are Data Use Ontology codes that the study claims for itself ("DUO:0000007", disease-specific
    research); ``disease`` is a MONDO code; ``uses`` are further plain uses a policy may forbid by name, none of
    them where it is empty, not said where it is ``None``.
    """

    statement: str
    terms: tuple[str, ...] = ()
    disease: str | None = None
    uses: tuple[Identifier, ...] | None = None
    commercial: bool | None = None


class Places(Value):
    """Where the hub computes on totals and where results go."""

    computing: CountryCode | None = None
    results: tuple[CountryCode, ...] | None = None


class Derivation(Value):
    """A derived variable: ``expression`` in the formula grammar, with declared type and unit."""

    expression: str
    type: VariableType
    unit: str = ""
    levels: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    label: str = ""


class Analysis(Value):
    """One question: a method of the catalogue, its arguments, and the analysis set it is asked of.

    ``population`` is an expression ("" means everybody); ``complete`` are further variables on which people
    must be complete, so that several analyses can share one analysis set. ``nodes`` limits the question to
    some of the cohorts (none named: all that permit). ``sites`` asks each node for its own estimate, a
    release of that node, instead of a total.
    """

    method: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    population: str = ""
    complete: tuple[Identifier, ...] = ()
    nodes: tuple[str, ...] = ()
    sites: bool = False


class TargetTrial(Value):
    """The trial that an observational study emulates, by its seven parts, and how it is analysed.

    Hernán MA, Robins JM (2016). Using big data to emulate a target trial when a randomized trial is not available.
    American Journal of Epidemiology 183:758. Each part is said in words; none may be left out.
    """

    eligibility: Words
    strategies: Words
    assignment: Words
    time_zero: Words
    follow_up: Words
    outcome: Words
    contrast: Words
    analysis: Words

    @property
    def parts(self) -> dict[str, str]:
        """The parts by name, in the paper's order."""
        return {name.replace("_", " "): str(getattr(self, name)) for name in type(self).model_fields}


class Study(Value):
    """The signed question. Validated by the researcher first, then by every node for itself."""

    id: str
    title: str
    purpose: Purpose
    requester: Party
    places: Places = Places()
    cohorts: tuple[str, ...] = Field(min_length=1)
    min_nodes: int = Field(default=3, ge=1)
    populations: dict[Identifier, str] = Field(default_factory=dict)
    derive: dict[Identifier, Derivation] = Field(default_factory=dict)
    variables: tuple[Identifier, ...] = ()
    analyses: dict[Identifier, Analysis] = Field(default_factory=dict)
    lay_summary: str
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    ethics_approval: str | None = None
    collaboration_agreed: bool | None = None
    returns_results: bool | None = None
    target_trial: TargetTrial | None = None
