"""Forest plots: estimates with their intervals, one below the other.

Lewis S, Clarke M (2001). Forest plots: trying to see the wood and the trees. BMJ 322:1479-1480.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Literal

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, GREY, INK, LIGHT, TEXT, canvas, figure_of, frame, set_labels, width_of
from hansa.client.tables.numbers import estimate, fixed, ratio

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Forest", "ForestRow", "axis_ticks", "forest_plot"]

_ROW_HEIGHT = 0.26
_WIDTH = 6.0
_GAP = 0.14
_SQUARE = (2.5, 9.0)
_BEYOND = {"single": 3.0, "pooled": 6.0, "prediction": 3.0}
"""Of the usual half width of an interval, how far one of each kind may reach out."""

_LIGHTEST = 2.0


@dataclass(frozen=True)
class ForestRow:
    """One line: an estimate with its interval, or the reason why there is none.

    ``weight`` (per cent) sizes the square; a ``pooled`` estimate is drawn as a diamond, a ``prediction`` as a
    bar without a middle.
    """

    label: str
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    weight: float | None = None
    reason: str = ""
    kind: Literal["single", "pooled", "prediction"] = "single"

    @property
    def is_drawn(self) -> bool:
        """Whether there is an interval to draw."""
        return self.lower is not None and self.upper is not None


@dataclass(frozen=True)
class Forest:
    """What a forest plot shows: ``effect`` ("odds ratio") of ``what`` ("age"); ``reference`` is no effect.

    With ``ratio`` the axis is logarithmic.
    """

    rows: tuple[ForestRow, ...]
    effect: str
    what: str
    level: float
    ratio: bool
    reference: float
    note: str = ""

    @property
    def weighted(self) -> bool:
        """Whether rows carry weights."""
        return any(row.weight is not None for row in self.rows)

    def text(self, row: ForestRow) -> str:
        """A row's estimate and interval, in words."""
        if not row.is_drawn:
            return ""
        written = ratio if self.ratio else estimate
        return written(row.estimate, row.lower, row.upper)

    @property
    def heading(self) -> str:
        """What stands over the estimates."""
        return f"{self.effect[:1].upper()}{self.effect[1:]} ({100 * self.level:g}% CI)"


def forest_plot(forest: Forest, data: pd.DataFrame, *, ax: Axes | None = None) -> Plot:
    """Draw a forest plot.

    Squares have areas in proportion to their weights; intervals that reach beyond the axis end in an arrow.
    """
    height = _ROW_HEIGHT * (len(forest.rows) + 1) + 0.75 + 0.16 * bool(forest.note)
    with canvas(ax, _WIDTH, height) as axes:
        _scale(axes, forest)
        low, high = axes.get_xlim()
        axes.axvline(forest.reference, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        heaviest = max((row.weight for row in forest.rows if row.weight), default=None)
        for place, row in enumerate(forest.rows):
            _draw_row(axes, place, row, (low, high), heaviest)
        _write(axes, forest)
        if ax is None:
            _place(axes, forest, height)
        return Plot(figure_of(axes), axes, data)


# --- the axis -----------------------------------------------------------------------------------------------


def _scale(axes: Axes, forest: Forest) -> None:
    low, high = _limits(forest)
    if forest.ratio:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xlim(low, high)
    ticks = axis_ticks(low, high, ratio=forest.ratio)
    set_labels(axes, "x", ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.set_xlim(low, high)
    axes.set_ylim(len(forest.rows) - 0.3, -1.0)
    set_labels(axes, "y", range(len(forest.rows)), [row.label for row in forest.rows])
    frame(axes, "bottom")
    axes.set_xlabel(f"{forest.effect[:1].upper()}{forest.effect[1:]}{' of ' * bool(forest.what)}{forest.what}")


def _limits(forest: Forest) -> tuple[float, float]:
    """What the axis spans: everything, or with weights what the sites that weigh something span.

    A site without information must not squeeze the others to a line; of its interval, and of very wide ones,
    the part that reaches far beyond the others is cut.
    """
    scale, back = (math.log, math.exp) if forest.ratio else (float, float)
    spans = [
        (row.kind, scale(row.lower), scale(row.upper))
        for row in forest.rows
        if row.lower is not None and row.upper is not None and (row.weight is None or row.weight > _LIGHTEST)
    ]
    halves = sorted((high - low) / 2 for kind, low, high in spans if kind == "single")
    middles = [(low + high) / 2 for _, low, high in spans]
    usual = halves[len(halves) // 2] if forest.weighted and halves else math.inf
    ends = [scale(forest.reference)]
    for kind, low, high in spans:
        cap = usual * _BEYOND[kind]
        ends += [max(low, min(middles) - cap), min(high, max(middles) + cap)]
    margin = 0.04 * (max(ends) - min(ends)) or 0.5
    return back(min(ends) - margin), back(max(ends) + margin)


def axis_ticks(low: float, high: float, *, ratio: bool) -> list[float]:
    """Round numbers for an axis from ``low`` to ``high``; for ratios, those of a logarithmic one."""
    return _ratio_ticks(low, high) if ratio else _ticks(low, high)


def _ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios: 1, 2, 5 and their tens where the axis is wide, equal steps where it is narrow."""
    if high / low < 4:
        return [tick for tick in _ticks(low, high) if tick > 0]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 5), (1, 3), (1,)):
        ticks = [part * 10.0**power for power in powers for part in parts]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= 7:
            return shown
    return shown[:: math.ceil(len(shown) / 6)]


def _ticks(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator  # see style

    found = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(round(tick, 12)) for tick in found if low <= tick <= high]


# --- the rows -----------------------------------------------------------------------------------------------


def _draw_row(axes: Axes, place: int, row: ForestRow, limits: tuple[float, float], heaviest: float | None) -> None:
    if row.lower is None or row.upper is None:
        said = shorten(row.reason, 78, placeholder=" …")
        axes.text(
            0.0,
            place,
            said,
            transform=axes.get_yaxis_transform(),
            va="center",
            color=GREY,
            style="italic",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        return
    _whisker(axes, place, row, limits)
    if row.kind == "pooled" and row.estimate is not None:
        _diamond(axes, place, row.estimate, row.lower, row.upper)
    elif row.estimate is not None and limits[0] <= row.estimate <= limits[1]:
        axes.plot([row.estimate], [place], "s", color=BLUE, markersize=_side(row.weight, heaviest), markeredgewidth=0)


def _side(weight: float | None, heaviest: float | None) -> float:
    """The side of a square whose area goes with the weight, in points."""
    if weight is None or not heaviest:
        return 5.5
    return max(_SQUARE[0], _SQUARE[1] * math.sqrt(weight / heaviest))


def _diamond(axes: Axes, place: int, estimate: float, lower: float, upper: float) -> None:
    corners = [(lower, place), (estimate, place - 0.28), (upper, place), (estimate, place + 0.28)]
    axes.fill(*zip(*corners, strict=True), color=INK, linewidth=0, zorder=3)


def _whisker(axes: Axes, place: int, row: ForestRow, limits: tuple[float, float]) -> None:
    assert row.lower is not None
    assert row.upper is not None
    low, high = (min(max(bound, limits[0]), limits[1]) for bound in (row.lower, row.upper))
    colour, width = (GREY, 3.0) if row.kind == "prediction" else (INK, 1.0)
    axes.plot([low, high], [place, place], color=colour, linewidth=width, solid_capstyle="butt", zorder=1)
    for beyond, edge, marker in ((row.lower < limits[0], low, "<"), (row.upper > limits[1], high, ">")):
        if beyond:
            axes.plot([edge], [place], marker, color=colour, markersize=4, markeredgewidth=0, clip_on=False)


# --- the words ----------------------------------------------------------------------------------------------


def _columns(forest: Forest) -> list[tuple[str, list[str]]]:
    """Heading and texts of each column on the right."""
    columns = [(forest.heading, [forest.text(row) for row in forest.rows])]
    if forest.weighted:
        weights = ["" if row.weight is None else fixed(row.weight, 1) for row in forest.rows]
        columns.append(("Weight, %", weights))
    return columns


def _write(axes: Axes, forest: Forest) -> None:
    figure = figure_of(axes)
    inches = figure.get_figwidth() * axes.get_position().width
    if figure.axes == [axes]:
        inches = _middle(axes, forest)
    right = 1.0
    across = axes.get_yaxis_transform()
    for heading, texts in _columns(forest):
        right += (_GAP + width_of(figure, [heading, *texts])) / inches
        axes.text(right, -0.85, heading, transform=across, ha="right", va="center", weight="bold")
        for place, text in enumerate(texts):
            axes.text(right, place, text, transform=across, ha="right", va="center")
    first_pooled = next((place for place, row in enumerate(forest.rows) if row.kind != "single"), None)
    if first_pooled:
        axes.axhline(first_pooled - 0.5, color=LIGHT, linewidth=0.8, zorder=0)


def _middle(axes: Axes, forest: Forest) -> float:
    """Inches that are left for the axis between labels and columns."""
    left, right = _margins(axes, forest)
    return max(1.2, figure_of(axes).get_figwidth() - left - right)


def _margins(axes: Axes, forest: Forest) -> tuple[float, float]:
    figure = figure_of(axes)
    left = width_of(figure, [row.label for row in forest.rows]) + _GAP
    right = sum(_GAP + width_of(figure, [heading, *texts], TEXT) for heading, texts in _columns(forest)) + 0.05
    return left, right


def _place(axes: Axes, forest: Forest, height: float) -> None:
    left, right = _margins(axes, forest)
    figure = figure_of(axes)
    width = left + _middle(axes, forest) + right
    figure.set_figwidth(width)
    below = 0.5 + 0.16 * bool(forest.note)
    axes.tick_params(axis="y", length=0, pad=72 * (left - 0.04))
    for label in axes.get_yticklabels():
        label.set_horizontalalignment("left")
    figure.subplots_adjust(left / width, below / height, 1 - right / width, 1 - 0.25 / height)
    if forest.note:
        figure.text(left / width, 0.07 / height, forest.note, color=GREY, fontsize=TEXT - 0.5, va="bottom")
