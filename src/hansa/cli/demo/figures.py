"""Pictures that stand inside the page: results' own plots, and intervals drawn from numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from hansa.cli.demo.models import Effect
    from hansa.client.plots import Plot

__all__ = ["Bar", "Intervals", "inline_svg", "intervals"]

_HEAD = re.compile(r"<svg\b[^>]*?viewBox=\"([^\"]*)\"[^>]*>")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style\b.*?</style>|<!--.*?-->", re.DOTALL)
_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0)


def inline_svg(plot: Plot, name: str, label: str) -> Markup:
    """A plot as an ``<svg>`` element of the page.

    A page of several drawings is one document: their identifiers get the prefix ``name``, and style sheets,
    prolog, and metadata (which names addresses on the network) go. ``label`` is what a screen reader says.
    """
    text = plot._repr_svg_()  # the protocol by which notebooks ask for it
    head = _HEAD.search(text)
    assert head is not None, "a plot writes one <svg> with a viewBox"
    body = _DROPPED.sub("", text[head.end() :])
    body = re.sub(r"\bid=\"", f'id="{name}-', body)
    body = re.sub(r"\b(?:xlink:)?href=\"#", f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    opening = f'<svg viewBox="{head[1]}" role="img" aria-label="{escape(label)}">'
    return Markup(opening + body)  # noqa: S704  # matplotlib escapes the text that it draws, or outlines it


@dataclass(frozen=True)
class Bar:
    """One interval: places in per cent of the axis."""

    label: str
    effect: Effect
    left: float
    middle: float
    right: float


@dataclass(frozen=True)
class Intervals:
    """Ratios on one logarithmic axis; ``none`` is the place of no effect, ``ticks`` are (place, ratio)."""

    bars: tuple[Bar, ...]
    none: float
    ticks: tuple[tuple[float, float], ...]


def intervals(effects: Sequence[tuple[str, Effect]]) -> Intervals:
    """Lay ratios out on one axis that holds them all and no effect.

    Examples
    --------
    >>> from hansa.cli.demo.models import Effect
    >>> drawn = intervals([("one", Effect(1.0, 0.5, 2.0, 0.9))])
    >>> round(drawn.none), round(drawn.bars[0].middle)
    (50, 50)
    """
    low = min([1.0, *(effect.lower for _, effect in effects)])
    high = max([1.0, *(effect.upper for _, effect in effects)])
    margin = 0.06 * math.log(high / low)
    start, span = math.log(low) - margin, math.log(high / low) + 2 * margin

    def across(ratio: float) -> float:
        return 100 * (math.log(ratio) - start) / span

    bars = tuple(
        Bar(label, effect, across(effect.lower), across(effect.ratio), across(effect.upper))
        for label, effect in effects
    )
    ticks = tuple((across(tick), tick) for tick in _TICKS if low <= tick <= high)
    return Intervals(bars, across(1.0), ticks)
