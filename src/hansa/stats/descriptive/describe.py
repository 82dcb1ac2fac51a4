"""Descriptive statistics: moments and quantiles of numeric variables, counts of categories, by group.

Two rounds give the moments (the pooled mean, then squares about it), a few more the quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from hansa.errors import Refused, StudyError
from hansa.model import Variable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.arguments import known, names, no_others, whole_number
from hansa.stats.contract import Arguments, Cohorts, Method, Request
from hansa.stats.descriptive.columns import STEPS
from hansa.stats.descriptive.quantiles import (
    BINS,
    Quantile,
    Search,
    bracketed,
    first_edges,
    order_statistics,
    quantile,
    ranks_of,
    search_for,
)
from hansa.stats.descriptive.suppression import IntArray, suppress
from hansa.stats.fitting.scaling import power_of_two, scale_about_mean, sharpened
from hansa.stats.plain import Result

__all__ = ["METHOD", "Description", "LevelCounts", "NumericSummary", "Selection", "describe", "read"]

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CELL = 5
_SMALLEST_BIN = 10
_SHARPENINGS = 3
_ROUNDING = 2.0**-49
"""Relative to the mean, a standard deviation that is only float64's rounding."""


@dataclass(frozen=True)
class NumericSummary:
    """A numeric variable in one group (``""``: everybody), in the variable's unit.

    ``n`` and ``missing`` are ``None`` where either would tell of few people; the other numbers then carry no
    more digits than their standard error, since full precision gives the count back.
    """

    variable: str
    group: str
    n: int | None
    missing: int | None
    mean: float | None
    sd: float | None
    quantiles: tuple[Quantile, ...]


@dataclass(frozen=True)
class LevelCounts:
    """A categorical variable in one group: people per level, ``None`` where blank (see suppression)."""

    variable: str
    group: str
    levels: tuple[str, ...]
    counts: tuple[int | None, ...]
    missing: int | None


@dataclass(frozen=True)
class Description(Result):
    """All summaries. ``groups`` begins with ``""``, everybody (whose group is known); ``sizes`` are people.

    ``ungrouped`` counts the people whose group is not known, who are in no summary.
    """

    schema: ClassVar[str] = "describe/1.0"
    by: str | None
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    ungrouped: int | None
    numeric: tuple[NumericSummary, ...]
    categorical: tuple[LevelCounts, ...]


@dataclass(frozen=True)
class Selection:
    """The arguments, read: what is described, by what, and how small a count may be."""

    numeric: tuple[Variable, ...]
    categorical: tuple[Variable, ...]
    by: Variable | None
    probabilities: tuple[float, ...]
    cell: int
    smallest_bin: int

    @property
    def groups(self) -> tuple[str, ...]:
        """Everybody first, then the levels."""
        return ("", *(self.by.coded_levels if self.by else ()))

    @property
    def request(self) -> Request:
        """What the steps stand on."""
        variables = [variable.name for variable in (*self.numeric, *self.categorical)]
        by = self.by.name if self.by else None
        return Request({"variables": variables, "by": by, "ranks": 2 * len(self.probabilities)})


@dataclass(frozen=True, eq=False)
class _Moments:
    """Pooled moments, each of shape (groups, numeric); NaN where nobody is."""

    n: FloatArray
    missing: FloatArray
    mean: FloatArray
    sd: FloatArray


def read(arguments: Arguments, variables: Mapping[str, Variable], probabilities: tuple[float, ...]) -> Selection:
    """The arguments of a description, checked.

    Raises
    ------
    StudyError
        Naming the argument.
    """
    no_others(arguments, "variables", "by", "cell", "smallest_bin")
    described = names(arguments, "variables", variables)
    by = None if arguments.get("by") is None else known(arguments["by"], variables, "by")
    if by is not None and not by.is_categorical:
        raise StudyError(f"{by.name} forms no groups", fix="name a category or a boolean", field="by")
    if by in described:
        raise StudyError(f"{by.name} is described by itself", fix="leave it out of variables", field="by")
    return Selection(
        numeric=tuple(variable for variable in described if not variable.is_categorical),
        categorical=tuple(variable for variable in described if variable.is_categorical),
        by=by,
        probabilities=probabilities,
        cell=whole_number(arguments, "cell", default=_CELL, least=_CELL),
        smallest_bin=whole_number(arguments, "smallest_bin", default=_SMALLEST_BIN, least=_SMALLEST_BIN),
    )


def plan(cohorts: Cohorts, arguments: Arguments) -> Description:
    """Describe variables over all cohorts, as if their rows were in one table.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``variables``: names of dictionary or derived variables; ``by``: a category or boolean, or ``None``;
        ``cell`` (5) and ``smallest_bin`` (10): fewest people in a shown count and in a quantile's bin; they
        can only be raised.

    Returns
    -------
    Description
        n, missing, mean, standard deviation (n - 1) and the quantiles 5, 25, 50, 75 and 95 % of each numeric
        variable; people per level of each categorical one. No extreme is ever given: a quantile is ``None``
        unless at least ``smallest_bin`` people lie beyond it on both sides.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    Refused
        When a group holds some but too few people.
    """
    return describe(cohorts, read(arguments, cohorts.variables, PROBABILITIES))


def describe(cohorts: Cohorts, selection: Selection) -> Description:
    """The description that a selection asks for; see :func:`plan`."""
    sizes = cohorts.sum("describe.sizes", selection.request)
    people = np.rint(sizes["people"]).astype(np.int64)
    if ((people > 0) & (people < selection.cell)).any():
        raise Refused(
            "a group holds too few people",
            why="its numbers would tell of them",
            fix="merge levels of the group, or widen the population",
            field="by",
            reason="disclosure",
        )
    ungrouped = int(np.rint(sizes["ungrouped"]))
    return Description(
        by=selection.by.name if selection.by else None,
        groups=selection.groups,
        sizes=tuple(people.tolist()),
        ungrouped=None if 0 < ungrouped < selection.cell else ungrouped,
        numeric=_numeric_summaries(cohorts, selection) if selection.numeric else (),
        categorical=_level_counts(cohorts, selection) if selection.categorical else (),
    )


def _pooled_moments(cohorts: Cohorts, selection: Selection) -> _Moments:
    """First the mean about a public centre, then squares about the mean, sharpened where they are tiny."""
    scalings = [power_of_two(variable.range) for variable in selection.numeric]
    centre, scale = np.array(scalings).T
    sums = cohorts.sum("describe.sums", selection.request, centre=centre, scale=scale)
    n = np.maximum(sums["n"], 1.0)
    mean = centre + sums["first"] / (n * scale)
    scale = scale_about_mean(np.broadcast_to(scale, mean.shape), mean - centre)
    square, used = np.zeros_like(mean), scale
    for _ in range(_SHARPENINGS):
        totals = cohorts.sum("describe.moments", selection.request, centre=mean, scale=scale)
        shift = totals["first"] / n
        square = np.where(sums["n"] > 0, totals["second"] / n - shift**2, np.nan)
        mean, used = mean + shift / scale, scale
        scale = sharpened(scale, square)
        if np.array_equal(scale, used):
            break
    sd = np.sqrt(np.maximum(square, 0.0) * n / np.where(sums["n"] > 1, n - 1, np.nan)) / used
    sd = np.where(sd <= _ROUNDING * np.abs(mean), 0.0, sd)
    return _Moments(sums["n"], sums["missing"], np.where(sums["n"] > 0, mean, np.nan), sd)


def _numeric_summaries(cohorts: Cohorts, selection: Selection) -> tuple[NumericSummary, ...]:
    moments = _pooled_moments(cohorts, selection)
    quantiles = _quantiles(cohorts, selection, moments)
    summaries: list[NumericSummary] = []
    for v, variable in enumerate(selection.numeric):
        counts = np.rint(np.column_stack([moments.n[:, v], moments.missing[:, v]])).astype(np.int64)
        blank = _blanks(counts, selection.cell)
        spread = float(np.ptp(moments.mean[moments.n[:, v] > 0, v])) if counts[:, 0].any() else 0.0
        for g, group in enumerate(selection.groups):
            n, missing = (None if blank[g].any() else int(count) for count in counts[g])
            summary = NumericSummary(variable.name, group, n, missing, None, None, quantiles[g, v])
            if counts[g, 0] >= selection.smallest_bin:
                summary = replace(summary, mean=float(moments.mean[g, v]), sd=float(moments.sd[g, v]))
            if n is None:
                summary = _coarse(summary, int(counts[g, 0]), 2 * selection.cell * spread)
            summaries.append(summary)
    return tuple(summaries)


def _blanks(counts: IntArray, cell: int) -> BoolArray:
    """The blanks of counts by group, everybody's first, where the groups' sizes are known."""
    if counts.shape[0] == 1:
        return suppress(counts, cell, row_totals_public=True)[:1, :-1]
    blank = suppress(counts[1:], cell, row_totals_public=True)[:, :-1]
    return np.vstack([blank[-1:], blank[:-1]])


def _quantiles(
    cohorts: Cohorts, selection: Selection, moments: _Moments
) -> dict[tuple[int, ...], tuple[Quantile, ...]]:
    """The quantiles of every group and variable, all searched for together."""
    places = list(np.ndindex(moments.n.shape))
    searches = [search for place in places for search in _searches(selection, moments, place)]
    shape = (*moments.n.shape, 2 * len(selection.probabilities), BINS + 1)

    def count(edges: FloatArray) -> FloatArray:
        totals = cohorts.sum("describe.bins", selection.request, edges=edges.reshape(shape))
        return np.rint(totals["counts"]).reshape(-1, BINS + 2)

    bins = iter(order_statistics(count, searches, selection.smallest_bin))
    return {
        place: tuple(
            quantile(probability, int(moments.n[place]), (next(bins), next(bins)))
            for probability in selection.probabilities
        )
        for place in places
    }


def _searches(selection: Selection, moments: _Moments, place: tuple[int, ...]) -> list[Search]:
    """Two order statistics per probability; those that too few people surround are not searched."""
    n = round(float(moments.n[place]))
    mean, sd = (float(np.nan_to_num(value[place])) for value in (moments.mean, moments.sd))
    edges = first_edges(selection.numeric[place[1]].range, mean, sd)
    found = []
    for probability in selection.probabilities:
        wanted = n > 0 and bracketed(probability, n, selection.smallest_bin)
        ranks = ranks_of(probability, n)[:2] if wanted else (0, 0)
        found += [replace(search_for(rank, edges), searching=wanted) for rank in ranks]
    return found


def _coarse(summary: NumericSummary, n: int, moved: float) -> NumericSummary:
    """The summary without the digits from which a blank n could be worked out.

    A mean of whole numbers is a fraction that gives its denominator away, and group means with the overall
    mean give the groups' sizes. So everything is rounded to a step of about the standard error, at least of
    ``moved`` / n, by which a cell of people more or fewer in a group moves the overall mean.
    """
    if summary.mean is None or summary.sd is None:
        return summary
    step = _one_two_five(max(summary.sd / math.sqrt(n), moved / n))
    return replace(
        summary,
        mean=_rounded(summary.mean, step),
        sd=_rounded(summary.sd, step),
        quantiles=tuple(_coarse_quantile(found, step) for found in summary.quantiles),
    )


def _coarse_quantile(found: Quantile, step: float) -> Quantile:
    if found.estimate is None or found.error_bound is None:
        return found
    return Quantile(found.probability, _rounded(found.estimate, step), found.error_bound + step)


def _one_two_five(value: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is at most the value; 0 for 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return max(power * part for part in (1, 2, 5) if power * part <= value * (1 + 1e-12))


def _rounded(value: float, step: float) -> float:
    if step == 0:
        return value
    return round(round(value / step) * step, max(0, 1 - math.floor(math.log10(step))))


def _level_counts(cohorts: Cohorts, selection: Selection) -> tuple[LevelCounts, ...]:
    totals = cohorts.sum("describe.levels", selection.request)
    ends = np.cumsum([0, *(len(variable.coded_levels) for variable in selection.categorical)])
    found: list[LevelCounts] = []
    for c, (variable, (start, end)) in enumerate(zip(selection.categorical, pairwise(ends), strict=True)):
        table = np.column_stack([totals["counts"][:, start:end], totals["missing"][:, c]])
        counts = np.rint(table).astype(np.int64)
        blank = _blanks(counts, selection.cell)
        for g, group in enumerate(selection.groups):
            shown = [None if b else int(n) for n, b in zip(counts[g], blank[g], strict=True)]
            found.append(LevelCounts(variable.name, group, variable.coded_levels, tuple(shown[:-1]), shown[-1]))
    return tuple(found)


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:  # noqa: ARG001  # contract
    return ()


METHOD = Method(
    name="describe",
    version=1,
    title="Descriptive statistics",
    steps=STEPS,
    plan=plan,
    complete=_complete,
    counts_rows=True,
    site_release=True,
    citations=("Hyndman RJ, Fan Y (1996). Sample quantiles in statistical packages. Am Stat 50:361-365.",),
)
