"""What reads bytes from others, one target each: from any bytes to nothing, and only Hansa's own errors on the way.

A target also checks what must hold where the bytes are accepted: that they have one meaning, and can be kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fuzz_seeds as seeds
import numpy as np

from hansa.client.study_file import read_study
from hansa.engine.frames import Inbox
from hansa.engine.messaging import HubEndpoint
from hansa.engine.outcome_json import outcome_from_json
from hansa.errors import HansaError
from hansa.formula import check_expression, evaluate, parse_expression, parse_mixed_formula
from hansa.governance import read_policy
from hansa.harmonise import read_dictionary
from hansa.hub.api.oidc import Issuer
from hansa.hub.config import HubConfig
from hansa.log import bundle_from_json, bundle_to_json, cosign, open_checkpoint, parse_note, parse_verifier_key
from hansa.log import verify_bundle as verify
from hansa.model import Study
from hansa.node.config import NodeConfig
from hansa.node.prepared import reads
from hansa.node.worker.crossing import error_in, found_in, observed_in
from hansa.stats.catalogue import catalogue
from hansa.stats.question import read_question
from hansa.wire import Message, decode, encode, key_id, open_message, peek, seal, verify_chain
from hansa.wire.access import ApiAccess, open_access
from hansa.wire.boxes import close_box
from hansa.wire.charter import Charter, admit, read_charter, read_request
from hansa.wire.envelope import payload_of
from hansa.wire.folder import read_settings
from hansa.wire.keys import Certificate
from hansa.wire.messages import StudySubmitted

__all__ = ["TARGETS", "Target"]

_NOW = seeds.NOW
_KEYS = {key_id(seeds.SIGNER.public): ("somebody", seeds.SIGNER.public)}
_SECRET = bytes(32)


@dataclass(frozen=True)
class Target:
    """What is read, and honest bytes to begin with."""

    run: Callable[[bytes], None]
    seeds: Mapping[str, bytes]


def _contained(read: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Hansa's own errors are answers; any other is a finding."""

    def target(data: bytes) -> None:
        with suppress(HansaError):
            read(data)

    return target


def _text(read: Callable[[str], object]) -> Callable[[bytes], None]:
    """As it comes out of a file or a JSON string; bytes that are no text become lone surrogates, as JSON has them."""
    return _contained(lambda data: read(data.decode("utf-8", "surrogateescape")))


# --- the wire -----------------------------------------------------------------------------------------------


def _codec(data: bytes) -> None:
    assert encode(decode(data)) == data, "one value has two encodings"


def _message(data: bytes) -> None:
    """The first byte chooses the schema, the rest is a body that somebody certified has signed."""
    schema = seeds.SCHEMAS[data[0] % len(seeds.SCHEMAS)] if data else seeds.SCHEMAS[0]
    sealed = seeds.signed(schema.kind(), data[1:])
    _, found = open_message(sealed, schema, _KEYS)
    _same_again(found)


def _same_again(found: Message) -> None:
    payload = payload_of(found)
    again = open_message(seal(found, seeds.SIGNER), type(found), _KEYS)[1]
    assert payload_of(again) == payload, "what was read is written as something else"


def _peeked(data: bytes) -> None:
    peek(data)
    open_message(data, StudySubmitted, _KEYS)


def _charter(data: bytes) -> None:
    """A charter's body, signed by the root: who joins first takes it at its word."""
    known = read_charter(seeds.signed(Charter.kind(), data), now=_NOW)
    _same_again(known.charter)
    known.member("hub")


def _request(data: bytes) -> None:
    """A request to join, as far as the hub's operator takes it: into the next charter, which others must read."""
    request = read_request(seeds.signed("join-request", data))
    charter = admit(seeds.CHARTER, request, seeds.SIGNER, now=_NOW)
    read_charter(seal(charter, seeds.SIGNER), now=_NOW, root=seeds.SIGNER.public).member(request.name)


def _certificate(data: bytes) -> None:
    found = Certificate.from_bytes(data)
    assert Certificate.from_bytes(found.to_bytes()) == found
    verify_chain([found], root=seeds.SIGNER.public, now=_NOW)


def _access(data: bytes) -> None:
    """An assertion as text, and one whose body is these bytes, properly signed."""
    with suppress(HansaError):
        open_access(data.decode("latin-1"), _KEYS, audience="hub", now=_NOW)
    open_access(seeds.base64url(seeds.signed(ApiAccess.kind(), data)), _KEYS, audience="hub", now=_NOW)


def _frame(data: bytes) -> None:
    Inbox(_SECRET, "hub>a").add(data)


def _frames(data: bytes) -> None:
    """Frames by the holder of the secret, in an order and with repetitions that the bytes choose."""
    size, order, content = (data[0] % 7 + 1, data[1:9], data[9:200]) if len(data) > 9 else (1, data, b"")
    frames, other = (list(close_box(_SECRET, "hub>a", text, frame_bytes=size)) for text in (content, content + b"!"))
    inbox = Inbox(_SECRET, "hub>a", limit=100)
    for number in order:
        source = other if number & 0x80 else frames
        with suppress(HansaError):
            whole = inbox.add(source[number % len(source)])
            assert whole is None or b"".join(whole) in (content, content + b"!")
    assert len(frames) > 1 or Inbox(_SECRET, "hub>a").add(frames[0]) == (b"", content)


class _NoLink:
    """The hub's link, with nobody at the other end."""

    def __init__(self) -> None:
        self.heard: dict[str, Callable[[str, str, bytes], None]] = {}

    def subscribe(self, subject: str, act: Callable[[str, str, bytes], None]) -> None:
        self.heard[subject] = act


_LINK = _NoLink()
_ENDPOINT = HubEndpoint(_LINK, "league", {"a": _SECRET})  # type: ignore[arg-type]  # as much of a link as is used


def _heartbeat(data: bytes) -> None:
    """What a node says of itself, and what it answers, on its own subjects."""
    for subject, act in _LINK.heard.items():
        parts = ["hansa", "league", "node", "a", subject.split(".")[-1]]
        way = "alive" if "alive" in subject else "answer"
        for frame in (data, *close_box(_SECRET, f"{way}:a", data, frame_bytes=900)):
            act(".".join(parts), "", frame)
    _ENDPOINT.present("a")
    _ENDPOINT.pulses()


# --- studies, formulas, settings ----------------------------------------------------------------------------


def _study(data: bytes) -> None:
    """A study as a node takes it: read, every question of it parsed, and kept as text."""
    study = StudySubmitted(study=data).read()
    _usable(study)
    assert StudySubmitted(study=data).read() == study
    assert Study.model_validate_json(data) == study, "hub and node read it as something else"


def _usable(study: Study) -> None:
    study.model_dump_json().encode()
    for analysis in study.analyses:
        with suppress(HansaError):
            question = read_question(study, analysis, seeds.DICTIONARY, catalogue())
            _ = question.digest, question.touched, question.set_digest


def _arguments(data: bytes) -> None:
    """A round's arguments, as a hub could ask: any plain values, for every step of the catalogue."""
    value = decode(data)
    arguments = value if isinstance(value, dict) else {"variables": value, "formula": value, "population": value}
    for method in catalogue().values():
        for step in method.steps:
            with suppress(HansaError):
                reads(step.preparation, arguments)


def _study_file(text: str) -> None:
    _usable(_from_file(text, read_study))


def _from_file(text: str, read: Callable[[Path], Any]) -> Any:
    with tempfile.NamedTemporaryFile(dir=_FOLDER, suffix=".toml") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        return read(Path(file.name))


_FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None


def _settings(text: str) -> None:
    with suppress(HansaError):
        _from_file(text, lambda file: read_settings(file, NodeConfig, fix=""))
    _from_file(text, lambda file: read_settings(file, HubConfig, fix=""))


def _dictionary(text: str) -> None:
    read_dictionary(text + "\n").model_dump_json().encode()


def _policy(text: str) -> None:
    read_policy(text).model_dump_json().encode()


def _expression(text: str) -> None:
    found = parse_expression(text)
    assert parse_expression(str(found)) == found
    check_expression(found, seeds.DICTIONARY.by_name)
    with np.errstate(all="ignore"):
        evaluate(found, seeds.COLUMNS, seeds.DICTIONARY.by_name)


def _formula(text: str) -> None:
    found = parse_mixed_formula(text)
    assert parse_mixed_formula(str(found)) == found
    arguments = {"formula": text, "family": "binomial"}
    for step in catalogue()["glm"].steps[:1]:
        step.preparation.dimensions(arguments, seeds.DICTIONARY.by_name)


# --- the log, results, sign-in ------------------------------------------------------------------------------


def _note(text: str) -> None:
    with suppress(HansaError):
        parse_verifier_key(text)
    parse_note(text)
    open_checkpoint(text, seeds.LOG_KEY)
    cosign(None, text, (), log_key=seeds.LOG_KEY, name="a", key=seeds.LOG, time=1)


def _bundle(text: str) -> None:
    bundle = bundle_from_json(text)
    assert bundle_from_json(bundle_to_json(bundle)) == bundle
    verify(bundle, seeds.LOG_KEY, [], 0)


def _outcome(text: str) -> None:
    outcome_from_json(text)


_OIDC = Issuer(seeds.OIDC)
_OIDC._keys, _OIDC._fetched = seeds.PROVIDER_KEYS, _NOW  # as after a fetch: nothing is asked of a network


def _token(data: bytes) -> None:
    """A provider's token as text, and one whose claims are these bytes, properly signed."""
    with suppress(HansaError):
        _OIDC.identify(data.decode("latin-1"), now=_NOW)
    _OIDC.identify(seeds.provider_token(data), now=_NOW)


def _worker(data: bytes) -> None:
    """What the process that holds the rows may answer; a method in it may be dishonest."""
    value = decode(data)
    for read in (found_in, observed_in, error_in):
        with suppress(HansaError):
            read(value)


TARGETS: Mapping[str, Target] = {
    "codec": Target(_contained(_codec), seeds.PLAIN),
    "message": Target(_contained(_message), seeds.BODIES),
    "envelope": Target(_contained(_peeked), seeds.ENVELOPES),
    "charter": Target(_contained(_charter), seeds.CHARTERS),
    "join-request": Target(_contained(_request), seeds.REQUESTS),
    "certificate": Target(_contained(_certificate), seeds.CERTIFICATES),
    "access": Target(_contained(_access), seeds.ACCESSES),
    "frame": Target(_contained(_frame), seeds.FRAMES),
    "frames": Target(_contained(_frames), seeds.ORDERS),
    "heartbeat": Target(_contained(_heartbeat), seeds.PULSES),
    "study": Target(_contained(_study), seeds.STUDIES),
    "arguments": Target(_contained(_arguments), seeds.ARGUMENTS),
    "study-file": Target(_text(_study_file), seeds.STUDY_FILES),
    "settings": Target(_text(_settings), seeds.SETTINGS),
    "dictionary": Target(_text(_dictionary), seeds.DICTIONARIES),
    "policy": Target(_text(_policy), seeds.POLICIES),
    "expression": Target(_text(_expression), seeds.EXPRESSIONS),
    "formula": Target(_text(_formula), seeds.FORMULAS),
    "note": Target(_text(_note), seeds.NOTES),
    "bundle": Target(_text(_bundle), seeds.BUNDLES),
    "outcome": Target(_text(_outcome), seeds.OUTCOMES),
    "token": Target(_contained(_token), seeds.CLAIMS),
}
