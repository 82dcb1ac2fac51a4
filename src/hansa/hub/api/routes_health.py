"""Whether this process lives, and whether it can serve. Open to all: neither tells anything else."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hansa.errors import StoreError
from hansa.hub.api.access import Here
from hansa.hub.api.responses import problems
from hansa.hub.api.shapes import Ready

__all__ = ["health"]

health = APIRouter(tags=["health"], responses=problems(413, 500))


@health.get("/healthz", summary="Whether the process lives")
def alive() -> dict[str, str]:
    """Always yes: a process that cannot answer does not."""
    return {"status": "ok"}


@health.get("/readyz", summary="Whether requests can be served", responses={503: {"model": Ready}})
def ready(here: Here, response: Response) -> Ready:
    """Whether the store answers and the messaging server is connected."""
    found = Ready(store=_store_answers(here), messaging=here.service.connected())
    if not (found.store and found.messaging):
        response.status_code = 503
    return found


def _store_answers(here: Here) -> bool:
    try:
        here.service.store.ping()
    except StoreError:
        return False
    return True
