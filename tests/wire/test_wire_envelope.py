"""An envelope is opened by the right key, for the right type, or not at all; certificates lead to the root."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import ProtocolError, SignatureInvalid
from hansa.testing import BAD_PAYLOADS, forged_envelope, grafted
from hansa.wire import Certificate, Message, Signer, certify, encode, key_id, open_message, peek, seal, verify_chain
from hansa.wire import messages as schemas
from hansa.wire.directory import read_directory
from hansa.wire.keys import CertificatePurpose
from hansa.wire.messages import Declined, PartAsked, RunReady, RunStarted

HUB, NODE, STRANGER = Signer.new("hub"), Signer.new("node"), Signer.new("stranger")
KEYS = {key_id(signer.public): (signer.name, signer.public) for signer in (HUB, NODE)}
STARTED = RunStarted(study="s", run="r", binding=bytes(32))
SEALED = seal(STARTED, HUB)
KINDS: list[type[Message]] = [
    found
    for found in (getattr(schemas, name) for name in schemas.__all__)
    if isinstance(found, type) and issubclass(found, Message)
]
PLACE = {"study": "s", "run": "r", "round": 0, "attempt": 0}
NOW = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


# --- envelopes ----------------------------------------------------------------------------------------------


def test_a_sealed_message_opens_as_what_it_was() -> None:
    assert open_message(SEALED, RunStarted, KEYS, sender="hub") == ("hub", STARTED)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SignatureInvalid, match="unknown key"):
        open_message(seal(STARTED, STRANGER), RunStarted, KEYS)


def test_another_sender_than_expected_is_refused() -> None:
    with pytest.raises(SignatureInvalid, match="another party"):
        open_message(SEALED, RunStarted, KEYS, sender="node")


def test_a_key_id_with_anothers_signature_is_refused() -> None:
    kind, version, _, payload, signature = _parts(seal(STARTED, STRANGER))
    forged = encode([kind, version, key_id(HUB.public), payload, signature])
    with pytest.raises(SignatureInvalid):
        open_message(forged, RunStarted, KEYS)


def _parts(data: bytes) -> list[Any]:
    envelope = peek(data)
    return [envelope.kind, envelope.version, envelope.sender, envelope.payload, envelope.signature]


def test_a_changed_payload_breaks_the_signature() -> None:
    other = peek(seal(RunStarted(study="s", run="other", binding=bytes(32)), HUB)).payload
    with pytest.raises(SignatureInvalid):
        open_message(grafted(SEALED, other), RunStarted, KEYS)


def test_a_message_of_one_type_is_no_message_of_another() -> None:
    sealed = seal(PartAsked(study="s", run="r", round=0, attempt=0, part=1), HUB)
    with pytest.raises(ProtocolError, match="expected"):
        open_message(sealed, RunReady, KEYS)
    renamed = encode(["run-ready", *_parts(sealed)[1:]])
    with pytest.raises(SignatureInvalid):
        open_message(renamed, RunReady, KEYS)


def test_another_major_version_is_refused() -> None:
    kind, _, *rest = _parts(SEALED)
    with pytest.raises(ProtocolError, match="expected"):
        open_message(encode([kind, "2.0", *rest]), RunStarted, KEYS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind()))
@pytest.mark.parametrize("name", sorted(BAD_PAYLOADS))
def test_no_bad_payload_is_read_as_any_message(kind: type[Message], name: str) -> None:
    if (kind.kind(), name) == ("study-submitted", "a pickle in CBOR"):
        pytest.skip("bytes are what a study is made of; a node reads them as JSON")
    with pytest.raises(ProtocolError):
        open_message(forged_envelope(SEALED, HUB, payload=BAD_PAYLOADS[name], kind=kind.kind()), kind, KEYS)


@given(st.sampled_from(KINDS), st.data())
def test_a_signed_body_of_arbitrary_fields_is_read_or_refused(kind: type[Message], data: st.DataObject) -> None:
    anything = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=4)
    deeper = anything | st.lists(anything, max_size=3) | st.dictionaries(st.text(max_size=3), anything, max_size=2)
    body = {name: data.draw(deeper) for name in kind.model_fields}
    try:
        open_message(forged_envelope(SEALED, HUB, payload=encode(body), kind=kind.kind()), kind, KEYS)
    except ProtocolError:
        return


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_no_envelope(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        open_message(data, RunStarted, KEYS)


@pytest.mark.parametrize("lanes", [np.zeros((3, 2), np.uint64), np.zeros(4, np.uint64), np.zeros((2, 2))])
def test_shares_of_another_type_or_shape_are_refused(lanes: np.ndarray[Any, Any]) -> None:
    body = {**PLACE, "request": b"", "lanes": lanes}
    with pytest.raises(ProtocolError):
        open_message(forged_envelope(SEALED, HUB, payload=encode(body), kind="answered"), schemas.Answered, KEYS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_refused(value: float) -> None:
    body = {
        **PLACE,
        "step": "x",
        "step_version": 1,
        "arguments": {},
        "inputs": {"beta": np.array([value])},
    }
    with pytest.raises(ProtocolError):
        open_message(forged_envelope(SEALED, HUB, payload=encode(body), kind="round-asked"), schemas.RoundAsked, KEYS)


def test_an_extra_field_is_refused() -> None:
    body = encode({"code": "x", "what": "x", "fix": "x", "count": 3})
    with pytest.raises(ProtocolError):
        open_message(forged_envelope(SEALED, HUB, payload=body, kind="declined"), Declined, KEYS)


def test_a_negative_round_is_refused() -> None:
    body = encode({"study": "s", "run": "r", "round": -1, "attempt": 0, "part": 1})
    with pytest.raises(ProtocolError):
        open_message(forged_envelope(SEALED, HUB, payload=body, kind="part-asked"), PartAsked, KEYS)


def test_a_signers_representation_shows_no_secret() -> None:
    assert HUB.private_bytes.hex() not in repr(HUB)
    assert repr(HUB.private_bytes) not in repr(HUB)


# --- certificates -------------------------------------------------------------------------------------------

ROOT, MEMBER, LEAF = Signer.new("charter"), Signer.new("member"), Signer.new("leaf")


def chain(
    *, purpose: CertificatePurpose = "node-sign", via: CertificatePurpose = "member", leaf_days: int = 30
) -> list[Certificate]:
    return [
        certify(ROOT, "member", via, MEMBER.public, now=NOW, days=365),
        certify(MEMBER, "leaf", purpose, LEAF.public, now=NOW, days=leaf_days),
    ]


def test_a_chain_leads_to_its_leaf() -> None:
    assert verify_chain(chain(), root=ROOT.public, now=NOW).subject == "leaf"


@pytest.mark.parametrize("days", [-1, 30, 31])
def test_a_certificate_outside_its_time_is_refused(days: int) -> None:
    with pytest.raises(SignatureInvalid, match="not valid now"):
        verify_chain(chain(), root=ROOT.public, now=NOW + dt.timedelta(days=days))


def test_an_expired_member_takes_its_leaves_with_it() -> None:
    with pytest.raises(SignatureInvalid, match="not valid now"):
        verify_chain(chain(leaf_days=800), root=ROOT.public, now=NOW + dt.timedelta(days=400))


def test_another_root_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify_chain(chain(), root=STRANGER.public, now=NOW)


def test_a_leaf_cannot_vouch() -> None:
    longer = [*chain(), certify(LEAF, "friend", "node-sign", STRANGER.public, now=NOW, days=1)]
    with pytest.raises(SignatureInvalid, match="cannot vouch"):
        verify_chain(longer, root=ROOT.public, now=NOW)


def test_a_member_cannot_make_members_and_the_root_no_leaves() -> None:
    with pytest.raises(SignatureInvalid, match="cannot vouch"):
        verify_chain(chain(purpose="member"), root=ROOT.public, now=NOW)
    direct = [certify(ROOT, "leaf", "hub", LEAF.public, now=NOW, days=1)]
    with pytest.raises(SignatureInvalid, match="cannot vouch"):
        verify_chain(direct, root=ROOT.public, now=NOW)


@pytest.mark.parametrize(
    "change",
    [{"subject": "other"}, {"purpose": "hub"}, {"public_key": STRANGER.public}, {"issuer": bytes(32)}],
    ids=lambda change: str(next(iter(change))),
)
def test_a_changed_certificate_is_refused(change: dict[str, object]) -> None:
    member, leaf = chain()
    with pytest.raises(SignatureInvalid):
        verify_chain([member, leaf.model_copy(update=change)], root=ROOT.public, now=NOW)


def test_an_empty_chain_vouches_for_nobody() -> None:
    with pytest.raises(SignatureInvalid, match="empty"):
        verify_chain([], root=ROOT.public, now=NOW)


@pytest.mark.parametrize("revoked", [MEMBER, LEAF])
def test_a_revoked_key_is_in_no_directory(revoked: Signer) -> None:
    with pytest.raises(SignatureInvalid, match="revoked"):
        read_directory([chain()], root=ROOT.public, now=NOW, revoked=frozenset({key_id(revoked.public)}))


def test_a_key_is_good_for_its_purpose_only() -> None:
    directory = read_directory([chain()], root=ROOT.public, now=NOW)
    assert set(directory.of("node-sign")) == {key_id(LEAF.public)}
    assert not directory.of("hub")
    with pytest.raises(SignatureInvalid):
        directory.public_key("hub", "leaf")
