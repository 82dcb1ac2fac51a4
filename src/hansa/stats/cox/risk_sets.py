"""Risk sets: which rows are at risk at which event times, sorted once so that each round is sums over runs.

An *event time* is a distinct time at which somebody of a stratum has an event. Event times are numbered by
stratum and time; a row is at risk at those from ``first`` up to, but not including, ``after``: the event times
t of its stratum with start < t <= stop (Andersen and Gill 1982, Annals of Statistics 10:1100).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy
from numpy.typing import NDArray

from hansa.model.exposure import FloatArray

__all__ = ["Order", "at_risk", "risk_sets", "sorted_order", "summed"]

Order = NDArray[np.intp]


def risk_sets(rows: Mapping[str, FloatArray], *, late: bool) -> dict[str, FloatArray]:
    """The rows that are ever at risk, sorted by the last event time at which they are.

    Parameters
    ----------
    rows : mapping
        ``x`` (n, p), ``start``, ``stop``, ``event`` (n,), and where given ``prior``, ``stratum`` and others, each
        (n,). Rows without prior weight are in no risk set.
    late : bool
        Whether some enter later than at the beginning; else ``start`` is not looked at.

    Returns
    -------
    dict
        The same arrays for the m rows kept, columns and offset about their means in each stratum (which changes
        no comparison of people at risk together, and keeps digits); ``order`` (m,): which rows they were;
        ``rows`` (1,): n;
        ``first`` and ``after`` (m,); ``died`` (d,): which kept rows have an event; ``time`` and ``ends`` (T,):
        of each event time, and whether it is the last of its stratum.

    Examples
    --------
    >>> rows = {"x": np.zeros((3, 1)), "stop": np.array([2.0, 1, 3]), "event": np.array([1.0, 0, 0])}
    >>> found = risk_sets(rows, late=False)
    >>> found["order"].tolist(), found["after"].tolist(), found["time"].tolist()
    ([0.0, 2.0], [1.0, 1.0], [2.0])
    """
    n = len(rows["stop"])
    stratum, weighs = rows.get("stratum", np.zeros(n)), rows.get("prior", np.ones(n)) > 0
    died = (rows["event"] > 0) & weighs
    strata, times = _distinct(stratum[died], rows["stop"][died])
    after = _passed(strata, times, stratum, rows["stop"])
    first = _passed(strata, times, stratum, rows["start"] if late else None)
    kept = np.flatnonzero((first < after) & weighs)
    order = kept[sorted_order(after[kept])]
    found = {name: array.take(order, axis=0) for name, array in rows.items()}
    for name in found.keys() & {"x", "offset"}:
        found[name] = _about_mean(found[name], found.get("stratum"))
    return {
        **found,
        "order": order.astype(np.float64),
        "rows": np.array([float(n)]),
        "late": np.array([float(late)]),
        "first": first[order].astype(np.float64),
        "after": after[order].astype(np.float64),
        "died": np.flatnonzero(found["event"] > 0).astype(np.float64),
        "time": times,
        "ends": np.append(np.diff(strata) != 0, np.ones(min(1, len(times)), dtype=np.bool_)).astype(np.float64),
    }


def _about_mean(values: FloatArray, stratum: FloatArray | None) -> FloatArray:
    if stratum is None:
        return values - (values.mean(axis=0) if len(values) else 0.0)
    names, place = np.unique(stratum, return_inverse=True)
    counts = np.bincount(place, minlength=len(names)).astype(np.float64)
    if values.ndim == 1:
        return np.asarray(values - (summed(place, values, len(names)) / counts)[place])
    middle = summed(place, np.ones(len(values)), len(names), values) / counts[:, None]
    return np.asarray(values - middle[place])


def _distinct(strata: FloatArray, times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The distinct pairs, by stratum and time."""
    by_time = np.lexsort((times, strata))
    strata, times = strata[by_time], times[by_time]
    new = np.ones(len(times), dtype=np.bool_)
    new[1:] = (np.diff(strata) != 0) | (np.diff(times) != 0)
    return strata[new], times[new]


def sorted_order(numbers: Order) -> Order:
    """The order that sorts numbers from 0 on, ties as they stand; few bits sort faster.

    Examples
    --------
    >>> sorted_order(np.array([2, 0, 1, 0])).tolist()
    [1, 3, 2, 0]
    """
    few = np.uint16 if len(numbers) and numbers.max() < 1 << 16 else np.intp
    return np.argsort(numbers.astype(few), kind="stable")


def _passed(strata: FloatArray, times: FloatArray, stratum: FloatArray, value: FloatArray | None) -> Order:
    """Per row, the number of the first event time of its stratum that is later than its value, or of all."""
    found = np.zeros(len(stratum), dtype=np.intp)
    for one in np.unique(stratum):
        begin, end = np.searchsorted(strata, one, side="left"), np.searchsorted(strata, one, side="right")
        rows = stratum == one
        found[rows] = begin
        if value is not None:
            found[rows] += np.searchsorted(times[begin:end], value[rows], side="right")
    return found


def at_risk(rows: Mapping[str, FloatArray], weight: FloatArray, values: FloatArray | None = None) -> FloatArray:
    """Sums over the risk set of each event time of weights (m,), or of weighted values (m, p): (T,) or (T, p).

    They are added up from the last event time of each stratum backwards, so that the small risk sets at the
    end are sums of few numbers and lose no digits. Rows that are ``faded`` (m,), where there are any, count at each
    event time by its ``fade`` (T,).
    """
    if "faded" not in rows:
        return _over_sets(rows, weight, values)
    faded = rows["faded"] > 0
    lasting = _over_sets(rows, np.where(faded, 0.0, weight), values)
    fading = _over_sets(rows, np.where(faded, weight, 0.0), values)
    return np.asarray(lasting + (rows["fade"] if values is None else rows["fade"][:, None]) * fading)


def _over_sets(rows: Mapping[str, FloatArray], weight: FloatArray, values: FloatArray | None) -> FloatArray:
    events = len(rows["time"])
    leaving = summed(rows["after"].astype(np.intp) - 1, weight, events, values)
    if rows["late"][0] and events:
        entering = summed(rows["first"].astype(np.intp), weight, events, values)[1:]
        entering[rows["ends"][:-1] > 0] = 0.0  # at a stratum's first event time nobody enters late
        leaving[:-1] -= entering
    found = np.empty_like(leaving)
    begin = 0
    for end in (np.flatnonzero(rows["ends"]) + 1).tolist():
        found[begin:end] = np.cumsum(leaving[begin:end][::-1], axis=0)[::-1]
        begin = end
    return found


def summed(place: Order, weight: FloatArray, size: int, values: FloatArray | None = None) -> FloatArray:
    """Sums by place (m,) of weights (m,), or of weighted values (m, p): shape (size,) or (size, p).

    The values are taken as they lie, without a weighted copy of them.

    Examples
    --------
    >>> summed(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 3).tolist()
    [4.0, 0.0, 2.0]
    >>> summed(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 3, np.array([[1.0], [1.0], [2.0]])).tolist()
    [[7.0], [0.0], [2.0]]
    """
    if values is None:
        return np.bincount(place, weight, size).astype(np.float64)
    order: Order = np.arange(len(place)) if (np.diff(place) >= 0).all() else np.argsort(place, kind="stable")
    begin = np.append(0, np.cumsum(np.bincount(place, minlength=size)))
    chosen = scipy.sparse.csr_array((weight[order], order, begin), shape=(size, len(place)))
    return np.asarray(chosen @ values)
