"""From what the hub answers to the view that fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hansa.client.results.competing import CompetingView
from hansa.client.results.control_arm import ControlArmView
from hansa.client.results.correlation import CorrelationView
from hansa.client.results.counted import CrosstabView, FlowView, HistogramView
from hansa.client.results.cox import CoxFit
from hansa.client.results.descriptions import Description, Table1View
from hansa.client.results.effect import EffectView
from hansa.client.results.fine_gray import FineGrayFit
from hansa.client.results.glm import GlmFit
from hansa.client.results.lmm import LmmFit
from hansa.client.results.sites import SitesView
from hansa.client.results.survival import SurvivalView
from hansa.client.results.validation import ValidationView
from hansa.client.results.view import View
from hansa.errors import NotEstimable, Refused

if TYPE_CHECKING:
    from hansa.client.league import Submitted
    from hansa.engine import Outcome, SiteAnswer

__all__ = ["read_outcome", "read_sites"]

_VIEWS: Mapping[str, type[View]] = {
    "glm/1": GlmFit,
    "lmm/1": LmmFit,
    "cox/1": CoxFit,
    "fine_gray/1": FineGrayFit,
    "describe/1": Description,
    "table1/1": Table1View,
    "crosstab/1": CrosstabView,
    "histogram/1": HistogramView,
    "correlation/1": CorrelationView,
    "flow/1": FlowView,
    "survival/1": SurvivalView,
    "competing_risks/1": CompetingView,
    "effect/1": EffectView,
    "control_arm/1": ControlArmView,
    "validation/1": ValidationView,
}

_NOT_ESTIMABLE = "not-estimable/1"
_TOO_TELLING = "the answer would tell too much about few people"
_REFUSALS = {"disclosure": _TOO_TELLING, "policy": "the node's rules do not permit it"}


def read_outcome(outcome: Outcome, study: Submitted, analysis: str) -> View:
    """The view of a finished run's result; of a method that this client does not know, the plain view."""
    return _view(outcome.result, outcome, study, analysis)


def read_sites(
    answers: Sequence[SiteAnswer], study: Submitted, analysis: str, *, outcome: Outcome | None = None
) -> View:
    """The view of the sites' own estimates; of a validation at one node, its own view.

    Raises
    ------
    Refused, NotEstimable
        When a validation was asked of one node only, and it gave no answer.
    """
    alone = len(answers) == 1 and study.study.analyses[analysis].method == "validate"
    if alone:
        _check_answered(answers[0])
        return _view(answers[0].result, outcome, study, analysis)
    reasons = {answer.node: _reason(answer) for answer in answers if _reason(answer)}
    views = {
        answer.node: _view(answer.result, outcome, study, analysis) for answer in answers if answer.node not in reasons
    }
    return SitesView(views, reasons, outcome, study, analysis)


def _view(plain: Mapping[str, Any], outcome: Outcome | None, study: Submitted, analysis: str) -> View:
    return _VIEWS.get(_major(plain), View)(plain, outcome, study, analysis)


def _major(plain: Mapping[str, Any]) -> str:
    """A result's schema without its minor version, which only adds."""
    return str(plain.get("schema", "")).rpartition(".")[0]


def _reason(answer: SiteAnswer) -> str:
    """Why a site has no estimate, in words; empty where it has one."""
    if answer.refused:
        return f"refused: {_REFUSALS.get(answer.refused, answer.refused)}"
    if _major(answer.result) == _NOT_ESTIMABLE:
        return f"not estimable: {answer.result['what']}"
    return ""


def _check_answered(answer: SiteAnswer) -> None:
    if answer.refused:
        why = _REFUSALS.get(answer.refused, answer.refused)
        raise Refused(f"{answer.node} gave no answer", why=why, reason=answer.refused)
    if _major(answer.result) == _NOT_ESTIMABLE:
        raise NotEstimable(answer.result["what"], why=answer.result["why"], fix=answer.result["fix"])
