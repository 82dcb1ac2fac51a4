"""Who asks: the organisation behind a study, as far as it is known."""

from __future__ import annotations

from typing import Literal

from hansa.model.base import CountryCode, Value

__all__ = ["Party", "PartyKind"]

PartyKind = Literal[
    "university",
    "hospital",
    "public_health",
    "nonprofit",
    "company",
    "pharmaceutical",
    "insurer",
    "direct_to_consumer_testing",
    "data_broker",
]


class Party(Value):
    """An organisation. ``None`` means not known, which no rule ever takes for a yes.

    ``owner`` is who controls it ("itself" where nobody else does); ``owner_kind`` and ``owner_country``
    describe that owner.
    """

    name: str
    kind: PartyKind | None = None
    seat: CountryCode | None = None
    owner: str | None = None
    owner_kind: PartyKind | None = None
    owner_country: CountryCode | None = None
    contact: str | None = None
