"""The seam between a node's gate and its rows: what may be asked of them, and what comes back.

Whatever touches rows goes through :class:`Work`, in this process (:mod:`hansa.node.work`) or in a process that
holds the data and nothing else (:mod:`hansa.node.worker.apart`). Keys, masks, permits, judging, ledger and history
stay on the gate's side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pyroaring import AbstractBitMap, BitMap

from hansa.errors import HansaError, MethodError, Refused
from hansa.model import Dictionary
from hansa.node.prepared import Asking, Counted
from hansa.privacy.counts import Tally
from hansa.stats.contract import Arguments, Inputs, Step, Totals
from hansa.stats.question import Question

__all__ = ["STEP_FAILED", "Found", "Observed", "Rows", "Work", "step_failed", "stepping"]

_FAILED = "the step failed at this node"
STEP_FAILED = "step"
"""The reason of a refusal that is about the step, not about what was asked."""


@dataclass(frozen=True, eq=False)
class Found:
    """A node's share of a step, and the people behind it.

    ``counted`` is ``None`` where the exposures were judged before, ``weights`` where the step makes none.
    """

    sums: Totals
    counted: Counted | None
    weights: Tally | None


@dataclass(frozen=True, eq=False)
class Observed:
    """A site's own result (plain), and all that was counted of the sums it rests on, in the order they were asked."""

    result: object
    seen: tuple[Counted | Tally, ...]


class Rows(Protocol):
    """The rows of one question."""

    @property
    def question(self) -> Question:
        """What is asked of them."""
        ...

    def people(self) -> BitMap:
        """The people of the analysis set."""
        ...

    def ask(self, step: Step, arguments: Arguments, inputs: Inputs, asking: Asking | None) -> Found:
        """A round: prepare where needed, count the exposures where ``asking`` says of whom, compute the share."""
        ...

    def estimate(self, asking: Asking) -> Observed:
        """The question's whole plan over these rows alone, nothing judged yet."""
        ...


class Work(Protocol):
    """A node's rows, all of them."""

    @property
    def dictionary(self) -> Dictionary:
        """What the columns mean."""
        ...

    @property
    def people(self) -> BitMap:
        """Everybody who has a row, by code."""
        ...

    @property
    def weaker(self) -> tuple[str, ...]:
        """In words, each protection of a process apart that this machine does not allow."""
        ...

    def select(self, question: Question, analysis: str, allowed: AbstractBitMap) -> Rows:
        """The rows of a question (the study's analysis of this name) among the people who may be used."""
        ...

    def close(self) -> None:
        """Let go of the rows."""
        ...


def step_failed(what: str, *, why: str, fix: str = "ask its custodian") -> Refused:
    """A step that came to nothing. ``what`` is told outside, and says nothing of data; ``why`` is the steward's."""
    return Refused(what, why=why, fix=fix, reason=STEP_FAILED)


@contextmanager
def stepping() -> Iterator[None]:
    """What a step raises is its failure, in a process apart or in this one; refusals are not the step's.

    The text of what is none of Hansa's errors may hold data, so its name alone is kept.
    """
    try:
        yield
    except MethodError as fault:  # such as arrays of other shapes than were declared
        raise step_failed(_FAILED, why=fault.what) from None
    except HansaError:
        raise
    except Exception as fault:
        raise step_failed(_FAILED, why=type(fault).__name__) from None
