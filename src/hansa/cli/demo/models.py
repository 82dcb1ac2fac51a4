"""What the fitted models say, taken from the results as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hansa.cli.demo.places import in_order

if TYPE_CHECKING:
    from hansa.cli.demo.story import Story

__all__ = [
    "Effect",
    "SideBySide",
    "SiteRow",
    "analysed",
    "effect_of",
    "held_out",
    "labels",
    "side_by_side",
    "site_rows",
]

_STEP = 10.0


@dataclass(frozen=True)
class Effect:
    """A ratio with its interval and p value."""

    ratio: float
    lower: float
    upper: float
    p: float


@dataclass(frozen=True)
class SideBySide:
    """One coefficient in two models; ``None`` where a model does not have it."""

    name: str
    label: str
    left: Mapping[str, Any] | None
    right: Mapping[str, Any] | None


@dataclass(frozen=True)
class SiteRow:
    """One hospital's own answer: terms by name, or why there are none.

    ``outcome`` is ``answered``, ``inestimable`` or ``refused``; ``said`` is what the researcher was told.
    """

    node: str
    outcome: str
    n: int | None
    terms: Mapping[str, Mapping[str, Any]]
    said: str


def labels(story: Story) -> dict[str, str]:
    """Variables as the dictionary labels them, with units, as far as the study's tables show them."""
    rows = [
        row for name in ("table1", "exercise") if name in story.results for row in story.results[name].plain["rows"]
    ]
    return {row["variable"]: _labelled(row) for row in rows}


def _labelled(row: Mapping[str, Any]) -> str:
    label = str(row.get("label") or row["variable"])
    return f"{label} ({row['unit']})" if row.get("unit") else label


def term_label(name: str, known: Mapping[str, str]) -> str:
    """A coefficient's name in words.

    Examples
    --------
    >>> term_label("sex[female]", {"sex": "Sex"}), term_label("age", {}), term_label("exang[true]", {"exang": "Angina"})
    ('Sex: female', 'age', 'Angina')
    """
    variable, _, level = name.partition("[")
    label = known.get(variable, variable)
    return f"{label}: {level.rstrip(']')}" if level not in ("", "true]") else label


def terms_of(plain: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A fit's coefficients by name."""
    return {term["name"]: term for term in plain["terms"]}


def side_by_side(story: Story, left: str, right: str) -> tuple[SideBySide, ...]:
    """The coefficients of two fits, those of the first in its order, then the second's others."""
    known = labels(story)
    first, second = (terms_of(story.results[name].plain) for name in (left, right))
    names = dict.fromkeys([*first, *second])
    return tuple(SideBySide(name, term_label(name, known), first.get(name), second.get(name)) for name in names)


def effect_of(story: Story, analysis: str, term: str) -> Effect:
    """The odds ratio of ten units more."""
    found = terms_of(story.results[analysis].plain)[term]
    ratio, lower, upper = (math.exp(_STEP * found[bound]) for bound in ("coef", "lower", "upper"))
    return Effect(ratio, lower, upper, found["p"])


def held_out(story: Story) -> str:
    """The hospital that the model of ``without_zurich`` has not seen."""
    (node,) = set(story.study.cohorts) - set(story.study.analyses["without_zurich"].nodes)
    return node


def site_rows(story: Story, analysis: str) -> tuple[SiteRow, ...]:
    """Each hospital's own answer to an analysis, in the page's order."""
    plain = story.results[analysis].plain
    answered, reasons = plain["results"], plain["reasons"]
    return tuple(
        SiteRow(node, "answered", answered[node]["n"], terms_of(answered[node]), "")
        if node in answered
        else SiteRow(node, "refused" if reasons[node].startswith("refused") else "inestimable", None, {}, reasons[node])
        for node in in_order([*answered, *reasons])
    )


def analysed(story: Story) -> dict[str, int]:
    """People of the one analysis set by hospital, as far as results tell.

    Where they tell of all hospitals but one, that one has the rest of the total.
    """
    known = {row.node: row.n for row in site_rows(story, "sex_by_hospital") if row.n is not None}
    known[held_out(story)] = story.validation.plain["n"]
    unknown = set(story.study.cohorts) - set(known)
    if len(unknown) == 1:
        known[unknown.pop()] = story.results["risk_common"].plain["n"] - sum(known.values())
    return {node: known[node] for node in in_order(known)}
