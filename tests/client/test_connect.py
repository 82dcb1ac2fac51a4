"""Whoever connects goes by the newest charter that the root signed, and by no other."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import hansa
from hansa.client.identity import found_identity, open_identity
from hansa.client.remote import RemoteHub
from hansa.errors import HansaError, Refused, SignatureInvalid, Unreachable
from hansa.examples import heart_dictionary
from hansa.hub.config import HubConfig, HubFolder, found_league
from hansa.model import Party
from hansa.wire import Signer, seal
from hansa.wire.charter import read_request

CALLER = Party(name="the caller", owner="itself")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def hub(tmp_path: Path) -> HubFolder:
    folder = HubFolder(tmp_path / "hub")
    found_league(folder, HubConfig(league="heart", party=CALLER, host="127.0.0.1"), heart_dictionary(), now=now())
    return folder


@pytest.fixture
def identity(hub: HubFolder, tmp_path: Path) -> Path:
    folder = tmp_path / "ada"
    request = found_identity(folder, "ada", CALLER, hub.charter(now=now()).sealed, now=now())
    hub.admit(read_request(request), now=now())
    return folder


def given(monkeypatch: pytest.MonkeyPatch, answer: bytes | HansaError) -> None:
    """The hub's answer when it is asked for its charter."""

    def charter(_hub: RemoteHub) -> bytes:
        if isinstance(answer, HansaError):
            raise answer
        return answer

    monkeypatch.setattr(RemoteHub, "charter", charter)


def kept(identity: Path) -> int:
    return open_identity(identity, now=now()).charter.charter.charter_version


def test_a_newer_charter_is_kept_and_gone_by(hub: HubFolder, identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(identity) == 1
    newer = hub.charter(now=now()).charter.model_copy(update={"api": "https://elsewhere:8443", "charter_version": 7})
    given(monkeypatch, hub.publish(newer, now=now()).sealed)
    with hansa.connect(identity=identity) as league:
        assert league.remote._link._http.base_url.host == "elsewhere"
    assert kept(identity) == 7


def test_an_older_charter_changes_nothing(hub: HubFolder, identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = (identity / "charter.cbor").read_bytes()
    given(monkeypatch, hub.charter(now=now()).sealed)
    hansa.connect(identity=identity).close()
    assert kept(identity) == 2
    given(monkeypatch, old)
    hansa.connect(identity=identity).close()
    assert kept(identity) == 2


def test_a_charter_that_the_root_did_not_sign_is_not_taken(
    hub: HubFolder, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Signer.new("charter")
    charter = hub.charter(now=now()).charter.model_copy(update={"charter_version": 9})
    for forged in (seal(charter, other), seal(charter.model_copy(update={"root": other.public}), other)):
        given(monkeypatch, forged)
        with pytest.raises(SignatureInvalid):
            hansa.connect(identity=identity)
    assert kept(identity) == 1


@pytest.mark.parametrize("error", [Unreachable("the hub is away"), Refused("nobody knows you", reason="access")])
def test_a_hub_that_gives_none_is_connected_to_all_the_same(
    identity: Path, monkeypatch: pytest.MonkeyPatch, error: HansaError
) -> None:
    given(monkeypatch, error)
    hansa.connect(identity=identity).close()
    assert kept(identity) == 1
