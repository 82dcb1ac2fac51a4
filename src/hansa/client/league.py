"""The league as a researcher sees it: ask questions, read decisions, submit declared studies.

Every call is a study: signed, decided by every node, run in rounds of secure sums, and logged.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hansa.client.questions import Questions
from hansa.client.results import SubgroupsView, View, read_outcome, read_sites
from hansa.client.subgroups import read_subgroups, subgroup_analyses
from hansa.engine import HubGateway, Progress
from hansa.formula import derived_variables
from hansa.governance import explain
from hansa.model import Analysis, Decision, Dictionary, Party, Purpose, Study, read_value
from hansa.stats.catalogue import catalogue
from hansa.wire import Signer, seal
from hansa.wire.identifiers import new_id
from hansa.wire.messages import StudySubmitted

__all__ = ["League", "Submitted"]

_OWN_QUESTION = Purpose(
    statement="a question of the caller's own",
    terms=("DUO:0000042",),
    uses=(),
    commercial=False,
)


class League(Questions):
    """Asks questions of a league through its hub.

    ``requester`` and ``purpose`` stand for every question asked directly on it (``league.glm(...)``);
    :meth:`asking` gives the same league with others.
    """

    def __init__(
        self,
        hub: HubGateway,
        *,
        signer: Signer,
        requester: Party,
        clock: Callable[[], dt.datetime],
        template: Mapping[str, Any] | None = None,
    ) -> None:
        self._hub = hub
        self._signer = signer
        self._clock = clock
        self._template: dict[str, Any] = {
            "title": "A question of one's own",
            "purpose": _OWN_QUESTION,
            "lay_summary": "The holder of these data asks a question of them.",
            **(template or {}),
            "requester": requester,
        }
        self._last: Submitted | None = None

    @property
    def dictionary(self) -> Dictionary:
        """The league's dictionary."""
        return self._hub.dictionary

    @property
    def cohorts(self) -> tuple[str, ...]:
        """The names of the league's nodes."""
        return self._hub.cohorts

    @property
    def decisions(self) -> Mapping[str, Decision]:
        """Every node's decision on the last study: every rule, in plain words."""
        return {} if self._last is None else self._last.decisions

    def asking(self, *, requester: Party | None = None, **study: Any) -> League:
        """The same league, asked by another requester or with other fields of the study.

        Parameters
        ----------
        requester : Party, optional
        **study
            Fields of :class:`hansa.model.Study`, such as ``purpose``, ``places``, ``ethics_approval``.
        """
        template = {**self._template, **study}
        asker = requester or self._template["requester"]
        return League(self._hub, signer=self._signer, requester=asker, clock=self._clock, template=template)

    def study(self, analyses: Mapping[str, Analysis | Mapping[str, Any]], **study: Any) -> Study:
        """A study of several declared analyses, from the league's template and these fields."""
        fields = {
            "id": new_id(self._clock()),
            "cohorts": self.cohorts,
            "min_nodes": 3,
            **self._template,
            **study,
        }
        asked = {name: read_value(Analysis, _plain(analysis)) for name, analysis in analyses.items()}
        fields.setdefault("variables", _variables(asked.values(), fields, self.dictionary))
        return read_value(Study, {**fields, "analyses": asked})

    def submit(self, study: Study) -> Submitted:
        """Sign a study and send it to the hub; its nodes decide."""
        message = StudySubmitted(study=study.model_dump_json().encode())
        decisions = self._hub.submit(seal(message, self._signer))
        self._last = Submitted(self._hub, study, decisions, self)
        return self._last

    def _ask(self, analysis: Analysis, **study: Any) -> View:
        return self.submit(self.study({"question": analysis}, **study)).run("question")

    def _ask_by(self, analysis: Analysis, by: str, **study: Any) -> SubgroupsView:
        asked, levels = subgroup_analyses(analysis, by, self.dictionary, study.get("derive", {}))
        return read_subgroups(self.submit(self.study(asked, **study)), by, levels)


@dataclass(frozen=True, eq=False)
class Submitted:
    """A study that the nodes have decided."""

    hub: HubGateway
    study: Study
    decisions: Mapping[str, Decision]
    league: League

    def resubmit(self, analyses: Mapping[str, Analysis]) -> Submitted:
        """The same study with other analyses, under an id of its own: signed and decided anew."""
        fields = self.study.model_dump(exclude={"id", "analyses", "variables"})
        return self.league.submit(self.league.study(analyses, **fields))

    def feasibility(self) -> Mapping[str, View]:
        """How many people each analysis would have, condition by condition, before anything is committed."""
        stages = {name: self._stages(analysis) for name, analysis in self.study.analyses.items()}
        flows = {
            name: Analysis(method="flow", arguments={"stages": wanted}) for name, wanted in stages.items() if wanted
        }
        asked = self.resubmit(flows)
        return {name: asked.run(name) for name in flows}

    def _stages(self, analysis: Analysis) -> list[str]:
        population = self.study.populations.get(analysis.population, analysis.population)
        method = catalogue()[analysis.method]
        variables = derived_variables(self.study.derive, self.league.dictionary.by_name)
        known = dict.fromkeys([*method.complete(analysis.arguments, variables), *analysis.complete])
        return [*([population] if population else []), *(f"known: {expression}" for expression in known)]

    def run(self, analysis: str, *, progress: Progress | None = None) -> View:
        """Run one of the study's analyses; its result.

        Raises
        ------
        Refused
            If too few cohorts permit, or the answer would tell too much about few people.
        """
        if self.study.analyses.get(analysis, Analysis(method="")).sites:
            outcome = self.hub.sites(self.study.id, analysis)
            return read_sites(outcome.result, self, analysis, outcome=outcome)
        return read_outcome(self.hub.run(self.study.id, analysis, progress=progress), self, analysis)

    def explain(self) -> str:
        """Every node's decision, every rule, in plain words."""
        return "\n\n".join(explain(decision) for decision in self.decisions.values())


def _plain(analysis: Analysis | Mapping[str, Any]) -> Any:
    return analysis.model_dump() if isinstance(analysis, Analysis) else dict(analysis)


def _variables(analyses: Iterable[Analysis], study: Mapping[str, Any], dictionary: Dictionary) -> tuple[str, ...]:
    """The dictionary variables that the analyses name anywhere, in themselves or through derivations."""
    known = dictionary.by_name
    texts = [repr(analysis.model_dump()) for analysis in analyses]
    texts += [repr(study.get(field, "")) for field in ("derive", "populations")]
    words = set(re.findall(r"[A-Za-z][A-Za-z0-9_]*", " ".join(texts)))
    return tuple(name for name in known if name in words)
