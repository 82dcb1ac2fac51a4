"""What passes between a node and the process that holds its rows, as plain values: nothing but them can come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyroaring import BitMap

from hansa import errors
from hansa.errors import HansaError, Refused
from hansa.node.prepared import Asking, Counted
from hansa.node.rows import Found, Observed
from hansa.privacy.counts import Block, Tally
from hansa.privacy.history import Population
from hansa.privacy.thresholds import Thresholds
from hansa.stats.contract import Totals

__all__ = [
    "Plain",
    "asking_in",
    "asking_out",
    "error_in",
    "error_out",
    "found_in",
    "found_out",
    "observed_in",
    "observed_out",
]

Plain = dict[str, Any]

_FIELDS = ("what", "why", "fix", "field")


def asking_out(asking: Asking | None) -> Plain | None:
    """Of whom is asked; ``None`` where nothing is counted."""
    if asking is None:
        return None
    return {"roster": sorted(asking.roster), "epochs": asking.epochs, "limits": asking.limits.model_dump()}


def asking_in(value: Plain | None) -> Asking | None:
    """See :func:`asking_out`."""
    if value is None:
        return None
    return Asking(frozenset(value["roster"]), value["epochs"], Thresholds.model_validate(value["limits"]))


def found_out(found: Found) -> Plain:
    """A share, and what was counted of its people."""
    return {
        "sums": {name: np.asarray(value) for name, value in found.sums.items()},
        "counted": None if found.counted is None else _counted_out(found.counted),
        "weights": None if found.weights is None else _tally_out(found.weights),
    }


def found_in(value: Plain) -> Found:
    """See :func:`found_out`."""
    counted, weights = value["counted"], value["weights"]
    return Found(
        Totals(value["sums"]),
        None if counted is None else _counted_in(counted),
        None if weights is None else _tally_in(weights),
    )


def observed_out(observed: Observed) -> Plain:
    """A site's result (JSON, as it is released) and what was counted of it."""
    seen = [{"tally": _tally_out(one)} if isinstance(one, Tally) else _counted_out(one) for one in observed.seen]
    return {"result": json.dumps(observed.result), "seen": seen}


def observed_in(value: Plain) -> Observed:
    """See :func:`observed_out`."""
    seen = tuple(_tally_in(one["tally"]) if "tally" in one else _counted_in(one) for one in value["seen"])
    return Observed(json.loads(value["result"]), seen)


def error_out(error: HansaError) -> Plain:
    """An error's class, as far up as it is Hansa's own, and its fields."""
    known = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in errors.__all__)
    fields = {name: getattr(error, name) for name in _FIELDS}
    return {"class": known, **fields, **({"reason": error.reason} if isinstance(error, Refused) else {})}


def error_in(value: Mapping[str, Any]) -> HansaError:
    """See :func:`error_out`. A class that is none of Hansa's becomes their root."""
    name = value["class"]
    kind = getattr(errors, name) if name in errors.__all__ else HansaError
    fields = {key: str(value[key]) for key in _FIELDS[1:]}
    if issubclass(kind, Refused):
        fields["reason"] = str(value["reason"])
    found: HansaError = kind(str(value["what"]), **fields)
    return found


def _counted_out(counted: Counted) -> Plain:
    return {
        "tallies": [_tally_out(tally) for tally in counted.tallies],
        "strata": [list(marks) for marks in counted.strata],
        "arms": [list(marks) for marks in counted.arms],
        "populations": [_population_out(population) for population in counted.populations],
        "dominated": list(counted.dominated),
    }


def _counted_in(value: Plain) -> Counted:
    return Counted(
        tuple(_tally_in(tally) for tally in value["tallies"]),
        tuple(tuple(marks) for marks in value["strata"]),
        tuple(tuple(marks) for marks in value["arms"]),
        tuple(_population_in(population) for population in value["populations"]),
        tuple(value["dominated"]),
    )


def _tally_out(tally: Tally) -> Plain:
    return {**vars(tally.block), "numbers": np.asarray(tally.numbers)}


def _tally_in(value: Plain) -> Tally:
    block = Block(
        value["name"],
        tuple(value["names"]),
        tuple(value["indicator"]),
        tuple(value["derived"]),
        value["products"],
        value["weights"],
        value["parameters"],
    )
    return Tally(block, value["numbers"])


def _population_out(population: Population) -> Plain:
    return {
        "id": population.id,
        "kind": population.kind,
        "derived": population.derived,
        "variables": sorted(population.variables),
        "roster": sorted(population.roster),
        "people": population.people.serialize(),
    }


def _population_in(value: Plain) -> Population:
    return Population(
        value["id"],
        value["kind"],
        value["derived"],
        frozenset(value["variables"]),
        frozenset(value["roster"]),
        BitMap.deserialize(value["people"]),
    )
