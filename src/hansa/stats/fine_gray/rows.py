"""The rows of a Fine-Gray model: who has had a competing event stays at risk, with a weight that fades.

With G the Kaplan-Meier estimate of not being censored yet, a person who had a competing event at s counts at a later
time u by G(u-) / G(s-), as of those at risk at s so many would still be watched (Fine & Gray 1999, JASA 94:496). G is
each node's own, in each stratum. Where times are equal, events come before censoring (as in ``finegray`` of R's
survival). The person's second row, from s on, has 1 / G(s-) as its weight and fades by G(u-) (see :mod:`risk_sets`),
so that no row is split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hansa.errors import MethodError
from hansa.formula import check_expression, evaluate
from hansa.formula.tree import Comparison
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.cox.check_steps import PROPORTIONAL
from hansa.stats.cox.risk_sets import risk_sets
from hansa.stats.cox.rows import EXPOSED_BY, column_arrays, columns_exposed, dimensions_of, refined, resolved, stacked
from hansa.stats.cox.steps import MEANS, MEAT, ROUND, means
from hansa.stats.glm.design import reads

__all__ = ["COLUMNS", "ROWS", "STEPS", "not_censored"]

_SINGLE = {"late", "efron", "time_scale", "derived"}


def not_censored(stop: FloatArray, censored: FloatArray, at: FloatArray) -> FloatArray:
    """The Kaplan-Meier estimate of not being censored before each time of ``at``, of the same shape.

    Parameters
    ----------
    stop, censored : arrays, shape (n,)
        When each person was last seen, and 1 where without any event.
    at : array

    Examples
    --------
    >>> not_censored(np.array([1.0, 2, 2, 3]), np.array([0.0, 1, 0, 1]), np.array([2.0, 2.5])).tolist()
    [1.0, 0.5]
    """
    times, counts = np.unique(stop[censored > 0], return_counts=True)
    left = np.sort(stop)
    at_risk = len(left) - np.searchsorted(left, times)
    events = np.sort(stop[censored == 0])
    at_risk -= np.searchsorted(events, times, side="right") - np.searchsorted(events, times)
    curve = np.append(1.0, np.cumprod(1 - counts / at_risk))
    return np.asarray(curve[np.searchsorted(times, at)])


def _competing(frame: Frame, arguments: Arguments, usable: FloatArray) -> FloatArray:
    """1 for rows with an event of another cause than that of the formula.

    Raises
    ------
    MethodError
        When the formula's event is no comparison of a category with one of its levels.
    """
    event = (resolved(arguments, frame.variables).formula.survival or ())[-1]
    if not isinstance(event, Comparison) or event.operators != ("==",):
        raise MethodError("the event is one cause of a status", fix="write status == 'cause'", field="formula")
    status = event.operands[0]
    levels = check_expression(status, frame.variables).levels
    if arguments["censored"] not in levels:
        raise MethodError("the status has no such level", fix="name one of its levels", field="censored")
    value = evaluate(status, frame.columns, frame.variables)
    own = evaluate(event, frame.columns, frame.variables)
    return np.where((usable > 0) & (own == 0) & (value != levels.index(arguments["censored"])), 1.0, 0.0)


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    arrays = column_arrays(frame, arguments)
    return {**arrays, "competing": _competing(frame, arguments, 1 - arrays["unusable"])}


def _exposed(frame: Frame, arguments: Arguments) -> tuple[dict[str, FloatArray], tuple[Exposure, ...]]:
    """As of a Cox model, with those who have a competing event as one more two-valued column."""
    arrays, (design, *others) = columns_exposed(frame, arguments)
    competing = _competing(frame, arguments, 1 - arrays["unusable"])
    more = replace(
        design,
        columns=np.column_stack([design.columns, competing]),
        names=(*design.names, "competing event"),
        derived=(*design.derived, True),
        strata=(*design.strata, False),
        indicator=(*design.indicator, True),
    )
    return {**arrays, "competing": competing}, (more, *others)


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    return _exposed(frame, arguments)[1]


def _rows(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    return refined(_build(frame, arguments), arguments, frame.variables)


def _joined(partitions: Sequence[Arrays]) -> dict[str, FloatArray]:
    """All rows of a node in their risk sets, those with a competing event once more from then on."""
    names = {name for arrays in partitions for name in arrays} - _SINGLE - {"unusable"}
    whole = {name: stacked(partitions, name) for name in sorted(names)}
    n, first = len(whole["stop"]), partitions[0]
    whole["prior"] = whole.get("prior", np.ones(n))
    stratum = whole["stratum"] = whole.get("stratum", np.zeros(n))
    curves = {name: _curve_of(whole, stratum == name) for name in np.unique(stratum).tolist()}
    again = np.flatnonzero((whole["competing"] > 0) & (whole["prior"] > 0))
    sets = risk_sets(_twice(whole, again, _along(curves, stratum[again], whole["stop"][again])), late=True)
    at = np.zeros(len(sets["time"]))
    at[sets["after"][sets["died"].astype(np.intp)].astype(np.intp) - 1] = sets["stratum"][sets["died"].astype(np.intp)]
    return {
        **sets,
        "fade": _along(curves, at, sets["time"]),
        "order": sets["origin"],
        "rows": np.array([float(n)]),
        "time": sets["time"] * first["time_scale"],
        "efron": first["efron"],
    }


_Curve = tuple[FloatArray, FloatArray]


def _curve_of(whole: Arrays, inside: Any) -> _Curve:
    """When the people of a stratum were last seen, and who of them was censored."""
    inside = inside & (whole["prior"] > 0)
    return whole["stop"][inside], ((whole["event"] == 0) & (whole["competing"] == 0)).astype(np.float64)[inside]


def _along(curves: Mapping[float, _Curve], stratum: FloatArray, time: FloatArray) -> FloatArray:
    """Not being censored before each time in its stratum."""
    found = np.ones(len(time))
    for name, (stop, censored) in curves.items():
        found[stratum == name] = not_censored(stop, censored, time[stratum == name])
    return found


def _twice(whole: Arrays, again: Any, curve: FloatArray) -> dict[str, FloatArray]:
    """The rows, and after them those of ``again`` from their stop on, weighted by one over ``curve``."""
    n = len(whole["stop"])
    both = {name: np.concatenate([array, array[again]]) for name, array in whole.items()}
    origin = np.append(np.arange(n), again).astype(np.float64)
    return {
        **both,
        "start": np.append(np.full(n, -np.inf), whole["stop"][again]),
        "stop": np.append(whole["stop"], np.full(len(again), np.inf)),
        "event": np.append(whole["event"], np.zeros(len(again))),
        "prior": np.append(whole["prior"], whole["prior"][again] / curve),
        "faded": np.append(np.zeros(n), np.ones(len(again))),
        "origin": origin,
        "cluster": both.get("cluster", origin),
    }


def _means(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """As of a Cox model, with how many have a competing event."""
    return {**means(arrays, inputs), "competing": arrays["competing"].sum()}


COLUMNS = Preparation(
    "fine_gray.columns",
    1,
    reads,
    dimensions_of,
    _build,
    _exposures,
    exposed_by=(*EXPOSED_BY, "censored"),
    together=_exposed,
)

ROWS = Preparation(
    "fine_gray.rows",
    1,
    reads,
    dimensions_of,
    _rows,
    _exposures,
    exposed_by=(*EXPOSED_BY, "censored"),
    refines="fine_gray.columns",
    refine=refined,
    join=_joined,
)

STEPS: tuple[Step, ...] = (
    replace(
        MEANS,
        name="fine_gray.means",
        preparation=COLUMNS,
        outputs=(*MEANS.outputs, Output("competing", (), "protected")),
        compute=_means,
    ),
    *(
        replace(step, name=f"fine_gray.{step.name.removeprefix('cox.')}", preparation=ROWS)
        for step in (ROUND, MEAT, PROPORTIONAL)
    ),
)
"""The steps of a Cox model over these rows."""
