"""Messaging servers whose operator issues JWTs (docs.nats.io, "JWT authentication")."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nkeys
import pytest

from hansa.engine.link import Link, LinkSettings
from hansa.engine.messaging import HubEndpoint, NodeEndpoint, Timing
from hansa.engine.server import start_server
from hansa.engine.subjects import Permissions, asks, hub_permissions, node_permissions
from hansa.errors import Unreachable
from hansa.testing.messaging import free_port

NODES = ("a", "b", "c")
SECRETS = {name: name.encode() * 32 for name in NODES}
FAST = Timing(heartbeat=0.1, lost=2.0, again=0.3)


class Issuer:
    """An nkey that signs claims as nats-server reads them."""

    def __init__(self, prefix: int) -> None:
        self.seed = nkeys.encode_seed(os.urandom(32), prefix)
        self.key = nkeys.from_seed(bytearray(self.seed))
        self.public = self.key.public_key.decode()

    def claim(self, subject: str, name: str, nats: dict[str, Any]) -> str:
        body = {"jti": name, "iat": int(time.time()), "iss": self.public, "sub": subject, "name": name, "nats": nats}
        signed = f"{_b64(_json({'typ': 'JWT', 'alg': 'ed25519-nkey'}))}.{_b64(_json(body))}"
        return f"{signed}.{_b64(self.key.sign(signed.encode()))}"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Operator:
    """An operator with one account, and a server that trusts it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.operator, self.account = Issuer(nkeys.PREFIX_BYTE_OPERATOR), Issuer(nkeys.PREFIX_BYTE_ACCOUNT)
        limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        account = self.operator.claim(
            self.account.public, "league", {"type": "account", "version": 2, "limits": {**limits, "wildcards": True}}
        )
        own = self.operator.claim(self.operator.public, "operator", {"type": "operator", "version": 2})
        config = {
            "listen": f"127.0.0.1:{self.port}",
            "operator": own,
            "resolver": "MEMORY",
            "resolver_preload": {self.account.public: account},
        }
        self.server = start_server(json.dumps(config), folder / "nats", ports=[("127.0.0.1", self.port)])

    def credentials(self, name: str, allowed: Permissions, *, issuer: Issuer | None = None) -> Path:
        user = Issuer(nkeys.PREFIX_BYTE_USER)
        limits = dict.fromkeys(("subs", "data", "payload"), -1)
        may = {"pub": {"allow": list(allowed.publish)}, "sub": {"allow": list(allowed.subscribe)}}
        jwt = (issuer or self.account).claim(user.public, name, {"type": "user", "version": 2, **limits, **may})
        file = self.folder / f"{name}.creds"
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
        )
        return file

    def link(self, name: str, credentials: Path) -> Link:
        return Link(
            LinkSettings(
                (f"nats://127.0.0.1:{self.port}",), name, "", None, connect_seconds=3.0, credentials=credentials
            )
        )


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    made = Operator(tmp_path_factory.mktemp("operator"))
    yield made
    made.server.stop()


def test_a_league_runs_over_servers_that_know_it_by_jwt(operator: Operator) -> None:
    links = {name: operator.link(name, operator.credentials(name, node_permissions("L", name))) for name in NODES}
    nodes = [
        NodeEndpoint(link, "L", name, SECRETS[name], lambda data: data[::-1], timing=FAST)
        for name, link in links.items()
    ]
    hub = operator.link("hub", operator.credentials("hub", hub_permissions("L")))
    found = HubEndpoint(hub, "L", SECRETS, timing=FAST).ask(dict.fromkeys(NODES, b"abc"))
    assert found == dict.fromkeys(NODES, b"cba")
    for node in nodes:
        node.close()
    hub.close()


def test_a_jwt_gives_its_own_subjects_and_no_others(operator: Operator) -> None:
    heard: list[bytes] = []
    spy = operator.link("a", operator.credentials("a", node_permissions("L", "a")))
    spy.subscribe(asks("L", "b"), lambda _subject, _reply, data: heard.append(data))
    hub = operator.link("hub", operator.credentials("hub", hub_permissions("L")))
    hub.publish(asks("L", "b"), [b"for b alone"])
    time.sleep(0.3)
    assert heard == []
    spy.close()
    hub.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_engine_link.py
def test_a_jwt_of_another_account_is_not_let_in(operator: Operator) -> None:
    forged = operator.credentials("mallory", hub_permissions("L"), issuer=Issuer(nkeys.PREFIX_BYTE_ACCOUNT))
    with pytest.raises(Unreachable, match="admitted"):
        operator.link("mallory", forged)
