"""What views of causal contrasts share: the target trial in words, and the balance of the arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hansa.client.plots.love import love_plot
from hansa.client.tables import Row, TableData
from hansa.client.tables.numbers import fixed
from hansa.model import Study

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = ["balance_frame", "balance_plot", "balance_table", "emulated", "missing_trial", "unbalanced"]

_FAR = 0.1

Balanced = Sequence[Mapping[str, Any]]
"""A result's ``balance``: per term, the standardised mean difference ``unweighted`` and ``weighted``."""


def emulated(study: Study) -> str:
    """The target trial in words, where the study names one."""
    trial = study.target_trial
    if trial is None:
        return ""
    parts = "; ".join(f"{name}: {words.rstrip('.')}" for name, words in trial.parts.items())
    return f" The analysis emulates a target trial (Hernán and Robins 2016, Am J Epidemiol 183:758): {parts}."


def missing_trial(study: Study) -> list[str]:
    """The advice to name a target trial, where the study names none."""
    if study.target_trial is not None:
        return []
    return ["The study names no target trial: say whom it is about, from when on, and what is compared."]


def unbalanced(rows: Balanced) -> list[str]:
    """Advice on terms in which the weighted arms are apart."""
    far = [row["term"] for row in rows if abs(row["weighted"] or 0.0) > _FAR]
    if not far:
        return []
    return [f"{', '.join(far)}: arms differ by more than {_FAR:g}; let the propensity model bend there."]


def balance_frame(rows: Balanced) -> pd.DataFrame:
    """One row per term, unrounded."""
    import pandas as pd  # see view

    return pd.DataFrame(rows).set_index("term").astype("float64")


def balance_plot(rows: Balanced, *, ax: Axes | None = None) -> Plot:
    """The love plot: sizes of the differences before and after weighting; ``.data`` has them with their signs."""
    before, after = (
        [None if row[kind] is None else abs(row[kind]) for row in rows] for kind in ("unweighted", "weighted")
    )
    data = balance_frame(rows)
    return love_plot(list(data.index), after, data, before=before, ax=ax)


def balance_table(title: str, rows: Balanced) -> TableData:
    """The same as a table."""
    shown = tuple(Row(row["term"], (fixed(row["unweighted"], 3), fixed(row["weighted"], 3))) for row in rows)
    return TableData(f"{title}: balance", ("Term", "Unweighted", "Weighted"), shown, ())
