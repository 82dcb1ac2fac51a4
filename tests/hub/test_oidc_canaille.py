"""Sign-in with a real OpenID Connect provider (canaille): authorization code with PKCE, to the hub's door."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import canaille_server as provider
import httpx
import pytest

from hansa.hub.api import OidcSettings
from hansa.hub.api.oidc import Issuer
from hansa.hub.api.problems import Unauthenticated
from hansa.testing.messaging import free_port


@pytest.fixture(scope="module")
def canaille() -> Iterator[str]:
    """The provider's address."""
    port = free_port()
    command = [sys.executable, str(Path(provider.__file__)), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        ends = time.monotonic() + 60
        while not _answers(address):
            assert process.poll() is None
            assert time.monotonic() < ends, "canaille does not start"
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/.well-known/openid-configuration", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_in(address: str, name: str, client: str = "hansa") -> dict[str, str]:
    """The tokens that a person gets who signs in at the provider's own pages and comes back with a code."""
    found = httpx.get(f"{address}/.well-known/openid-configuration", trust_env=False).json()
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(8)
    with httpx.Client(base_url=address, trust_env=False) as browser:
        asked = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": provider.REDIRECT,
            "scope": "openid profile groups",
            "nonce": secrets.token_urlsafe(8),
            "state": state,
            "code_challenge": _base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        back = _through_the_pages(browser, browser.get(found["authorization_endpoint"], params=asked), name)
        answer = parse_qs(urlsplit(back).query)
        assert answer["state"] == [state]
        given = browser.post(
            found["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": answer["code"][0],
                "redirect_uri": provider.REDIRECT,
                "code_verifier": verifier,
            },
            auth=(client, provider.SECRET),
        )
    tokens: dict[str, str] = given.json()
    return tokens


def _through_the_pages(browser: httpx.Client, page: httpx.Response, name: str) -> str:
    """Fill in what is asked for, until the provider sends the browser back to the client."""
    for _ in range(10):
        where = page.headers.get("location", "")
        if where.startswith(provider.REDIRECT):
            return str(where)
        if where:
            page = browser.get(where)
            continue
        filled = {"login": name, "password": provider.PASSWORD, "answer": "accept"}
        token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        page = browser.post(page.request.url, data={**filled, "csrf_token": token[0]})
    raise AssertionError("the provider's pages lead nowhere")


def issuer(address: str, **changes: str) -> Issuer:
    """The hub's view of the provider, as its operator would write it from the discovery document."""
    found = httpx.get(f"{address}/.well-known/openid-configuration", trust_env=False).json()
    settings = {
        "issuer": found["issuer"],
        "audience": "hansa",
        "keys_url": found["jwks_uri"],
        "roles_claim": "groups",
        "roles": {provider.GROUP: "researcher"},
        **changes,
    }
    return Issuer(OidcSettings.model_validate(settings))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_who_signs_in_is_recognised_with_the_role_of_their_group(canaille: str, kind: str) -> None:
    found = issuer(canaille).identify(signed_in(canaille, "olga")[kind], now=now())
    assert (found.name, found.role) == ("olga", "researcher")
    assert now() < found.expires <= now() + dt.timedelta(days=1)


def refused(hub: Issuer, token: str, *, at: dt.datetime | None = None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        hub.identify(token, now=at or now())
    return caught.value.why


def test_a_person_without_the_group_is_refused(canaille: str) -> None:
    assert "no role" in refused(issuer(canaille), signed_in(canaille, "igor")["access_token"])


def test_a_token_for_another_client_is_refused(canaille: str) -> None:
    token = signed_in(canaille, "olga", client="another")["access_token"]
    assert "Claim" in refused(issuer(canaille), token)
    assert issuer(canaille, audience="another").identify(token, now=now()).name == "olga", "it is good where it belongs"


def test_another_providers_token_is_refused(canaille: str) -> None:
    token = signed_in(canaille, "olga")["access_token"]
    assert "Claim" in refused(issuer(canaille, issuer="https://login.example.org"), token)


def test_a_token_is_refused_after_its_time_and_if_changed(canaille: str) -> None:
    token = signed_in(canaille, "olga")["access_token"]
    assert "Expired" in refused(issuer(canaille), token, at=now() + dt.timedelta(days=60))
    head, body, signature = token.split(".")
    more = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b"olga", b"igor")
    assert "Signature" in refused(issuer(canaille), f"{head}.{_base64url(more)}.{signature}")
