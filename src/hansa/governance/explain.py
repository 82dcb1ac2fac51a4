"""Decisions in plain words, and what another study would have been told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from hansa.errors import StudyError
from hansa.governance.decide import decide
from hansa.governance.policy import Policy
from hansa.model import Decision, Finding, Study, Verdict, read_value

__all__ = ["WhatIf", "explain", "what_if"]

_OPENING: dict[Verdict, str] = {
    "permit": "{node} says yes to the study {study}.",
    "refer": "{node} cannot say yes to the study {study} by itself: people must decide, or facts are missing.",
    "deny": "{node} says no to the study {study}.",
}
_HEADINGS: tuple[tuple[Verdict, str], ...] = (
    ("deny", "Against it"),
    ("refer", "Open"),
    ("permit", "For it"),
)


class WhatIf(NamedTuple):
    """Two decisions, and the rules whose verdicts differ between them."""

    before: Decision
    after: Decision
    changed: tuple[str, ...]


def explain(decision: Decision) -> str:
    """The decision as a person reads it: every rule, strictest first, with what would change it."""
    lines = [_OPENING[decision.verdict].format(node=decision.node, study=decision.study)]
    for verdict, heading in _HEADINGS:
        found = [finding for finding in decision.findings if finding.verdict == verdict]
        lines += ["", f"{heading}:", *(line for finding in found for line in _lines(finding))] if found else []
    if not decision.findings:
        lines += ["", "The policy has no rules, and where no rule speaks nothing permits."]
    lines += ["", f"Decided on {decision.decided_on} under the policy {decision.policy}."]
    return "\n".join(lines)


def what_if(
    policy: Policy,
    study: Study,
    changes: Mapping[str, Any],
    *,
    today: dt.date,
    node_facts: Mapping[str, Any] | None = None,
) -> WhatIf:
    """What a policy would answer if the study were different.

    Parameters
    ----------
    changes : Mapping
        New values by dotted path into the study: ``{"requester.seat": "CH", "min_nodes": 4}``.

    Raises
    ------
    StudyError
        If a path is not one of the study's, or its new value does not fit.
    """
    before = decide(policy, study, today, node_facts)
    after = decide(policy, _changed(study, changes), today, node_facts)
    pairs = zip(before.findings, after.findings, strict=True)
    return WhatIf(before, after, tuple(old.rule for old, new in pairs if old.verdict != new.verdict))


def _lines(finding: Finding) -> list[str]:
    missing = f" (missing: {', '.join(finding.facts_missing)})" if finding.facts_missing else ""
    change = [f"    To change this: {finding.change}."] if finding.change else []
    return [f"  - {finding.sentence}{missing}", *change]


def _changed(study: Study, changes: Mapping[str, Any]) -> Study:
    plain = study.model_dump()
    for path, value in changes.items():
        *parents, last = path.split(".")
        place: Any = plain
        for part in parents:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise StudyError(
                "the study has no such field",
                why="the path does not lead to one",
                fix="write it as in requester.seat or purpose.commercial",
                field=path,
            )
        place[last] = value
    return read_value(Study, plain)
