"""With this folder on the path, a process of the hub or a node kills itself (SIGKILL) where a test's list says so.

The list is a file, one point a line: ``before``, ``amid`` (half of the nodes were sent it) or ``after``, and what is
done there. A process that comes to the first point of the list strikes it off and is gone. Hansa itself knows nothing
of it.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Said = Callable[..., str]


def _dies(listed: Path, point: str) -> None:
    first, *others = listed.read_text(encoding="utf-8").splitlines() or [""]
    if first == point:
        listed.write_text("\n".join(others), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(listed: Path, kind: type, name: str, said: Said) -> None:
    """Look at the list before and after each call of a method; ``said`` names what the call does."""
    plain = getattr(kind, name)

    @functools.wraps(plain)
    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        what = said(*arguments)
        _dies(listed, f"before {what}")
        done = plain(self, *arguments, **named)
        if done is not None or name != "claim":
            _dies(listed, f"after {what}")
        return done

    setattr(kind, name, watched)


def _watch_hub(listed: Path) -> None:
    from hansa.engine.messaging import HubEndpoint  # noqa: PLC0415  # in these processes only
    from hansa.store import HubStore  # noqa: PLC0415  # as above
    from hansa.wire import peek  # noqa: PLC0415  # as above

    _watch(listed, HubEndpoint, "ask", lambda messages: f"ask {peek(next(iter(messages.values()))).kind}")
    _watch(listed, HubStore, "append", lambda kind, *_: f"log {kind}")
    for name in ("claim", "record_total", "save_journal_name", "save_result", "save_witnessed", "finish"):
        _watch(listed, HubStore, name, lambda *_, name=name: name)
    plain, sent = HubEndpoint._send, dict[str, int]()

    def send(self: HubEndpoint, node: str, request: Any) -> None:
        plain(self, node, request)
        kind = peek(request.data).kind
        sent[kind] = sent.get(kind, 0) + 1
        if sent[kind] % 4 == 2:
            self._link._run(self._link._client.flush(), seconds=5)  # those two are on their way
            _dies(listed, f"amid ask {kind}")

    HubEndpoint._send = send  # type: ignore[method-assign]  # a fault that is played


def _watch_node(listed: Path) -> None:
    from hansa.node.service import Node  # noqa: PLC0415  # in these processes only
    from hansa.store import NodeStore  # noqa: PLC0415  # as above
    from hansa.wire import peek  # noqa: PLC0415  # as above

    _watch(listed, Node, "handle", lambda data: f"handle {peek(data).kind}")
    _watch(listed, NodeStore, "record_answer", lambda *_: "record_answer")


if "HANSA_DEATHS" in os.environ:
    _folder = Path(os.environ["HANSA_DEATHS"])
    if "hansa.hub.worker" in sys.orig_argv:
        _watch_hub(_folder / "hub")
    elif sys.orig_argv[-1].endswith("zurich") and "serve" in sys.orig_argv:
        _watch_node(_folder / "zurich")
