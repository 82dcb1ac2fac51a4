"""What a researcher asks of the hub, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hansa.log import ProofBundle
from hansa.model import Decision, Dictionary

__all__ = ["HubGateway", "Outcome", "Progress", "SiteAnswer"]

Progress = Callable[[str], None]
"""Told, in words, how far a run is."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished run: its plain result, and where it came from, with the log's proof."""

    result: Any
    provenance: Mapping[str, Any]
    proof: ProofBundle


@dataclass(frozen=True)
class SiteAnswer:
    """One node's own estimate, or the general word of its refusal."""

    node: str
    result: Any
    refused: str = ""
    signed: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"node": self.node, "result": self.result, "refused": self.refused, "signed": self.signed.hex()}


class HubGateway(Protocol):
    """The hub as its clients see it, in this process or over a network."""

    @property
    def dictionary(self) -> Dictionary:
        """The league's dictionary."""
        ...

    @property
    def cohorts(self) -> tuple[str, ...]:
        """The names of the league's nodes."""
        ...

    def submit(self, sealed: bytes) -> Mapping[str, Decision]:
        """Take a signed study to its cohorts; every node's decision."""
        ...

    def run(self, study: str, analysis: str, *, progress: Progress | None = None) -> Outcome:
        """Run one analysis of a submitted study."""
        ...

    def sites(self, study: str, analysis: str) -> Outcome:
        """Each permitting node's own estimate: a list of :class:`SiteAnswer`."""
        ...

    def proof_keys(self) -> tuple[str, tuple[str, ...]]:
        """The verifier keys of the log and of its witnesses."""
        ...
