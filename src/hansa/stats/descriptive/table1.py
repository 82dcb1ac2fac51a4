"""Table 1: the characteristics of groups of people, with standardised differences instead of p-values.

A p-value here would test a null hypothesis that nobody holds, and depends on the sample's size; the
standardised mean difference says how far apart the groups are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from hansa.model import Variable
from hansa.stats.arguments import names
from hansa.stats.contract import Arguments, Cohorts, Method
from hansa.stats.descriptive.columns import STEPS
from hansa.stats.descriptive.describe import METHOD as DESCRIBE
from hansa.stats.descriptive.describe import Description, LevelCounts, NumericSummary, describe, read
from hansa.stats.descriptive.quantiles import Quantile
from hansa.stats.plain import Result

__all__ = [
    "METHOD",
    "CategoricalRow",
    "LevelRow",
    "NumericCell",
    "NumericRow",
    "Table1",
    "difference_of_means",
    "difference_of_proportions",
]

PROBABILITIES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class NumericCell:
    """One group's summary, in the variable's unit."""

    n: int | None
    missing: int | None
    mean: float | None
    sd: float | None
    p25: Quantile
    median: Quantile
    p75: Quantile


@dataclass(frozen=True)
class NumericRow:
    """A numeric variable: one cell per group, and the largest standardised difference of two groups."""

    variable: str
    label: str
    unit: str
    cells: tuple[NumericCell, ...]
    smd: float | None


@dataclass(frozen=True)
class LevelRow:
    """One level: people per group, and per cent of those in the group whose level is known."""

    level: str
    counts: tuple[int | None, ...]
    percents: tuple[float | None, ...]


@dataclass(frozen=True)
class CategoricalRow:
    """A categorical variable: one row per level; ``smd`` is withheld where any count is blank."""

    variable: str
    label: str
    levels: tuple[LevelRow, ...]
    missing: tuple[int | None, ...]
    smd: float | None


@dataclass(frozen=True)
class Table1(Result):
    """The table. Its columns are ``groups``: ``""`` for everybody (whose group is known), then each level."""

    schema: ClassVar[str] = "table1/1.0"
    by: str | None
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    ungrouped: int | None
    rows: tuple[NumericRow | CategoricalRow, ...]


def plan(cohorts: Cohorts, arguments: Arguments) -> Table1:
    """Characteristics by group, over all cohorts.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``variables``, ``by``, ``cell`` and ``smallest_bin``, as for ``describe``.

    Returns
    -------
    Table1
        Mean, standard deviation, median and quartiles, or counts and percentages; people with the variable
        missing; the largest pairwise standardised difference. Blanks include complementary ones, so that no
        margin restores a small count.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    Refused
        When a group holds some but too few people.
    """
    found = describe(cohorts, read(arguments, cohorts.variables, PROBABILITIES))
    rows = tuple(_row(variable, found) for variable in names(arguments, "variables", cohorts.variables))
    return Table1(found.by, found.groups, found.sizes, found.ungrouped, rows)


def difference_of_means(mean: tuple[float, float], sd: tuple[float, float]) -> float | None:
    """The standardised difference of two means: |difference| over the root of the mean variance.

    ``None`` where neither group varies. Austin (2009), Communications in Statistics 38:1228.

    Examples
    --------
    >>> difference_of_means((10.0, 12.0), (2.0, 2.0))
    1.0
    """
    pooled = math.sqrt((sd[0] ** 2 + sd[1] ** 2) / 2)
    return abs(mean[0] - mean[1]) / pooled if pooled > 0 else None


def difference_of_proportions(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The standardised difference of two multinomial distributions (Yang and Dalton 2012).

    The Mahalanobis distance of the proportions (all levels but one) under their mean covariance. ``None``
    where neither group varies.

    Parameters
    ----------
    first, second : counts or proportions per level

    Examples
    --------
    >>> round(difference_of_proportions((50, 50), (30, 70)), 6)
    0.417029
    """
    p, q = (np.asarray(counts, dtype=np.float64) / sum(counts) for counts in (first, second))
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    if not covariance.any():
        return None
    # The generalised inverse of all levels equals the inverse without one, and copes with empty levels.
    distance = float((p - q) @ np.linalg.pinv(covariance, hermitian=True) @ (p - q))
    return math.sqrt(max(distance, 0.0))


def _row(variable: Variable, found: Description) -> NumericRow | CategoricalRow:
    if variable.is_categorical:
        groups = [counts for counts in found.categorical if counts.variable == variable.name]
        return _categorical_row(variable, groups)
    summaries = [summary for summary in found.numeric if summary.variable == variable.name]
    cells = tuple(_cell(summary) for summary in summaries)
    return NumericRow(variable.name, variable.label, variable.unit, cells, _smd_of_means(cells[1:]))


def _cell(summary: NumericSummary) -> NumericCell:
    p25, median, p75 = summary.quantiles
    return NumericCell(summary.n, summary.missing, summary.mean, summary.sd, p25, median, p75)


def _categorical_row(variable: Variable, groups: Sequence[LevelCounts]) -> CategoricalRow:
    counts = [group.counts for group in groups]
    percents = [_percents(group) for group in counts]
    levels = tuple(
        LevelRow(level, tuple(c[i] for c in counts), tuple(p[i] for p in percents))
        for i, level in enumerate(variable.coded_levels)
    )
    missing = tuple(group.missing for group in groups)
    return CategoricalRow(variable.name, variable.label, levels, missing, _smd_of_counts(counts[1:]))


def _percents(counts: Sequence[int | None]) -> tuple[float | None, ...]:
    """Percentages, where all counts are shown: a percentage of a blank total would restore it."""
    shown = [count for count in counts if count is not None]
    if len(shown) < len(counts) or not sum(shown):
        return (None,) * len(counts)
    return tuple(100 * count / sum(shown) for count in shown)


def _smd_of_means(cells: Sequence[NumericCell]) -> float | None:
    """From what the table shows, so that it tells no more than the table."""
    known = [(cell.mean, cell.sd) for cell in cells if cell.mean is not None and cell.sd is not None]
    if len(known) < len(cells):
        return None
    return _largest([difference_of_means((a, b), (s, t)) for (a, s), (b, t) in combinations(known, 2)])


def _smd_of_counts(groups: Sequence[Sequence[int | None]]) -> float | None:
    shown = [[count for count in counts if count is not None] for counts in groups]
    if any(len(s) < len(g) or not sum(s) for s, g in zip(shown, groups, strict=True)):
        return None
    return _largest([difference_of_proportions(p, q) for p, q in combinations(shown, 2)])


def _largest(differences: Sequence[float | None]) -> float | None:
    return max((difference for difference in differences if difference is not None), default=None)


METHOD = Method(
    name="table1",
    version=1,
    title="Characteristics of groups",
    steps=STEPS,
    plan=plan,
    complete=DESCRIBE.complete,
    counts_rows=True,
    site_release=True,
    citations=(
        (
            "Yang D, Dalton JE (2012). A unified approach to measuring the effect size between two groups using "
            "SAS. SAS Global Forum, paper 335."
        ),
    ),
)
