"""What people see at their node: the steward all of it, a participant what their own record was used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hansa.model import Decision, Study
from hansa.node.context import NodeContext
from hansa.node.studies import study_of
from hansa.store import LedgerEntry

__all__ = ["RecordUse", "StewardView", "StudyAtNode", "participant_view", "steward_view"]


@dataclass(frozen=True)
class StudyAtNode:
    """A study as its node has it: the decision, and how much of the permit's budget is left."""

    study: Study
    decision: Decision
    permitted: bool
    rounds_used: int
    rounds_left: int


@dataclass(frozen=True)
class StewardView:
    """One node, whole: its studies, what left, and what was refused and why (as ``(at, study, reason)``)."""

    node: str
    studies: tuple[StudyAtNode, ...]
    ledger: tuple[LedgerEntry, ...]
    refusals: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class RecordUse:
    """A study that used one person's record.

    ``variables`` are those whose values entered sums; ``released`` says whether this hospital also gave an
    estimate of its own that the record entered.
    """

    study: str
    title: str
    requester: str
    purpose: str
    lay_summary: str
    variables: tuple[str, ...]
    released: bool


def steward_view(node: NodeContext) -> StewardView:
    """Everything the custodian may see, which is everything."""
    refusals = tuple((at, study, why) for at, event, study, why in node.store.events() if event == "refused")
    studies = tuple(_at_node(node, name) for name in node.store.studies())
    return StewardView(node.name, studies, tuple(node.store.ledger()), refusals)


def participant_view(node: NodeContext, identifier: str) -> tuple[RecordUse, ...]:
    """The studies that used a person's record; none for a person who is not in the data.

    The node shows this to the person themself, after it has made sure who they are.
    """
    code = node.store.persons().get(identifier)
    if code is None:
        return ()
    used = node.store.uses(code)
    return tuple(_record_use(node, study, parts) for study, parts in used.items())


def _record_use(node: NodeContext, study: str, parts: Sequence[tuple[frozenset[str], bool]]) -> RecordUse:
    stored = node.store.study(study)
    assert stored is not None
    asked = study_of(stored)
    return RecordUse(
        study=study,
        title=asked.title,
        requester=asked.requester.name,
        purpose=asked.purpose.statement,
        lay_summary=asked.lay_summary,
        variables=tuple(sorted(frozenset().union(*(variables for variables, _ in parts)))),
        released=any(release for _, release in parts),
    )


def _at_node(node: NodeContext, study: str) -> StudyAtNode:
    stored = node.store.study(study)
    assert stored is not None
    rounds = stored.permit.rounds if stored.permit else 0
    return StudyAtNode(
        study=study_of(stored),
        decision=stored.decision,
        permitted=stored.permit is not None,
        rounds_used=stored.rounds_used,
        rounds_left=max(rounds - stored.rounds_used, 0),
    )
