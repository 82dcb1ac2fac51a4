"""Boxes from quantiles alone: nobody's own value is ever drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, GREY, INK, canvas, figure_of, frame, set_labels

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Box", "box_plot"]


@dataclass(frozen=True)
class Box:
    """A group's 5, 25, 50, 75 and 95 per cent quantiles; ``None`` where too few people are."""

    label: str
    quantiles: tuple[float | None, ...]


def box_plot(boxes: Sequence[Box], data: pd.DataFrame, *, label: str, ax: Axes | None = None) -> Plot:
    """Horizontal boxes of the quartiles, whiskers to the 5 and 95 per cent quantiles."""
    with canvas(ax, 6.0, 0.42 * len(boxes) + 0.9) as axes:
        for place, box in enumerate(boxes):
            _draw(axes, place, box)
        axes.set_ylim(len(boxes) - 0.4, -0.6)
        set_labels(axes, "y", range(len(boxes)), [box.label for box in boxes])
        frame(axes, "bottom")
        axes.set_xlabel(f"{label} (box: quartiles; whiskers: 5 and 95%)", parse_math=False)
        return Plot(figure_of(axes), axes, data)


def _draw(axes: Axes, place: int, box: Box) -> None:
    p5, p25, p50, p75, p95 = box.quantiles
    for inner, outer in ((p25, p5), (p75, p95)):
        if inner is not None and outer is not None:
            axes.plot([inner, outer], [place, place], color=INK, linewidth=0.9, zorder=1)
    if p25 is not None and p75 is not None:
        axes.barh(place, p75 - p25, left=p25, height=0.5, color="white", edgecolor=BLUE, linewidth=1.2, zorder=2)
    if p50 is not None:
        axes.plot([p50, p50], [place - 0.25, place + 0.25], color=BLUE, linewidth=2.0, zorder=3)
    if all(value is None for value in box.quantiles):
        across = axes.get_yaxis_transform()
        axes.text(0.01, place, "too few people", transform=across, va="center", color=GREY, style="italic")
