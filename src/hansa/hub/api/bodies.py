"""Bodies are read up to a limit, and not a byte beyond it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hansa.hub.api.problems import TooLarge, problem

__all__ = ["LimitedBodies"]


class LimitedBodies:
    """Reads every body whole before the app sees it, so that one that is too large is refused in one place."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = None if _announced(scope) > self._most else await self._read(receive)
        if body is None:
            refusal = TooLarge("the body is too large", why=f"at most {self._most} bytes are read", fix="send less")
            await problem(refusal)(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        parts, size = [], 0
        while True:
            message = await receive()
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._most:
                return None
            if message["type"] != "http.request" or not message.get("more_body", False):
                return b"".join(parts)


def _announced(scope: Scope) -> int:
    texts = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(text) for text in texts if text.isdigit() and len(text) < 20), default=0)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
