"""Flow diagrams of participants (STROBE 2007, item 13c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import GREY, INK, TEXT, canvas, figure_of

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["FlowStep", "flow_plot"]

_LINE = 0.16
_PAD = 0.16
_GAP = 0.24
_WIDTH = 6.0
_MAIN = (0.1, 3.0)
_SIDE = (3.35, 5.9)


@dataclass(frozen=True)
class FlowStep:
    """Who is left (``remains``), and who was not kept on the way there (``left_out``, empty for none)."""

    remains: str
    left_out: str = ""


def flow_plot(steps: Sequence[FlowStep], data: pd.DataFrame, *, ax: Axes | None = None) -> Plot:
    """Boxes from top to bottom, with boxes at the side for those who were left out."""
    boxes = [(_lines(step.left_out, _SIDE), _lines(step.remains, _MAIN)) for step in steps]
    height = _GAP * len(boxes) + sum(_tall(left_out) + _box_height(remains) for left_out, remains in boxes)
    with canvas(ax, _WIDTH, height) as axes:
        axes.set_xlim(0, _WIDTH)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        if ax is None:
            axes.set_position((0, 0, 1, 1))
        top = _GAP / 2
        for place, (left_out, remains) in enumerate(boxes):
            top = _step(axes, top, left_out, remains, arrow=place > 0)
        return Plot(figure_of(axes), axes, data)


def _lines(text: str, box: tuple[float, float]) -> list[str]:
    per_inch = 14.5
    return [line for part in text.split("\n") for line in wrap(part, int((box[1] - box[0]) * per_inch))]


def _box_height(lines: Sequence[str]) -> float:
    return _LINE * len(lines) + _PAD


def _tall(left_out: Sequence[str]) -> float:
    """What a box at the side adds to the way between two boxes."""
    return _box_height(left_out) + _GAP if left_out else 0.0


def _step(axes: Axes, top: float, left_out: Sequence[str], remains: Sequence[str], *, arrow: bool) -> float:
    """One step from ``top`` downwards; where the next one begins."""
    middle = sum(_MAIN) / 2
    below = top + _tall(left_out) + (_GAP if arrow else 0.0)
    if arrow:
        _arrow(axes, (middle, top), (middle, below))
    if left_out:
        centre = (top + below) / 2
        _arrow(axes, (middle, centre), (_SIDE[0], centre))
        _box(axes, _SIDE, centre, left_out, GREY)
    bottom = below + _box_height(remains)
    _box(axes, _MAIN, (below + bottom) / 2, remains, INK)
    return bottom


def _box(axes: Axes, across: tuple[float, float], centre: float, lines: Sequence[str], colour: str) -> None:
    from matplotlib.patches import Rectangle  # see style

    height = _box_height(lines)
    corner = (across[0], centre - height / 2)
    axes.add_patch(Rectangle(corner, across[1] - across[0], height, facecolor="white", edgecolor=colour, linewidth=0.8))
    first = centre - _LINE * (len(lines) - 1) / 2
    for place, line in enumerate(lines):
        axes.text(sum(across) / 2, first + place * _LINE, line, ha="center", va="center", fontsize=TEXT)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
    )
