"""Matrices as shaded cells with their numbers written in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, INK, LIGHT, VERMILLION, canvas, figure_of, frame, set_labels, width_of

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

__all__ = ["Matrix", "matrix_plot"]

_CELL = (0.95, 0.42)


@dataclass(frozen=True)
class Matrix:
    """``shades`` (rows by columns) lie in ``limits``; ``None`` is hatched where it has a text, else empty."""

    shades: Sequence[Sequence[float | None]]
    texts: Sequence[Sequence[str]]
    rows: Sequence[str]
    columns: Sequence[str]
    row_title: str
    column_title: str
    limits: tuple[float, float]

    @property
    def diverging(self) -> bool:
        """Whether shades have a sign."""
        return self.limits[0] < 0


def matrix_plot(matrix: Matrix, data: pd.DataFrame, *, ax: Axes | None = None) -> Plot:
    """Draw the cells; long headings of columns are turned."""
    width = max(3.0, _CELL[0] * len(matrix.columns))
    with canvas(ax, width, max(1.0, _CELL[1] * len(matrix.rows))) as axes:
        colours = _colours(diverging=matrix.diverging)
        for i, (shades, texts) in enumerate(zip(matrix.shades, matrix.texts, strict=True)):
            for j, (shade, text) in enumerate(zip(shades, texts, strict=True)):
                _cell(axes, (j, i), _position(shade, matrix.limits), text, colours)
        axes.set_xlim(-0.5, len(matrix.columns) - 0.5)
        axes.set_ylim(len(matrix.rows) - 0.5, -0.5)
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
        set_labels(axes, "x", range(len(matrix.columns)), matrix.columns)
        set_labels(axes, "y", range(len(matrix.rows)), matrix.rows)
        axes.set_xlabel(matrix.column_title, parse_math=False)
        axes.set_ylabel(matrix.row_title, parse_math=False)
        frame(axes)
        axes.tick_params(top=False)
        if ax is None:
            _place(axes, matrix)
        return Plot(figure_of(axes), axes, data)


def _position(shade: float | None, limits: tuple[float, float]) -> float | None:
    return None if shade is None else (shade - limits[0]) / (limits[1] - limits[0])


def _colours(*, diverging: bool) -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap  # see style

    ends = [VERMILLION, "#FFFFFF", BLUE] if diverging else ["#FFFFFF", BLUE]
    return LinearSegmentedColormap.from_list("hansa", ends)


def _cell(
    axes: Axes, corner: tuple[int, int], position: float | None, text: str, colours: LinearSegmentedColormap
) -> None:
    from matplotlib.patches import Rectangle  # see style

    if position is None and not text:
        return
    x, y = corner
    shade = colours(position) if position is not None else (1.0, 1.0, 1.0, 1.0)
    red, green, blue, _ = shade
    dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.55
    hatch = "////" if position is None else None
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=shade, edgecolor=LIGHT, linewidth=0.6, hatch=hatch))
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1} if hatch else None
    axes.text(x, y, text, ha="center", va="center", color="white" if dark else INK, bbox=behind)


def _place(axes: Axes, matrix: Matrix) -> None:
    """Room for the headings, measured; columns' ones are turned where they would touch."""
    figure = figure_of(axes)
    cells = figure.get_figwidth(), figure.get_figheight()
    longest = width_of(figure, matrix.columns)
    turned = longest > 0.9 * cells[0] / len(matrix.columns)
    if turned:
        axes.tick_params(axis="x", labelrotation=40, pad=0)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("left")
            label.set_rotation_mode("anchor")
    left = width_of(figure, matrix.rows) + (0.45 if matrix.row_title else 0.2)
    above = (0.75 * longest if turned else 0.15) + (0.45 if matrix.column_title else 0.25)
    right = 0.1 + (0.7 * longest if turned else 0.0)
    width, height = left + cells[0] + right, above + cells[1] + 0.1
    figure.set_size_inches(width, height)
    figure.subplots_adjust(left / width, 0.1 / height, 1 - right / width, 1 - above / height)
