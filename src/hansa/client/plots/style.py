"""How all pictures look, and the canvas they are drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:  # the command line starts without matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "LIGHT",
    "TEXT",
    "VERMILLION",
    "canvas",
    "figure_of",
    "frame",
    "set_labels",
    "width_of",
]

BLUE, VERMILLION = "#0072B2", "#D55E00"
"""Colours that people with any colour vision tell apart (Okabe and Ito 2008)."""

INK, GREY, LIGHT = "#222222", "#6B6B6B", "#D9D9D9"

TEXT = 8.0
"""Points, at a width of 6 inches."""

_STYLE = {
    "font.family": "sans-serif",
    "font.size": TEXT,
    "axes.titlesize": TEXT + 1,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "axes.unicode_minus": True,
    "text.parse_math": False,  # names of cohorts are text, whatever signs they hold
    "hatch.linewidth": 0.5,
    "hatch.color": GREY,
}


@contextmanager
def canvas(ax: Axes | None, width: float, height: float) -> Iterator[Axes]:
    """Axes in the common style: those given, or new ones on a figure of this size (inches) of its own.

    pyplot keeps every figure alive and picks a window system; neither is wanted of a result.
    """
    from matplotlib import rc_context  # 0.3 s that only pictures need
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # as above
    from matplotlib.figure import Figure  # as above

    with rc_context(rc=cast("Any", _STYLE)):  # its stub lists every key as a literal
        if ax is not None:
            yield ax
            return
        figure = Figure(figsize=(width, height), layout=None)
        FigureCanvasAgg(figure)
        yield figure.add_subplot()


def figure_of(ax: Axes) -> Figure:
    """The figure that the axes are on."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def frame(ax: Axes, *sides: str) -> None:
    """Keep only these sides of the frame."""
    for name, spine in ax.spines.items():
        spine.set_visible(name in sides)
    ax.tick_params(left="left" in sides, bottom="bottom" in sides)


def set_labels(ax: Axes, axis: str, places: Sequence[float], labels: Sequence[str]) -> None:
    """Tick labels that are text: nothing in them is read as mathematics."""
    chosen = ax.xaxis if axis == "x" else ax.yaxis
    chosen.set_ticks(list(places), labels=list(labels))
    for label in chosen.get_ticklabels():
        label.set_parse_math(False)


def width_of(figure: Figure, texts: Sequence[str], size: float = TEXT) -> float:
    """The width in inches of the widest of the texts."""
    from matplotlib.text import Text  # see canvas

    widths = [0.0]
    for text in texts:
        drawn = Text(0, 0, text, fontsize=size, figure=figure, parse_math=False)
        widths.append(drawn.get_window_extent(dpi=figure.dpi).width / figure.dpi)
    return max(widths)
