"""Studies: submitted, listed, read, with their decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from hansa.errors import Refused, StudyError
from hansa.hub.api.access import Caller, Context, Here
from hansa.hub.api.identity import Identity
from hansa.hub.api.problems import Conflict, Unsupported
from hansa.hub.api.reading import run_out, visible_studies, visible_study
from hansa.hub.api.responses import CBOR, PROBLEMS, problems
from hansa.hub.api.shapes import Accepted, Id, StudyOut, StudyPage
from hansa.model import Decision, Value
from hansa.wire import open_message
from hansa.wire.messages import StudySubmitted

__all__ = ["studies"]

studies = APIRouter(prefix="/studies", tags=["studies"], responses=PROBLEMS)

_ID: TypeAdapter[str] = TypeAdapter(Id)


class Page(Value):
    """Which part of a list."""

    after: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.:-]{0,127})?$")] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@studies.post(
    "",
    status_code=201,
    summary="Submit a signed study",
    responses=problems(403, 409, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The sealed `StudySubmitted` envelope (deterministic CBOR), signed by the caller.",
            "content": {CBOR: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def submit(request: Request, who: Caller, here: Here) -> Accepted:
    """Take a signed study to its cohorts; the nodes' decisions. The same bytes again are harmless."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != CBOR:
        raise Unsupported("a study comes as an envelope in CBOR", fix=f"send it as {CBOR}", field="content-type")
    sealed = await request.body()
    return await run_in_threadpool(_submit, here, who, sealed)


@studies.get("", summary="Studies, page by page")
def listed(who: Caller, here: Here, page: Annotated[Page, Query()]) -> StudyPage:
    """The caller's own studies; everybody's for an auditor or steward."""
    found = visible_studies(here, who, after=page.after, limit=page.limit + 1)
    shown = found[: page.limit]
    more = len(found) > page.limit
    following = f"/v1/studies?after={shown[-1].study.id}&limit={page.limit}" if more else None
    return StudyPage(studies=tuple(one.line for one in shown), next=following)


@studies.get("/{study}", summary="A study", responses=problems(404))
def read(study: Id, who: Caller, here: Here) -> StudyOut:
    """The study as it was signed, its runs, and where it stands in the log."""
    found = visible_study(here, who, study)
    return StudyOut(
        id=study,
        by=found.by,
        study=found.study,
        runs=tuple(run_out(job) for job in here.service.store.jobs(study)),
        entries=tuple(here.service.store.entries_of(study)),
    )


@studies.get("/{study}/decisions", summary="Every node's decision", responses=problems(404))
def decisions(study: Id, who: Caller, here: Here) -> dict[str, Decision]:
    """Every node's decision on a study, rule by rule; a node that could not be reached yet is not in it."""
    visible_study(here, who, study)
    return dict(here.service.hub.decisions(study))


def _submit(here: Context, who: Identity, sealed: bytes) -> Accepted:
    signer, message = open_message(sealed, StudySubmitted, here.service.directory.of("researcher"))
    study = message.read()
    if signer != who.name:
        raise Refused("this study is signed by somebody else", fix="submit what you signed yourself", reason="role")
    try:
        _ID.validate_python(study.id)
    except ValidationError:
        raise StudyError("this id cannot stand in an address", fix="leave it out: one is made", field="id") from None
    known = here.service.store.study(study.id)
    if known is not None and known != sealed:
        raise Conflict("another study has this id", fix="submit this one under an id of its own", field="id")
    return Accepted(id=study.id, decisions=dict(here.service.hub.submit(sealed)))
