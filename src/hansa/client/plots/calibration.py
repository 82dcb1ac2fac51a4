"""Calibration plots: observed against predicted risk in groups of people.

Van Calster B et al. (2019). Calibration: the Achilles heel of predictive analytics. BMC Medicine 17:230.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.client.plots.plot import Plot
from hansa.client.plots.style import BLUE, GREY, INK, canvas, figure_of, frame

if TYPE_CHECKING:  # see style
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["CalibrationGroup", "calibration_plot"]


@dataclass(frozen=True)
class CalibrationGroup:
    """People of similar predicted risk: mean prediction, share observed with its interval."""

    predicted: float
    observed: float
    lower: float
    upper: float


def calibration_plot(
    groups: Sequence[CalibrationGroup], said: Sequence[str], data: pd.DataFrame, *, ax: Axes | None = None
) -> Plot:
    """Points with their intervals about the diagonal of perfect calibration; ``said`` stands in the corner."""
    with canvas(ax, 4.2, 4.2) as axes:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        for group in groups:
            axes.plot([group.predicted] * 2, [group.lower, group.upper], color=INK, linewidth=0.8, zorder=1)
        predicted, observed = [group.predicted for group in groups], [group.observed for group in groups]
        axes.plot(predicted, observed, "-o", color=BLUE, markersize=5, linewidth=1.0, zorder=2)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("Predicted risk")
        axes.set_ylabel("Observed share")
        frame(axes, "left", "bottom")
        _say(axes, "\n".join(said), above=sum(observed) > sum(predicted))
        return Plot(figure_of(axes), axes, data)


def _say(axes: Axes, said: str, *, above: bool) -> None:
    """In the corner that the curve leaves free."""
    x, y, across, along = (0.98, 0.02, "right", "bottom") if above else (0.02, 0.98, "left", "top")
    axes.text(x, y, said, transform=axes.transAxes, ha=across, va=along, linespacing=1.4)
