"""Histograms from counts that are already in bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, canvas, figure_of, frame

if TYPE_CHECKING:  # see style
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["histogram_plot"]


def histogram_plot(
    edges: Sequence[float],
    counts: Sequence[int],
    data: pd.DataFrame,
    *,
    label: str,
    unit: str,
    ax: Axes | None = None,
) -> Plot:
    """Bars over the bins.

    Where bins were merged they differ in width; the area is then the count, so that a wide bin does not look
    like many people.
    """
    widths = np.diff(edges)
    equal = bool(np.allclose(widths, widths[:1]))
    with canvas(ax, 6.0, 3.4) as axes:
        heights = np.asarray(counts) if equal else np.asarray(counts) / widths
        axes.bar(edges[:-1], heights, width=widths, align="edge", color=BLUE, edgecolor="white", linewidth=0.6)
        frame(axes, "left", "bottom")
        axes.margins(x=0.02)
        axes.set_xlabel(f"{label} ({unit})" if unit else label, parse_math=False)
        axes.set_ylabel("People" if equal else "People per unit of the axis")
        return Plot(figure_of(axes), axes, data)
