"""Who gets in: signed assertions, personal tokens, and an identity provider's; and everything that looks like one."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_cases import HUB, Api, Clock, make_api, served
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from hansa.errors import StoreError, StudyError
from hansa.hub.api import OidcSettings, list_tokens, make_token, revoke_token
from hansa.model import read_value
from hansa.wire import Signer, decode, encode, seal
from hansa.wire.access import ApiAccess, grant_access
from hansa.wire.messages import Declined

ISSUER, AUDIENCE = "https://login.example.org", "hansa"
SHARED: dict[str, str | list[str]] = {
    "kty": "oct",
    "kid": "oct",
    "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = make_api(tmp_path_factory.mktemp("league"))
    api.service.tokens = tmp_path_factory.mktemp("tokens") / "tokens.json"
    with served(api) as running:
        yield running


@pytest.fixture
def api(made: Api) -> Api:
    made.clock.ahead = dt.timedelta()
    return made


def status(api: Api, authorization: str) -> int:
    answer = api.ask("GET", "/v1/catalogue", headers={"Authorization": authorization})
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(authorization) < 30 or authorization.partition(" ")[2] not in answer.text
    return answer.status_code


def assertion(signer: Signer, now: dt.datetime, *, audience: str = HUB, minutes: float = 4) -> str:
    return "Hansa " + grant_access(signer, audience=audience, now=now, lifetime=dt.timedelta(minutes=minutes))


def test_a_certified_researchers_assertion_opens(api: Api) -> None:
    assert status(api, assertion(api.ada, api.clock())) == 200
    assert status(api, assertion(api.bob, api.clock())) == 200


def test_an_assertion_of_an_unknown_key_or_of_a_key_for_something_else_does_not(api: Api) -> None:
    node = next(iter(api.service.league.keys.nodes.values()))
    for signer in (Signer.new("researcher"), api.service.league.keys.hub, node):
        assert status(api, assertion(signer, api.clock())) == 401


def test_an_assertion_for_another_hub_does_not(api: Api) -> None:
    assert status(api, assertion(api.ada, api.clock(), audience="another league")) == 401


def test_an_assertion_expires(api: Api) -> None:
    text = assertion(api.ada, api.clock(), minutes=2)
    api.clock.ahead = dt.timedelta(minutes=2, seconds=1)
    assert status(api, text) == 401


def test_an_assertion_that_somebody_read_on_the_way_opens_nothing_more(api: Api) -> None:
    text = assertion(api.ada, api.clock())
    assert status(api, text) == 200
    for method, path in (("GET", "/v1/catalogue"), ("GET", "/v1/studies"), ("POST", "/v1/studies")):
        again = api.ask(method, path, headers={"Authorization": text})
        assert (again.status_code, again.json()["code"]) == (401, "access")
        assert "used before" in again.json()["title"]
    assert status(api, assertion(api.ada, api.clock())) == 200, "its owner signs another"


def test_an_assertion_in_other_clothes_is_the_same(api: Api) -> None:
    """What its signature does not cover may be changed by anybody: padding, and the minor version of its schema."""
    text = assertion(api.ada, api.clock())
    sealed = base64.urlsafe_b64decode(text.partition(" ")[2] + "==")
    kind, _, sender, payload, signature = decode(sealed)
    other = base64.urlsafe_b64encode(encode([kind, "1.7", sender, payload, signature])).decode()
    assert status(api, text) == 200
    assert status(api, f"{text}==") == 401
    assert status(api, f"hansa  {text.partition(' ')[2]}") == 401
    assert status(api, f"Hansa {other}") == 401


def test_an_assertion_is_good_once_at_all_processes_of_a_hub(api: Api) -> None:
    text = assertion(api.ada, api.clock())
    with served(replace(api, clock=Clock())) as other:
        found = [status(one, text) for one in (api, other, api, other)]
    assert found == [200, 401, 401, 401]


def test_an_assertion_sent_many_times_at_once_opens_once(api: Api) -> None:
    text, found = assertion(api.ada, api.clock()), list[int]()
    sending = [threading.Thread(target=lambda: found.append(status(api, text))) for _ in range(8)]
    for thread in sending:
        thread.start()
    for thread in sending:
        thread.join()
    assert sorted(found) == [200] + [401] * 7


@pytest.mark.parametrize(("minutes", "expected"), [(5.1, 401), (60, 401), (4.9, 200), (0, 401), (-1, 401)])
def test_an_assertion_lives_for_five_minutes_at_most(api: Api, minutes: float, expected: int) -> None:
    assert status(api, assertion(api.ada, api.clock(), minutes=minutes)) == expected


def test_an_assertion_without_an_end_does_not(api: Api) -> None:
    for expires in (2**62, 2**100):
        sealed = seal(ApiAccess(audience=HUB, expires=expires, nonce=bytes(16)), api.ada)
        assert status(api, "Hansa " + base64.urlsafe_b64encode(sealed).decode().rstrip("=")) == 401


def test_another_message_of_the_same_signer_is_no_assertion(api: Api) -> None:
    sealed = seal(Declined(code="a", what="b", fix="c"), api.ada)
    assert status(api, "Hansa " + base64.urlsafe_b64encode(sealed).decode().rstrip("=")) == 401


def test_a_changed_assertion_does_not(api: Api) -> None:
    text = assertion(api.ada, api.clock())
    for place in (10, len(text) // 2, len(text) - 5):
        other = "A" if text[place] != "A" else "B"
        assert status(api, text[:place] + other + text[place + 1 :]) == 401


@pytest.mark.parametrize(
    "header",
    ["", "Hansa", "Hansa ====", "Hansa " + "A" * 5000, "Hansa A A", "Bearer", "Bearer x", "Basic YTpi", "x"],
)
def test_what_is_no_credential_does_not(api: Api, header: str) -> None:
    assert status(api, header) == 401


def test_a_revoked_certificate_closes_at_once(tmp_path: Path) -> None:
    with served(make_api(tmp_path)) as api:
        assert status(api, assertion(api.bob, api.clock())) == 200
        api.service.directory = api.service.league.keys.directory
        assert status(api, assertion(api.bob, api.clock())) == 401


def test_a_token_is_shown_once_kept_as_a_hash_and_read_by_its_owner_only(api: Api) -> None:
    path = api.service.tokens
    assert path is not None
    text = make_token(path, name="olga", role="auditor", now=api.clock(), days=1)
    assert status(api, f"Bearer {text}") == 200
    assert text not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    kept = list_tokens(path)[-1]
    assert (kept.name, kept.role) == ("olga", "auditor")
    assert status(api, f"Bearer {kept.sha256}") == 401


def test_a_token_ends_when_it_is_revoked_or_expires(api: Api) -> None:
    path = api.service.tokens
    assert path is not None
    first, second = (make_token(path, name="olga", role="auditor", now=api.clock(), days=1) for _ in range(2))
    assert revoke_token(path, list_tokens(path)[-2].id)
    assert not revoke_token(path, "unknown")
    assert status(api, f"Bearer {first}") == 401
    assert status(api, f"Bearer {second}") == 200
    api.clock.ahead = dt.timedelta(days=1, seconds=1)
    assert status(api, f"Bearer {second}") == 401


def test_tokens_made_at_once_are_all_kept(tmp_path: Path) -> None:
    path, now = tmp_path / "tokens.json", dt.datetime.now(dt.UTC)
    making = [
        threading.Thread(target=make_token, args=(path,), kwargs={"name": f"n{i}", "role": "auditor", "now": now})
        for i in range(12)
    ]
    for thread in making:
        thread.start()
    for thread in making:
        thread.join()
    assert {token.name for token in list_tokens(path)} == {f"n{i}" for i in range(12)}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "other", "tokens": []}', '{"format": "hansa-tokens/1"}']
)
def test_a_file_of_tokens_that_is_none_is_a_store_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StoreError):
        list_tokens(path)


def test_a_file_of_tokens_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    make_token(path, name="olga", role="steward", now=dt.datetime.now(dt.UTC))
    path.chmod(0o640)
    with pytest.raises(StoreError, match="others"):
        list_tokens(path)


@pytest.mark.parametrize(("name", "days"), [("", 10), ("olga", 0), ("olga", 367)])
def test_a_token_without_name_or_end_is_not_made(tmp_path: Path, name: str, days: int) -> None:
    with pytest.raises(StudyError):
        make_token(tmp_path / "tokens.json", name=name, role="auditor", now=dt.datetime.now(dt.UTC), days=days)


class Provider:
    """An identity provider's keys, served on this machine."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {
            "rsa": RSAKey.generate_key(2048, {"kid": "rsa"}),
            "ec": ECKey.generate_key("P-256", {"kid": "ec"}),
            "okp": OKPKey.generate_key("Ed25519", {"kid": "okp"}),
        }
        self.fetched = 0
        self.up = True
        owner = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.fetched += 1
                self.send_response(200 if owner.up else 500)
                self.end_headers()
                listed = [key.as_dict(private=False) for key in owner.keys.values()]
                self.wfile.write(json.dumps({"keys": [*listed, SHARED, 7]}).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def token(self, now: dt.datetime, *, kid: str = "rsa", alg: str = "RS256", key: Any = None, **claims: Any) -> str:
        content = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "olga",
            "exp": int(now.timestamp()) + 300,
            "realm": {"roles": ["offline", "hansa-auditor"]},
            **claims,
        }
        left = {name: value for name, value in content.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": kid}, left, key or self.keys[kid], algorithms=[alg])


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.close()


@pytest.fixture
def oidc(made: Api, provider: Provider) -> Iterator[Api]:
    made.clock.ahead = dt.timedelta()
    made.service.oidc = OidcSettings(
        issuer=ISSUER,
        audience=AUDIENCE,
        keys_url=provider.url,
        roles={"hansa-auditor": "auditor", "hansa-steward": "steward", "hansa-user": "researcher"},
        roles_claim="realm.roles",
    )
    with served(made) as running:
        yield running
    made.service.oidc = None


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("kid", "alg"), [("rsa", "RS256"), ("ec", "ES256"), ("okp", "EdDSA"), ("okp", "Ed25519")])
def test_a_providers_token_opens(oidc: Api, provider: Provider, kid: str, alg: str) -> None:
    for _ in range(3):
        assert status(oidc, f"Bearer {provider.token(oidc.clock(), kid=kid, alg=alg)}") == 200
    assert provider.fetched == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example.org"},
        {"aud": "another"},
        {"aud": None},
        {"iss": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "tomorrow"},
        {"nbf": 2**40},
        {"sub": None},
        {"sub": ""},
        {"sub": ["olga"]},
        {"realm": None},
        {"realm": {"roles": []}},
        {"realm": {"roles": ["root"]}},
        {"realm": {"roles": {"hansa-steward": True}}},
        {"realm": "hansa-steward"},
    ],
)
def test_a_token_with_wrong_claims_does_not(oidc: Api, provider: Provider, claims: dict[str, Any]) -> None:
    assert status(oidc, f"Bearer {provider.token(oidc.clock(), **claims)}") == 401


def test_an_expired_token_does_not(oidc: Api, provider: Provider) -> None:
    text = provider.token(oidc.clock())
    assert status(oidc, f"Bearer {text}") == 200
    oidc.clock.ahead = dt.timedelta(minutes=6)
    assert status(oidc, f"Bearer {text}") == 401


def unsigned(now: dt.datetime, header: dict[str, Any], provider: Provider) -> str:
    claims = provider.token(now).split(".")[1]
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{first}.{claims}."


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", None, ["RS256"], {"a": 1}])
def test_a_token_that_nobody_signed_does_not(oidc: Api, provider: Provider, alg: Any) -> None:
    for kid in ("rsa", "oct", None):
        assert status(oidc, f"Bearer {unsigned(oidc.clock(), {'alg': alg, 'kid': kid}, provider)}") == 401


def test_a_token_signed_with_a_shared_secret_does_not(oidc: Api, provider: Provider) -> None:
    shared = OctKey.import_key(SHARED)
    for kid in ("oct", "rsa"):
        text = provider.token(oidc.clock(), kid=kid, alg="HS256", key=shared)
        assert status(oidc, f"Bearer {text}") == 401


def test_a_token_of_somebody_elses_key_with_a_known_id_does_not(oidc: Api, provider: Provider) -> None:
    other = RSAKey.generate_key(2048, {"kid": "rsa"})
    assert status(oidc, f"Bearer {provider.token(oidc.clock(), key=other)}") == 401


def test_an_algorithm_that_is_not_the_keys_does_not(oidc: Api, provider: Provider) -> None:
    text = provider.token(oidc.clock(), kid="ec", alg="ES256")
    first, *rest = text.split(".")
    header = json.loads(base64.urlsafe_b64decode(first + "=="))
    for changed in ({**header, "kid": "rsa"}, {**header, "alg": "RS256"}, {**header, "crit": ["x"]}):
        head = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
        assert status(oidc, "Bearer " + ".".join([head, *rest])) == 401


def test_a_new_key_is_fetched_and_unknown_ones_do_not_flood_the_provider(oidc: Api, provider: Provider) -> None:
    assert status(oidc, f"Bearer {provider.token(oidc.clock())}") == 200
    provider.keys["new"] = ECKey.generate_key("P-256", {"kid": "new"})
    text = provider.token(oidc.clock(), kid="new", alg="ES256")
    assert status(oidc, f"Bearer {text}") == 401  # asked again too soon
    assert provider.fetched == 1
    oidc.clock.ahead = dt.timedelta(seconds=11)
    assert status(oidc, f"Bearer {text}") == 200
    stranger = ECKey.generate_key("P-256", {"kid": "stranger"})
    for _ in range(5):
        assert status(oidc, f"Bearer {provider.token(oidc.clock(), kid='stranger', alg='ES256', key=stranger)}") == 401
    assert provider.fetched == 2


def test_a_withdrawn_key_closes_within_the_hour(oidc: Api, provider: Provider) -> None:
    assert status(oidc, f"Bearer {provider.token(oidc.clock())}") == 200
    gone = provider.keys.pop("rsa")
    oidc.clock.ahead = dt.timedelta(minutes=61)
    assert status(oidc, f"Bearer {provider.token(oidc.clock(), key=gone)}") == 401


def test_a_provider_that_is_down_is_said_to_be(oidc: Api, provider: Provider) -> None:
    provider.up = False
    assert status(oidc, f"Bearer {provider.token(oidc.clock())}") == 503
    assert status(oidc, assertion(oidc.ada, oidc.clock())) == 200


def test_the_strongest_role_given_counts(oidc: Api, provider: Provider) -> None:
    study = oidc.submitted()
    for roles, expected in (
        (["hansa-user"], 404),
        (["hansa-user", "hansa-auditor"], 200),
        (["hansa-steward", "hansa-user"], 200),
    ):
        text = provider.token(oidc.clock(), realm={"roles": roles})
        assert oidc.ask("GET", f"/v1/studies/{study}", text).status_code == expected


def test_a_hub_without_a_provider_believes_no_token_of_one(api: Api, provider: Provider) -> None:
    assert status(api, f"Bearer {provider.token(api.clock())}") == 401
    assert provider.fetched == 0


def test_keys_do_not_come_over_plain_http() -> None:
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "keys_url": "http://login.example.org/keys", "roles": {}}
    with pytest.raises(StudyError, match="HTTPS") as refused:
        read_value(OidcSettings, settings)
    assert refused.value.field == "keys_url"
