"""From a mixed model's formula and a node's rows to sums of each cluster, which stay at the node.

``lmm.clusters`` stands on the design of ``glm``: the same columns, centred and divided by public powers of two. The
columns of the random effects are among them. A cluster's rows may lie in several partitions, so the node joins them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hansa.errors import MethodError, StudyError
from hansa.formula import Formula, RandomPart, facts_from_plain, parse_mixed_formula, resolve_design
from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Preparation
from hansa.stats.glm import design
from hansa.stats.lmm.arguments import MOST_EFFECTS, NODE, PERSON, group_variables

__all__ = ["CLUSTERS", "random_columns"]


def random_columns(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[int, ...]:
    """Where the columns of the random effects stand among those of the fixed part; -1 for an intercept of its own.

    Raises
    ------
    StudyError
        When one of them is not in the fixed part, or they are too many.
    """
    random = _random(arguments)
    inner = Formula(None, random.terms, random.intercept)
    names = resolve_design(inner, variables, facts_from_plain(arguments["facts"])).names
    fixed = design.resolved(arguments, variables).names
    missing = [name for name in names if name not in fixed and name != "(Intercept)"]
    if missing:
        raise StudyError(
            f"{', '.join(missing)} varies between clusters about nothing",
            why="a random slope is a cluster's distance from the common one, which the fixed part has to have",
            fix=f"add the same term outside the parentheses, and with a category keep the intercept: {random}",
            field="formula",
        )
    if len(names) > MOST_EFFECTS:
        raise StudyError(
            f"{len(names)} random effects are too many",
            why=f"a cluster has at most {MOST_EFFECTS}, since their covariances must be estimated, too",
            fix="leave slopes out",
            field="formula",
        )
    return tuple(fixed.index(name) if name in fixed else -1 for name in names)


def _random(arguments: Arguments) -> RandomPart:
    return parse_mixed_formula(f"~ {arguments['random']}").random[0]


def _reads(arguments: Arguments) -> tuple[str, ...]:
    return (*design.reads(arguments), *group_variables(_random(arguments)))


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    effects = len(random_columns(arguments, variables))
    width = design.resolved(arguments, variables).width
    return {"moments": width + 1, "effects": effects, "parameters": effects * (effects + 1) // 2}


# --- rows ---------------------------------------------------------------------------------------------------


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    """Columns and response side by side (n, p + 1), those of the random effects (n, q), and each row's cluster (n,)."""
    rows = design.DESIGN.build(frame, {**arguments, "mix": None})
    cluster = _clusters(frame, _random(arguments).group.name)
    used = np.isfinite(cluster) & (rows["prior"] > 0 if "prior" in rows else True)
    z = _effects(rows["x"], arguments, random_columns(arguments, frame.variables))
    x = rows["x"] @ np.asarray(arguments["mix"]) if arguments["mix"] else rows["x"]
    y = rows["y"] - rows["offset"] if "offset" in rows else rows["y"]
    w = np.column_stack([x, y])
    return {
        "w": np.where(used[:, None], w, 0.0),
        "z": np.where(used[:, None], z, 0.0),
        "cluster": np.where(used, cluster, np.nan),
    }


def _clusters(frame: Frame, group: str) -> FloatArray:
    """A number for each row's cluster, shape (n,)."""
    if group == NODE:
        return np.zeros(frame.rows)
    if group != PERSON:
        return frame.columns[group]
    if frame.person is None:
        raise MethodError("these rows are of nobody in particular", fix="name a variable as the group")
    return frame.person


def _effects(x: FloatArray, arguments: Arguments, places: Sequence[int]) -> FloatArray:
    """The columns that vary between clusters, centred where an intercept varies with them, else not."""
    centre = np.asarray(arguments["centre"]) * np.asarray(arguments["scale"])
    first = _intercept(arguments)
    own = any(place in (-1, first) for place in places)
    columns = [
        np.ones(len(x)) if place in (-1, first) else x[:, place] + (0.0 if own else centre[place]) for place in places
    ]
    return np.column_stack(columns)


def _intercept(arguments: Arguments) -> int:
    """Where the fixed part's intercept stands: first, or nowhere (-1)."""
    return 0 if parse_mixed_formula(arguments["formula"]).fixed.intercept else -1


# --- clusters -----------------------------------------------------------------------------------------------


def _joined(partitions: Sequence[Arrays]) -> dict[str, FloatArray]:
    """Of each of m clusters: Z'Z (m, q, q), Z'W (m, q, p + 1) and its rows (m,); W'W over all; each row's cluster."""
    w, z, cluster = (np.concatenate([arrays[name] for arrays in partitions]) for name in ("w", "z", "cluster"))
    _, first, place = np.unique(cluster, return_index=True, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(first)))
    heads = np.zeros(len(cluster))
    heads[first] = 1.0
    return {
        "cross": w.T @ w,
        "zz": _by_cluster(z[order], z[order], starts),
        "zw": _by_cluster(z[order], w[order], starts),
        "size": np.add.reduceat(np.isfinite(cluster)[order].astype(np.float64), starts),
        "place": place.astype(np.float64),
        "head": heads,
        "z": z,
    }


def _by_cluster(z: FloatArray, w: FloatArray, starts: NDArray[np.intp]) -> FloatArray:
    """Z'W of each cluster, shape (m, q, columns of w); the rows stand in the order of their clusters."""
    return np.stack([np.add.reduceat(column[:, None] * w, starts) for column in z.T], axis=1)


# --- exposures ----------------------------------------------------------------------------------------------


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The design's columns with their products; the sums tell of the groups, too."""
    further = frozenset(group_variables(_random(arguments)))
    return tuple(
        replace(exposure, variables=exposure.variables | further)
        for exposure in design.DESIGN.exposures(frame, arguments)
    )


CLUSTERS = Preparation(
    "lmm.clusters",
    1,
    _reads,
    _dimensions,
    _build,
    _exposures,
    exposed_by=(*design.EXPOSED_BY, "random"),
    join=_joined,
)
