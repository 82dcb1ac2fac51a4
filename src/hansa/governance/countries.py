"""Country lists that a policy may name beside ISO codes: dated, with their source (``countries.json``)."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator

from hansa.model import CountryCode, Value

__all__ = ["COUNTRY_LISTS", "CountryList", "CountryName", "country_name", "standing"]


class CountryList(Value):
    """A named list; ``conditional`` countries belong to it only under the condition given in words."""

    name: str
    as_of: dt.date
    source: str
    members: frozenset[CountryCode]
    conditional: dict[CountryCode, str]


_FILE = json.loads(files(__package__).joinpath("countries.json").read_text(encoding="utf-8"))

COUNTRY_LISTS: Mapping[str, CountryList] = MappingProxyType(
    {entry["name"]: CountryList.model_validate(entry) for entry in _FILE["lists"]}
)
"""The lists by name: ``EU``, ``EEA``, ``EU_ADEQUATE``."""


def _list_or_code(name: str) -> str:
    # A code nobody can satisfy would deny silently; UK is the common slip for GB.
    if name in COUNTRY_LISTS or (re.fullmatch("[A-Z]{2}", name) and name != "UK"):
        return name
    raise ValueError(f"a country is an ISO 3166-1 code (GB, not UK) or one of {', '.join(COUNTRY_LISTS)}")


CountryName = Annotated[str, AfterValidator(_list_or_code)]
"""An ISO 3166-1 alpha-2 code or the name of a list."""


def country_name(code: str) -> str:
    """The country's English name where the lists know it, else the code.

    Examples
    --------
    >>> country_name("NL"), country_name("ZZ")
    ('the Netherlands', 'ZZ')
    """
    return str(_FILE["names"].get(code, code))


def standing(code: str, allowed: Iterable[str]) -> tuple[Literal["in", "conditional", "out"], str]:
    """Where a country stands towards a policy's names, and the condition where there is one.

    A code that the policy names itself is in without condition.

    Examples
    --------
    >>> standing("NO", ["EEA"])
    ('in', '')
    >>> standing("US", ["EEA", "EU_ADEQUATE"])
    ('conditional', 'only organisations certified under the EU-US Data Privacy Framework')
    >>> standing("US", ["EEA", "US"])
    ('in', '')
    """
    names = tuple(allowed)
    lists = [COUNTRY_LISTS[name] for name in names if name in COUNTRY_LISTS]
    named = code in names and code not in COUNTRY_LISTS  # "EU" has the form of a country code
    if named or any(code in listed.members for listed in lists):
        return "in", ""
    conditions = [listed.conditional[code] for listed in lists if code in listed.conditional]
    return ("conditional", conditions[0]) if conditions else ("out", "")
