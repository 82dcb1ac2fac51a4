"""The vocabulary of policies: every kind of rule, told apart by its field ``rule``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hansa.governance.rule import RuleBase
from hansa.governance.rules_modifiers import DataUseModifiers
from hansa.governance.rules_parties import CallerOwnsData, ForbiddenRequesters, OwnerKnown
from hansa.governance.rules_places import ComputingIn, ResultsIn, SeatIn
from hansa.governance.rules_purpose import ForbiddenUses, Purpose
from hansa.governance.rules_study import (
    Consent,
    HumanReview,
    MethodsAllowed,
    MinNodes,
    StudyDates,
    ValidBetween,
    VariablesAllowed,
    VariablesForbidden,
)

__all__ = [
    "CallerOwnsData",
    "ComputingIn",
    "Consent",
    "DataUseModifiers",
    "ForbiddenRequesters",
    "ForbiddenUses",
    "HumanReview",
    "MethodsAllowed",
    "MinNodes",
    "OwnerKnown",
    "Purpose",
    "ResultsIn",
    "Rule",
    "RuleBase",
    "SeatIn",
    "StudyDates",
    "ValidBetween",
    "VariablesAllowed",
    "VariablesForbidden",
]

Rule = Annotated[
    CallerOwnsData
    | ComputingIn
    | Consent
    | DataUseModifiers
    | ForbiddenRequesters
    | ForbiddenUses
    | HumanReview
    | MethodsAllowed
    | MinNodes
    | OwnerKnown
    | Purpose
    | ResultsIn
    | SeatIn
    | StudyDates
    | ValidBetween
    | VariablesAllowed
    | VariablesForbidden,
    Field(discriminator="rule"),
]
"""Any rule; the field ``rule`` says which."""
