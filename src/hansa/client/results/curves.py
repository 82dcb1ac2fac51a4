"""What views of survival curves and of cumulative incidence share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hansa.client.tables.numbers import count, p_value, significant
from hansa.errors import StudyError
from hansa.formula import parse_formula

if TYPE_CHECKING:  # see view
    import pandas as pd

__all__ = ["last_shown", "test_words", "time_of"]


def last_shown(summary: pd.DataFrame, time: float) -> pd.DataFrame:
    """Of each curve the last row up to a time, with its time; ``summary`` has the times last in its index.

    Raises
    ------
    StudyError
        When nothing is shown up to then.
    """
    keys = [name for name in summary.index.names if name != "time"]
    shown = summary.reset_index()
    until = shown[shown["time"] <= time]
    if until.empty:
        fix = "merge groups" if shown.empty else f"ask for {shown['time'].min():g} or later"
        raise StudyError("nothing is shown up to then", fix=fix, field="time")
    return until.groupby(keys, sort=False).last()


def test_words(test: Mapping[str, Any]) -> str:
    """A chi-square test in words."""
    said = f"χ² = {significant(test['statistic'], 4)} on {count(test['df'])} df, p = {p_value(test['p'])}"
    return said.replace("p = <", "p < ")


def time_of(formula: str) -> str:
    """The time of a survival formula, for an axis.

    Examples
    --------
    >>> time_of("Surv(entry, days(born, died), dead) ~ sex")
    'days(born, died)'
    """
    *_, time, _ = parse_formula(formula).survival or ("", "", "")
    return str(time)
