"""Sign-in with a real OpenID Connect provider (canaille) over TLS: authorization code with PKCE, to the hub's door."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import canaille_server as provider
import httpx
import pytest
from api_cases import Api, make_api, served
from joserfc.jwk import RSAKey

from hansa.hub.api import OidcSettings
from hansa.hub.authority import ServerFiles, make_authority, server_files
from hansa.testing.messaging import free_port

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rest-api.md"


def _signing_key() -> str:
    return RSAKey.generate_key(2048).as_pem(private=True).decode()


@dataclass(eq=False)
class Canaille:
    """The provider's process, with a certificate of the tests' own authority."""

    folder: Path
    port: int
    tls: ServerFiles
    process: subprocess.Popen[bytes] | None = None

    def start(self, signing_key: str) -> None:
        """Start it, in place of the process that runs, with this key to sign by."""
        self.stop()
        file = self.folder / "canaille.toml"
        file.write_text(provider.settings(self.port, signing_key) + _block("CANAILLE.ACL"))
        command = [sys.executable, provider.__file__, *map(str, (file, self.tls.certificate, self.tls.key))]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None
            assert time.monotonic() < ends, "canaille does not start"
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def browser(self) -> httpx.Client:
        tls = ssl.create_default_context(cafile=str(self.tls.authority))
        return httpx.Client(base_url=self.url, verify=tls, trust_env=False, timeout=30.0)

    def found(self) -> dict[str, Any]:
        """What the provider says of itself."""
        with self.browser() as browser:
            answer: dict[str, Any] = browser.get("/.well-known/openid-configuration").raise_for_status().json()
            return answer

    def _answers(self) -> bool:
        try:
            return bool(self.found())
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def canaille(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaille]:
    folder = tmp_path_factory.mktemp("canaille")
    make_authority(folder / "tls", "canaille", now=dt.datetime.now(dt.UTC))
    files = server_files(folder / "tls", ["127.0.0.1"], now=dt.datetime.now(dt.UTC))
    made = Canaille(folder, free_port(), files)
    try:
        made.start(_signing_key())
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def league(tmp_path_factory: pytest.TempPathFactory) -> Api:
    return make_api(tmp_path_factory.mktemp("league"))


def documented(canaille: Canaille) -> dict[str, Any]:
    """The settings that the documentation gives for canaille, with the address and authority of this one."""
    block = _block("/oauth/jwks.json").replace("https://login.example.org", canaille.url)
    settings: dict[str, Any] = tomllib.loads(block)["oidc"]
    assert settings["authority"] == "authority.pem"
    return {**settings, "authority": str(canaille.tls.authority)}


def _block(word: str) -> str:
    """The one block of settings on the page that has a word."""
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if word in block)
    return str(found)


@contextmanager
def hub(league: Api, canaille: Canaille, **changes: Any) -> Iterator[Api]:
    """The hub's interface, set up as the documentation tells its operator to."""
    league.clock.ahead = dt.timedelta()
    league.service.oidc = OidcSettings.model_validate({**documented(canaille), **changes})
    with served(league) as running:
        yield running


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_in(canaille: Canaille, name: str, client: str = "hansa") -> dict[str, str]:
    """The tokens that a person gets who signs in at the provider's own pages and comes back with a code."""
    with canaille.browser() as browser:
        return _tokens(canaille, browser, name, client)


def _tokens(canaille: Canaille, browser: httpx.Client, name: str, client: str = "hansa") -> dict[str, str]:
    # Every code is exchanged: canaille's store in memory finds one by its text *or* its client.
    verifier = secrets.token_urlsafe(48)
    exchanged = {
        "grant_type": "authorization_code",
        "code": _code(browser, name, client, verifier),
        "redirect_uri": provider.REDIRECT,
        "code_verifier": verifier,
    }
    answer = browser.post(canaille.found()["token_endpoint"], data=exchanged, auth=(client, provider.SECRET))
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def _code(browser: httpx.Client, name: str, client: str, verifier: str) -> str:
    state = secrets.token_urlsafe(8)
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
    back = _through_the_pages(browser, browser.get("/oauth/authorize", params=asked), name)
    answer = parse_qs(urlsplit(back).query)
    assert answer["state"] == [state]
    return answer["code"][0]


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
        shown = page.request.url
        page = browser.post(shown, data={**filled, "csrf_token": token[0]}, headers={"Referer": str(shown)})
    raise AssertionError("the provider's pages lead nowhere")


def opens(api: Api, token: str) -> bool:
    return api.ask("GET", "/v1/catalogue", token).status_code == 200


def refused(api: Api, token: str) -> str:
    """Why it is."""
    answer = api.ask("GET", "/v1/catalogue", token)
    assert answer.status_code == 401, answer.text
    assert token not in answer.text
    return str(answer.json()["detail"])


def test_the_documented_addresses_are_the_ones_that_the_provider_tells(canaille: Canaille) -> None:
    found, settings = canaille.found(), documented(canaille)
    assert (settings["issuer"], settings["keys_url"]) == (found["issuer"], found["jwks_uri"])


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_who_signs_in_is_recognised_under_their_name(league: Api, canaille: Canaille, kind: str) -> None:
    with hub(league, canaille) as api:
        study = api.submitted()  # signed with the researcher's certified key
        assert api.ask("GET", f"/v1/studies/{study}", signed_in(canaille, "researcher")[kind]).status_code == 200


def test_the_role_is_the_one_that_the_hub_gives_to_the_group(league: Api, canaille: Canaille) -> None:
    token = signed_in(canaille, "olga")["access_token"]
    with hub(league, canaille) as api:
        study = api.submitted()
        assert api.ask("GET", f"/v1/studies/{study}", token).status_code == 200, "an auditor reads everything"
        started = api.ask("POST", f"/v1/studies/{study}/runs", token, json={"analysis": "table"})
        assert started.status_code == 403, "and changes nothing"
    with hub(league, canaille, roles={provider.AUDITORS: "researcher"}) as api:
        assert api.ask("GET", f"/v1/studies/{study}", token).status_code == 404, "a researcher sees their own"


def test_a_person_without_the_group_is_refused(league: Api, canaille: Canaille) -> None:
    with hub(league, canaille) as api:
        assert "no role" in refused(api, signed_in(canaille, "igor")["access_token"])


def test_a_person_cannot_make_the_group_of_a_role(canaille: Canaille) -> None:
    with canaille.browser() as browser:
        _tokens(canaille, browser, "igor")
        assert browser.get("/profile/igor").status_code == 200
        assert browser.get("/groups/add").status_code == 403


def test_a_token_for_another_client_is_refused(league: Api, canaille: Canaille) -> None:
    token = signed_in(canaille, "researcher", client="another")["access_token"]
    with hub(league, canaille) as api:
        assert "Claim" in refused(api, token)
    with hub(league, canaille, audience="another") as api:
        assert opens(api, token), "it is good where it belongs"


def test_another_providers_token_is_refused(league: Api, canaille: Canaille) -> None:
    token = signed_in(canaille, "researcher")["access_token"]
    with hub(league, canaille, issuer="https://login.example.org") as api:
        assert "Claim" in refused(api, token)


def test_a_token_is_refused_after_its_time(league: Api, canaille: Canaille) -> None:
    token = signed_in(canaille, "researcher")["access_token"]
    with hub(league, canaille) as api:
        assert opens(api, token)
        api.clock.ahead = dt.timedelta(days=60)
        assert "Expired" in refused(api, token)


def test_a_token_that_was_changed_is_refused(league: Api, canaille: Canaille) -> None:
    head, body, signature = signed_in(canaille, "igor")["access_token"].split(".")
    more = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b'"igor"', b'"olga"')
    with hub(league, canaille) as api:
        assert "Signature" in refused(api, f"{head}.{_base64url(more)}.{signature}")


def test_keys_come_from_a_server_that_the_authority_vouches_for(league: Api, canaille: Canaille) -> None:
    token = signed_in(canaille, "researcher")["access_token"]
    with hub(league, canaille, authority=None) as api:
        answer = api.ask("GET", "/v1/catalogue", token)
        assert (answer.status_code, answer.json()["field"]) == (503, "oidc")


def test_the_provider_changes_its_key(league: Api, canaille: Canaille) -> None:
    with hub(league, canaille) as api:
        before = signed_in(canaille, "researcher")["access_token"]
        assert opens(api, before)
        canaille.start(_signing_key())
        after = signed_in(canaille, "researcher")["access_token"]
        assert "key" in refused(api, after), "the hub has asked within the last ten seconds"
        api.clock.ahead = dt.timedelta(seconds=11)
        assert opens(api, after)
        assert "key" in refused(api, before), "the key is not published any more"
