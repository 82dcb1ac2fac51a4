"""At the hub: the pooled facts of a design. Which levels occur, where knots lie, how polynomials recur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hansa.errors import NotEstimable
from hansa.formula import Fact, Formula, LevelFact, Need, PolyFact, knot_fact
from hansa.formula.tree import Name
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Cohorts, Request
from hansa.stats.descriptive.quantiles import (
    Bin,
    Search,
    bracketed,
    first_edges,
    order_statistics,
    quantile,
    ranks_of,
    search_for,
)
from hansa.stats.fitting.scaling import sharpened
from hansa.stats.fitting.sizes import bucket_scale
from hansa.stats.glm.basis import basis_needs, level_needs

__all__ = ["pooled_facts"]

_SMALLEST_BIN = 10
_SHARPENINGS = 3
_LEAST_NORM = 1e-12


@dataclass(frozen=True, eq=False)
class _Moments:
    """Pooled moments of what stands inside the bases, each of shape (bases,), and the request behind them.

    ``shift`` is the mean of (x - centre) scale, ``square`` the mean of its square about the mean.
    """

    request: Request
    n: FloatArray
    centre: FloatArray
    scale: FloatArray
    shift: FloatArray
    square: FloatArray

    @property
    def mean(self) -> FloatArray:
        """In the variable's unit."""
        return self.centre + self.shift / self.scale

    @property
    def sd(self) -> FloatArray:
        """In the variable's unit."""
        return np.sqrt(self.square) / self.scale


def pooled_facts(cohorts: Cohorts, formula: Formula) -> dict[str, Fact]:
    """All facts that the formula's design needs, by their keys.

    Raises
    ------
    NotEstimable
        When too few people lie beyond a knot, or there are too few distinct values for a polynomial.
    FormulaError
        When the formula does not fit the dictionary, or the knots coincide.
    """
    facts: dict[str, Fact] = {}
    needs = basis_needs(str(formula), cohorts.variables)
    facts.update(_level_facts(cohorts, str(formula)))
    if needs:
        moments = _pooled_moments(cohorts, str(formula), len(needs))
        facts.update(_knot_facts(cohorts, needs, moments))
        facts.update(_poly_facts(cohorts, needs, moments))
    return facts


def _level_facts(cohorts: Cohorts, formula: str) -> dict[str, Fact]:
    needs = level_needs(formula, cohorts.variables)
    if not needs:
        return {}
    counts = cohorts.sum("glm.levels", Request({"formula": formula}))["counts"]
    ends = np.cumsum([len(need.levels) for need in needs])[:-1]
    present = [tuple(bool(count > 0.5) for count in part) for part in np.split(counts, ends)]
    return {need.key: LevelFact(found) for need, found in zip(needs, present, strict=True)}


def _pooled_moments(cohorts: Cohorts, formula: str, k: int) -> _Moments:
    """Moments about zero, then about the mean, sharpened where they are tiny."""
    sizes = cohorts.sum("glm.basis_sizes", Request({"formula": formula}))["counts"]
    request = Request({"formula": formula, "scale": bucket_scale(sizes).tolist()})
    centre, scale = np.zeros(k), bucket_scale(sizes)
    for attempt in range(_SHARPENINGS + 1):
        totals = cohorts.sum("glm.basis_moments", request, centre=centre, scale=scale)
        n = np.maximum(totals["n"], 1.0)
        shift = totals["first"] / n
        square = np.maximum(totals["second"] / n - shift**2, 0.0)
        found = _Moments(request, totals["n"], centre, scale, shift, square)
        better = sharpened(scale, square)
        if attempt > 0 and np.array_equal(better, scale):
            break
        centre, scale = found.mean, better
    return found


# --- knots --------------------------------------------------------------------------------------------------


def _knot_facts(cohorts: Cohorts, needs: Sequence[Need], moments: _Moments) -> dict[str, Fact]:
    """All knots at once, each from the two order statistics of a quantile."""
    wanted = [(place, need, p) for place, need in enumerate(needs) for p in need.probabilities]
    if not wanted:
        return {}
    searches = [search for place, need, p in wanted for search in _searches(cohorts, moments, place, need, p)]

    def count(edges: FloatArray) -> FloatArray:
        return np.rint(cohorts.sum("glm.basis_bins", moments.request, edges=edges)["counts"])

    bins = iter(order_statistics(count, searches, _SMALLEST_BIN))
    found: dict[str, list[float]] = {need.key: [] for need in needs if need.probabilities}
    for place, need, p in wanted:
        found[need.key].append(_knot(need, p, round(float(moments.n[place])), (next(bins), next(bins))))
    return {need.key: knot_fact(need, found[need.key]) for need in needs if need.probabilities}


def _searches(cohorts: Cohorts, moments: _Moments, place: int, need: Need, probability: float) -> list[Search]:
    expression = need.expression
    range_ = cohorts.variables[expression.name].range if isinstance(expression, Name) else None
    n = round(float(moments.n[place]))
    wanted = n > 0 and bracketed(probability, n, _SMALLEST_BIN)
    edges = first_edges(range_, float(moments.mean[place]), float(moments.sd[place]))
    ranks = ranks_of(probability, n)[:2] if wanted else (0, 0)
    return [replace(search_for(rank, edges), searching=wanted) for rank in ranks]


def _knot(need: Need, probability: float, n: int, bins: tuple[Bin | None, Bin | None]) -> float:
    estimate = quantile(probability, n, bins).estimate
    if estimate is None:
        raise NotEstimable(
            f"too few people lie beyond a knot of {need.expression}",
            why="a knot there would tell of them",
            fix="ask for fewer df, or give knots= and boundary=",
            field="formula",
        )
    return estimate


# --- polynomials --------------------------------------------------------------------------------------------


def _poly_facts(cohorts: Cohorts, needs: Sequence[Need], moments: _Moments) -> dict[str, Fact]:
    """R's recurrences: one round per degree, for all polynomials together."""
    degrees = np.array([need.degree for need in needs])
    most = int(degrees.max())
    if most == 0:
        return {}
    alpha, ratio = np.zeros((len(needs), most + 1)), np.zeros((len(needs), most + 1))
    norms = [np.maximum(moments.n, 1.0)]
    moments = _standardised(moments)
    alpha[:, 0] = moments.shift
    for degree in range(1, most + 1):
        totals = cohorts.sum(
            "glm.recurrence",
            moments.request,
            centre=moments.centre,
            scale=moments.scale,
            alpha=alpha,
            ratio=ratio,
            degree=float(degree),
        )
        _check_norm(needs, degrees >= degree, totals["norm"] / norms[-1])
        norms.append(np.where(degrees >= degree, totals["norm"], 1.0))
        alpha[:, degree] = totals["moment"] / norms[-1]
        ratio[:, degree] = norms[-1] / norms[-2]
    return {
        need.key: _in_units(moments, place, alpha[place, : need.degree], [norm[place] for norm in norms])
        for place, need in enumerate(needs)
        if need.degree
    }


def _standardised(moments: _Moments) -> _Moments:
    """The same with a standard deviation near one, so that no power of it runs away."""
    spread = np.where(moments.square > 0, np.sqrt(moments.square), 1.0)
    unit = 2.0 ** -np.round(np.log2(spread))
    return replace(moments, scale=moments.scale * unit, shift=moments.shift * unit, square=moments.square * unit**2)


def _check_norm(needs: Sequence[Need], wanted: BoolArray, norm: FloatArray) -> None:
    for need, asked, size in zip(needs, wanted, norm, strict=True):
        if asked and not size > _LEAST_NORM:
            raise NotEstimable(
                f"{need.key} has too high a degree",
                why=f"{need.expression} has too few distinct values",
                fix="ask for a lower degree",
                field="formula",
            )


def _in_units(moments: _Moments, place: int, alpha: FloatArray, norms: Sequence[float]) -> PolyFact:
    """The recurrence of x from that of (x - centre) scale."""
    centre, scale = float(moments.centre[place]), float(moments.scale[place])
    degree = len(alpha)
    in_x = [float(norms[j]) / scale ** (2 * j) for j in range(degree + 1)]
    return PolyFact(tuple(centre + float(a) / scale for a in alpha), (1.0, *in_x))
