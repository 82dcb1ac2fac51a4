"""The hub's REST interface as an ASGI app: it enqueues and reads; plans run elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hansa.hub.api.access import Context
from hansa.hub.api.bodies import LimitedBodies
from hansa.hub.api.oidc import Issuer
from hansa.hub.api.problems import add_problems
from hansa.hub.api.rates import Buckets
from hansa.hub.api.responses import describe
from hansa.hub.api.routes_health import health
from hansa.hub.api.routes_league import league
from hansa.hub.api.routes_log import log
from hansa.hub.api.routes_runs import runs
from hansa.hub.api.routes_studies import studies
from hansa.hub.api.service import ApiLimits, ApiService

__all__ = ["make_app"]

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}


def make_app(service: ApiService, *, clock: Callable[[], dt.datetime], limits: ApiLimits | None = None) -> FastAPI:
    """The interface to a hub.

    Parameters
    ----------
    service : ApiService
        The hub, its store, and who may use it.
    clock : callable
        The present time, UTC.
    limits : ApiLimits, optional
        How much one identity may ask of this process.
    """
    chosen = limits or ApiLimits()
    # No pages of documentation: they would load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json", redirect_slashes=False)
    app.state.context = Context(
        service=service,
        limits=chosen,
        clock=clock,
        buckets=Buckets(rate=chosen.rate, burst=chosen.burst),
        issuer=None if service.oidc is None else Issuer(service.oidc),
    )
    for part in (league, studies, runs, log):
        app.include_router(part, prefix="/v1")
    app.include_router(health)
    add_problems(app)
    app.add_middleware(LimitedBodies, most_bytes=chosen.body_bytes)
    app.add_middleware(_Headers)
    description: dict[str, Any] = describe(app)
    app.openapi = lambda: description  # type: ignore[method-assign]  # FastAPI's own way to change the description
    return app


class _Headers:
    """Answers are kept nowhere, and are what they say they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, with_headers)
