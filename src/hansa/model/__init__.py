"""Frozen value types: what crosses between parties, before any of them acts on it."""

from hansa.model.base import CountryCode, Identifier, Value, read_json, read_value
from hansa.model.decision import Decision, Finding, Permit, Verdict, strictest
from hansa.model.dictionary import Dictionary, Variable, VariableType
from hansa.model.party import Party, PartyKind
from hansa.model.study import Analysis, Derivation, Places, Purpose, Study, TargetTrial

__all__ = [
    "Analysis",
    "CountryCode",
    "Decision",
    "Derivation",
    "Dictionary",
    "Finding",
    "Identifier",
    "Party",
    "PartyKind",
    "Permit",
    "Places",
    "Purpose",
    "Study",
    "TargetTrial",
    "Value",
    "Variable",
    "VariableType",
    "Verdict",
    "read_json",
    "read_value",
    "strictest",
]
