"""A result with its provenance in one file, and the check of that file without any network.

The file holds the result, where it came from, and the log's proof that study, decisions, rounds and release
were appended before the checkpoint which the nodes cosigned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hansa.engine import Outcome
from hansa.errors import LogError
from hansa.log import LogEntry, bundle_from_json, bundle_to_json, parse_verifier_key, verify_bundle
from hansa.wire import decode as from_cbor
from hansa.wire import peek

__all__ = ["ProofReport", "proof_text", "verify_proof"]

_FORMAT = "hansa-proof/1.0"


@dataclass(frozen=True)
class ProofReport:
    """What a proof file proves.

    ``pinned`` says whether the log's key was given by the reader; a key that came with the file proves only
    that the file is consistent with itself.
    """

    study: str
    run: str
    nodes: tuple[str, ...]
    entries: dict[str, int]
    log_size: int
    witnesses: tuple[str, ...]
    pinned: bool


def proof_text(outcome: Outcome, keys: tuple[str, tuple[str, ...]]) -> str:
    """The proof file of an outcome, as JSON text; ``keys`` are the log's and the witnesses' verifier keys."""
    log_key, witness_keys = keys
    sites = isinstance(outcome.result, list)
    result = [answer.to_dict() for answer in outcome.result] if sites else outcome.result
    content = {
        "format": _FORMAT,
        "provenance": dict(outcome.provenance),
        "result": result,
        "log_key": log_key,
        "witness_keys": list(witness_keys),
        "bundle": json.loads(bundle_to_json(outcome.proof)),
    }
    return json.dumps(content, indent=1, sort_keys=True)


def verify_proof(
    text: str,
    *,
    log_key: str | None = None,
    witness_keys: Sequence[str] | None = None,
    witnesses_needed: int | None = None,
) -> ProofReport:
    """Check a proof file offline.

    Parameters
    ----------
    text : str
        The file's content.
    log_key, witness_keys : optional
        Verifier keys that the reader trusts; those in the file are used where none are given.
    witnesses_needed : int, optional
        How many witnesses must have cosigned; by default more than half of those known.

    Raises
    ------
    LogError
        Naming what does not verify: a signature, an entry's proof, or the result itself.
    """
    content = _read(text)
    keys = [parse_verifier_key(key) for key in (witness_keys or content["witness_keys"])]
    needed = len(keys) // 2 + 1 if witnesses_needed is None else witnesses_needed
    bundle = bundle_from_json(json.dumps(content["bundle"]))
    verified = verify_bundle(bundle, parse_verifier_key(log_key or content["log_key"]), keys, needed)
    provenance = content["provenance"]
    _check_result(content["result"], provenance["run"], verified.entries)
    kinds = [entry.kind for entry in verified.entries]
    return ProofReport(
        study=provenance["study"],
        run=provenance["run"],
        nodes=tuple(provenance["nodes"]),
        entries={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        log_size=verified.checkpoint.size,
        witnesses=tuple(witness.name for witness in verified.witnesses),
        pinned=log_key is not None,
    )


def _read(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT:
            raise LogError("the file is no proof of this format", why=f"{_FORMAT} is read", field="format")
        for name in ("provenance", "result", "log_key", "witness_keys", "bundle"):
            content[name]
    except (ValueError, KeyError, TypeError):
        raise LogError(
            "the file is no proof", why="a part is missing or it is not JSON", fix="export it again"
        ) from None
    return dict(content)


def _check_result(result: Any, run: str, entries: Sequence[LogEntry]) -> None:
    """The result must be what was logged as released, not merely stand beside a valid log."""
    payloads = [entry.payload for entry in entries if entry.kind == "release"]
    if isinstance(result, list):
        missing = [site for site in result if site["signed"] and bytes.fromhex(site["signed"]) not in payloads]
        altered = [site for site in result if site["signed"] and _signed_result(site) != site["result"]]
        if missing or altered:
            raise LogError("a site's result is not the release that was logged", field="result")
        return
    if not any(_released(payload) == (run, result) for payload in payloads):
        raise LogError(
            "the result is not the one that was logged",
            why="no release entry of this run holds it",
            fix="ask whoever gave you the file for the original",
            field="result",
        )


def _released(payload: bytes) -> tuple[str, Any] | None:
    try:
        entry = json.loads(payload)
        return entry["run"], entry["result"]
    except (ValueError, KeyError, TypeError):
        return None


def _signed_result(site: dict[str, Any]) -> Any:
    body = from_cbor(peek(bytes.fromhex(site["signed"])).payload)
    return json.loads(body["result"])
