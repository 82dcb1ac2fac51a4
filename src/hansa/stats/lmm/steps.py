"""The sums of a linear mixed model at given variances of its random effects, with their derivatives.

With relative variances G = L L' of the random effects (Bates et al. 2015, J Stat Softw 67(1), whose Lambda L is), a
cluster's covariance is V = 1 + Z G Z', times the residual variance. All that the likelihood needs follows from
A = Z'Z and B = Z'W of each cluster, where W has the columns and the response side by side:

    C = Z'V^-1 W = (1 + A G)^-1 B,    D = Z'V^-1 Z = (1 + A G)^-1 A,
    W'V^-1 W = W'W - B'G C,           log|V| = log|1 + A G|,

and, for a direction E of G, d W'V^-1 W = -C'E C and d log|V| = tr(D E) (Harville 1977, JASA 72:320). Sums over
clusters of these leave the node; A, B, C and D of a cluster never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Inputs, Output, Step
from hansa.stats.lmm.arguments import MOST_EFFECTS
from hansa.stats.lmm.rows import CLUSTERS

__all__ = ["COUNT", "LARGEST_FACTOR", "ROUND", "directions"]

LARGEST_FACTOR = 1e4
"""Random effects this many times the residuals leave nothing to be told apart from the clusters themselves."""

_BLOCK = 2048  # clusters whose products stay in memory
_SINGLE_SIZES = 15
_LARGEST_SIZE = 2**16
_SIZES = (
    *(f"rows of clusters of {size}" for size in range(1, _SINGLE_SIZES + 1)),
    *(f"rows of clusters of {2**power} to {2 ** (power + 1) - 1}" for power in range(4, 16)),
    f"rows of clusters of {_LARGEST_SIZE} or more",
)
_WEIGHTS = (
    "row within its cluster",
    *(f"clusters by effect {place + 1}" for place in range(MOST_EFFECTS)),
    *_SIZES,
)


def directions(effects: int) -> FloatArray:
    """A symmetric matrix for each element on and below the diagonal, row by row; shape (parameters, q, q).

    Examples
    --------
    >>> directions(2)[1].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    rows, columns = np.tril_indices(effects)
    found = np.zeros((len(rows), effects, effects))
    places = np.arange(len(rows))
    found[places, rows, columns] = found[places, columns, rows] = 1.0
    return found


@dataclass(frozen=True, eq=False)
class _Clusters:
    """At given variances G, of each cluster: B, C and D as above, and log|V|."""

    relative: FloatArray
    zw: FloatArray
    c: FloatArray
    d: FloatArray
    logdet: FloatArray


def count(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """The clusters."""
    (rows,) = partitions
    return {"clusters": float(np.count_nonzero(rows["size"]))}


def sums(partitions: Sequence[Arrays], inputs: Inputs) -> dict[str, Any]:
    """W'V^-1 W and log|V| at the factor L, and their first two derivatives in each direction of G = L L'."""
    (rows,) = partitions
    factor = np.tril(inputs["factor"])
    valid = bool(np.isfinite(factor).all() and np.abs(factor).max(initial=0.0) <= LARGEST_FACTOR)
    at = _at(rows, factor if valid else np.zeros_like(factor))
    derived = _derivatives(at, directions(len(factor)))
    value = {"moments": rows["cross"] - _pulled(at), "logdet": at.logdet.sum()}
    numbers = {name: array if valid else np.zeros_like(array) for name, array in (value | derived).items()}
    return {**numbers, "invalid": 0.0 if valid else 1.0, "weights": _weights(rows, at)}


def _at(rows: Arrays, factor: FloatArray) -> _Clusters:
    relative = factor @ factor.T
    matrix = np.eye(len(factor)) + rows["zz"] @ relative
    solved = np.linalg.solve(matrix, np.concatenate([rows["zz"], rows["zw"]], axis=2))
    q = len(factor)
    logdet = np.linalg.slogdet(matrix)[1]
    return _Clusters(relative, rows["zw"], solved[:, :, q:], solved[:, :, :q], logdet)


def _pulled(at: _Clusters) -> FloatArray:
    """B'G C over all clusters, shape (p + 1, p + 1)."""
    m, q, width = at.c.shape
    pulled = at.zw.reshape(m * q, width).T @ (at.relative @ at.c).reshape(m * q, width)
    return np.asarray((pulled + pulled.T) / 2)


def _derivatives(at: _Clusters, along: FloatArray) -> dict[str, FloatArray]:
    """First and second derivatives of W'V^-1 W and of log|V|."""
    squares, cubes = _crossed(at)
    both = np.einsum("kax,arxyds,lyd->klrs", along, cubes, along, optimize=True)
    inner = at.d[:, None] @ along  # D E, shape (m, parameters, q, q)
    turned = np.swapaxes(inner, 2, 3)
    k = len(along)
    return {
        "moments_slope": -np.einsum("kab,arbs->krs", along, squares),
        "moments_bend": both + np.swapaxes(both, 2, 3),
        "logdet_slope": np.einsum("mkaa->k", inner),
        "logdet_bend": -np.tensordot(inner, turned, axes=([0, 2, 3], [0, 2, 3])).reshape(k, k),
    }


def _crossed(at: _Clusters) -> tuple[FloatArray, FloatArray]:
    """Over all clusters C x C, shape (q, p + 1, q, p + 1), and C x D x C, shape (q, p + 1, q, q, q, p + 1)."""
    m, q, width = at.c.shape
    squares, cubes = np.zeros((q * width, q * width)), np.zeros((q * width, q * q * q * width))
    for first in range(0, m, _BLOCK):
        c, d = at.c[first : first + _BLOCK].reshape(-1, q * width), at.d[first : first + _BLOCK].reshape(-1, q * q)
        squares += c.T @ c
        cubes += c.T @ (d[:, :, None] * c[:, None, :]).reshape(len(c), -1)
    return squares.reshape(q, width, q, width), cubes.reshape(q, width, q, q, q, width)


# --- what the gate sees -------------------------------------------------------------------------------------


def _weights(rows: Arrays, at: _Clusters) -> FloatArray:
    """What the inputs put on rows and clusters.

    A row's own share of V^-1; for each effect, the square of a cluster's Z'V^-1 Z, which is its part in the derivatives
    and, where G is small, in W'V^-1 W; and whether the row's cluster is of each size, since sums at many variances
    could be solved for the clusters of each. A cluster's weight stands at its first row, so that it counts as one, and
    is divided by what a cluster with Z'Z = 1 would have: of tiny weights the gate could not tell how many there are.
    """
    place = rows["place"].astype(np.intp)
    q = len(at.relative)
    within = at.relative - at.relative @ at.d @ at.relative  # G (1 + A G)^-1, of each cluster
    own = 1.0 - np.einsum("na,nab,nb->n", rows["z"], within[place], rows["z"], optimize=True)
    usual = np.diag(np.linalg.inv(np.eye(q) + at.relative))
    slope = (np.einsum("maa->ma", at.d) / usual) ** 2
    absent = np.zeros((len(place), MOST_EFFECTS - q))
    size = rows["size"][place]
    weights: FloatArray = np.column_stack([own, rows["head"][:, None] * slope[place], absent, _sizes(size)])
    return np.where((size > 0)[:, None], weights, 0.0)


def _sizes(size: FloatArray) -> FloatArray:
    """A column of 0 and 1 for each size of clusters up to 15 rows, then for each power of two."""
    large = np.floor(np.log2(np.clip(size, 1.0, _LARGEST_SIZE)))
    kind = np.where(size <= _SINGLE_SIZES, size - 1, _SINGLE_SIZES + large - 4)
    return np.asarray(kind[:, None] == np.arange(len(_SIZES)), dtype=np.float64)


COUNT = Step("lmm.count", 1, CLUSTERS, (Output("clusters", (), "protected", additive="node"),), count)

ROUND = Step(
    "lmm.round",
    1,
    CLUSTERS,
    (
        Output("moments", ("moments", "moments"), "intermediate", additive="node"),
        Output("logdet", (), "intermediate", additive="node"),
        Output("moments_slope", ("parameters", "moments", "moments"), "intermediate", additive="node"),
        Output("moments_bend", ("parameters", "parameters", "moments", "moments"), "intermediate", additive="node"),
        Output("logdet_slope", ("parameters",), "intermediate", additive="node"),
        Output("logdet_bend", ("parameters", "parameters"), "intermediate", additive="node"),
        Output("invalid", (), "protected", additive="node"),
    ),
    sums,
    weight_names=_WEIGHTS,
)
