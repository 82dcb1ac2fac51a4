"""Hansa's own terms in plain words, as the page explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hansa.cli.demo.places import place

if TYPE_CHECKING:
    from hansa.cli.demo.story import Story
    from hansa.model import Analysis

__all__ = ["CHECKS", "CLASSES", "VERDICTS", "asked", "joined", "outcome", "size", "spelled", "titled"]

VERDICTS: Mapping[str, tuple[str, str]] = {
    "permit": ("✓", "Yes"),
    "refer": ("?", "People decide"),
    "deny": ("✕", "No"),
}
"""A verdict's sign and word; the sign tells them apart without colour."""

CHECKS: Mapping[str, str] = {
    "group": "enough people in every set that is summed",
    "cell": "enough people in every level and behind every column",
    "products": "enough people in every combination of two columns",
    "effective": "no weighted sum rests on a few people",
    "parameters": "fewer numbers asked for than people hide",
    "dominance": "no two people make up most of a sum",
    "differing": "compared with each earlier question: nobody can be singled out by subtracting one from the other",
    "combinations": "the same, for combinations of several earlier releases",
    "nodes": "enough hospitals in the total",
}

CLASSES: Mapping[str, str] = {
    "protected": "counts, for the hub and the hospitals only, as totals",
    "intermediate": "steps of the computation, for the hub only, as totals",
    "releasable": "a hospital's own estimate, checked and signed, for the researcher",
}

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_TITLES = {
    "flow": "Count of people, condition by condition",
    "table1": "Table of characteristics",
    "glm": "Regression",
    "validate": "Validation of a model",
}


def titled(method: str) -> str:
    """A method's name for people."""
    return _TITLES.get(method, method)


def asked(analysis: Analysis) -> str:
    """What an analysis asks, in a line."""
    arguments = analysis.arguments
    if "formula" in arguments:
        intercepts = ", an intercept for each hospital" if arguments.get("node") == "intercepts" else ""
        return f"{arguments['formula']}{intercepts}"
    if "variables" in arguments:
        return f"{', '.join(arguments['variables'])} by {arguments.get('by', 'nothing')}"
    return ", ".join(str(stage) for stage in arguments.get("stages", ()))


def outcome(story: Story, name: str) -> str:
    """What became of an analysis."""
    if name in story.refused:
        return "refused"
    plain = story.results[name].plain
    if "reasons" not in plain:
        return "answered"
    answered = len(plain["results"])
    return f"{answered} of {answered + len(plain['reasons'])} hospitals answered"


def joined(nodes: Sequence[str]) -> str:
    """Hospitals in a sentence.

    Examples
    --------
    >>> joined(["cleveland", "long_beach", "zurich"])
    'Cleveland, Long Beach and Zurich'
    """
    names = [place(node).name for node in nodes]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def spelled(count: int) -> str:
    """A small number as a word.

    Examples
    --------
    >>> spelled(4), spelled(13)
    ('four', '13')
    """
    return _SMALL[count] if count < len(_SMALL) else str(count)


def size(count: int) -> str:
    """Bytes for people.

    Examples
    --------
    >>> size(64), size(57024), size(1_310_720)
    ('64 B', '57.0 kB', '1.31 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.2f} MB"
