"""Every message between researcher, hub and nodes.

A run goes: ``RunOpen`` -> ``RunReady`` -> ``RunStart`` -> ``RunStarted``; then for each round
``RoundAsked`` -> ``Counted`` (prepare), ``CountsShown`` -> ``Answered`` (answer; ``PartAsked`` -> ``Answered`` for
the further parts of a long share). A node that refuses answers ``Declined`` instead, at any point.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from pydantic import AfterValidator

from hansa.errors import ProtocolError, StudyError
from hansa.model import Decision, Permit, Study, Value, read_json
from hansa.wire.envelope import Message

__all__ = [
    "AloneAsked",
    "AloneGranted",
    "Answered",
    "CharterShown",
    "CharterTaken",
    "CheckpointBefore",
    "CheckpointCosigned",
    "CheckpointShown",
    "Counted",
    "CountsShown",
    "DecisionMade",
    "Declined",
    "PartAsked",
    "PastPopulation",
    "RoundAsked",
    "RoundPlace",
    "RunOpen",
    "RunReady",
    "RunStart",
    "RunStarted",
    "SiteAsked",
    "SiteReleased",
    "StudySubmitted",
]


def _lanes(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype != np.dtype("<u8") or value.ndim != 2 or len(value) != 2:
        raise ValueError("masked shares are unsigned 64-bit integers in two lanes")
    return value


def _numbers(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype != np.dtype("<f8") or not np.isfinite(value).all():
        raise ValueError("inputs are finite 64-bit floats")
    return value


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


Lanes = Annotated[NDArray[np.uint64], AfterValidator(_lanes)]
Numbers = Annotated[NDArray[np.float64], AfterValidator(_numbers)]
Natural = Annotated[int, Ge(0)]


class StudySubmitted(Message):
    """A researcher's study, as JSON."""

    study: bytes

    def read(self) -> Study:
        """The study itself.

        Raises
        ------
        StudyError
            Naming the field that is wrong, never showing what stands in it.
        """
        return read_json(Study, self.study)


class DecisionMade(Message):
    """A node's decision on a study, as JSON, and its permit where it permits."""

    study: str
    decision: bytes
    permit: bytes | None

    def read(self) -> tuple[Decision, Permit | None]:
        """The decision and the permit themselves, which are this study's.

        Raises
        ------
        ProtocolError
            If they are another's, contradict each other, or are none.
        """
        try:
            decision = read_json(Decision, self.decision)
            permit = None if self.permit is None else read_json(Permit, self.permit)
        except StudyError as fault:
            raise ProtocolError("a node's decision cannot be read", why=fault.field) from None
        if {self.study, decision.study, self.study if permit is None else permit.study} != {self.study}:
            raise ProtocolError("a node decides about another study than it was asked")
        return decision, permit


class RunOpen(Message):
    """The hub asks to prepare one analysis of a study over a roster of nodes, by one dictionary and code.

    ``instead_of`` is the run that lost nodes and that this one stands in for; empty where there is none.
    """

    study: str
    run: str
    analysis: str
    roster: tuple[str, ...]
    dictionary: bytes
    code: str
    instead_of: str = ""


class PastPopulation(Value):
    """A population that a node remembers: enough for others to compare with, nothing about its people."""

    id: str
    kind: str
    derived: bool
    variables: tuple[str, ...]
    roster: tuple[str, ...]


class RunReady(Message):
    """A node is ready: its agreement key for this run only, its epoch, its past populations."""

    study: str
    run: str
    roster: tuple[str, ...]
    agreement: bytes
    epoch: Natural
    code: str
    past: tuple[PastPopulation, ...]


class RunStart(Message):
    """All nodes' signed ``RunReady`` and the permissions of nodes whose share would be given away."""

    study: str
    run: str
    ready: tuple[bytes, ...]
    alone: tuple[bytes, ...]


class RunStarted(Message):
    """A node agrees with the roster: the hash of all ready messages."""

    study: str
    run: str
    binding: bytes


class RoundPlace(Message):
    """Where in a run a message belongs."""

    study: str
    run: str
    round: Natural
    attempt: Natural


class RoundAsked(RoundPlace):
    """The hub asks for a step with its preparation's arguments and its inputs."""

    step: str
    step_version: Natural
    arguments: dict[str, Any]
    inputs: dict[str, Numbers]


class Counted(RoundPlace):
    """A node's masked tally; the sum over the roster is readable to all."""

    request: bytes
    lanes: Lanes


class CountsShown(RoundPlace):
    """All nodes' signed tallies, for each node to add up itself."""

    counted: tuple[bytes, ...]


class Answered(RoundPlace):
    """A node's masked share, or part number ``part`` of ``parts`` of a long one."""

    request: bytes
    lanes: Lanes
    part: Natural = 0
    parts: Annotated[int, Ge(1)] = 1


class PartAsked(RoundPlace):
    """The hub asks for a further part of a long share."""

    part: Natural


class SiteAsked(Message):
    """The hub asks one node for its own estimate, a release of that node; ``roster`` are all that are asked."""

    study: str
    run: str
    analysis: str
    roster: tuple[str, ...]
    code: str


class SiteReleased(Message):
    """A node's signed release: the result as JSON, and the checks it passed."""

    node: str
    study: str
    analysis: str
    result: bytes
    checks: tuple[str, ...]

    def read(self) -> dict[str, Any]:
        """The result itself.

        Raises
        ------
        ProtocolError
            If it is no result: JSON has no other numbers than finite ones.
        """
        try:
            found = json.loads(self.result, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProtocolError("what a node released is no result")
        return found


class AloneAsked(Message):
    """The hub asks whether totals may give this node's share away."""

    study: str
    run: str
    analysis: str
    roster: tuple[str, ...]
    code: str


class AloneGranted(Message):
    """The node's share of this question passes the release rules and may be given away by this run."""

    node: str
    study: str
    run: str
    roster: tuple[str, ...]
    question: bytes


class CheckpointShown(Message):
    """The hub's newest log checkpoint, with the proof that it extends the one of size ``since``."""

    checkpoint: str
    log_key: str
    since: Natural
    proof: tuple[bytes, ...]


class CheckpointBefore(Message):
    """The checkpoint that this node saw last has another size: the proof must begin there."""

    size: Natural


class CheckpointCosigned(Message):
    """A node's witness signature: the log has only grown since it last looked."""

    signature: str


class CharterShown(Message):
    """The hub passes on the newest charter, as its root signed it."""

    charter: bytes


class CharterTaken(Message):
    """A node has taken up a version of the charter."""

    charter_version: Natural


class Declined(Message):
    """A node says no: one code and general advice. Nothing in it depends on a number at the node."""

    code: str
    what: str
    fix: str
