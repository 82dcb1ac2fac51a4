"""Honest bytes, from which fuzzing begins: one of each thing that is read, made by Hansa's own writers."""

from __future__ import annotations

import base64
import datetime as dt
import json
from functools import cache
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws, jwt
from joserfc.jwk import OKPKey

from hansa.engine.outcome import Outcome
from hansa.engine.outcome_json import outcome_to_json
from hansa.examples import heart_dictionary, heart_policies, heart_study
from hansa.harmonise import dictionary_to_yaml
from hansa.hub.api import OidcSettings
from hansa.hub.config import HubConfig
from hansa.log import (
    Checkpoint,
    LogEntry,
    MemoryTree,
    bundle_to_json,
    commit,
    format_verifier_key,
    leaf_hash,
    make_bundle,
    root_hash,
    sign_checkpoint,
    verifier_key,
)
from hansa.model import Party
from hansa.model.toml import to_toml
from hansa.node.config import NodeConfig, join_request
from hansa.wire import Message, Signer, certify, encode, key_id, seal
from hansa.wire import messages as schemas
from hansa.wire.access import ApiAccess, grant_access
from hansa.wire.boxes import close_box
from hansa.wire.charter import Charter, read_request
from hansa.wire.envelope import payload_of
from hansa.wire.keyring import Keyring

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
SIGNER = Signer.from_bytes("somebody", bytes(range(32)))
PARTY = Party(name="hospital", kind="hospital", owner="itself")
DICTIONARY = heart_dictionary()
SCHEMAS: tuple[type[Message], ...] = tuple(
    found
    for name in schemas.__all__
    if isinstance(found := getattr(schemas, name), type) and issubclass(found, Message)
)
"""Every message between researcher, hub and nodes, in the order of their names."""


def signed(kind: str, payload: bytes) -> bytes:
    """An envelope around any bytes, properly signed."""
    signature = SIGNER.sign(f"hansa/{kind}/1", payload)
    return encode([kind, "1.0", key_id(SIGNER.public), payload, signature])


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- messages -----------------------------------------------------------------------------------------------

PLACE: dict[str, Any] = {"study": "s", "run": "r", "round": 0, "attempt": 0}
LANES = np.arange(6, dtype="<u8").reshape(2, 3)
STUDY = {
    "id": "s",
    "title": "t",
    "purpose": {"statement": "why", "terms": ["DUO:0000006"]},
    "requester": {"name": "hospital", "kind": "hospital", "owner": "itself"},
    "cohorts": ["a", "b", "c"],
    "populations": {"old": "age > 50"},
    "derive": {"decades": {"expression": "age / 10", "type": "number", "range": [0, 12]}},
    "variables": ["age", "sex", "disease"],
    "analyses": {
        "m": {"method": "glm", "arguments": {"formula": "disease ~ age + sex", "family": "binomial"}},
        "d": {"method": "describe", "arguments": {"variables": ["age"], "by": "sex"}, "population": "old"},
        "h": {"method": "histogram", "arguments": {"variable": "age", "bins": 10}},
        "f": {"method": "flow", "arguments": {"stages": ["age > 50"]}},
        "x": {"method": "crosstab", "arguments": {"rows": "sex", "columns": "disease"}},
    },
    "lay_summary": "in plain words",
    "valid_until": "2027-01-01",
}

_MESSAGES: tuple[Message, ...] = (
    schemas.StudySubmitted(study=json.dumps(STUDY).encode()),
    schemas.DecisionMade(study="s", decision=b"{}", permit=None),
    schemas.RunOpen(study="s", run="r", analysis="m", roster=("a", "b", "c"), dictionary=bytes(32), code="0.1.0"),
    schemas.RunReady(
        study="s",
        run="r",
        roster=("a", "b"),
        agreement=bytes(32),
        epoch=1,
        code="0.1.0",
        past=(schemas.PastPopulation(id="p", kind="set", derived=False, variables=("age",), roster=("a", "b")),),
    ),
    schemas.RunStart(study="s", run="r", ready=(b"one", b"two"), alone=(b"three",)),
    schemas.RunStarted(study="s", run="r", binding=bytes(32)),
    schemas.RoundAsked(
        **PLACE,
        step="glm.irls",
        step_version=1,
        arguments={"formula": "y ~ x", "facts": {"x": [1, 2.5]}, "none": None},
        inputs={"beta": np.zeros(3), "scale": np.asarray(1.0)},
    ),
    schemas.Counted(**PLACE, request=bytes(32), lanes=LANES),
    schemas.CountsShown(**PLACE, counted=(b"one", b"two")),
    schemas.Answered(**PLACE, request=bytes(32), lanes=LANES, part=1, parts=2),
    schemas.PartAsked(**PLACE, part=1),
    schemas.SiteAsked(study="s", run="r", analysis="m", roster=("a",), code="0.1.0"),
    schemas.SiteReleased(node="a", study="s", analysis="m", result=b"{}", checks=("group",)),
    schemas.AloneAsked(study="s", run="r", analysis="m", roster=("a",), code="0.1.0"),
    schemas.AloneGranted(node="a", study="s", run="r", roster=("a",), question=bytes(32)),
    schemas.CheckpointShown(checkpoint="note", log_key="key", since=0, proof=(bytes(32),)),
    schemas.CheckpointCosigned(signature="line"),
    schemas.CharterShown(charter=b"charter"),
    schemas.CharterTaken(charter_version=3),
    schemas.Declined(code="disclosure", what="no", fix="ask"),
)
BODIES = {one.kind(): bytes([SCHEMAS.index(type(one))]) + payload_of(one) for one in _MESSAGES}
ENVELOPES = {one.kind(): seal(one, SIGNER) for one in _MESSAGES[:4]}
PLAIN = {
    **{one.kind(): payload_of(one) for one in _MESSAGES},
    "plain": encode({"a": [1, -1, 2**70, -(2**70), 1.5, float("inf"), "text", b"bytes", None, True, {}]}),
    "arrays": encode([np.zeros((2, 3)), np.arange(3, dtype="<i8"), np.zeros((0, 4), dtype="<u8")]),
}
STUDIES = {"study": json.dumps(STUDY).encode(), "indented": json.dumps(STUDY, indent=1).encode()}
ARGUMENTS = {name: encode(one["arguments"]) for name, one in STUDY["analyses"].items()}  # type: ignore[attr-defined]  # a mapping, written above


# --- the league's papers ------------------------------------------------------------------------------------

_CHAIN = (
    certify(SIGNER, "hub, offline", "member", SIGNER.public, now=NOW, days=365).to_bytes(),
    certify(SIGNER, "hub", "hub", SIGNER.public, now=NOW, days=365).to_bytes(),
)
CHARTER = Charter.model_validate(
    {
        "league": "heart",
        "charter_version": 2,
        "root": SIGNER.public,
        "servers": ["tls://127.0.0.1:4222"],
        "api": "https://127.0.0.1:8443",
        "authority": "",
        "min_nodes": 3,
        "dictionary": DICTIONARY.model_dump_json().encode(),
        "members": [{"name": "hub", "role": "hub", "party": PARTY, "chains": [_CHAIN]}],
    }
)
_JOINING = read_request(join_request("zurich", PARTY, Keyring(None), now=NOW))
CHARTERS = {"charter": payload_of(CHARTER)}
REQUESTS = {"node": payload_of(_JOINING.model_copy(update={"member": SIGNER.public}))}
CERTIFICATES = {"member": _CHAIN[0], "leaf": _JOINING.certificates[0]}
ACCESSES = {
    "body": payload_of(ApiAccess(audience="hub", expires=int(NOW.timestamp() * 1000) + 60_000, nonce=bytes(16))),
    "text": grant_access(SIGNER, audience="hub", now=NOW).encode(),
}

# --- frames -------------------------------------------------------------------------------------------------

FRAMES = {
    "only": next(close_box(bytes(32), "hub>a", b"hello", frame_bytes=900)),
    "second": list(close_box(bytes(32), "hub>a", b"hello", frame_bytes=3))[1],
}
ORDERS = {"in order": bytes([3, 0, 1, 2, 3, 4, 5, 6, 7]) + b"what is cut in pieces", "empty": b"\x00\x01\x02"}
PULSES = {
    "pulse": encode({"boot": bytes(8), "beat": 1, "busy": [bytes(16)], "state": "serving", "charter": 2}),
    "answer": bytes(16) + b"an answer",
}

# --- text ---------------------------------------------------------------------------------------------------

STUDY_FILES = {"heart": heart_study().read_bytes(), "flow": b"{id: s, title: t, cohorts: [a]}"}
DICTIONARIES = {"heart": dictionary_to_yaml(DICTIONARY).encode()}
POLICIES = {name: path.read_bytes() for name, path in heart_policies().items()}
_NODE = NodeConfig(name="zurich", party=PARTY, data="data.csv", facts={"consent.register": True})
_HUB = HubConfig(league="heart", party=PARTY, host="127.0.0.1")
SETTINGS = {
    "node": to_toml(_NODE.model_dump(mode="json", exclude_none=True)).encode(),
    "hub": to_toml(_HUB.model_dump(mode="json", exclude_none=True)).encode(),
}
EXPRESSIONS = {
    str(number): text.encode()
    for number, text in enumerate(
        (
            "40 <= age < 60 and sex == 'female'",
            "not (age > 50 or disease) and chest_pain in ('typical', 'none')",
            "-age ^ 2 / (cholesterol + 1.5e3) - max_heart_rate",
            "cut(age, 40, 60)",
            "if_else(age > 50, 1, 0)",
            "recode(sex, 'male' = 'm')",
            "log(age) + sqrt(cholesterol) + abs(-1)",
        )
    )
}
FORMULAS = {
    str(number): text.encode()
    for number, text in enumerate(
        (
            "disease ~ age + sex",
            "~ ns(age, df=3) * sex + I(age > 50) + offset(log(cholesterol))",
            "y ~ (a + b + c)^2 - a:b + 0",
            "disease ~ poly(age, 2) + bs(age, knots=(40, 60), boundary=(20, 80))",
        )
    )
}
COLUMNS = {
    variable.name: np.array([0.0, 1.0, np.nan, -1.0, 55.0] if not variable.is_categorical else [0.0, 1.0, np.nan, 0, 1])
    for variable in DICTIONARY.variables
}

# --- the log, results, sign-in ------------------------------------------------------------------------------

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG_KEY = verifier_key("heart/log", LOG)


@cache
def _tree() -> tuple[MemoryTree, tuple[LogEntry, ...]]:
    entries = tuple(LogEntry("release", b"a result", bytes([index] * 32), index) for index in range(5))
    tree = MemoryTree()
    for entry in entries:
        tree.append(leaf_hash(commit(entry.kind, entry.payload, entry.salt)))
    return tree, entries


_TREE, _ENTRIES = _tree()
CHECKPOINT = sign_checkpoint(Checkpoint("heart/log", 5, root_hash(_TREE, 5)), LOG)
_BUNDLE = make_bundle(_ENTRIES[1:3], nodes=_TREE, checkpoint=CHECKPOINT, log_key=LOG_KEY)
NOTES = {"checkpoint": CHECKPOINT.encode(), "key": format_verifier_key(LOG_KEY).encode()}
BUNDLES = {"two": bundle_to_json(_BUNDLE).encode()}
OUTCOMES = {
    "outcome": outcome_to_json(Outcome({"schema": "describe/1.0"}, {"study": "s"}, _BUNDLE)).encode(),
}

OIDC = OidcSettings(
    issuer="https://provider",
    audience="hansa",
    keys_url="https://provider/keys",
    roles={"user": "researcher"},
    roles_claim="realm.roles",
)
_PROVIDER = OKPKey.generate_key("Ed25519", {"kid": "k"})
PROVIDER_KEYS: dict[str, Any] = {"k": _PROVIDER}
_CLAIMS = {"iss": "https://provider", "aud": "hansa", "sub": "olga", "exp": 1796083200, "realm": {"roles": ["user"]}}
CLAIMS = {
    "claims": json.dumps(_CLAIMS).encode(),
    "token": jwt.encode({"alg": "Ed25519", "kid": "k"}, _CLAIMS, _PROVIDER, algorithms=["Ed25519"]).encode(),
}


def provider_token(claims: bytes) -> str:
    """A token over any bytes, properly signed by the provider."""
    return jws.serialize_compact({"alg": "Ed25519", "kid": "k"}, claims, _PROVIDER, algorithms=["Ed25519"])
