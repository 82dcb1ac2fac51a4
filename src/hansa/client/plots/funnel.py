"""Funnel plots: each site's estimate against its standard error, the precise ones on top.

Sterne JAC, Egger M (2001). Funnel plots for detecting bias in meta-analysis: guidelines on choice of axis. Journal
of Clinical Epidemiology 54:1046-1055.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import ndtri

from hansa.client.plots.forest import axis_ticks
from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, GREY, INK, VERMILLION, canvas, figure_of, frame, set_labels

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["FunnelPlot", "funnel_plot"]


@dataclass(frozen=True)
class FunnelPlot:
    """What a funnel plot shows; ``estimates`` and ``centre`` are on the scale of the coefficient.

    ``line`` is Egger's regression: the estimate at no standard error, and its change per unit of it. With
    ``ratio`` the axis is labelled with exponentials.
    """

    estimates: Sequence[float]
    errors: Sequence[float]
    centre: float
    level: float
    label: str
    ratio: bool
    line: tuple[float, float] | None
    note: str


def funnel_plot(funnel: FunnelPlot, data: pd.DataFrame, *, ax: Axes | None = None) -> Plot:
    """Draw the sites about the fixed effect, and where sites without heterogeneity would lie."""
    with canvas(ax, 5.2, 3.9) as axes:
        deepest = 1.08 * max(funnel.errors)
        half = float(ndtri((1 + funnel.level) / 2)) * deepest
        middle = funnel.centre
        axes.plot([middle - half, middle, middle + half], [deepest, 0, deepest], "--", color=GREY, linewidth=0.8)
        axes.plot([middle, middle], [0, deepest], color=INK, linewidth=0.8)
        if funnel.line is not None:
            start, slope = funnel.line
            axes.plot([start, start + slope * deepest], [0, deepest], color=VERMILLION, linewidth=1.2)
        axes.plot(funnel.estimates, funnel.errors, "o", color=BLUE, markersize=5, markeredgewidth=0, zorder=3)
        axes.set_ylim(deepest, 0)
        axes.set_ylabel("Standard error")
        _across(axes, funnel)
        frame(axes, "left", "bottom")
        if ax is None:
            figure = figure_of(axes)
            figure.subplots_adjust(0.13, 0.21, 0.97, 0.97)
            figure.text(0.13, 0.02, funnel.note, color=GREY, fontsize=7.5, va="bottom", wrap=True)
        return Plot(figure_of(axes), axes, data)


def _across(axes: Axes, funnel: FunnelPlot) -> None:
    low, high = axes.get_xlim()
    if funnel.ratio:
        ratios = axis_ticks(math.exp(max(low, -30.0)), math.exp(min(high, 30.0)), ratio=True)
        ticks = [(math.log(tick), f"{tick:g}") for tick in ratios]
    else:
        ticks = [(tick, f"{tick:g}".replace("-", "−")) for tick in axis_ticks(low, high, ratio=False)]
    set_labels(axes, "x", [place for place, _ in ticks], [text for _, text in ticks])
    axes.set_xlim(low, high)
    axes.set_xlabel(funnel.label)
