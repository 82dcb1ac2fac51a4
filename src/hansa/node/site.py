"""A site's own estimate: the same plan, run over this node's people alone, checked by the release rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hansa.errors import NotEstimable
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.node.prepared import Asking, Counted, exposure_key
from hansa.node.rows import Observed, Rows, stepping
from hansa.privacy.counts import Tally
from hansa.privacy.history import Population, comparable, differences, isolates_few, judge_differences
from hansa.privacy.rules import Breach, judge, judge_cross, judge_parameters
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Request, Totals
from hansa.stats.plain import to_plain

__all__ = ["CHECKS", "SiteEstimate", "estimate", "judge_alone", "judge_past", "observe"]

CHECKS = ("group", "cell", "products", "effective", "parameters", "dominance", "differing", "combinations")


@dataclass(frozen=True, eq=False)
class SiteEstimate:
    """A result (plain), the rules it breaks here, and the populations it tells of."""

    result: object
    breaches: tuple[Breach, ...]
    populations: tuple[Population, ...]


def observe(rows: Rows, asking: Asking) -> Observed:
    """Run the question's plan over these rows, counting the people behind every sum it asks for.

    An estimate that the data do not determine is a result too: it says which term and why.
    """
    cohorts = _OneSite(rows, asking)
    try:
        result = to_plain(rows.question.method.plan(cohorts, rows.question.arguments))
    except NotEstimable as fault:
        result = {"schema": "not-estimable/1.0", "what": fault.what, "why": fault.why, "fix": fault.fix}
    return Observed(result, tuple(cohorts.seen))


def estimate(node: str, rows: Rows, past: Sequence[Population], limits: Thresholds, *, epoch: str) -> SiteEstimate:
    """The question's result over this node's rows, every sum behind it judged."""
    with stepping():
        observed = rows.estimate(Asking(frozenset({node}), epoch, limits))
    breaches: list[Breach] = []
    found: dict[str, Population] = {}
    for seen in observed.seen:
        if isinstance(seen, Tally):
            breaches.extend(judge(seen, limits))
        else:
            breaches.extend(judge_alone(seen, limits))
            found.update({population.id: population for population in seen.populations})
    populations = tuple(found.values())
    return SiteEstimate(observed.result, (*breaches, *judge_past(node, populations, past, limits)), populations)


def judge_alone(counted: Counted, limits: Thresholds) -> list[Breach]:
    """The rules for what is released of one site, of all that was counted there."""
    rules = (judge, judge_cross, judge_parameters)
    found = [breach for tally in counted.tallies for rule in rules for breach in rule(tally, limits)]
    sentence = "two people make up nearly all of this sum"
    return [*found, *(Breach("dominance", place, sentence) for place in counted.dominated)]


def judge_past(node: str, new: Sequence[Population], past: Sequence[Population], limits: Thresholds) -> list[Breach]:
    """The rules between the people of a site's release and those of its earlier ones."""
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

    rows: Rows
    asking: Asking
    seen: list[Counted | Tally] = field(default_factory=list)
    _counted: set[bytes] = field(default_factory=set)

    @property
    def variables(self) -> Mapping[str, Variable]:
        return self.rows.question.variables

    def sum(self, step: str, request: Request, /, **inputs: FloatArray | float) -> Totals:
        asked = next(candidate for candidate in self.rows.question.method.steps if candidate.name == step)
        key = exposure_key(asked.preparation, request.arguments)
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
        found = self.rows.ask(asked, request.arguments, arrays, None if key in self._counted else self.asking)
        self._counted.add(key)
        self.seen.extend(one for one in (found.counted, found.weights) if one is not None)
        return found.sums

    def sum_many(self, step: str, request: Request, rounds: Sequence[Mapping[str, FloatArray]]) -> list[Totals]:
        return [self.sum(step, request, **inputs) for inputs in rounds]
