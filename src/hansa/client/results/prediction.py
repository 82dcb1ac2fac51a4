"""Predictions from a result and covariates that the researcher makes up; no rows of anybody are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hansa.client.plots.survival import CurveLine
from hansa.errors import StudyError
from hansa.formula import (
    derive_columns,
    derived_variables,
    design_matrix,
    facts_from_plain,
    names_in,
    parse_derivations,
    parse_formula,
    raw_variables,
    resolve_design,
)
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.cox.baseline import predicted

if TYPE_CHECKING:  # see view
    import pandas as pd

    from hansa.client.league import Submitted
    from hansa.stats.cox.result import CoxResult

__all__ = ["hazard_ratios", "predicted_curves", "survival_of"]


def hazard_ratios(
    result: CoxResult,
    study: Submitted,
    people: pd.DataFrame | Mapping[str, Any],
    reference: Mapping[str, Any] | None,
) -> pd.DataFrame:
    """The hazard of each row of ``people`` relative to the reference (or the first row), with intervals.

    Raises
    ------
    StudyError
        When a variable is missing, or a level is not known.
    """
    import pandas as pd
    from scipy.special import ndtri

    table = people if isinstance(people, pd.DataFrame) else pd.DataFrame([dict(people)])
    compared = table.iloc[:1] if reference is None else pd.DataFrame([dict(reference)])
    difference = _columns(result, study, table) - _columns(result, study, compared)
    coef = np.array([result.by_name[name].coef for name in result.covariance_terms], dtype=np.float64)
    middle = difference @ coef
    error = np.sqrt(np.einsum("ij,jk,ik->i", difference, np.array(result.covariance), difference))
    half = float(ndtri(0.5 + result.level / 2)) * error
    return pd.DataFrame(
        {
            "log_hazard_ratio": middle,
            "se": error,
            "hazard_ratio": np.exp(middle),
            "hr_lower": np.exp(middle - half),
            "hr_upper": np.exp(middle + half),
        },
        index=table.index,
    )


def survival_of(result: CoxResult, study: Submitted, people: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
    """Survival of each row of ``people`` at each shown time of each stratum, with intervals on the scale of log S.

    Raises
    ------
    StudyError
        When the model has no baseline hazard to be shown, a variable is missing, or a level is not known.
    """
    import pandas as pd
    from scipy.special import ndtri

    if not any(one.points for one in result.baseline_hazards):
        raise StudyError(
            "this model has no baseline hazard that may be shown",
            why="it stays at the nodes, times are derived, rows have weights, or too few people have the event",
            fix="take baseline = pooled, with times as they are recorded; predict() gives hazards relative to others",
            field="baseline",
        )
    table = people if isinstance(people, pd.DataFrame) else pd.DataFrame([dict(people)])
    coef = np.array([result.by_name[name].coef for name in result.covariance_terms], dtype=np.float64)
    z, columns, frames = float(ndtri(0.5 + result.level / 2)), _columns(result, study, table), []
    for one in result.baseline_hazards:
        hazard, error = predicted(one, coef, np.array(result.covariance), columns)
        times = [point.time for point in one.points]
        index = pd.MultiIndex.from_product([[one.stratum], table.index, times], names=["stratum", "person", "time"])
        bounds = {"lower": np.exp(-hazard - z * error), "upper": np.minimum(np.exp(-hazard + z * error), 1.0)}
        shown = {"survival": np.exp(-hazard), **bounds, "cumulative_hazard": hazard, "se": error}
        frames.append(pd.DataFrame({name: values.ravel() for name, values in shown.items()}, index=index))
    return pd.concat(frames)


def predicted_curves(frame: pd.DataFrame) -> list[CurveLine]:
    """The curves of :func:`survival_of`, one for each row of people in each stratum, named by them."""
    strata = frame.index.get_level_values("stratum").unique()
    lines = []
    for (stratum, person), curve in frame.groupby(level=["stratum", "person"], sort=False):
        times = tuple(map(float, curve.index.get_level_values("time")))
        survival, lower, upper = (tuple(curve[name].tolist()) for name in ("survival", "lower", "upper"))
        named = str(person) if len(strata) == 1 else f"{person}, {stratum}"
        lines.append(CurveLine(group=named, people=0, times=times, survival=survival, lower=lower, upper=upper))
    return lines


def _variables(study: Submitted) -> Mapping[str, Variable]:
    return derived_variables(study.study.derive, study.league.dictionary.by_name)


def _columns(result: CoxResult, study: Submitted, table: pd.DataFrame) -> FloatArray:
    """The columns that have a coefficient, for these rows."""
    formula, variables = parse_formula(result.formula), _variables(study)
    design = resolve_design(formula, variables, facts_from_plain(result.facts))
    needed = frozenset[str]().union(*(names_in(one.factor.expression) for one in design.factors))
    known = study.league.dictionary.by_name
    columns = {name: _numbers(table, known[name]) for name in sorted(_raw(needed, study)) if name in known}
    wanted = {name: study.study.derive[name] for name in study.study.derive if name in needed}
    derived = derive_columns(wanted, columns, known)[0] if wanted else columns
    places = [design.names.index(name) for name in result.covariance_terms]
    found = design_matrix(design, derived, variables, rows=len(table))[:, places]
    if not np.isfinite(found).all():
        raise StudyError("a prediction needs every covariate", why="one is missing or not a number", field="people")
    return found


def _raw(needed: frozenset[str], study: Submitted) -> frozenset[str]:
    derive = parse_derivations(study.study.derive)
    return frozenset[str]().union(*(raw_variables(Name(name), derive) for name in needed))


def _numbers(table: pd.DataFrame, variable: Variable) -> FloatArray:
    """A column as the node would hold it: levels by their place."""
    if variable.name not in table:
        raise StudyError(f"{variable.name} is missing", why="the model needs it", field=f"people.{variable.name}")
    values = table[variable.name].tolist()
    if not variable.is_categorical:
        return np.array(values, dtype=np.float64)
    levels = {level: float(place) for place, level in enumerate(variable.coded_levels)}
    unknown = [value for value in values if str(value).lower() not in levels and str(value) not in levels]
    if unknown:
        raise StudyError(
            f"{variable.name} has no level {unknown[0]}",
            fix=f"one of {', '.join(variable.coded_levels)}",
            field=f"people.{variable.name}",
        )
    return np.array([levels.get(str(value), levels.get(str(value).lower(), np.nan)) for value in values])
