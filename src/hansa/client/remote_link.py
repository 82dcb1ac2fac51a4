"""Requests to a hub over HTTPS: signed, repeated where a link is cut, and with the hub's errors as Hansa's own."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from hansa.engine.outcome_json import error_from_json
from hansa.errors import HansaError, ProtocolError, StudyError, Unreachable
from hansa.wire import Signer
from hansa.wire.access import ACCESS_SCHEME, grant_access

__all__ = ["HubLink", "ServerEvent"]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_AWAY = frozenset({502, 503, 504})
_PROBLEM = "application/problem+json"
_KIN = {
    "access": "refused",
    "rate": "refused",
    "not-found": "study",
    "conflict": "study",
    "too-large": "protocol",
    "media-type": "protocol",
}
"""Codes that only the interface knows, by the code of the class that they are read as."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 3.0
_MOST_PAUSES = 10
_TIMES = httpx.Timeout(600.0, connect=10.0)  # submitting waits for every node's decision
_STREAM_TIMES = httpx.Timeout(35.0, connect=10.0)  # a stream says every ten seconds that it still stands


@dataclass(frozen=True)
class ServerEvent:
    """A server-sent event; ``number`` is 0 where it has none."""

    kind: str
    number: int
    fields: Mapping[str, Any]


class HubLink:
    """A hub's interface at ``url``.

    Parameters
    ----------
    url : str
        ``https://host:port``; plain HTTP on loopback only.
    who : Signer or str
        A researcher's certified key, or the text of an access token.
    audience : str
        The hub's name, which assertions are made out to.
    authority : Path or None
        The certificate authority (PEM) that vouches for the hub; the system's without one.
    patience : float
        Seconds for which a hub that was reached before, and is not now, is asked again.
    clock : callable
        UTC.

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
        authority: Path | None,
        patience: float,
        clock: Callable[[], dt.datetime],
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise StudyError("a hub is reached over HTTPS only", fix="give its https address", field="url")
        self._who = who
        self._audience = audience
        self._patience = patience
        self._clock = clock
        self._reached = False
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
        self._http = httpx.Client(base_url=url, verify=context, timeout=_TIMES, follow_redirects=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request, repeated while the hub is away.

        Raises
        ------
        Unreachable
            If it stays away.
        HansaError
            Of the class that the hub's error says.
        """
        waiting = _Patience(self._patience if self._reached else 0.0)
        while True:
            try:
                answer = self._http.request(method, path, headers=self._headers(request.get("content")), **request)
            except httpx.TransportError as fault:
                waiting.wait(fault)
                continue
            self._reached = True
            if _is_away(answer):
                waiting.wait(None)
            elif answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                waiting.pause(_retry_after(answer), _error(answer))
            elif answer.is_success:
                return answer
            else:
                raise _error(answer)

    def follow(self, path: str, *, after: int, over: Callable[[ServerEvent], bool]) -> Iterator[ServerEvent]:
        """A stream's events beyond number ``after``, over as many connections as it takes, until one ends it.

        Raises
        ------
        Unreachable
            If the hub stays away.
        """
        waiting = _Patience(self._patience)
        while True:
            try:
                for event in self._events(path, after, waiting):
                    after = max(after, event.number)
                    yield event
                    if over(event):
                        return
                waiting.wait(None)
            except httpx.TransportError as fault:
                waiting.wait(fault)

    def _events(self, path: str, after: int, waiting: _Patience) -> Iterator[ServerEvent]:
        headers = {**self._headers(None), "Last-Event-ID": str(after), "Accept": "text/event-stream"}
        with self._http.stream("GET", path, headers=headers, timeout=_STREAM_TIMES) as answer:
            if answer.is_success:
                yield from _read_events(_heard(answer.iter_lines(), waiting))
                return
            answer.read()
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            waiting.pause(_retry_after(answer), _error(answer))
        elif not _is_away(answer):
            raise _error(answer)

    def _headers(self, content: bytes | None) -> dict[str, str]:
        kind = {} if content is None else {"Content-Type": "application/cbor"}
        if isinstance(self._who, str):
            return {**kind, "Authorization": f"Bearer {self._who}"}
        text = grant_access(self._who, audience=self._audience, now=self._clock())
        return {**kind, "Authorization": f"{ACCESS_SCHEME} {text}"}


class _Patience:
    """Waits longer and longer, and gives up ``seconds`` after the last sign of life."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.reset()

    def reset(self) -> None:
        """There was a sign of life."""
        self._ends = time.monotonic() + self._seconds
        self._next = _FIRST_WAIT
        self._pauses = 0

    def wait(self, fault: httpx.TransportError | None) -> None:
        """Wait a little before the next attempt."""
        if "CERTIFICATE_VERIFY_FAILED" in str(fault):
            raise Unreachable(
                "the hub's certificate is not vouched for",
                why="another authority signed it, or it is for another name",
                fix="give the league's authority, and the address that the league gave you",
                field="authority",
            )
        if time.monotonic() >= self._ends:
            raise Unreachable(
                "the hub cannot be reached",
                why="it does not answer" if fault is None else type(fault).__name__,
                fix="check its address and your network; a run goes on without you, and is found again by its id",
                field="url",
            )
        time.sleep(self._next)
        self._next = min(2 * self._next, _LONGEST_WAIT)

    def pause(self, seconds: float, otherwise: HansaError) -> None:
        """Wait as long as the hub asks; raise its error when it asks too often."""
        pauses = self._pauses + 1
        if pauses > _MOST_PAUSES:
            raise otherwise
        time.sleep(seconds)
        self.reset()
        self._pauses = pauses


def _is_away(answer: httpx.Response) -> bool:
    """Whether something in front of the hub says that it is not there; what the hub itself says is an answer."""
    return answer.status_code in _AWAY and not _is_problem(answer)


def _is_problem(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).startswith(_PROBLEM)


def _retry_after(answer: httpx.Response) -> float:
    text = str(answer.headers.get("retry-after", "1"))
    return min(float(text), 60.0) if text.isdigit() else 1.0


def _error(answer: httpx.Response) -> HansaError:
    try:
        if not _is_problem(answer):
            return _unreadable(answer.status_code)
        problem = answer.json()
        fields = {"what": problem["title"], "why": problem["detail"], "fix": problem["fix"], "field": problem["field"]}
        code = _KIN.get(problem["code"], problem["code"])
        return error_from_json(json.dumps({**fields, "code": code, "reason": problem.get("reason", "")}))
    except (ValueError, KeyError, TypeError):
        return _unreadable(answer.status_code)


def _unreadable(status: int) -> ProtocolError:
    return ProtocolError(
        "what answered is no hub of this version", why=f"HTTP status {status}", fix="check the address", field="url"
    )


def _heard(lines: Iterator[str], waiting: _Patience) -> Iterator[str]:
    """The lines, each of them a sign of life: comments too, which say just that."""
    for line in lines:
        waiting.reset()
        yield line


def _read_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Events of a stream (HTML standard, section 9.2.6); what a cut link leaves half is dropped."""
    found: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
        elif "data" in found:
            yield _read_event(found)
            found = {}


def _read_event(found: Mapping[str, str]) -> ServerEvent:
    try:
        fields = json.loads(found["data"])
        if isinstance(fields, dict):
            return ServerEvent(found.get("event", "message"), int(found.get("id", "0")), fields)
    except ValueError:
        pass
    raise ProtocolError("an event of the hub cannot be read", fix="update this client or the hub")
