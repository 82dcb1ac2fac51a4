"""Who asks, in which role."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

__all__ = ["Identity", "Role"]

Role = Literal["researcher", "auditor", "steward"]
"""A researcher reads what is theirs; an auditor reads everything; a steward may also cancel runs."""


@dataclass(frozen=True)
class Identity:
    """A person that this hub has recognised, until when.

    ``name`` is the same person's whichever way they came: a researcher's certificate, a token made in that name,
    or the configured claim of an identity provider. ``once`` is the id of a credential that is good for one request.
    """

    name: str
    role: Role
    expires: dt.datetime
    once: bytes = b""

    @property
    def reads_all(self) -> bool:
        """Whether other people's studies may be read."""
        return self.role != "researcher"
