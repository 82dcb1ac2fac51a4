"""A hub on another machine, as its clients see it: the same calls as in one process, over its REST interface.

Runs belong to the hub. Whoever started one may leave, and take it up again by its id.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from hansa.client.remote_link import HubLink, ServerEvent
from hansa.engine import Outcome, Progress
from hansa.engine.outcome_json import error_from_json, outcome_from_json
from hansa.errors import ProtocolError
from hansa.model import Decision, Dictionary, Study, read_value
from hansa.wire import Signer

__all__ = ["CohortState", "Note", "RemoteHub", "RunState"]

S = TypeVar("S")
T = TypeVar("T")

_OVER = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class RunState:
    """A run as the hub knows it; ``over`` says whether anything will still change.

    ``error`` says why it failed, if it did: ``code``, ``what``, ``why``, ``fix``, ``field``; ``reason`` of a refusal.
    """

    id: str
    study: str
    analysis: str
    by: str
    state: str
    queued: dt.datetime
    error: Mapping[str, str] | None = None

    @property
    def over(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in _OVER

    @property
    def failure(self) -> str:
        """Why it failed, in a sentence with the error's code; empty if it did not.

        Examples
        --------
        >>> error = {"code": "refused", "what": "a node is paused", "fix": "ask its custodian"}
        >>> RunState("r", "s", "a", "ada", "failed", dt.datetime(2026, 11, 23), error).failure
        'a node is paused. To go on: ask its custodian. (refused)'
        """
        if self.error is None:
            return ""
        return f"{error_from_json(json.dumps(dict(self.error)))} ({self.error['code']})"


@dataclass(frozen=True)
class Note:
    """What a run's worker noted; ``fields`` as it wrote them: text, round, step, waiting, deadline."""

    number: int
    at: str
    fields: Mapping[str, Any]

    @property
    def words(self) -> str:
        """The note in words.

        Examples
        --------
        >>> Note(1, "", {"round": 3, "step": "glm.irls", "waiting": ["zurich"]}).words
        'round 3: glm.irls, waiting for zurich'
        """
        place = f"round {self.fields['round']}: {self.fields.get('step', '')}" if "round" in self.fields else ""
        waiting = ", ".join(map(str, self.fields.get("waiting", ())))
        parts = (str(self.fields.get("text", "")), place, f"waiting for {waiting}" if waiting else "")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class CohortState:
    """A cohort and its node's last heartbeat, as the hub sees it."""

    name: str
    state: str
    last_heartbeat: dt.datetime | None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class RemoteHub:
    """A hub's interface at an address (:class:`hansa.engine.HubGateway`).

    Parameters
    ----------
    url : str
        ``https://host:port``.
    who : Signer or str
        The researcher's certified key, or the text of an access token (which can read, and cannot sign a study).
    audience : str
        The hub's name, as the league gave it.
    authority : Path, optional
        The league's certificate authority (PEM); the system's without one.
    patience : float
        Seconds for which a hub that was reached before is asked again when it is away.
    clock : callable, optional
        The present time, UTC.

    Raises
    ------
    StudyError
        If the address is no HTTPS address.
    """

    def __init__(
        self,
        url: str,
        who: Signer | str,
        *,
        audience: str,
        authority: Path | None = None,
        patience: float = 120.0,
        clock: Callable[[], dt.datetime] = _now,
    ) -> None:
        self._link = HubLink(url, who, audience=audience, authority=authority, patience=patience, clock=clock)

    @cached_property
    def dictionary(self) -> Dictionary:
        """The league's dictionary, as it was when it was first asked for."""
        return self._get("/v1/dictionary", lambda content: read_value(Dictionary, content))

    @property
    def cohorts(self) -> tuple[str, ...]:
        """The names of the league's nodes."""
        return tuple(sorted(seen.name for seen in self.seen()))

    def seen(self) -> tuple[CohortState, ...]:
        """Every cohort with its node's last heartbeat."""
        return self._get("/v1/cohorts", lambda content: tuple(_cohort(entry) for entry in content))

    def submit(self, sealed: bytes) -> Mapping[str, Decision]:
        """Send a signed study; every node's decision. Sending it twice is harmless."""
        return self._ask("POST", "/v1/studies", lambda content: _decisions(content["decisions"]), content=sealed)

    def studies(self) -> Iterator[str]:
        """The ids of the studies that one may see, page by page."""
        address: str | None = "/v1/studies"
        while address is not None:
            ids, address = self._get(address, _page)
            yield from ids

    def study(self, study: str) -> Study:
        """A study as it was signed."""
        return self._get(f"/v1/studies/{study}", lambda content: read_value(Study, content["study"]))

    def decisions(self, study: str) -> Mapping[str, Decision]:
        """Every node's decision on a study; a node that could not be reached yet is not in it."""
        return self._get(f"/v1/studies/{study}/decisions", _decisions)

    def runs(self, study: str) -> tuple[RunState, ...]:
        """The runs of a study, so that one can be taken up again."""
        return self._get(f"/v1/studies/{study}", lambda content: tuple(_run(entry) for entry in content["runs"]))

    def start(self, study: str, analysis: str) -> RunState:
        """Start a run, and do not wait for it. One that is not finished is given instead of a second."""
        return self._ask("POST", f"/v1/studies/{study}/runs", _run, json={"analysis": analysis})

    def state(self, run: str) -> RunState:
        """Where a run is."""
        return self._get(f"/v1/runs/{run}", _run)

    def watch(self, run: str, *, after: int = 0) -> Generator[Note | RunState]:
        """A run's notes beyond number ``after`` and its states as they come, until it is over.

        A cut link is mended: no note is lost or comes twice.

        Raises
        ------
        Unreachable
            If the hub stays away; the run goes on there.
        """
        for event in self._link.follow(f"/v1/runs/{run}/events", after=after, over=_ends):
            yield _readable(_news, event)

    def results(self, run: str) -> Outcome:
        """What came of a run that is done.

        Raises
        ------
        HansaError
            Of a failed run its own error; a :class:`StudyError` of one that is not over.
        """
        return outcome_from_json(self._link.ask("GET", f"/v1/runs/{run}/result").text)

    def cancel(self, run: str) -> RunState:
        """Cancel a run; nothing of it is released."""
        return self._ask("DELETE", f"/v1/runs/{run}", _run)

    def run(self, study: str, analysis: str, *, progress: Progress | None = None) -> Outcome:
        """Start a run, follow it to its end, and fetch what came of it."""
        started = self.start(study, analysis)
        for news in self.watch(started.id):
            if progress is not None and isinstance(news, Note):
                progress(news.words)
        return self.results(started.id)

    def sites(self, study: str, analysis: str) -> Outcome:
        """Each permitting node's own estimate, for an analysis that asks for them."""
        return self.run(study, analysis)

    def proof_keys(self) -> tuple[str, tuple[str, ...]]:
        """The verifier keys of the log and of its witnesses, as the hub gives them."""
        return self._get("/v1/log/checkpoint", lambda found: (found["log_key"], tuple(found["witness_keys"])))

    def charter(self) -> bytes:
        """The league's newest charter, sealed: whoever uses it verifies it with the root that they know."""
        return self._link.ask("GET", "/v1/charter").content

    def close(self) -> None:
        """Let go of the connections."""
        self._link.close()

    def _get(self, path: str, reading: Callable[[Any], T]) -> T:
        return self._ask("GET", path, reading)

    def _ask(self, method: str, path: str, reading: Callable[[Any], T], **request: Any) -> T:
        answer = self._link.ask(method, path, **request)
        return _readable(lambda found: reading(found.json()), answer)


def _readable(reading: Callable[[S], T], found: S) -> T:
    """Read an answer; one of another shape is a fault of the two versions, not of the caller."""
    try:
        return reading(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProtocolError("the hub's answer cannot be read", fix="update this client or the hub") from None


def _page(content: Any) -> tuple[list[str], str | None]:
    return [line["id"] for line in content["studies"]], content["next"]


def _cohort(entry: Any) -> CohortState:
    at = entry["last_heartbeat"]
    return CohortState(entry["name"], entry["state"], None if at is None else dt.datetime.fromisoformat(at))


def _decisions(entries: Any) -> dict[str, Decision]:
    return {node: read_value(Decision, entry) for node, entry in entries.items()}


def _ends(event: ServerEvent) -> bool:
    return event.kind == "state" and event.fields.get("state") in _OVER


def _news(event: ServerEvent) -> Note | RunState:
    if event.kind == "state":
        return _run(event.fields)
    fields = {name: value for name, value in event.fields.items() if name != "at"}
    return Note(event.number, str(event.fields["at"]), fields)


def _run(entry: Any) -> RunState:
    words = {name: str(entry[name]) for name in ("id", "study", "analysis", "by", "state")}
    error = entry.get("error")
    found = None if error is None else {"code": str(error["code"]), **{name: str(error[name]) for name in error}}
    return RunState(**words, queued=dt.datetime.fromisoformat(entry["queued"]), error=found)
