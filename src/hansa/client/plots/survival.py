"""Survival curves with their bands, and under them the people still at risk.

Pocock SJ, Clayton TC, Altman DG (2002). Survival plots of time-to-event outcomes in clinical trials: good practice
and pitfalls. Lancet 359:1686.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, GREY, INK, TEXT, VERMILLION, canvas, figure_of, frame

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "COLOURS",
    "CurveLine",
    "RiskRow",
    "above_numbers",
    "label_axes",
    "predicted_plot",
    "survival_plot",
]

COLOURS = (BLUE, VERMILLION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_ROW = 0.17
_MARGIN = 0.55
_HEIGHT = 3.2
_LEFT, _RIGHT = 0.2, 0.02
_TIMES = 6


@dataclass(frozen=True, kw_only=True)
class RiskRow:
    """One group: at each shown time who is still at risk; it begins at 0 with everybody.

    Predicted curves have nobody at risk.
    """

    group: str
    people: int
    times: tuple[float, ...]
    at_risk: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CurveLine(RiskRow):
    """One group's survival at each shown time, with its bounds."""

    survival: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def survival_plot(
    lines: Sequence[CurveLine], what: str, notes: Sequence[str], data: pd.DataFrame, *, ax: Axes | None = None
) -> Plot:
    """Curves through the shown points, bands about them, and the numbers at risk at the ticks."""
    with above_numbers(lines, notes, ax) as axes:
        _curves(axes, lines, what)
        return Plot(figure_of(axes), axes, data)


@contextmanager
def above_numbers(lines: Sequence[RiskRow], notes: Sequence[str], ax: Axes | None) -> Iterator[Axes]:
    """Axes to draw curves on; below them, afterwards, those still at risk at the ticks, and the notes."""
    rows = len(lines) + 1 + len(notes)
    height = _HEIGHT + _MARGIN + _ROW * rows
    with canvas(ax, 6.0, height) as axes:
        if ax is None:
            bottom = (_MARGIN + _ROW * rows) / height
            axes.set_position((_LEFT, bottom, 1 - _LEFT - _RIGHT, 0.97 - bottom))
        yield axes
        _write_numbers(axes, lines, notes, height)


def label_axes(axes: Axes, time: str, what: str) -> None:
    """Name the axes: time, and what is drawn over it."""
    axes.set_xlabel(time)
    axes.set_ylabel(what)
    axes.locator_params(axis="x", nbins=_TIMES)
    frame(axes, "left", "bottom")


def predicted_plot(lines: Sequence[CurveLine], what: str, data: pd.DataFrame, *, ax: Axes | None = None) -> Plot:
    """Curves through the shown points, and bands about them, of people whom nobody watched."""
    with canvas(ax, 6.0, _HEIGHT + _MARGIN) as axes:
        _curves(axes, lines, what)
        return Plot(figure_of(axes), axes, data)


def _curves(axes: Axes, lines: Sequence[CurveLine], what: str) -> None:
    for place, line in enumerate(lines):
        _draw(axes, line, COLOURS[place % len(COLOURS)], dashed=place >= len(COLOURS))
    last = max((line.times[-1] for line in lines), default=1.0)
    axes.set(xlim=(0, last * 1.02), ylim=(0, 1.02))
    label_axes(axes, what, "Survival")
    if len(lines) > 1:
        axes.legend(frameon=False, loc="best", fontsize=TEXT)


def _draw(axes: Axes, line: CurveLine, colour: str, *, dashed: bool) -> None:
    times = (0.0, *line.times)
    axes.fill_between(times, (1.0, *line.lower), (1.0, *line.upper), color=colour, alpha=0.15, linewidth=0)
    style = "--" if dashed else "-"
    axes.plot(times, (1.0, *line.survival), style, color=colour, linewidth=1.2, label=line.group)
    axes.plot(line.times, line.survival, "o", color=colour, markersize=2.2)


def _write_numbers(axes: Axes, lines: Sequence[RiskRow], notes: Sequence[str], height: float) -> None:
    """Write those still at risk at the last shown time up to each tick, and the notes below."""
    inch = 1 / (axes.get_position().height * height)
    top = -(_MARGIN - 0.05) * inch
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    _write(axes, -0.045, top, "Still at risk", colour=GREY)
    for place, line in enumerate(lines, 1):
        down = top - place * _ROW * inch
        _write(axes, -0.045, down, line.group, colour=COLOURS[(place - 1) % len(COLOURS)])
        for tick in ticks:
            axes.text(
                (tick - low) / (high - low),
                down,
                _at(line, float(tick)),
                transform=axes.transAxes,
                ha="center",
                va="top",
                fontsize=TEXT - 1,
                color=INK,
                parse_math=False,
            )
    for place, note in enumerate(notes, len(lines) + 1):
        axes.text(
            -0.24,
            top - place * _ROW * inch,
            note,
            transform=axes.transAxes,
            ha="left",
            va="top",
            fontsize=TEXT - 1.5,
            color=GREY,
            parse_math=False,
        )


def _write(axes: Axes, x: float, y: float, said: str, *, colour: str) -> None:
    axes.text(x, y, said, transform=axes.transAxes, ha="right", va="top", fontsize=TEXT - 1, color=colour,
              parse_math=False)  # fmt: skip


def _at(line: RiskRow, time: float) -> str:
    """Who is at risk after the last shown time up to this one; nothing where the curve has ended."""
    if line.times and time > line.times[-1]:
        return ""
    before = [number for end, number in zip(line.times, line.at_risk, strict=True) if end <= time]
    return f"{before[-1] if before else line.people}"
