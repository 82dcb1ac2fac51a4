"""The demo's story, told with real data: everything the page shows was computed in this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.cli.demo.pooled import Comparison, compare
from hansa.client.proof import ProofReport, verify_proof
from hansa.client.results import View
from hansa.client.study_file import read_study
from hansa.errors import Refused
from hansa.examples import heart_study
from hansa.model import Decision, Party, Purpose, Study
from hansa.node.views import RecordUse, StewardView, participant_view, steward_view

if TYPE_CHECKING:
    from hansa.client.league import Submitted
    from hansa.embedded.local import LocalLeague
    from hansa.engine import Progress

__all__ = ["Story", "tell"]

_INSURER = Party(name="Actua Analytics (invented)", kind="company", seat="IE")
_UNDERWRITING = Purpose(
    statement="Predict cardiac risk from routine measurements",
    terms=("DUO:0000007",),
    disease="MONDO:0005010",
    commercial=True,
)
_PARTICIPANT = ("cleveland", "1")


@dataclass(frozen=True, eq=False)
class Story:
    """All that happened.

    ``results`` are the study's analyses by name; ``refused`` the words of those that were refused;
    ``insurer`` the decisions that the second requester got; ``participant`` who looked at their record's use.
    """

    study: Study
    decisions: Mapping[str, Decision]
    results: Mapping[str, View]
    refused: Mapping[str, str]
    validation: View
    comparisons: Sequence[Comparison]
    stewards: Mapping[str, StewardView]
    insurer_study: Study
    insurer: Mapping[str, Decision]
    insurer_outcome: str
    proof: ProofReport
    proof_text: str
    participant: tuple[str, str]
    uses: Sequence[RecordUse]


def tell(league: LocalLeague, progress: Progress) -> Story:
    """Play the story on a fresh league of the four hospitals."""
    submitted = league.submit(read_study(heart_study()))
    results: dict[str, View] = {}
    refused: dict[str, str] = {}
    for name in submitted.study.analyses:
        progress(name)
        try:
            results[name] = submitted.run(name, progress=progress)
        except Refused as refusal:
            refused[name] = str(refusal)
    progress("validation in Zurich")
    if refused:
        raise Refused("the demo's study was refused in part", why="; ".join(refused), fix="reinstall hansa")
    validation = results["without_zurich"].validate(on="zurich")
    insurer, outcome = _second_requester(league, submitted, progress)
    text = results["risk_intercepts"].proof_json()
    node, person = _PARTICIPANT
    return Story(
        study=submitted.study,
        decisions=submitted.decisions,
        results=results,
        refused=refused,
        validation=validation,
        comparisons=compare(results),
        stewards={name: steward_view(custodian.context) for name, custodian in league.nodes.items()},
        insurer_study=insurer.study,
        insurer=insurer.decisions,
        insurer_outcome=outcome,
        proof=verify_proof(text),
        proof_text=text,
        participant=_PARTICIPANT,
        uses=participant_view(league.nodes[node].context, person),
    )


def _second_requester(league: LocalLeague, first: Submitted, progress: Progress) -> tuple[Submitted, str]:
    """An insurer's subsidiary that does not say who owns it asks for the same model."""
    progress("a second requester")
    asking = league.asking(
        requester=_INSURER,
        purpose=_UNDERWRITING,
        title="Cardiac risk from routine measurements",
        lay_summary="A company asks which measurements predict heart disease.",
        places=first.study.places,
        valid_until=first.study.valid_until,
    )
    submitted = asking.submit(asking.study({"risk": first.study.analyses["risk_common"]}))
    try:
        submitted.run("risk")
    except Refused as refusal:
        return submitted, str(refusal)
    return submitted, ""
