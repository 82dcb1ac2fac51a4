"""What a node answers to a study: every rule, its verdict, the facts, and what would change it."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from hansa.model.base import Value

__all__ = ["Decision", "Finding", "Permit", "Verdict", "strictest"]

Verdict = Literal["permit", "refer", "deny"]

_STRICTNESS: dict[Verdict, int] = {"permit": 0, "refer": 1, "deny": 2}


def strictest(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The strictest of the verdicts; of none, refer: where no rule speaks, nothing permits.

    Examples
    --------
    >>> strictest(("permit", "refer", "permit"))
    'refer'
    >>> strictest(())
    'refer'
    """
    return max(verdicts, key=_STRICTNESS.__getitem__, default="refer")


class Finding(Value):
    """One rule's verdict.

    ``facts_used`` maps fact names ("requester.kind") to what was found there, in words;
    ``facts_missing`` names the facts that nobody supplied; ``sentence`` says it to a person;
    ``change`` says what would make it permit, or is empty where it permits.
    """

    rule: str
    verdict: Verdict
    facts_used: dict[str, str] = Field(default_factory=dict)
    facts_missing: tuple[str, ...] = ()
    sentence: str
    change: str = ""


class Decision(Value):
    """A node's answer to a study, all rules listed."""

    node: str
    study: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    policy: str
    decided_on: dt.date


class Permit(Value):
    """A time-limited yes: these analyses, these variables, this many rounds.

    ``alone_ok`` says that totals which give this node's share away may be asked, provided the share passes
    the release rules.
    """

    node: str
    study: str
    study_hash: str
    variables: tuple[str, ...]
    rounds: int
    alone_ok: bool
    valid_from: dt.date
    valid_until: dt.date
