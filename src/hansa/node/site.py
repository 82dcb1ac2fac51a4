"""A site's own estimate: the same plan, run over this node's people alone, checked by the release rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hansa.errors import NotEstimable
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.node.analysis_set import AnalysisSet
from hansa.node.prepared import Asking, Prepared, count_exposures, count_weights, exposure_key, prepare
from hansa.privacy.history import Population, comparable, differences, isolates_few, judge_differences
from hansa.privacy.rules import Breach, judge, judge_cross, judge_parameters
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Request, Step, Totals, share, zero_totals
from hansa.stats.plain import to_plain

__all__ = ["CHECKS", "SiteEstimate", "estimate"]

CHECKS = ("group", "cell", "products", "effective", "parameters", "dominance", "differing", "combinations")


@dataclass(frozen=True, eq=False)
class SiteEstimate:
    """A result (plain), the rules it breaks here, and the populations it tells of."""

    result: object
    breaches: tuple[Breach, ...]
    populations: tuple[Population, ...]


def estimate(
    node: str, among: AnalysisSet, past: Sequence[Population], limits: Thresholds, *, epoch: str
) -> SiteEstimate:
    """Run the question's plan over this node's rows, watching every sum it asks for.

    An estimate that the data do not determine is a result too: it says which term and why.
    """
    cohorts = _OneSite(node, among, epoch, limits)
    try:
        result = to_plain(among.question.method.plan(cohorts, among.question.arguments))
    except NotEstimable as fault:
        result = {"schema": "not-estimable/1.0", "what": fault.what, "why": fault.why, "fix": fault.fix}
    populations = tuple(cohorts.populations.values())
    breaches = (*cohorts.breaches, *_history(node, populations, past, limits))
    return SiteEstimate(result, breaches, populations)


def _history(node: str, new: Sequence[Population], past: Sequence[Population], limits: Thresholds) -> list[Breach]:
    found: list[Breach] = []
    for population in new:
        for old in past:
            if comparable(population, old):
                added, removed = differences(population, old, node=node)
                found.extend(judge_differences((population.kind, old.kind), added, removed, limits))
    sets = [population for population in new if population.kind == "set"]
    for population in sets:
        related = [old.people for old in past if old.kind == "set" and old.variables & population.variables]
        if isolates_few([population.people, *related], limits.differing):
            sentence = "a combination of earlier releases with this one would tell of few people"
            found.append(Breach("combinations", "history", sentence))
    return found


@dataclass(eq=False)
class _OneSite:
    """The cohorts that a plan sees when it runs at one site: only this one."""

    node: str
    among: AnalysisSet
    epoch: str
    limits: Thresholds
    breaches: list[Breach] = field(default_factory=list)
    populations: dict[str, Population] = field(default_factory=dict)
    _judged: set[bytes] = field(default_factory=set)
    _prepared: tuple[object, Prepared] | None = None

    @property
    def variables(self) -> Mapping[str, Variable]:
        return self.among.question.variables

    def sum(self, step: str, request: Request, /, **inputs: FloatArray | float) -> Totals:
        found = next(candidate for candidate in self.among.question.method.steps if candidate.name == step)
        shapes = found.shapes(found.preparation.dimensions(request.arguments, self.variables))
        self._judge_exposures(found, request)
        prepared = self._arrays(found, request)
        if not prepared.partitions:
            return zero_totals(shapes)
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
        given = share(found, prepared.partitions, arrays, shapes)
        if found.weight_names:
            self.breaches.extend(judge(count_weights(found, given, prepared), self.limits))
        return given.sums

    def sum_many(self, step: str, request: Request, rounds: Sequence[Mapping[str, FloatArray]]) -> list[Totals]:
        return [self.sum(step, request, **inputs) for inputs in rounds]

    def _judge_exposures(self, step: Step, request: Request) -> None:
        key = exposure_key(step.preparation, request.arguments)
        if key in self._judged:
            return
        self._judged.add(key)
        counted = count_exposures(
            step.preparation,
            request.arguments,
            self.among,
            asking=Asking(frozenset({self.node}), self.epoch, self.limits),
        )
        for tally in counted.tallies:
            for rule in (judge, judge_cross, judge_parameters):
                self.breaches.extend(rule(tally, self.limits))
        sentence = "two people make up nearly all of this sum"
        self.breaches.extend(Breach("dominance", place, sentence) for place in counted.dominated)
        self.populations.update({population.id: population for population in counted.populations})

    def _arrays(self, step: Step, request: Request) -> Prepared:
        key = (step.preparation.name, repr(request.arguments))
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = None
            self._prepared = (key, prepare(step.preparation, request.arguments, self.among))
        return self._prepared[1]
