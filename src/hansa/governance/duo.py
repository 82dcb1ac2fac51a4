"""The Data Use Ontology: what a data set permits, and whether a study's purpose fits within it.

Codes, shorthands, labels and hierarchy: DUO 2021-02-23, GA4GH, CC BY 4.0 (``duo.json`` says so beside them).
Three vocabularies meet here. A *permission* says what a data set may be used for, a *modifier* adds a
condition, an *investigation* says what a study does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from hansa.errors import PolicyError
from hansa.model import Value

__all__ = ["DUO", "Term", "covers", "term"]

NRES, HMB, DS, POA, GRU = "DUO:0000004", "DUO:0000006", "DUO:0000007", "DUO:0000011", "DUO:0000042"
RS, NMDS, GSO, NPUNCU = "DUO:0000012", "DUO:0000015", "DUO:0000016", "DUO:0000018"
PUB, COL, IRB, GS = "DUO:0000019", "DUO:0000020", "DUO:0000021", "DUO:0000022"
MOR, TS, US, PS = "DUO:0000024", "DUO:0000025", "DUO:0000026", "DUO:0000027"
IS, RTN, CC, NPOA = "DUO:0000028", "DUO:0000029", "DUO:0000043", "DUO:0000044"
NPU, NCU = "DUO:0000045", "DUO:0000046"
METHODS, POPULATION, ANCESTRY = "DUO:0000031", "DUO:0000032", "DUO:0000033"
AGE, GENDER, CONTROL = "DUO:0000034", "DUO:0000035", "DUO:0000036"
BIOMEDICAL, GENETIC, DRUG, DISEASE = "DUO:0000037", "DUO:0000038", "DUO:0000039", "DUO:0000040"


class Term(Value):
    """One code of the ontology; ``definition`` is in Hansa's own words."""

    code: str
    short: str
    label: str
    definition: str
    kind: Literal["permission", "modifier", "investigation"]
    parent: str


def _load() -> Mapping[str, Term]:
    listed = json.loads(files(__package__).joinpath("duo.json").read_text(encoding="utf-8"))["terms"]
    terms = [Term.model_validate(entry) for entry in listed]
    return MappingProxyType({entry.code: entry for entry in terms})


DUO: Mapping[str, Term] = _load()
"""The terms by code."""

PURPOSES = frozenset(code for code, entry in DUO.items() if entry.kind in ("permission", "investigation") or code == CC)
"""Codes that a study may claim as its purpose."""

_ABOUT_A_DISEASE = frozenset({DS, BIOMEDICAL, GENETIC, DRUG, DISEASE})
_COVERED: dict[str, frozenset[str]] = {
    NRES: PURPOSES,
    GRU: PURPOSES - {NRES, CC},
    HMB: _ABOUT_A_DISEASE | {HMB, METHODS},
    POA: frozenset({POA, ANCESTRY}),
    CC: frozenset({CC}),
}
_UNCLEAR: dict[str, frozenset[str]] = {
    HMB: frozenset({POPULATION, AGE, GENDER, CONTROL}),
    DS: frozenset({METHODS, POPULATION, AGE, GENDER, CONTROL}),
    POA: frozenset({POPULATION}),
}


def term(code: str) -> Term:
    """The term of a code.

    Raises
    ------
    PolicyError
        If Hansa's list has no such code.

    Examples
    --------
    >>> term("DUO:0000006").short
    'HMB'
    """
    try:
        return DUO[code]
    except KeyError:
        raise PolicyError(
            "this is not a code of the Data Use Ontology that Hansa knows",
            why="it is not in the list of release 2021-02-23",
            fix="use a code such as DUO:0000006 (health or medical or biomedical research)",
            field=code,
        ) from None


def covers(held: str, claimed: str, *, same_disease: bool | None) -> bool | None:
    """Whether data under the permission ``held`` may be used for the purpose ``claimed``.

    Broad permissions cover narrow purposes and never the other way round. ``same_disease`` says whether
    the study's disease is one the data may be used for; ``None`` is not known.

    Returns
    -------
    bool or None
        ``None`` where the ontology leaves it to people: a population group, say, is no purpose by itself.

    Examples
    --------
    >>> covers("DUO:0000042", "DUO:0000007", same_disease=None)  # general research covers any disease
    True
    >>> covers("DUO:0000007", "DUO:0000006", same_disease=True)  # one disease does not cover all health
    False
    >>> covers("DUO:0000007", "DUO:0000007", same_disease=None) is None
    True
    """
    if held == DS and claimed in _ABOUT_A_DISEASE:
        return same_disease
    if claimed in _COVERED.get(held, frozenset()):
        return True
    return None if claimed in _UNCLEAR.get(held, frozenset()) else False
