"""A new question's populations beside those of earlier ones: what is compared, and how it is judged.

All nodes compare the same pairs in the same order, whether or not they know the people behind them, so that
the differing people can be summed over the league.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations

from pyroaring import BitMap

from hansa.governance import consent_codes
from hansa.model import Study
from hansa.privacy.history import (
    Population,
    comparable,
    differences,
    judge_differences,
    judge_triples,
    triples,
)
from hansa.privacy.rules import Breach
from hansa.privacy.thresholds import Thresholds
from hansa.wire import encode
from hansa.wire.messages import PastPopulation, RunReady

__all__ = [
    "Comparison",
    "Past",
    "all_past",
    "comparisons",
    "epochs_digest",
    "judge_comparison",
    "numbers_of",
    "remembered",
]

Comparison = tuple[tuple[str, str], tuple[int, ...]]
"""The kinds of what is compared, and the people at this node."""

Past = tuple[tuple[PastPopulation, Population | None], ...]
"""Populations of earlier questions as any node names them, each with this node's own where it has one."""

_THREE_SETS = ("three", "sets")


def all_past(ready: Mapping[str, RunReady], own: Sequence[Population]) -> Past:
    """The past populations that any node remembers, in one order, each with this node's own people."""
    mine = {(population.id, tuple(sorted(population.roster))): population for population in own}
    named = {(past.id, past.roster): past for message in ready.values() for past in message.past}
    return tuple((past, mine.get(key)) for key, past in sorted(named.items(), key=lambda item: item[0]))


def remembered(past: Past) -> list[Population]:
    """The populations of past totals with this node's own people in them, nobody where it was not asked.

    Releases of one site stand among the past for their node sets only: a total over more nodes tells nothing
    of a few people beside them.
    """
    return [
        Population(
            named.id,
            named.kind,
            named.derived,
            frozenset(named.variables),
            frozenset(named.roster),
            BitMap() if mine is None else mine.people,
        )
        for named, mine in past
        if len(named.roster) > 1
    ]


def comparisons(
    new: Sequence[Population], old: Sequence[Population], declared: Sequence[Population], *, node: str
) -> list[Comparison]:
    """Differences from earlier questions, within this one, and between the ``declared`` sets; sets in threes."""
    pairs = [(one, other) for one in new for other in old if comparable(one, other)]
    pairs += [(one, other) for one, other in combinations(new, 2) if comparable(one, other)]
    pairs += [(one, other) for one, other in combinations(declared, 2) if comparable(one, other)]
    found: list[Comparison] = [((one.kind, other.kind), differences(one, other, node=node)) for one, other in pairs]
    for population in new:
        sets = [past for past in old if _are_sets(population, past)]
        found += [
            (_THREE_SETS, triples(population, one, other, node=node))
            for one, other in combinations(sets, 2)
            if one.variables & other.variables
        ]
    return found


def numbers_of(kinds: tuple[str, str]) -> int:
    """How many numbers a comparison of these kinds adds to the tally."""
    return 3 if kinds == _THREE_SETS else 2


def judge_comparison(kinds: tuple[str, str], counts: Sequence[float], limits: Thresholds) -> tuple[Breach, ...]:
    """Whether the differing people of the league, none or enough, allow the comparison."""
    if kinds == _THREE_SETS:
        return judge_triples(counts, limits)
    added, removed = counts
    return judge_differences(kinds, added, removed, limits)


def epochs_digest(study: Study, ready: Mapping[str, RunReady]) -> str:
    """What names the people that all nodes stand ready with: the purpose, and each node's epoch."""
    epochs = [[node, message.epoch] for node, message in sorted(ready.items())]
    return hashlib.sha256(encode([list(consent_codes(study.purpose)), epochs])).hexdigest()


def _are_sets(new: Population, past: Population) -> bool:
    return new.kind == past.kind == "set" and bool(new.variables & past.variables) and new.id != past.id
