"""Bearer tokens of an OpenID Connect provider, checked against its published keys."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from pydantic import field_validator

from hansa.errors import Unreachable
from hansa.hub.api.identity import Identity, Role
from hansa.hub.api.problems import Unauthenticated
from hansa.model import Value

__all__ = ["ALGORITHMS", "Issuer", "OidcSettings"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""What a signature may be made with: by a private key, never a shared secret. ``Ed25519`` is ``EdDSA`` (RFC 9864)."""

_KEPT = dt.timedelta(hours=1)
_BETWEEN = dt.timedelta(seconds=10)  # unknown key ids cost the provider one request in this time, whoever sends them
_LEEWAY = 30
_LONGEST = dt.timedelta(days=1)
_STRICTEST_LAST: tuple[Role, ...] = ("steward", "auditor", "researcher")


class OidcSettings(Value):
    """The one identity provider that is believed.

    Attributes
    ----------
    issuer, audience : str
        What a token's ``iss`` and ``aud`` must be.
    keys_url : str
        Where the provider publishes its keys (its ``jwks_uri``); HTTPS, or loopback.
    roles : mapping
        From values of the roles claim to Hansa's roles; a token with none of them is refused.
    roles_claim : str
        Dotted, for providers that nest it (``"realm_access.roles"``).
    name_claim : str
        The claim that names the person. People must not be able to choose it for themselves.
    authority : Path or None
        The certificate authority (PEM) of ``keys_url``; the system's without one.
    """

    issuer: str
    audience: str
    keys_url: str
    roles: dict[str, Role]
    roles_claim: str = "roles"
    name_claim: str = "sub"
    authority: Path | None = None

    @field_validator("keys_url")
    @classmethod
    def _safe(cls, address: str) -> str:
        url = urlsplit(address)
        if url.scheme != "https" and url.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("a provider's keys come over HTTPS only: anybody on the way could replace them")
        return address


class Issuer:
    """The provider with its keys, cached for an hour and fetched again for a key id that is not known."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys: dict[str, jwk.Key] = {}
        self._fetched: dt.datetime | None = None
        self._lock = threading.Lock()

    def identify(self, token: str, *, now: dt.datetime) -> Identity:
        """Whose token this is.

        Raises
        ------
        Unauthenticated
            If it does not verify, is for somebody else, has expired, or gives no role.
        Unreachable
            If the provider's keys cannot be had.
        """
        header = _header(token)
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str):
            raise _refused("its algorithm or key is not allowed")
        key = self._key(kid, now)
        if key is None:
            raise _refused("its key is not the provider's")
        return self._identity(self._claims(token, key, now), now)

    def _claims(self, token: str, key: jwk.Key, now: dt.datetime) -> Mapping[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.audience},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, OverflowError) as fault:
            raise _refused(type(fault).__name__) from None
        return claims

    def _identity(self, claims: Mapping[str, Any], now: dt.datetime) -> Identity:
        name = claims.get(self._settings.name_claim)
        given = {self._settings.roles[value] for value in self._role_values(claims) if value in self._settings.roles}
        role = next((role for role in _STRICTEST_LAST if role in given), None)
        if role is None or not isinstance(name, str) or not name:
            raise _refused("it gives no name, or no role that this hub knows")
        left = min(float(claims["exp"]) + _LEEWAY - now.timestamp(), _LONGEST.total_seconds())
        return Identity(name, role, now + dt.timedelta(seconds=left))

    def _role_values(self, claims: Mapping[str, Any]) -> list[str]:
        found: Any = claims
        for part in self._settings.roles_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        values = [found] if isinstance(found, str) else found
        return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []

    def _key(self, kid: str, now: dt.datetime) -> jwk.Key | None:
        with self._lock:
            age = _KEPT if self._fetched is None else abs(now - self._fetched)
            if age >= _KEPT or (kid not in self._keys and age >= _BETWEEN):
                self._fetched, self._keys = now, _fetch(self._settings)
            return self._keys.get(kid)


def _fetch(settings: OidcSettings) -> dict[str, jwk.Key]:
    authority = None if settings.authority is None else str(settings.authority)
    tls = ssl.create_default_context(cafile=authority)
    try:
        answer = httpx.get(settings.keys_url, verify=tls, timeout=5.0, trust_env=False).raise_for_status()
        listed = list(answer.json()["keys"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        raise Unreachable(
            "the identity provider's keys cannot be had", fix="use a personal token, or try again later", field="oidc"
        ) from None
    return {entry["kid"]: key for entry in listed if (key := _signing_key(entry)) is not None}


def _signing_key(entry: Any) -> jwk.Key | None:
    """A public signing key; a shared secret, or a key for encryption, never verifies anything here."""
    usable = isinstance(entry, dict) and entry.get("kty") in ("RSA", "EC", "OKP") and isinstance(entry.get("kid"), str)
    if not usable or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwk.import_key(entry)
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def _header(token: str) -> dict[str, Any]:
    first = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        raise _refused("it is no signed token") from None
    return header if isinstance(header, dict) else {}


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated("the access token is refused", why=why, fix="sign in again", field="authorization")
