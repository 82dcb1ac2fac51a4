"""At the node: what the facts of a design are pooled from.

Counts of levels; for what stands inside splines and polynomials its rough size, its moments, counts between
edges, and the sums of a three-term recurrence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hansa.formula import Need, design_needs, evaluate, names_in, parse_formula
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.descriptive.quantiles import BINS, bin_counts
from hansa.stats.fitting.sizes import BUCKETS, size_counts
from hansa.stats.glm.design import reads, set_exposure

__all__ = ["FACT_STEPS", "basis_needs", "level_needs", "polynomials"]


def level_needs(formula: str, variables: Mapping[str, Variable]) -> tuple[Need, ...]:
    """The factors whose levels must be known to occur."""
    return tuple(need for need in design_needs(parse_formula(formula), variables) if need.kind == "levels")


def basis_needs(formula: str, variables: Mapping[str, Variable]) -> tuple[Need, ...]:
    """The splines and polynomials about whose argument something must be known."""
    return tuple(need for need in design_needs(parse_formula(formula), variables) if need.kind != "levels")


def _dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    bases = basis_needs(arguments["formula"], variables)
    return {
        "levels": sum(len(need.levels) for need in level_needs(arguments["formula"], variables)),
        "bases": len(bases),
        "searches": 2 * sum(len(need.probabilities) for need in bases),
    }


def _build_levels(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    blocks = [
        evaluate(need.expression, frame.columns, frame.variables)[:, None] == np.arange(len(need.levels))
        for need in level_needs(arguments["formula"], frame.variables)
    ]
    return {"levels": np.hstack(blocks).astype(np.float64)}


def _values(frame: Frame, arguments: Arguments) -> FloatArray:
    needs = basis_needs(arguments["formula"], frame.variables)
    return np.column_stack([evaluate(need.expression, frame.columns, frame.variables) for need in needs])


def _build_sizes(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    return {"values": np.nan_to_num(_values(frame, arguments))}


def _build_bases(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    needs = basis_needs(arguments["formula"], frame.variables)
    owners = [place for place, need in enumerate(needs) for _ in range(2 * len(need.probabilities))]
    return {
        "values": _values(frame, arguments),
        "degrees": np.array([need.degree for need in needs], dtype=np.float64),
        "owners": np.array(owners, dtype=np.float64),
    }


def _basis_exposure(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    needs = basis_needs(arguments["formula"], frame.variables)
    values = _values(frame, arguments)
    return (
        Exposure(
            name="bases",
            rows=np.asarray(np.isfinite(values).all(axis=1)),
            columns=values * np.asarray(arguments["scale"]),
            names=tuple(str(need.expression) for need in needs),
            derived=tuple(
                not isinstance(need.expression, Name) or need.expression.name in frame.derived for need in needs
            ),
            strata=(False,) * len(needs),
            variables=frozenset[str]().union(*(names_in(need.expression) for need in needs)),
            indicator=(False,) * len(needs),
        ),
    )


# --- steps --------------------------------------------------------------------------------------------------


def _count_levels(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """Rows per level."""
    return {"counts": arrays["levels"].sum(axis=0)}


def _scaled(arrays: Arrays, inputs: Inputs) -> tuple[FloatArray, BoolArray]:
    """(x - centre) scale, zero where missing, and what is not missing; each (n, bases)."""
    present = np.isfinite(arrays["values"])
    return np.where(present, (arrays["values"] - inputs["centre"]) * inputs["scale"], 0.0), present


def _moments(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Rows, sums and sums of squares about a centre."""
    values, present = _scaled(arrays, inputs)
    return {
        "n": present.sum(axis=0, dtype=np.float64),
        "first": values.sum(axis=0),
        "second": np.einsum("ij,ij->j", values, values),
    }


def _bins(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Rows between edges, for each search among its own basis' values."""
    values = arrays["values"]
    counts = [
        bin_counts(column[np.isfinite(column)], edges)
        for column, edges in zip(values.T[arrays["owners"].astype(np.int64)], inputs["edges"], strict=True)
    ]
    return {"counts": np.stack(counts) if counts else np.zeros((0, BINS + 2))}


def _recurrence(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Sums of p^2 and z p^2 for the polynomial of the present degree; zero where fewer degrees are wanted."""
    z, present = _scaled(arrays, inputs)
    degree = int(inputs["degree"])
    squares = polynomials(z, inputs["alpha"], inputs["ratio"], degree) ** 2
    squares *= present & (arrays["degrees"] >= degree)
    return {"norm": squares.sum(axis=0), "moment": (z * squares).sum(axis=0)}


def polynomials(z: FloatArray, alpha: FloatArray, ratio: FloatArray, degree: int) -> FloatArray:
    """p_degree of each column of z (n, k): p_{j+1} = (z - alpha_j) p_j - ratio_j p_{j-1}, p_0 = 1.

    ``alpha`` and ``ratio`` have shape (k, at least degree).
    """
    before, current = np.zeros_like(z), np.ones_like(z)
    for j in range(degree):
        before, current = current, (z - alpha[:, j]) * current - ratio[:, j] * before
    return current


_LEVELS = Preparation("glm.levels", 1, reads, _dimensions, _build_levels, set_exposure)
_SIZES = Preparation("glm.basis_size", 1, reads, _dimensions, _build_sizes, set_exposure)
_BASES = Preparation("glm.bases", 1, reads, _dimensions, _build_bases, _basis_exposure)

FACT_STEPS = (
    Step("glm.levels", 1, _LEVELS, (Output("counts", ("levels",), "protected"),), _count_levels),
    Step(
        "glm.basis_sizes",
        1,
        _SIZES,
        (Output("counts", ("bases", BUCKETS), "protected", additive="node"),),
        size_counts,
    ),
    Step(
        "glm.basis_moments",
        1,
        _BASES,
        (
            Output("n", ("bases",), "protected"),
            Output("first", ("bases",), "intermediate"),
            Output("second", ("bases",), "intermediate"),
        ),
        _moments,
    ),
    Step("glm.basis_bins", 1, _BASES, (Output("counts", ("searches", BINS + 2), "protected"),), _bins),
    Step(
        "glm.recurrence",
        1,
        _BASES,
        (Output("norm", ("bases",), "intermediate"), Output("moment", ("bases",), "intermediate")),
        _recurrence,
    ),
)
