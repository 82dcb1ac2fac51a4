"""What the league offers: methods, dictionary, cohorts."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hansa.hub.api.access import Caller, Here
from hansa.hub.api.responses import CBOR, PROBLEMS
from hansa.hub.api.shapes import Catalogue, CohortOut, MethodOut
from hansa.model import Dictionary

__all__ = ["league"]

CHARTER = "The sealed `Charter` envelope (deterministic CBOR). Verify it with the root that was agreed at first."

league = APIRouter(tags=["league"], responses=PROBLEMS)


@league.get("/catalogue", summary="The methods that can be asked for")
def catalogue(_caller: Caller, here: Here) -> Catalogue:
    """Every method of the hub's catalogue; a node runs those that it has installed itself."""
    fields = MethodOut.model_fields
    methods = here.service.methods.values()
    return Catalogue(methods=tuple(MethodOut(**{name: getattr(method, name) for name in fields}) for method in methods))


@league.get(
    "/charter",
    response_class=Response,
    responses={200: {"description": CHARTER, "content": {CBOR: {"schema": {"type": "string", "format": "binary"}}}}},
    summary="The league's charter",
)
def charter(_caller: Caller, here: Here) -> Response:
    """Who is in the league, with which keys: the newest version, as its root signed it."""
    return Response(here.service.charter, media_type=CBOR)


@league.get("/dictionary", summary="The league's dictionary")
def dictionary(_caller: Caller, here: Here) -> Dictionary:
    """What each variable is, in every cohort."""
    return here.service.hub.dictionary


@league.get("/cohorts", summary="The league's cohorts")
def cohorts(_caller: Caller, here: Here) -> list[CohortOut]:
    """Every cohort with its node's state and last heartbeat."""
    return [
        CohortOut(name=seen.name, state=seen.state, last_heartbeat=seen.last_heartbeat) for seen in here.service.seen()
    ]
