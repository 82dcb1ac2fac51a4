"""Who consents to what: person codes per purpose, kept at the node and never sent.

A person without a record has not consented. Consent is read by the exact purpose code: nothing is inferred
from a broader or narrower one, so whoever loads a consent form records every code that the form covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from pyroaring import BitMap, FrozenBitMap

from hansa.governance import duo
from hansa.model import Purpose

__all__ = ["ConsentRegister", "People", "consent_codes", "consented", "everyone_consents", "grant", "withdraw"]

People: TypeAlias = BitMap | FrozenBitMap | Iterable[int]
"""Person codes: the node's own numbers, 0 to 2**32 - 1."""

_NOBODY = FrozenBitMap()


def _empty() -> Mapping[str, FrozenBitMap]:
    return MappingProxyType({})


@dataclass(frozen=True)
class ConsentRegister:
    """The state of consent.

    ``broad`` are people who consent to every purpose; ``granted`` maps a purpose code to people who consent
    to it; ``withdrawn`` maps a code to people who took it back, which outweighs ``broad``.
    """

    broad: FrozenBitMap = _NOBODY
    granted: Mapping[str, FrozenBitMap] = field(default_factory=_empty)
    withdrawn: Mapping[str, FrozenBitMap] = field(default_factory=_empty)


def everyone_consents(people: People) -> ConsentRegister:
    """A register in which all these people consent to every purpose."""
    return ConsentRegister(broad=FrozenBitMap(people))


def grant(register: ConsentRegister, people: People, purpose: str | None = None) -> ConsentRegister:
    """The register after these people consented to a purpose code; without one, to every purpose.

    The latest word counts: consent to every purpose takes earlier withdrawals back.
    """
    who = FrozenBitMap(people)
    if purpose is None:
        return ConsentRegister(register.broad | who, register.granted, _without(register.withdrawn, who))
    granted = _set(register.granted, purpose, register.granted.get(purpose, _NOBODY) | who)
    withdrawn = _set(register.withdrawn, purpose, register.withdrawn.get(purpose, _NOBODY) - who)
    return ConsentRegister(register.broad, granted, withdrawn)


def withdraw(register: ConsentRegister, people: People, purpose: str | None = None) -> ConsentRegister:
    """The register after these people withdrew from a purpose code; without one, from everything.

    Examples
    --------
    >>> register = withdraw(everyone_consents([1, 2, 3]), [2])
    >>> sorted(consented(register, "DUO:0000006"))
    [1, 3]
    """
    who = FrozenBitMap(people)
    if purpose is None:
        return ConsentRegister(register.broad - who, _without(register.granted, who), register.withdrawn)
    granted = _set(register.granted, purpose, register.granted.get(purpose, _NOBODY) - who)
    withdrawn = _set(register.withdrawn, purpose, register.withdrawn.get(purpose, _NOBODY) | who)
    return ConsentRegister(register.broad, granted, withdrawn)


def consented(register: ConsentRegister, *purposes: str) -> BitMap:
    """The people who consent to all of these purpose codes; nobody where no code is given.

    Returns
    -------
    pyroaring.BitMap
        A fresh set; changing it does not change the register.
    """
    sets = [
        (register.broad | register.granted.get(code, _NOBODY)) - register.withdrawn.get(code, _NOBODY)
        for code in purposes
    ]
    return BitMap(FrozenBitMap.intersection(*sets)) if sets else BitMap()


def consent_codes(purpose: Purpose) -> tuple[str, ...]:
    """The codes under which a study's purpose is looked up: its terms, DS with its disease.

    Consent to research on one disease says nothing about another, so the disease is part of the code.

    Examples
    --------
    >>> consent_codes(Purpose(statement="", terms=("DUO:0000007",), disease="MONDO:0005010"))
    ('DUO:0000007 MONDO:0005010',)
    """
    return tuple(f"{code} {purpose.disease}" if code == duo.DS and purpose.disease else code for code in purpose.terms)


def _set(sets: Mapping[str, FrozenBitMap], purpose: str, people: FrozenBitMap) -> Mapping[str, FrozenBitMap]:
    return MappingProxyType({**sets, purpose: people})


def _without(sets: Mapping[str, FrozenBitMap], who: FrozenBitMap) -> Mapping[str, FrozenBitMap]:
    return MappingProxyType({purpose: people - who for purpose, people in sets.items()})
