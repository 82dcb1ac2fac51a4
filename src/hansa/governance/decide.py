"""A node's decision: every rule answers, and the strictest answer is the node's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from hansa.governance.facts import gather_facts
from hansa.governance.policy import Policy, policy_label
from hansa.model import Decision, Study, strictest

__all__ = ["decide"]


def decide(policy: Policy, study: Study, today: dt.date, node_facts: Mapping[str, Any] | None = None) -> Decision:
    """What a policy answers to a study on a day.

    Every rule is evaluated, whatever the others say, so that the requester sees all that stands in the way
    at once. A policy without rules refers: where no rule speaks, nothing permits.

    Parameters
    ----------
    policy : Policy
    study : Study
    today : datetime.date
    node_facts : Mapping, optional
        Facts that only the node knows, by dotted name; see `hansa.governance.NODE_FACTS`.

    Raises
    ------
    PolicyError
        If a node fact is not known to Hansa or not of its type.
    """
    facts = gather_facts(study, node_facts=node_facts or {})
    findings = tuple(rule.finding(facts, today) for rule in policy.rules)
    return Decision(
        node=policy.node,
        study=study.id,
        verdict=strictest(tuple(finding.verdict for finding in findings)),
        findings=findings,
        policy=policy_label(policy),
        decided_on=today,
    )
