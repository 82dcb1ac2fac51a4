"""What the interface takes and gives, field by field, with an example of each."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hansa.model import Decision, Study, Value
from hansa.model.base import Identifier

__all__ = [
    "Accepted",
    "Catalogue",
    "CheckpointOut",
    "CohortOut",
    "ConsistencyOut",
    "Fault",
    "Id",
    "InclusionOut",
    "MethodOut",
    "Problem",
    "Ready",
    "ResultOut",
    "RunAsked",
    "RunOut",
    "StudyLine",
    "StudyOut",
    "StudyPage",
]

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
"""An identifier in an address."""

_ID = "019ab3f2-5a00-7c41-8d5e-0c1f2a3b4c5d"
_RUN = "019ab3f2-6b10-7e02-9a4f-5d6e7f8a9b0c"
_HASH = "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b"


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Fault(Value):
    """Why a run failed."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    field: str = ""
    reason: str = ""


class Problem(Value):
    """An error (RFC 9457). ``title`` says what happened, ``detail`` why, ``fix`` how to go on, ``field`` where."""

    model_config = _example(
        type="urn:hansa:error:not-found",
        title="there is no such study",
        status=404,
        detail="it was never submitted, or it is another's",
        code="not-found",
        fix="see GET /v1/studies",
        field="study",
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    fix: str
    field: str
    reason: str = ""


class MethodOut(Value):
    """A method of the catalogue."""

    name: str
    version: int
    title: str
    site_release: bool
    counts_rows: bool
    citations: tuple[str, ...]


class Catalogue(Value):
    """The methods that this hub plans."""

    model_config = _example(
        methods=[
            {
                "name": "glm",
                "version": 1,
                "title": "Generalised linear model",
                "site_release": True,
                "counts_rows": False,
                "citations": [],
            }
        ]
    )

    methods: tuple[MethodOut, ...]


class CohortOut(Value):
    """A cohort and its node's last heartbeat."""

    model_config = _example(name="zurich", state="ready", last_heartbeat="2026-11-22T10:15:00Z")

    name: str
    state: str
    last_heartbeat: dt.datetime | None


class Accepted(Value):
    """A study that was taken to its nodes, and what they decided."""

    model_config = _example(id=_ID, decisions={})

    id: str
    decisions: dict[str, Decision]


class StudyLine(Value):
    """A study in a list."""

    id: str
    by: str
    title: str
    cohorts: tuple[str, ...]
    analyses: tuple[str, ...]


class StudyPage(Value):
    """Studies in the order of their ids; ``next`` is the address of the next page, if there is one."""

    model_config = _example(
        studies=[
            {
                "id": _ID,
                "by": "ada",
                "title": "Blood pressure and age",
                "cohorts": ["zurich"],
                "analyses": ["model"],
            }
        ],
        next=f"/v1/studies?after={_ID}&limit=50",
    )

    studies: tuple[StudyLine, ...]
    next: str | None


class RunAsked(Value):
    """Which of the study's analyses to run."""

    model_config = _example(analysis="model")

    analysis: Identifier


class RunOut(Value):
    """A run; ``error`` says why it failed, if it did."""

    model_config = _example(
        id=_RUN, study=_ID, analysis="model", by="ada", state="running", queued="2026-11-22T10:15:00Z", error=None
    )

    id: str
    study: str
    analysis: str
    by: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    queued: dt.datetime
    error: Fault | None = None


class StudyOut(Value):
    """A study as it was signed, its runs, and the indexes of its entries in the log."""

    id: str
    by: str
    study: Study
    runs: tuple[RunOut, ...]
    entries: tuple[int, ...]


class ResultOut(BaseModel):
    """A finished run: the released result, where it came from, and the log's proof.

    ``sites`` are the sites' own answers, where each was asked for its own; ``proof`` is the text of a proof bundle.
    """

    model_config = _example(
        schema="outcome/1.0",
        result={"schema": "glm/1.1"},
        sites=None,
        provenance={"schema": "provenance/1.0"},
        proof='{"format": "hansa/proof-bundle/1", "checkpoint": "...", "witnesses": [], "entries": []}',
    )

    version: str = Field(alias="schema")
    result: dict[str, Any] | list[Any] | None
    sites: list[dict[str, Any]] | None
    provenance: dict[str, Any]
    proof: str


class CheckpointOut(Value):
    """The log's newest checkpoint, signed, and the verifier keys of the log and its witnesses."""

    model_config = _example(
        checkpoint="league/log\n7\nq1Z9...\n\n— league/log AbC...\n",
        log_key="league/log+1a2b3c4d+AaB...",
        witness_keys=[],
    )

    checkpoint: str
    log_key: str
    witness_keys: tuple[str, ...]


class InclusionOut(Value):
    """That a leaf is in the tree of ``size`` entries (RFC 6962, section 2.1.1); hashes in hex."""

    model_config = _example(index=3, size=7, leaf=_HASH, proof=[_HASH])

    index: int
    size: int
    leaf: str
    proof: tuple[str, ...]


class ConsistencyOut(Value):
    """That the tree of ``second`` entries extends that of ``first`` (RFC 6962, section 2.1.2); hashes in hex."""

    model_config = _example(first=3, second=7, proof=[_HASH])

    first: int
    second: int
    proof: tuple[str, ...]


class Ready(Value):
    """Whether requests can be served now."""

    model_config = _example(store=True, messaging=True)

    store: bool = Field(description="the database answers")
    messaging: bool = Field(description="the messaging server is connected")
