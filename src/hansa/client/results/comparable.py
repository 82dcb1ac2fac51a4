"""Whether the sites' estimates of one name are of one quantity, and the numbers to combine when they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hansa.errors import StudyError
from hansa.stats.meta.stages import SiteModel, Stage

__all__ = ["MEASURES", "check_bases", "check_stages", "effects", "other_references", "site_model", "stage_of"]

MEASURES = {"intercept": 0.0, "slope": 1.0}
"""Of a validation, what has a standard error on a scale that may be pooled as it is, and its best value."""

_BASIS = re.compile(r"(^|:)(ns|bs|poly)\(")
_SAME = ("formula", "family", "link", "weights", "weights_type")


def effects(plain: Mapping[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """Estimates and standard errors by name; none for results that have none."""
    if "terms" in plain:
        return {term["name"]: (term["coef"], term["se"]) for term in plain["terms"]}
    return {name: (plain[name]["value"], plain[name]["se"]) for name in MEASURES if isinstance(plain.get(name), dict)}


def check_bases(term: str, plains: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse the term of a basis that each site made from its own data.

    Raises
    ------
    StudyError
        When the sites' knots or polynomials differ, so that one name stands for several columns.
    """
    if not _BASIS.search(term):
        return
    made = [_bases(plain) for plain in plains.values()]
    if any(one != made[0] for one in made):
        raise StudyError(
            f"the sites' estimates of {term} are not of one quantity",
            why="each site placed its knots, or made its polynomials, from its own data",
            fix="give knots=(...) and boundary=(...) in the formula, or take the pooled model",
            field="term",
        )


def _bases(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: fact for key, fact in plain.get("facts", {}).items() if "present" not in fact}


def other_references(term: str, plains: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The sites whose contrast ``f[level]`` is with another level, since nobody there has the reference.

    A level that a site dropped is the reference where other sites have it, but no coefficient for it.
    """
    named = {name for plain in plains.values() for name in effects(plain)}
    odd = {}
    for site, plain in plains.items():
        for factor, level in _dropped(plain):
            has_it = any((factor, level) not in _dropped(other) for other in plains.values())
            if has_it and f"{factor}[" in term and not any(f"{factor}[{level}]" in name for name in named):
                odd[site] = f"not comparable: nobody at this site has the reference level {level} of {factor}"
    return odd


def _dropped(plain: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [said.partition(": ")[::2] for said in plain.get("dropped_levels", ())]
    return [(factor, level) for factor, levels in pairs for level in levels.split(", ")]


# --- one stage and two --------------------------------------------------------------------------------------


def check_stages(one: Mapping[str, Any], sites: Sequence[Mapping[str, Any]], *, absent: bool) -> None:
    """Refuse to put unlike models side by side.

    Raises
    ------
    StudyError
        When the pooled model has one intercept for all, or the models or people differ.
    """
    if one["node"] != "intercepts":
        raise StudyError(
            "the pooled model has one intercept for all nodes",
            why="each site's own estimate has the site's own intercept, so the two would differ by that alone",
            fix='fit it with node="intercepts"',
            field="fit",
        )
    models = [[plain.get(field) for field in _SAME] for plain in (one, *sites)]
    if any(model != models[0] for model in models):
        raise StudyError("these are not the same model", fix="ask both for one formula and family", field="fit")
    people = sum(plain["n"] for plain in sites)
    if people > one["n"] or (people < one["n"] and not absent):
        raise StudyError(
            "the two stages are not of the same people",
            fix="ask both with the same population and complete=[...]",
            field="fit",
        )


def stage_of(term: Mapping[str, Any]) -> Stage:
    """A coefficient with its interval."""
    return Stage(term["coef"], term["se"], term["lower"], term["upper"])


def site_model(plain: Mapping[str, Any], terms: Sequence[str]) -> SiteModel:
    """Those of these coefficients that a site released, and their covariance."""
    found = effects(plain)
    places = [place for place, name in enumerate(plain["covariance_terms"]) if name in terms]
    kept = tuple(plain["covariance_terms"][place] for place in places)
    return SiteModel(
        kept, np.array([found[name][0] for name in kept]), np.array(plain["covariance"])[np.ix_(places, places)]
    )
