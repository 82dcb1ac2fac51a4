"""Every request's first question: who asks, and not too often."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hansa.errors import ProtocolError
from hansa.hub.api.identity import Identity
from hansa.hub.api.oidc import Issuer
from hansa.hub.api.problems import TooMany, Unauthenticated
from hansa.hub.api.rates import Buckets
from hansa.hub.api.service import ApiLimits, ApiService
from hansa.hub.api.tokens import find_token
from hansa.wire.access import ACCESS_SCHEME, open_access

__all__ = ["Caller", "Context", "Here", "identify"]

_FIX = "sign an assertion, or give a personal token or one of the identity provider"


@dataclass(frozen=True, eq=False)
class Context:
    """What all requests of an app share."""

    service: ApiService
    limits: ApiLimits
    clock: Callable[[], dt.datetime]
    buckets: Buckets
    issuer: Issuer | None
    streams: Counter[str] = field(default_factory=Counter)


def context_of(request: Request) -> Context:
    """The app's context."""
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


Here = Annotated[Context, Depends(context_of)]

_ASSERTION = APIKeyHeader(
    name="Authorization",
    scheme_name="assertion",
    description="`Hansa <base64url of a sealed ApiAccess message>`: signed with the researcher's key; good once.",
    auto_error=False,
)
_BEARER = HTTPBearer(
    scheme_name="bearer",
    description="A personal token, or a JSON Web Token of the league's identity provider.",
    auto_error=False,
)


def caller(
    request: Request,
    here: Here,
    _assertion: Annotated[str | None, Security(_ASSERTION)],
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> Identity:
    """Who asks; a request too many is refused, and so is one whose assertion was used before."""
    found = identify(request.headers.get("Authorization", ""), here)
    now = here.clock()
    wait = here.buckets.take(found.name, now=now.timestamp())
    if wait > 0:
        raise TooMany("you ask too often", seconds=wait)
    if found.once and not here.service.store.use_assertion(found.once, found.expires, now=now):
        raise Unauthenticated(
            "the assertion was used before", why="each is good for one request", fix="sign a new one", field="nonce"
        )
    return found


Caller = Annotated[Identity, Depends(caller)]


def identify(header: str, here: Context) -> Identity:
    """Read an ``Authorization`` header.

    Raises
    ------
    Unauthenticated
        If it names nobody. It says why, and nothing of what was sent.
    """
    scheme, _, text = header.partition(" ")
    text = text.strip()
    if not text or not text.isascii():
        raise Unauthenticated("nobody is asking", why="there is no Authorization that can be read", fix=_FIX)
    if scheme.lower() == ACCESS_SCHEME.lower():
        return _by_assertion(text, here)
    if scheme.lower() == "bearer":
        return _by_jwt(text, here) if text.count(".") == 2 else _by_token(text, here)
    raise Unauthenticated("this way to sign in is not known", fix=_FIX, field="authorization")


def _by_assertion(text: str, here: Context) -> Identity:
    keys = here.service.directory.of("researcher")
    try:
        opened = open_access(text, keys, audience=here.service.name, now=here.clock())
    except ProtocolError as fault:
        raise Unauthenticated(fault.what, why=fault.why, fix=fault.fix or _FIX, field=fault.field) from None
    return Identity(opened.name, "researcher", opened.expires, once=opened.id)


def _by_token(text: str, here: Context) -> Identity:
    path = here.service.tokens
    found = None if path is None else find_token(path, text, now=here.clock())
    if found is None:
        raise Unauthenticated("the access token is refused", why="it is unknown, revoked or expired", fix=_FIX)
    return found


def _by_jwt(text: str, here: Context) -> Identity:
    if here.issuer is None:
        raise Unauthenticated("this hub believes no identity provider", fix="use a personal token")
    return here.issuer.identify(text, now=here.clock())
