"""Errors as problem details (RFC 9457): what, why, how to go on; never a trace, never what somebody sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hansa.errors import HansaError, ProtocolError, Refused, StudyError

__all__ = [
    "PROBLEM",
    "Conflict",
    "NotFound",
    "TooLarge",
    "TooMany",
    "Unauthenticated",
    "Unsupported",
    "add_problems",
    "problem",
]

PROBLEM = "application/problem+json"


class Unauthenticated(Refused):
    """Nobody that this hub knows is asking."""

    code, http_status = "access", 401

    def __init__(self, what: str, *, why: str = "", fix: str = "", field: str = "") -> None:
        super().__init__(what, why=why, fix=fix, field=field, reason="access")


class TooMany(Refused):
    """One identity asks too often; ``seconds`` says when to ask again."""

    code, http_status = "rate", 429

    def __init__(self, what: str, *, seconds: float) -> None:
        super().__init__(what, fix="wait as long as Retry-After says", reason="rate")
        self.seconds = seconds


class NotFound(StudyError):
    """It is not there, or not for this reader: the two are not told apart."""

    code, http_status = "not-found", 404


class Conflict(StudyError):
    """It cannot be done in the present state."""

    code, http_status = "conflict", 409


class TooLarge(ProtocolError):
    """A body is larger than this hub reads."""

    code, http_status = "too-large", 413


class Unsupported(ProtocolError):
    """A body of another type than is read here."""

    code, http_status = "media-type", 415


def problem(error: HansaError) -> JSONResponse:
    """The answer that tells of an error."""
    headers = {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, int(error.seconds + 0.999)))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Hansa, Bearer"
    return _response(error.to_dict(), error.http_status, headers)


def add_problems(app: FastAPI) -> None:
    """Give every error of an app this form."""
    app.add_exception_handler(HansaError, _of_hansa)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_anything)


def _response(fields: Mapping[str, Any], status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    code = str(fields.get("code", "error"))
    content = {
        "type": f"urn:hansa:error:{code}",
        "title": str(fields.get("what", "")),
        "status": status,
        "detail": str(fields.get("why", "")),
        "code": code,
        "fix": str(fields.get("fix", "")),
        "field": str(fields.get("field", "")),
    }
    if "reason" in fields:
        content["reason"] = str(fields["reason"])
    return JSONResponse(content, status, dict(headers or {}), media_type=PROBLEM)


def _of_hansa(_request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, HansaError)
    return problem(fault)


def _of_validation(_request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, RequestValidationError)
    first = fault.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return problem(
        StudyError("the request cannot be read", why=str(first["msg"]), fix="correct the field", field=place)
    )


def _of_http(_request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, HTTPException)
    words = {404: "there is nothing at this address", 405: "this address does not know this method"}
    fields = {
        "code": "not-found" if fault.status_code == 404 else "protocol",
        "what": words.get(fault.status_code, "the request cannot be read"),
        "fix": "see /v1/openapi.json",
    }
    return _response(fields, fault.status_code, fault.headers)


def _of_anything(_request: Request, _fault: Exception) -> JSONResponse:
    return problem(HansaError("the hub failed at this request", fix="ask the hub's operator: its own log says more"))
