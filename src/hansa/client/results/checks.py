"""What a model assumes, tested, with advice in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # see view
    import pandas as pd

__all__ = ["Checks"]


@dataclass(frozen=True, eq=False)
class Checks:
    """``summary`` has a row per test; ``advice`` says what follows, most urgent first."""

    summary: pd.DataFrame
    advice: Sequence[str]

    def __str__(self) -> str:
        """The advice, then the tests."""
        lines = [f"- {sentence}" for sentence in self.advice]
        return "\n".join([*lines, "", self.summary.to_string(float_format=lambda value: f"{value:.4g}")])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.advice)
        return f"<ul>{items}</ul>{self.summary.to_html(escape=True)}"
