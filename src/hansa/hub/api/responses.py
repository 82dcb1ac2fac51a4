"""How errors stand in the description of the interface (OpenAPI)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hansa.hub.api.problems import PROBLEM
from hansa.hub.api.shapes import Problem
from hansa.version import __version__

__all__ = ["CBOR", "PROBLEMS", "describe", "problems"]

CBOR = "application/cbor"

_WORDS = {
    400: "The request, or a message in it, cannot be read or verified.",
    401: "Nobody that this hub knows is asking.",
    403: "Refused; `reason` says on what grounds.",
    404: "It is not there, or not for this reader.",
    409: "It cannot be done in the present state.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "A field is wrong.",
    429: "Asked too often; `Retry-After` says when to ask again.",
    500: "The hub failed.",
    503: "A party or a store cannot be reached.",
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The description of these errors."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _WORDS[status], "content": content} for status in statuses}


PROBLEMS = problems(400, 401, 413, 422, 429, 500, 503)
"""What every address may answer."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the shape of errors."""
    description = get_openapi(
        title="Hansa hub",
        version=__version__,
        description="Studies, runs and log of a federation of health-data cohorts. No record crosses this interface.",
        routes=app.routes,
    )
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    description["components"]["schemas"]["Problem"] = schema
    return description
