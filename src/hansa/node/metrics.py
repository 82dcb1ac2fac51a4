"""What a running node tells its own custodian: metrics and log lines about every message it answers.

They say what was asked and how long it took, never what is in the data. Refusals carry the code that the hub was
told; which rule refused, and where, stands in the store only, for the steward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hansa.engine.link import LinkState
from hansa.engine.logs import Event, Fields, log_event, token
from hansa.engine.metrics import BUCKETS
from hansa.errors import ProtocolError, StoreError
from hansa.model import Decision
from hansa.store import NodeStore
from hansa.wire import decode, peek
from hansa.wire.messages import (
    AloneAsked,
    Answered,
    CharterShown,
    CheckpointShown,
    Counted,
    CountsShown,
    DecisionMade,
    Declined,
    PartAsked,
    RoundAsked,
    RunOpen,
    RunStart,
    SiteAsked,
    SiteReleased,
    StudySubmitted,
)

__all__ = ["NodeMetrics"]

_ASKED = (AloneAsked, CharterShown, CheckpointShown, CountsShown, PartAsked, RoundAsked)
_KINDS = {kind.kind() for kind in (*_ASKED, RunOpen, RunStart, SiteAsked, StudySubmitted)}
_OTHER = "other"
_LINK: dict[LinkState, Event] = {
    "connected": "connection back",
    "lost": "connection lost",
    "refused": "connection refused",
}
_EVENTS: dict[tuple[str, str], Event] = {
    (RoundAsked.kind(), Counted.kind()): "round counted",
    (CountsShown.kind(), Answered.kind()): "round answered",
    (SiteAsked.kind(), SiteReleased.kind()): "site released",
}


class NodeMetrics:
    """The metrics of one node; ``paused``, ``connected`` and ``expiry`` are asked when somebody looks."""

    def __init__(
        self,
        store: NodeStore,
        *,
        paused: Callable[[], bool],
        connected: Callable[[], bool],
        expiry: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry()
        self._link: LinkState = "connected"
        name, here = "hansa_node_", self.registry
        self._rounds = Counter(f"{name}rounds_answered", "Rounds answered with a masked share.", registry=here)
        self._seconds = Histogram(
            f"{name}message_seconds", "Seconds to answer a message.", ["kind"], buckets=BUCKETS, registry=here
        )
        self._bytes = Counter(f"{name}answer_bytes", "Bytes of answers, before they are boxed.", registry=here)
        self._refusals = Counter(f"{name}refusals", "Messages declined, by the code told.", ["code"], registry=here)
        self._beat = Gauge(f"{name}heartbeat_timestamp_seconds", "When the daemon last beat.", registry=here)
        Gauge(f"{name}paused", "1 while the node is paused.", registry=here).set_function(paused)
        Gauge(f"{name}connected", "1 while the messaging server is reached.", registry=here).set_function(connected)
        ends = Gauge(f"{name}certificate_expiry_timestamp_seconds", "When its first certificate ends.", registry=here)
        ends.set_function(expiry)
        self.registry.register(_Budgets(store))

    def answered(self, asked: bytes, answer: bytes, seconds: float) -> None:
        """Count a message and its answer, and log what it was."""
        kind, place = _asked(asked)
        said = peek(answer)
        self._seconds.labels(kind).observe(seconds)
        self._bytes.inc(len(answer))
        if said.kind == Declined.kind():
            code = token(decode(said.payload)["code"])
            self._refusals.labels(code).inc()
            refused: Fields = {**place, "code": code, "seconds": seconds}
            log_event("message declined", level="warning", **refused)
        elif said.kind == DecisionMade.kind():
            log_event("study decided", **_decided(decode(said.payload)))
        else:
            self._rounds.inc((kind, said.kind) == (CountsShown.kind(), Answered.kind()))
            found = _EVENTS.get((kind, said.kind))
            more: Fields = {**place, "seconds": seconds, "bytes": len(answer)}
            log_event(found or "message answered", level="info" if found else "debug", **more)

    def beats(self, link: LinkState) -> None:
        """The daemon is alive; that it has lost its connection, is refused, or has it back, is logged once."""
        self._beat.set_to_current_time()
        if self._link != link:
            log_event(_LINK[link], level="warning")
        self._link = link


class _Budgets(Collector):
    """Each permitted study's budget, as the store has it."""

    def __init__(self, store: NodeStore) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the store; where it does not answer, say so."""
        used = GaugeMetricFamily(
            "hansa_node_budget_used_rounds", "Rounds of a study's permit that are used.", labels=["study"]
        )
        granted = GaugeMetricFamily(
            "hansa_node_budget_rounds", "Rounds that a study's permit allows.", labels=["study"]
        )
        reached = GaugeMetricFamily("hansa_node_store_reachable", "1 if the store answers.")
        try:
            for name in self._store.studies():
                found = self._store.study(name)
                if found is not None and found.permit is not None:
                    used.add_metric([name], found.rounds_used)
                    granted.add_metric([name], found.permit.rounds)
        except StoreError:
            reached.add_metric([], 0)
        else:
            reached.add_metric([], 1)
        yield from (used, granted, reached)


def _asked(data: bytes) -> tuple[str, Fields]:
    """A message's kind, and what it is about. Nothing of it was verified: identifiers only."""
    try:
        envelope = peek(data)
        body = decode(envelope.payload)
    except ProtocolError:
        return _OTHER, {}
    kind = envelope.kind if envelope.kind in _KINDS else _OTHER
    named: dict[str, Any] = body if isinstance(body, dict) and kind != _OTHER else {}
    return kind, cast(Fields, {name: named[name] for name in ("study", "run", "round", "step") if name in named})


def _decided(made: dict[str, Any]) -> Fields:
    """A decision with the first of the rules that made it: rules look at facts of governance, not at data."""
    decision = Decision.model_validate_json(made["decision"])
    rule = next((one.rule for one in decision.findings if one.verdict == decision.verdict), "")
    return {"study": decision.study, "code": decision.verdict, "rule": rule}
