"""An outcome, or the error in its place, as JSON: what a hub keeps of a job and gives to clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import hansa.errors
from hansa.engine.outcome import Outcome, SiteAnswer
from hansa.errors import HansaError, ProtocolError, Refused, Unreachable
from hansa.log import bundle_from_json, bundle_to_json

__all__ = ["error_from_json", "error_to_json", "outcome_from_json", "outcome_to_json"]


def outcome_to_json(outcome: Outcome) -> str:
    """Result, provenance and the log's proof."""
    result = outcome.result
    sites = isinstance(result, list)  # a pooled result is a table of names
    content = {
        "schema": "outcome/1.0",
        "sites": [one.to_dict() for one in result] if sites else None,
        "result": None if sites else result,
        "provenance": dict(outcome.provenance),
        "proof": bundle_to_json(outcome.proof),
    }
    return json.dumps(content, sort_keys=True)


def outcome_from_json(text: str) -> Outcome:
    """The outcome again.

    Raises
    ------
    ProtocolError
        If the text is no outcome of this version.
    """
    try:
        return _outcome(json.loads(text))
    except (ValueError, KeyError, TypeError):
        raise ProtocolError("what the hub sent is no outcome of a run", fix="update this client or the hub") from None


def _outcome(content: Mapping[str, Any]) -> Outcome:
    if not str(content["schema"]).startswith("outcome/1."):
        raise KeyError("schema")
    sites = content["sites"]
    result = content["result"] if sites is None else [_site_from(one) for one in sites]
    return Outcome(result, content["provenance"], bundle_from_json(content["proof"]))


def error_to_json(error: HansaError) -> str:
    """An error's words and class."""
    nodes = {"nodes": list(error.nodes)} if isinstance(error, Unreachable) else {}
    return json.dumps({**error.to_dict(), **nodes}, sort_keys=True)


def error_from_json(text: str) -> HansaError:
    """The error again, of the class that its code names; one that is not known is the root of the tree.

    Examples
    --------
    >>> error_from_json(error_to_json(Refused("no", fix="ask", reason="budget"))).reason
    'budget'
    """
    content: dict[str, Any] = json.loads(text)
    words = {name: str(content.get(name, "")) for name in ("why", "fix", "field")}
    what = str(content.get("what", "the hub failed"))
    kind = _CLASSES.get(str(content.get("code")), HansaError)
    if kind is Refused:
        return Refused(what, **words, reason=str(content.get("reason", "")))
    if kind is Unreachable:
        return Unreachable(what, **words, nodes=tuple(map(str, content.get("nodes", ()))))
    return kind(what, **words)


_CLASSES: dict[str, type[HansaError]] = {
    found.code: found
    for name in hansa.errors.__all__
    if isinstance(found := getattr(hansa.errors, name), type) and issubclass(found, HansaError)
}


def _site_from(content: dict[str, Any]) -> SiteAnswer:
    return SiteAnswer(content["node"], content["result"], content["refused"], bytes.fromhex(content["signed"]))
