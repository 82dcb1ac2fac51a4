"""A picture with the numbers it shows."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line starts without them
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Plot"]


@dataclass(frozen=True, eq=False)
class Plot:
    """A drawn figure, its axes, and the data drawn.

    Notebooks show it; :meth:`save` writes PNG, SVG or PDF by the path's ending.
    """

    figure: Figure
    axes: Axes
    data: pd.DataFrame

    def save(self, path: str | Path, *, dpi: int = 300) -> Path:
        """Write the picture; its path."""
        self.figure.savefig(path, dpi=dpi, bbox_inches="tight", facecolor="white")
        return Path(path)

    def _repr_png_(self) -> bytes:
        return self._printed("png")

    def _repr_svg_(self) -> str:
        return self._printed("svg").decode()

    def _printed(self, form: str) -> bytes:
        written = io.BytesIO()
        self.figure.savefig(written, format=form, dpi=150, bbox_inches="tight", facecolor="white")
        return written.getvalue()
