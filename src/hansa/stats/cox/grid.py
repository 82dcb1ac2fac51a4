"""The sums of a Cox model with one baseline hazard for all nodes, exact for times on a public grid.

Four questions, each a sum over rows. The hub asks how much risk leaves and enters the risk sets at each time and
answers with the hazards that follow from the league's risk sets; the nodes give the score at these hazards. The
mean covariates of the risk sets are asked for once, at the end, since the exact information needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hansa.errors import MethodError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.cox.risk_sets import summed
from hansa.stats.cox.rows import COLUMNS, column_arrays, exposures_of, resolved, stratum_levels
from hansa.stats.glm.design import reads, slopes

__all__ = [
    "BLOCKS",
    "CENTRE",
    "EXTENT",
    "GRID",
    "HAZARDS",
    "MAX_CLASSES",
    "MAX_TIMES",
    "MOMENTS",
    "RISKS",
    "WEIGHTS",
    "at_beta",
    "expected_events",
    "grid_size",
    "strata_of",
]

MAX_TIMES = 20_000
MAX_CLASSES = 256
BLOCKS = 16
"""Periods in each stratum over which mean covariates are told while the model is being fitted."""

_SIZES = 32
_FARTHEST = 300.0

_Order = NDArray[np.intp]


def strata_of(arguments: Arguments, variables: Mapping[str, Variable]) -> int:
    """How many strata the formula has."""
    formula = resolved(arguments, variables).formula
    return int(np.prod([len(stratum_levels(one, variables)) for one in formula.strata], dtype=int))


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    times, strata = int(arguments.get("times", 1)), strata_of(arguments, variables)
    if not 0 < times * strata <= MAX_TIMES:
        raise MethodError("the grid has too many times", why=f"at most {MAX_TIMES}", fix="take a coarser unit of time")
    columns = len(slopes(resolved(arguments, variables), "intercepts"))
    classes, ranks = _table(arguments)
    return {"columns": columns, "times": times * strata, "blocks": BLOCKS * strata, "classes": classes, "ranks": ranks}


def _table(arguments: Arguments) -> tuple[int, int]:
    """Classes of the predictor and event times by which concordance is counted."""
    classes, ranks = int(arguments.get("classes", 1)), int(arguments.get("ranks", 1))
    if not (0 < classes <= MAX_CLASSES and 0 < ranks <= MAX_TIMES):
        raise MethodError("concordance is counted in too many classes", why=f"at most {MAX_CLASSES}")
    return classes, ranks


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """The columns about the pooled means, and for each row the place of its entry and end in strata and times."""
    arrays = column_arrays(frame, arguments)
    grid, times = arguments["grid"], arguments["times"]
    late = bool(arrays["late"][0])
    start, stop = np.rint(arrays["start"] / grid), np.rint(arrays["stop"] / grid)
    merged = ((start >= stop) if late else (stop < 0)) & (arrays["unusable"] == 0)
    first = arrays.get("stratum", np.zeros(frame.rows)) * times
    x = arrays["x"] - np.asarray(arguments["centre"])
    prior = arrays.get("prior", np.ones(frame.rows)) * (1 - merged)
    moved = arrays.get("offset", np.zeros(frame.rows)) - arguments["offset_centre"]
    return {
        "x": x @ np.asarray(arguments["mix"]) if arguments["mix"] else x,
        "begin": first + (np.clip(start, -1, times - 1) if late else -1.0),
        "end": first + np.clip(stop, 0, times - 1),
        "event": arrays["event"] * (prior > 0),
        "prior": prior,
        "offset": moved,
        "first": first,
        "merged": merged.astype(np.float64),
        "shape": np.array([float(times), float(strata_of(arguments, frame.variables))]),
        "table": np.array(_table(arguments), dtype=np.float64),
    }


def at_beta(arrays: Arrays, beta: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Linear predictor and weighted risk of each row; ``None`` where exponentials do not reach."""
    eta = arrays["x"] @ beta + arrays["offset"]
    if np.abs(eta).max(initial=0.0) > _FARTHEST:
        return None
    return eta, np.exp(eta) * arrays["prior"]


def _places(arrays: Arrays) -> tuple[_Order, _Order, _Order]:
    """Of rows: where they end; which entered late, and where those did."""
    begin, end = arrays["begin"].astype(np.intp), arrays["end"].astype(np.intp)
    late = np.flatnonzero(begin >= arrays["first"].astype(np.intp))
    return end, late, begin[late]


def grid_size(arrays: Arrays) -> int:
    return int(arrays["shape"].prod())


def _weights(arrays: Arrays, found: tuple[FloatArray, FloatArray] | None, further: FloatArray) -> FloatArray:
    risk = np.zeros(len(arrays["end"])) if found is None else found[1]
    return np.stack([risk, further], axis=1)


def centre(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """Sums of columns and offset by prior weight."""
    prior = arrays.get("prior", np.ones(len(arrays["stop"])))
    return {"columns": prior @ arrays["x"], "offset": prior @ arrays.get("offset", np.zeros(len(prior)))}


def extent(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """People by the power of two below their time in units of the grid; times not on it; whether times are derived."""
    usable = arrays["unusable"] == 0
    time = np.rint(arrays["stop"][usable] / inputs["grid"])
    size = np.clip(np.floor(np.log2(np.maximum(time, 0) + 1)), 0, _SIZES - 1).astype(np.intp)
    apart = np.abs(time * inputs["grid"] - arrays["stop"][usable]) > 1e-6 * inputs["grid"]
    return {
        "sizes": np.bincount(size, minlength=_SIZES).astype(np.float64),
        "rounded": float(apart.sum()),
        "derived": arrays["derived"][0],
    }


def risks(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Risk that leaves and enters at each time, risk and weight of those with the event, and how many they are."""
    found, size = at_beta(arrays, inputs["beta"]), grid_size(arrays)
    end, late, begin = _places(arrays)
    risk = np.zeros(len(end)) if found is None else found[1]
    died = arrays["event"]
    return {
        "left": summed(end, risk, size),
        "entered": summed(begin, risk[late], size),
        "died": summed(end, risk * died, size),
        "weight": summed(end, arrays["prior"] * died, size),
        "deaths": summed(end, died, size),
        "predictor": 0.0 if found is None else float((arrays["prior"] * died) @ found[0]),
        "invalid": float(found is None),
        "merged": arrays["merged"].sum(),
        "weights": _weights(arrays, found, risk * died),
    }


def hazards(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """The score at given hazards, X' diag(expected events) X, and expected sums of columns by period.

    ``hazard`` is that of each time, ``tied`` the part that those who die there are spared (Efron), ``counted`` how
    often an event there counts in the score; each (times,). ``block`` numbers the period of each time.
    """
    x, size = arrays["x"], grid_size(arrays)
    found = at_beta(arrays, inputs["beta"])
    blocks = int(arrays["shape"][1]) * BLOCKS
    p = x.shape[1]
    if found is None:
        nothing = {"score": np.zeros(p), "within": np.zeros((p, p)), "periods": np.zeros((blocks, p))}
        return {**nothing, "weights": np.zeros((len(x), 2))}
    _, risk = found
    expected = expected_events(arrays, risk, inputs["hazard"], inputs["tied"], size)
    end = arrays["end"].astype(np.intp)
    observed = arrays["prior"] * arrays["event"] * inputs["counted"][end]
    return {
        "score": (observed - expected) @ x,
        "within": (x * expected[:, None]).T @ x,
        "periods": _by_period(arrays, risk, inputs, blocks),
        "weights": _weights(arrays, found, np.abs(expected)),
    }


def expected_events(arrays: Arrays, risk: FloatArray, hazard: FloatArray, tied: FloatArray, size: int) -> FloatArray:
    """Each row's risk times the hazard of the times at which it is at risk."""
    total = np.zeros(size + 1)
    np.cumsum(hazard, out=total[1:])
    end, begin = arrays["end"].astype(np.intp), arrays["begin"].astype(np.intp)
    return np.asarray(risk * (total[end + 1] - total[begin + 1] - arrays["event"] * tied[end]))


def _by_period(arrays: Arrays, risk: FloatArray, inputs: Inputs, blocks: int) -> FloatArray:
    """Expected sums of columns in each period, shape (blocks, p)."""
    size, block = grid_size(arrays), inputs["block"].astype(np.intp)
    found = np.zeros((blocks, arrays["x"].shape[1]))
    for number in range(blocks):
        inside = (block == number).astype(np.float64)
        if inside.any():
            part = expected_events(arrays, risk, inputs["hazard"] * inside, inputs["tied"] * inside, size)
            found[number] = part @ arrays["x"]
    return found


def moments(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Sums of columns by risk: of those who leave, enter and die at each time."""
    found, size, x = at_beta(arrays, inputs["beta"]), grid_size(arrays), arrays["x"]
    end, late, begin = _places(arrays)
    risk = np.zeros(len(end)) if found is None else found[1]
    return {
        "left": summed(end, risk, size, x),
        "entered": summed(begin, risk[late], size, x[late]),
        "died": summed(end, risk * arrays["event"], size, x),
        "weights": _weights(arrays, found, risk * arrays["event"]),
    }


_EXPOSED_BY = ("formula", "facts", "weights", "scale", "time_scale")
WEIGHTS = ("relative risk", "expected events")

GRID = Preparation("cox.grid", 1, reads, _dimensions, _build, exposures_of, exposed_by=_EXPOSED_BY)

CENTRE = Step(
    "cox.centre",
    1,
    COLUMNS,
    (Output("columns", ("columns",), "intermediate"), Output("offset", (), "intermediate")),
    centre,
)

EXTENT = Step(
    "cox.extent",
    1,
    COLUMNS,
    (Output("sizes", (_SIZES,), "protected"), Output("rounded", (), "protected"), Output("derived", (), "protected")),
    extent,
)

RISKS = Step(
    "cox.risks",
    1,
    GRID,
    (
        *(Output(name, ("times",), "protected") for name in ("left", "entered", "died", "weight", "deaths")),
        Output("predictor", (), "intermediate"),
        Output("invalid", (), "intermediate"),
        Output("merged", (), "protected"),
    ),
    risks,
    weight_names=WEIGHTS,
    centred=1,
)

HAZARDS = Step(
    "cox.hazards",
    1,
    GRID,
    (
        Output("score", ("columns",), "intermediate"),
        Output("within", ("columns", "columns"), "intermediate"),
        Output("periods", ("blocks", "columns"), "intermediate"),
    ),
    hazards,
    weight_names=WEIGHTS,
    centred=1,
)

MOMENTS = Step(
    "cox.moments",
    1,
    GRID,
    tuple(Output(name, ("times", "columns"), "protected") for name in ("left", "entered", "died")),
    moments,
    weight_names=WEIGHTS,
    centred=1,
)
