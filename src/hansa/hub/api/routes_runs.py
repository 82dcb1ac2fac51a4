"""Runs: started, followed, cancelled, and what came of them. They run in the hub's worker processes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from hansa.engine.outcome_json import error_from_json
from hansa.errors import Refused, StudyError
from hansa.hub.api.access import Caller, Here
from hansa.hub.api.events import EVENTS, EXAMPLE, followed
from hansa.hub.api.problems import Conflict
from hansa.hub.api.reading import run_out, visible_job, visible_study
from hansa.hub.api.responses import PROBLEMS, problems
from hansa.hub.api.shapes import Id, ResultOut, RunAsked, RunOut
from hansa.wire.identifiers import new_id

__all__ = ["runs"]

runs = APIRouter(tags=["runs"], responses=PROBLEMS)


@runs.post("/studies/{study}/runs", status_code=202, summary="Start a run", responses=problems(403, 404))
def start(study: Id, asked: RunAsked, who: Caller, here: Here, response: Response) -> RunOut:
    """Put a run of one of the study's analyses in the queue. One that is not finished is given instead of a second."""
    found = visible_study(here, who, study)
    if found.by != who.name:
        raise Refused("only the researcher of a study runs it", fix="ask them", reason="role")
    if asked.analysis not in found.study.analyses:
        raise StudyError(
            "the study has no such analysis", fix=f"one of {', '.join(found.study.analyses)}", field="analysis"
        )
    now = here.clock()
    job = here.service.store.enqueue(new_id(now), study, asked.analysis, who.name, now=now)
    response.headers["Location"] = f"/v1/runs/{job.id}"
    return run_out(job)


@runs.get("/runs/{run}", summary="A run's state", responses=problems(404))
def read(run: Id, who: Caller, here: Here) -> RunOut:
    """Where a run is."""
    return run_out(visible_job(here, who, run))


@runs.delete("/runs/{run}", summary="Cancel a run", responses=problems(403, 404, 409))
def cancel(run: Id, who: Caller, here: Here) -> RunOut:
    """Cancel a run; rounds under way are finished, and nothing is released. Cancelling twice is harmless."""
    job = visible_job(here, who, run)
    owner = visible_study(here, who, job.study).by
    if who.role != "steward" and who.name != owner:
        raise Refused("only its researcher or a steward cancels a run", fix="ask them", reason="role")
    here.service.store.cancel(run, who.name, now=here.clock())
    left = visible_job(here, who, run)
    if left.state != "cancelled":
        raise Conflict("the run is over already", why=f"it is {left.state}", fix="read it instead", field="run")
    return run_out(left)


@runs.get(
    "/runs/{run}/result",
    response_model=ResultOut,
    summary="What came of a run",
    responses=problems(403, 404, 409),
)
def result(run: Id, who: Caller, here: Here) -> Response:
    """The result with provenance and proof; of a failed run, its error with that error's own status."""
    job = visible_job(here, who, run)
    if job.state == "done":
        return Response(job.detail, media_type="application/json")
    if job.state == "failed":
        raise error_from_json(job.detail)
    if job.state == "cancelled":
        raise Conflict("the run was cancelled", fix="start it again", field="run")
    raise Conflict("the run is not finished", why=f"it is {job.state}", fix="follow its events", field="run")


@runs.get(
    "/runs/{run}/events",
    response_class=StreamingResponse,
    summary="Follow a run",
    responses={**problems(404), 200: {"description": EVENTS, "content": {"text/event-stream": {"example": EXAMPLE}}}},
)
async def events(
    run: Id, who: Caller, here: Here, last_event_id: Annotated[str, Header(pattern="^[0-9]{0,18}$")] = ""
) -> StreamingResponse:
    """Server-sent events until the run is over, or the caller's access has expired."""
    stream = await followed(here, who, run, after=int(last_event_id or 0))
    return StreamingResponse(stream, media_type="text/event-stream")
