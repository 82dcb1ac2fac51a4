"""Cumulative incidence of competing causes with bands, and under it the people still at risk.

Colours tell groups, or causes where there is one group; kinds of line tell causes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import TEXT, figure_of
from hansa.client.plots.survival import COLOURS, RiskRow, above_numbers, label_axes

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["IncidenceLine", "incidence_plot"]

_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class IncidenceLine:
    """One cause in the group of this place: at each shown time its incidence and bounds; it begins at 0 with 0."""

    place: int
    cause: int
    label: str
    times: tuple[float, ...]
    incidence: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def incidence_plot(
    lines: Sequence[IncidenceLine],
    groups: Sequence[RiskRow],
    what: str,
    notes: Sequence[str],
    data: pd.DataFrame,
    *,
    ax: Axes | None = None,
) -> Plot:
    """Curves through the shown points, bands about them, and the numbers at risk at the ticks."""
    with above_numbers(groups, notes, ax) as axes:
        for line in lines:
            colour = line.place if len(groups) > 1 else line.cause
            _draw(axes, line, COLOURS[colour % len(COLOURS)])
        top = max((max(line.upper) for line in lines), default=1.0)
        axes.set(xlim=(0, max(line.times[-1] for line in lines) * 1.02), ylim=(0, min(1.02, top * 1.05)))
        label_axes(axes, what, "Cumulative incidence")
        axes.legend(frameon=False, loc="upper left", fontsize=TEXT)
        return Plot(figure_of(axes), axes, data)


def _draw(axes: Axes, line: IncidenceLine, colour: str) -> None:
    times = (0.0, *line.times)
    axes.fill_between(times, (0.0, *line.lower), (0.0, *line.upper), color=colour, alpha=0.15, linewidth=0)
    style = _STYLES[line.cause % len(_STYLES)]
    axes.plot(times, (0.0, *line.incidence), style, color=colour, linewidth=1.2, label=line.label)
    axes.plot(line.times, line.incidence, "o", color=colour, markersize=2.2)
