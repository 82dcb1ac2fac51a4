"""The charter: who is in, by whose word; and everything that must not get in."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path
from typing import Any

import pytest

from hansa.client.identity import found_identity, open_identity, renew_identity, take_newer_charter
from hansa.errors import HansaError, PolicyError, SignatureInvalid, StoreError
from hansa.examples import heart_dictionary
from hansa.hub.config import HubConfig, HubFolder, found_league
from hansa.hub.renewal import first_ends, renew_hub
from hansa.model import Party
from hansa.node.config import join_request
from hansa.wire import key_id, open_message, seal
from hansa.wire.charter import JoinRequest, KnownCharter, fingerprint, read_charter, read_request
from hansa.wire.keyring import Keyring
from hansa.wire.keys import Signer, certify
from hansa.wire.messages import CharterTaken

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
HOSPITAL = Party(name="hospital", kind="hospital", owner="itself")


@pytest.fixture
def hub(tmp_path: Path) -> HubFolder:
    folder = HubFolder(tmp_path / "hub")
    folder.path.mkdir()
    config = HubConfig(league="heart", party=Party(name="the hub"), host="127.0.0.1")
    found_league(folder, config, heart_dictionary(), now=NOW)
    return folder


def known(hub: HubFolder, now: dt.datetime = NOW) -> KnownCharter:
    return hub.charter(now=now)


def request(name: str = "zurich", keys: Keyring | None = None) -> bytes:
    return join_request(name, HOSPITAL, keys or Keyring(None), now=NOW)


def admitted(hub: HubFolder, sealed: bytes) -> KnownCharter:
    hub.admit(read_request(sealed), now=NOW)
    return known(hub)


# --- admission ----------------------------------------------------------------------------------------------


def test_an_admitted_node_has_its_three_keys_in_the_directory(hub: HubFolder) -> None:
    keys = Keyring(None)
    charter = admitted(hub, request(keys=keys))
    assert charter.directory.public_key("node-sign", "zurich") == keys.signer("sign", "zurich").public
    assert charter.directory.public_key("witness", "zurich") == keys.signer("witness", "zurich").public
    assert charter.member("zurich").nkey == keys.nkey("messaging")[1]
    assert charter.charter.charter_version == 2


def test_each_admission_is_a_new_version_that_contains_the_earlier_members(hub: HubFolder) -> None:
    admitted(hub, request("zurich"))
    charter = admitted(hub, request("bergen"))
    assert [member.name for member in charter.charter.members] == ["hub", "zurich", "bergen"]
    assert charter.charter.charter_version == 3


def test_the_same_member_may_renew_its_certificates_and_nobody_else_may(hub: HubFolder) -> None:
    keys = Keyring(None)
    admitted(hub, request(keys=keys))
    assert len(admitted(hub, request(keys=keys)).charter.members) == 2
    with pytest.raises(PolicyError, match="another member has this name"):
        admitted(hub, request(keys=Keyring(None)))


def test_keys_that_a_renewal_replaces_are_revoked_and_those_that_stay_are_not(hub: HubFolder) -> None:
    keys = Keyring(None)
    old = admitted(hub, request(keys=keys))
    assert admitted(hub, request(keys=keys)).charter.revoked == ()
    first, message = keys.signer("sign", "zurich"), CharterTaken(charter_version=1)
    keys.forget("sign", "agree", "witness", "messaging")
    new = admitted(hub, request(keys=keys))
    assert len(new.charter.revoked) == 3
    assert new.member("zurich").nkey != old.member("zurich").nkey
    assert open_message(seal(message, keys.signer("sign", "zurich")), CharterTaken, new.directory.of("node-sign"))
    with pytest.raises(SignatureInvalid, match="unknown key"):
        open_message(seal(message, first), CharterTaken, new.directory.of("node-sign"))
    assert key_id(first.public) in new.charter.revoked


def test_a_request_from_before_a_renewal_does_not_bring_the_old_keys_back(hub: HubFolder) -> None:
    keys = Keyring(None)
    early = request(keys=keys)
    admitted(hub, early)
    keys.forget("sign")
    admitted(hub, request(keys=keys))
    with pytest.raises(PolicyError, match="a key of this request was revoked"):
        admitted(hub, early)


def test_the_hub_renews_its_own_keys_but_for_the_logs(hub: HubFolder) -> None:
    before, tls = known(hub), hub.tls.certificate.read_bytes()
    old = {name: hub.keys.secret(name) for name in ("sign", "agree", "messaging", "log", "store", "member")}
    later = NOW + dt.timedelta(days=340)
    after = renew_hub(hub, new_keys=False, now=later)
    assert after.charter.revoked == ()
    assert after.end_of("hub") == later + dt.timedelta(days=365) - dt.timedelta(hours=1)
    assert hub.tls.certificate.read_bytes() != tls
    assert first_ends(hub, after)["hub"] > later + dt.timedelta(days=364)
    anew = renew_hub(hub, new_keys=True, now=later)
    changed = {name for name, secret in old.items() if hub.keys.secret(name) != secret}
    assert changed == {"sign", "agree", "messaging"}
    assert anew.directory.of("log") == before.directory.of("log")
    assert not before.directory.of("hub").keys() & anew.directory.of("hub").keys()
    assert hub.charter(now=later).sealed == anew.sealed


@pytest.mark.parametrize("file", ["keys/charter.key", "keys/member.key", "tls/authority.key"])
def test_the_hub_renews_nothing_without_the_keys_that_this_needs(hub: HubFolder, file: str) -> None:
    (hub.path / file).rename(hub.path / "elsewhere")
    before = {path: path.read_bytes() for path in hub.path.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match="is not here"):
        renew_hub(hub, new_keys=True, now=NOW)
    assert {path: path.read_bytes() for path in hub.path.rglob("*") if path.is_file()} == before


def test_a_renewal_without_the_member_key_makes_none(hub: HubFolder, tmp_path: Path) -> None:
    found_identity(tmp_path / "anna", "anna", HOSPITAL, known(hub).sealed, now=NOW)
    (tmp_path / "anna" / "keys" / "member.key").unlink()
    with pytest.raises(StoreError, match="member key is not here"):
        renew_identity(tmp_path / "anna", new_keys=True, now=NOW)
    assert not (tmp_path / "anna" / "keys" / "member.key").exists()


def test_a_charter_by_hand_is_the_roots_not_older_and_names_who_takes_it(hub: HubFolder, tmp_path: Path) -> None:
    first = known(hub).sealed
    sealed = found_identity(tmp_path / "anna", "anna", HOSPITAL, first, now=NOW)
    without = admitted(hub, request()).sealed
    with pytest.raises(PolicyError, match="no member called anna"):
        take_newer_charter(tmp_path / "anna", without, now=NOW)
    named = admitted(hub, sealed)
    assert take_newer_charter(tmp_path / "anna", named.sealed, now=NOW).charter.charter_version == 3
    with pytest.raises(PolicyError, match="older"):
        take_newer_charter(tmp_path / "anna", without, now=NOW)
    forged = seal(named.charter.model_copy(update={"charter_version": 9}), Signer.new("charter"))
    with pytest.raises(SignatureInvalid):
        take_newer_charter(tmp_path / "anna", forged, now=NOW)
    assert open_identity(tmp_path / "anna", now=NOW).charter.sealed == named.sealed


def test_a_researchers_renewed_key_signs_once_it_is_admitted(hub: HubFolder, tmp_path: Path) -> None:
    folder = tmp_path / "anna"
    admitted(hub, found_identity(folder, "anna", HOSPITAL, known(hub).sealed, now=NOW))
    old = open_identity(folder, now=NOW).signer
    charter = admitted(hub, renew_identity(folder, new_keys=True, now=NOW))
    new = open_identity(folder, now=NOW).signer
    assert charter.directory.public_key("researcher", "anna") == new.public != old.public
    assert charter.directory.parties == {"anna": HOSPITAL}


def test_a_researcher_stands_with_the_organisation_it_was_admitted_for(hub: HubFolder, tmp_path: Path) -> None:
    charter = (hub.path / "charter.cbor").read_bytes()
    sealed = found_identity(tmp_path / "anna", "anna", HOSPITAL, charter, now=NOW)
    assert admitted(hub, sealed).directory.parties == {"anna": HOSPITAL}
    assert open_identity(tmp_path / "anna", now=NOW).party == HOSPITAL
    with pytest.raises(StoreError, match=r"identity\.toml in this folder already"):
        found_identity(tmp_path / "anna", "anna", HOSPITAL, charter, now=NOW)


def test_a_revoked_member_is_good_for_nothing_and_cannot_come_back_with_its_key(hub: HubFolder) -> None:
    keys = Keyring(None)
    admitted(hub, request(keys=keys))
    hub.revoke("zurich", now=NOW)
    assert not known(hub).directory.of("node-sign")
    with pytest.raises(PolicyError, match="a key of this request was revoked"):
        admitted(hub, request(keys=keys))
    assert admitted(hub, request("zurich2")).directory.public_key("node-sign", "zurich2")


def test_one_members_expired_certificate_does_not_stop_the_league(hub: HubFolder) -> None:
    later = NOW + dt.timedelta(days=300)
    admitted(hub, request())
    hub.admit(read_request(join_request("bergen", HOSPITAL, Keyring(None), now=later)), now=later)
    charter = known(hub, NOW + dt.timedelta(days=400))
    assert [name for name, _ in charter.directory.of("node-sign").values()] == ["bergen"]


# --- what must not get in -----------------------------------------------------------------------------------


def changed_request(**changes: Any) -> bytes:
    keys = Keyring(None)
    member = keys.signer("member", "zurich, offline")
    asked = read_request(request(keys=keys))
    return seal(asked.model_copy(update=changes), member)


def test_a_request_is_signed_by_the_key_it_names() -> None:
    asked = read_request(request())
    with pytest.raises(SignatureInvalid):
        read_request(seal(asked, Signer.new("somebody")))


def test_a_node_cannot_ask_for_the_hubs_certificates(hub: HubFolder) -> None:
    keys = Keyring(None)
    member = keys.signer("member", "zurich, offline")
    leaf = certify(member, "zurich", "hub", member.public, now=NOW, days=1).to_bytes()
    asked = read_request(request(keys=keys))
    with pytest.raises(PolicyError, match="not those of a node"):
        admitted(hub, seal(asked.model_copy(update={"certificates": (*asked.certificates, leaf)}), member))


def test_a_node_cannot_certify_another_name(hub: HubFolder) -> None:
    with pytest.raises(PolicyError, match="not those of a node called bergen"):
        admitted(hub, changed_request(name="bergen"))


def test_certificates_that_the_member_did_not_sign_are_left_out(hub: HubFolder) -> None:
    other = read_request(request())
    charter = admitted(hub, changed_request(certificates=other.certificates))
    assert not charter.directory.of("node-sign")


def test_a_charter_of_another_root_is_refused(hub: HubFolder, tmp_path: Path) -> None:
    other = HubFolder(tmp_path / "other")
    other.path.mkdir()
    config = HubConfig(league="heart", party=Party(name="x"), host="127.0.0.1")
    found_league(other, config, heart_dictionary(), now=NOW)
    root = known(hub).charter.root
    with pytest.raises(SignatureInvalid):
        read_charter((other.path / "charter.cbor").read_bytes(), now=NOW, root=root)


def test_a_charter_signed_by_another_than_the_root_it_names_is_refused(hub: HubFolder) -> None:
    forged = seal(known(hub).charter, Signer.new("charter"))
    with pytest.raises(SignatureInvalid):
        read_charter(forged, now=NOW)


def test_nobody_goes_back_to_an_older_charter(hub: HubFolder) -> None:
    old = (hub.path / "charter.cbor").read_bytes()
    version = admitted(hub, request()).charter.charter_version
    with pytest.raises(PolicyError, match="older"):
        read_charter(old, now=NOW, root=known(hub).charter.root, after=version)


@pytest.mark.parametrize("data", [b"", b"\xa0", b"garbage" * 9])
def test_what_is_neither_charter_nor_request_says_so(data: bytes) -> None:
    for read in (lambda: read_charter(data, now=NOW), lambda: read_request(data)):
        with pytest.raises(HansaError):
            read()


def test_a_request_passes_for_no_charter(hub: HubFolder) -> None:
    with pytest.raises(SignatureInvalid):
        read_charter(request(), now=NOW)
    with pytest.raises(SignatureInvalid):
        read_request((hub.path / "charter.cbor").read_bytes())


def test_fingerprints_of_two_requests_differ() -> None:
    assert fingerprint(request()) != fingerprint(request())
    assert isinstance(read_request(request()), JoinRequest)


# --- secrets ------------------------------------------------------------------------------------------------


def test_keys_are_readable_by_their_owner_only_and_stay_the_same(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys")
    first = ring.secret("sign")
    file = tmp_path / "keys" / "sign.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Keyring(tmp_path / "keys").secret("sign") == first
    assert first.hex() not in repr(ring)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    ring.secret("sign")
    (tmp_path / "sign.key").chmod(0o644)
    with pytest.raises(StoreError, match="others may read"):
        ring.secret("sign")


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    ring.secret("sign")
    (tmp_path / "sign.key").write_bytes(b"short")
    with pytest.raises(StoreError, match="damaged"):
        ring.secret("sign")
    assert (tmp_path / "sign.key").read_bytes() == b"short"


def test_the_authoritys_key_is_readable_by_its_owner_only(hub: HubFolder) -> None:
    for name in ("authority.key", "server.key"):
        assert stat.S_IMODE((hub.path / "tls" / name).stat().st_mode) == 0o600


def test_a_root_that_is_kept_offline_is_asked_for_and_never_made_anew(hub: HubFolder) -> None:
    file = hub.path / "keys" / "charter.key"
    root = file.read_bytes()
    file.unlink()
    with pytest.raises(StoreError, match="root key is not here"):
        admitted(hub, request())
    assert not file.exists()
    file.write_bytes(root)
    file.chmod(0o600)
    assert len(admitted(hub, request()).charter.members) == 2
