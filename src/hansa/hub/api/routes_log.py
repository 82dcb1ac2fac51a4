"""The transparency log: its newest checkpoint, and proofs about it. Entries themselves are only their hashes here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from hansa.hub.api.access import Caller, Context, Here
from hansa.hub.api.problems import NotFound
from hansa.hub.api.responses import PROBLEMS, problems
from hansa.hub.api.shapes import CheckpointOut, ConsistencyOut, InclusionOut
from hansa.log import consistency_proof, inclusion_proof
from hansa.model import Value

__all__ = ["log"]

log = APIRouter(prefix="/log", tags=["log"], responses=PROBLEMS)

_MOST = 2**53
Place = Annotated[int, Field(ge=0, le=_MOST)]
Size = Annotated[int, Field(ge=1, le=_MOST)]


class TreeSize(Value):
    """The tree that a proof leads to: the present one, where no size is given."""

    size: Size | None = None


class Sizes(Value):
    """Two sizes of the log."""

    first: Size
    second: Size


@log.get("/checkpoint", summary="The log's newest checkpoint")
def checkpoint(_caller: Caller, here: Here) -> CheckpointOut:
    """The signed size and root of the log now. Keys that come from the hub prove nothing about it: pin them."""
    log_key, witness_keys = here.service.hub.proof_keys()
    note = here.service.hub.log.prove((), {}).checkpoint
    return CheckpointOut(checkpoint=note, log_key=log_key, witness_keys=witness_keys)


@log.get("/entries/{index}/proof", summary="That an entry is in the log", responses=problems(404))
def inclusion(
    index: Annotated[Place, Path()], tree: Annotated[TreeSize, Query()], _caller: Caller, here: Here
) -> InclusionOut:
    """An inclusion proof in the tree of ``size`` entries."""
    size = _size(here, tree.size)
    if index >= size:
        raise NotFound("the log has no such entry", why="it is shorter", fix="see the checkpoint", field="index")
    store = here.service.store
    proof = inclusion_proof(store, index, size)
    return InclusionOut(index=index, size=size, leaf=store.node(0, index).hex(), proof=_hex(proof))


@log.get("/consistency", summary="That the log has only grown", responses=problems(404))
def consistency(sizes: Annotated[Sizes, Query()], _caller: Caller, here: Here) -> ConsistencyOut:
    """A consistency proof between two sizes."""
    second = _size(here, sizes.second)
    if sizes.first > second:
        raise NotFound("the first size is beyond the second", fix="exchange them", field="first")
    proof = consistency_proof(here.service.store, sizes.first, second)
    return ConsistencyOut(first=sizes.first, second=second, proof=_hex(proof))


def _size(here: Context, wanted: int | None) -> int:
    present = here.service.store.log_size
    if wanted is not None and wanted > present:
        raise NotFound("the log is not that long", why="it has fewer entries", fix="see the checkpoint", field="size")
    return present if wanted is None else wanted


def _hex(proof: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(digest.hex() for digest in proof)
