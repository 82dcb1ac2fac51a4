"""The file form of a proof bundle: JSON, with bytes as canonical base64.

The reader takes exactly the fields that the writer writes: a missing, additional or repeated one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hansa.errors import LogError
from hansa.log.bundle import LogEntry, ProofBundle, ProvedEntry
from hansa.log.canonical import decode_base64, encode_base64

__all__ = ["bundle_from_json", "bundle_to_json"]

_FORMAT = "hansa/proof-bundle/1"


def bundle_to_json(bundle: ProofBundle) -> str:
    """The bundle as JSON text; equal bundles give equal text.

    Examples
    --------
    >>> print(bundle_to_json(ProofBundle("a note", (), ())))
    {
      "format": "hansa/proof-bundle/1",
      "checkpoint": "a note",
      "witnesses": [],
      "entries": []
    }
    """
    fields = {
        "format": _FORMAT,
        "checkpoint": bundle.checkpoint,
        "witnesses": list(bundle.witnesses),
        "entries": [_entry_fields(proved) for proved in bundle.entries],
    }
    return json.dumps(fields, ensure_ascii=False, indent=2)


def bundle_from_json(text: str) -> ProofBundle:
    """Read a bundle. Nothing is verified yet: see :func:`~hansa.log.bundle.verify_bundle`.

    Raises
    ------
    LogError
        When the text is not JSON or not a bundle of this format; the error names the field.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise LogError("this is not a proof bundle", why="it is not JSON", field="bundle") from None
    found_format, checkpoint, witnesses, entries = _fields(
        data, ("format", "checkpoint", "witnesses", "entries"), "bundle"
    )
    if found_format != _FORMAT:
        raise LogError("this format is not known", why=f"only {_FORMAT} is read", field="format")
    return ProofBundle(
        checkpoint=_text(checkpoint, "checkpoint"),
        witnesses=tuple(_text(line, f"witnesses.{i}") for i, line in enumerate(_list(witnesses, "witnesses"))),
        entries=tuple(_entry(entry, f"entries.{i}") for i, entry in enumerate(_list(entries, "entries"))),
    )


def _entry_fields(proved: ProvedEntry) -> dict[str, Any]:
    return {
        "kind": proved.entry.kind,
        "payload": encode_base64(proved.entry.payload),
        "salt": encode_base64(proved.entry.salt),
        "index": proved.entry.index,
        "proof": [encode_base64(digest) for digest in proved.proof],
    }


def _entry(data: Any, field: str) -> ProvedEntry:
    kind, payload, salt, index, proof = _fields(data, ("kind", "payload", "salt", "index", "proof"), field)
    if type(index) is not int:
        raise _wrong("a whole number", f"{field}.index")
    entry = LogEntry(
        kind=_text(kind, f"{field}.kind"),
        payload=_bytes(payload, f"{field}.payload"),
        salt=_bytes(salt, f"{field}.salt"),
        index=index,
    )
    path = enumerate(_list(proof, f"{field}.proof"))
    return ProvedEntry(entry, tuple(_bytes(digest, f"{field}.proof.{i}") for i, digest in path))


def _fields(data: Any, names: Sequence[str], field: str) -> list[Any]:
    if not isinstance(data, dict) or set(data) != set(names):
        raise _wrong(f"an object with exactly {', '.join(names)}", field)
    return [data[name] for name in names]


def _list(data: Any, field: str) -> list[Any]:
    if not isinstance(data, list):
        raise _wrong("a list", field)
    return data


def _text(data: Any, field: str) -> str:
    if not isinstance(data, str):
        raise _wrong("text", field)
    return data


def _bytes(data: Any, field: str) -> bytes:
    return decode_base64(_text(data, field), field=field)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise LogError("a field stands twice", why="readers could take either", field="bundle")
    return fields


def _wrong(wanted: str, field: str) -> LogError:
    return LogError("this is not a proof bundle", why=f"{wanted} is required here", field=field)
