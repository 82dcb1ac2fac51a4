"""Hostile parties, built around honest code: a lying hub, a forging researcher, a cheating peer.

Each lie is a change to one message on its way. The real hub (:class:`hansa.hub.rounds.HubRun`), the real
nodes and the real transport run around it, so that a test shows what a node answers to the lie and not to a
message that no hub would send.

>>> from hansa.embedded.local import local
>>> from hansa.testing import synthetic_cohorts
>>> cohorts = synthetic_cohorts()
>>> league = local(cohorts.frames, cohorts.dictionary)
>>> exchange = lying_exchange(league)
>>> sorted(exchange.transport.ask({"aachen": b"not CBOR"}))
['aachen']
"""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from hansa.embedded.local import LocalLeague
from hansa.engine import InProcess, Transport
from hansa.hub.rounds import Exchange, HubRun
from hansa.model import Study, Variable
from hansa.model.exposure import Exposure
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import (
    Arguments,
    Arrays,
    Cohorts,
    Frame,
    Inputs,
    Method,
    Output,
    Preparation,
    Request,
    Step,
)
from hansa.stats.question import Question, read_question
from hansa.wire import Message, Signer, decode, encode, key_id, peek, seal
from hansa.wire import messages as schemas
from hansa.wire.identifiers import new_id
from hansa.wire.messages import StudySubmitted

__all__ = [
    "BAD_PAYLOADS",
    "WEIGHED",
    "CheatingPeer",
    "LyingHub",
    "Wiretap",
    "contents",
    "forged_envelope",
    "grafted",
    "hub_run",
    "lying_exchange",
    "submit_bytes",
    "weighed_round",
]

M = TypeVar("M", bound=Message)

Lie = Callable[[str, Message], Message]
"""From the addressee's (or the sender's) name and the honest message to what is sent instead."""


# --- payloads -----------------------------------------------------------------------------------------------


class _Shell:
    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return _unpickled, ("a pickle was executed",)


def _unpickled(word: str) -> None:
    raise AssertionError(word)


BAD_PAYLOADS: Mapping[str, bytes] = {
    "empty": b"",
    "pickle": pickle.dumps(_Shell()),
    "a pickle in CBOR": encode({"study": pickle.dumps(_Shell())}),
    "no map": encode([1, 2, 3]),
    "trailing bytes": encode({}) + b"\x00",
    "an indefinite map": b"\xbf\xff",
    "keys out of order": b"\xa2\x61b\x01\x61a\x02",
    "a key that is not text": b"\xa1\x01\x02",
    "a key twice": b"\xa2\x61a\x01\x61a\x02",
    "a date tag": b"\xc1\x00",
    "a regular expression": b"\xd8\x23\x61(",
    "a set": b"\xd9\x01\x02\x81\x01",
    "a cycle": b"\xd8\x1c\x81\xd8\x1d\x00",
    "nested": b"\x81" * 200 + b"\x00",
    "nested very deeply": b"\x81" * 100_000 + b"\x00",
    "a length beyond the message": b"\x9b\x00\xff\xff\xff\xff\xff\xff\xff",
    "text beyond the message": b"\x7b\x00\xff\xff\xff\xff\xff\xff\xff",
    "an array of objects": b"\xd8\x28\x82\x81\x01\x81\xf6",
    "an array without its bytes": b"\xd8\x28\x82\x81\x02\xd8\x56\x41\x00",
    "an array of negative size": b"\xd8\x28\x82\x82\x20\x20\xd8\x56\x48" + bytes(8),
}
"""Bytes that no honest encoder writes, by what is wrong with them."""


# --- envelopes ----------------------------------------------------------------------------------------------


def contents(data: bytes) -> dict[str, Any]:
    """The body of an envelope as a plain map, unverified."""
    body: dict[str, Any] = decode(peek(data).payload)
    return body


def forged_envelope(data: bytes, signer: Signer, *, payload: bytes | None = None, kind: str | None = None) -> bytes:
    """The envelope with another payload or type, signed properly by ``signer``."""
    envelope = peek(data)
    body = envelope.payload if payload is None else payload
    named = envelope.kind if kind is None else kind
    signature = signer.sign(f"hansa/{named}/{envelope.version.split('.', maxsplit=1)[0]}", body)
    return encode([named, envelope.version, key_id(signer.public), body, signature])


def grafted(data: bytes, payload: bytes) -> bytes:
    """The envelope with another payload under the old signature: what a relay without a key can do."""
    envelope = peek(data)
    return encode([envelope.kind, envelope.version, envelope.sender, payload, envelope.signature])


def _schema(kind: str) -> type[Message]:
    named = {getattr(schemas, name).kind(): getattr(schemas, name) for name in schemas.__all__ if _is_schema(name)}
    found: type[Message] = named[kind]
    return found


def _is_schema(name: str) -> bool:
    found = getattr(schemas, name)
    return isinstance(found, type) and issubclass(found, Message)


# --- transports that lie ------------------------------------------------------------------------------------


@dataclass(eq=False)
class Wiretap:
    """Carries everything honestly and keeps it: (node, message, answer), for replays and for looking inside."""

    inner: Transport
    heard: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Each node's answer."""
        answers = self.inner.ask(messages)
        self.heard.extend((node, messages[node], answer) for node, answer in answers.items())
        return answers

    def answers(self, kind: type[M]) -> list[M]:
        """The answers of one type that were heard, in order, unverified."""
        bodies = [contents(answer) for _, _, answer in self.heard if peek(answer).kind == kind.kind()]
        return [kind.model_validate(body) for body in bodies]


@dataclass(eq=False)
class LyingHub:
    """A hub that changes what it sends: ``lie`` gets each addressee and message, and the hub signs its lie."""

    inner: Transport
    signer: Signer
    lie: Lie

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Each node's answer to what it was told."""
        return self.inner.ask({node: self._told(node, message) for node, message in messages.items()})

    def _told(self, node: str, data: bytes) -> bytes:
        schema = _schema(peek(data).kind)
        honest = schema.model_validate(contents(data))
        told = self.lie(node, honest)
        return data if told is honest else seal(told, self.signer)


@dataclass(eq=False)
class CheatingPeer:
    """One node that signs something else than it computed; the other nodes are honest."""

    inner: Transport
    name: str
    signer: Signer
    lie: Callable[[Message], Message | bytes]

    def ask(self, messages: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Each node's answer, the cheat's own changed."""
        answers = dict(self.inner.ask(messages))
        if self.name in answers:
            data = answers[self.name]
            honest = _schema(peek(data).kind).model_validate(contents(data))
            told = self.lie(honest)
            answers[self.name] = told if isinstance(told, bytes) else seal(told, self.signer)
        return answers


def lying_exchange(league: LocalLeague, wrap: Callable[[Transport], Transport] | None = None) -> Exchange:
    """A hub's side of the league's exchanges, over the real transport or one wrapped around it."""
    honest = InProcess({name: node.handle for name, node in league.nodes.items()})
    return Exchange(league.keys.hub, league.keys.directory, honest if wrap is None else wrap(honest))


def submit_bytes(league: LocalLeague, study: Study, *, signer: Signer | None = None) -> bytes:
    """A study's signed envelope, by the league's researcher or by somebody else."""
    message = StudySubmitted(study=study.model_dump_json().encode())
    return seal(message, league.keys.researcher if signer is None else signer)


def hub_run(
    league: LocalLeague,
    study: Study,
    analysis: str,
    *,
    roster: tuple[str, ...] = (),
    wrap: Callable[[Transport], Transport] | None = None,
    methods: Mapping[str, Method] | None = None,
) -> tuple[HubRun, Question]:
    """A run that the test drives round by round, as a hub could, past the method's plan."""
    installed = {**catalogue(), **(methods or {})}
    question = read_question(study, analysis, league.dictionary, installed)
    nodes = roster or question.study.cohorts
    run = HubRun(
        lying_exchange(league, wrap),
        question,
        run=new_id(dt.datetime.now(dt.UTC)),
        analysis=analysis,
        roster=nodes,
    )
    return run, question


# --- a step whose inputs weigh people -------------------------------------------------------------------------


def _reads(arguments: Arguments) -> tuple[str, ...]:
    return tuple(arguments["variables"])


def _dimensions(arguments: Arguments, _variables: Mapping[str, Variable]) -> Mapping[str, int]:
    return {"width": len(arguments["variables"])}


def _columns(frame: Frame, arguments: Arguments) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.column_stack([frame.columns[name] for name in arguments["variables"]])


def _build(frame: Frame, arguments: Arguments) -> Mapping[str, Any]:
    return {"x": _columns(frame, arguments)}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    names = tuple(arguments["variables"])
    width = len(names)
    return (
        Exposure(
            name="weighed",
            rows=np.ones(frame.rows, dtype=np.bool_),
            columns=_columns(frame, arguments),
            names=names,
            derived=(False,) * width,
            strata=(False,) * width,
            variables=frozenset(names),
        ),
    )


def _weigh(arrays: Arrays, inputs: Inputs) -> Mapping[str, Any]:
    weight = 1 / (1 + np.exp(-np.clip(arrays["x"] @ inputs["beta"] + inputs["intercept"], -700, 700)))
    return {"sums": weight @ arrays["x"], "weights": weight[:, None]}


_COLUMNS = Preparation("weighed.columns", 1, _reads, _dimensions, _build, _exposures)

_SUM = Step(
    "weighed.sum",
    1,
    _COLUMNS,
    (Output("sums", ("width",), "intermediate"),),
    _weigh,
    weight_names=("chosen weight",),
)


def _plan(cohorts: Cohorts, arguments: Arguments) -> object:
    zeros = np.zeros(len(arguments["variables"]))
    totals = cohorts.sum("weighed.sum", Request(arguments), beta=zeros, intercept=0.0)
    return {"schema": "weighed/1.0", "sums": totals["sums"].tolist()}


def _complete(arguments: Arguments, _variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return tuple(arguments["variables"])


WEIGHED = Method("weighed", 1, "Sums weighted by the hub's choice", (_SUM,), _plan, _complete)
"""A method whose one step sums columns weighted by a logistic function of the round's inputs.

With inputs of its choice a hub can make the weights a switch that only some people pass.
"""


def weighed_round(run: HubRun, question: Question, *, beta: list[float], intercept: float) -> list[float]:
    """One round of :data:`WEIGHED` with the hub's own inputs; the total."""
    inputs = {"beta": np.asarray(beta, dtype=np.float64), "intercept": np.asarray(intercept, dtype=np.float64)}
    totals = run.sum(_SUM, Request(dict(question.arguments)), inputs)
    return [float(value) for value in totals["sums"]]
