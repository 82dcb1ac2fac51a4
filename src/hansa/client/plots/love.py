"""Love plots: how far apart groups are, one standardised difference per variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, GREY, LIGHT, canvas, figure_of, frame, set_labels

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["love_plot"]

_NEGLIGIBLE = 0.1
"""Below it a difference is commonly taken for balance (Austin 2009, Communications in Statistics 38:1228)."""


def love_plot(
    labels: Sequence[str],
    differences: Sequence[float | None],
    data: pd.DataFrame,
    *,
    before: Sequence[float | None] = (),
    ax: Axes | None = None,
) -> Plot:
    """Standardised differences as points, top to bottom in the order given; a blank one says so.

    Those of ``before`` weighting, where there are some, are hollow.
    """
    with canvas(ax, 6.0, 0.26 * len(labels) + 0.9) as axes:
        places = range(len(labels))
        axes.hlines(list(places), 0, 1, transform=axes.get_yaxis_transform(), color=LIGHT, linewidth=0.6, zorder=0)
        axes.axvline(_NEGLIGIBLE, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        for place, difference in zip(places, differences, strict=True):
            if difference is None:
                _say_blank(axes, place)
            else:
                axes.plot([difference], [place], "o", color=BLUE, markersize=6, clip_on=False, zorder=2)
        for place, difference in enumerate(before):
            if difference is not None:
                axes.plot([difference], [place], "o", color=GREY, markerfacecolor="white", markersize=6, zorder=1.5)
        known = [difference for difference in (*differences, *before) if difference is not None]
        axes.set_xlim(0, max([*known, 2 * _NEGLIGIBLE]) * 1.08)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        set_labels(axes, "y", places, labels)
        frame(axes, "bottom")
        hollow = "; hollow: unweighted" if before else ""
        axes.set_xlabel(f"Standardised mean difference (dashed: 0.1{hollow})")
        return Plot(figure_of(axes), axes, data)


def _say_blank(axes: Axes, place: int) -> None:
    axes.text(
        0.01,
        place,
        "withheld or not defined",
        transform=axes.get_yaxis_transform(),
        va="center",
        color=GREY,
        style="italic",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
