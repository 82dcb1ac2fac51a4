"""The pooled facts of a design: which levels occur, where knots lie, how polynomials recur."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hansa.formula import Fact, Formula, LevelFact, Need, design_needs, evaluate, parse_formula
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arguments, Arrays, Cohorts, Frame, Inputs, Output, Preparation, Request, Step
from hansa.stats.design import reads, set_exposure

__all__ = ["FACT_STEPS", "pooled_facts"]


def _needs(arguments: Arguments, variables: Mapping[str, Variable], kind: str) -> list[Need]:
    needs = design_needs(parse_formula(arguments["formula"]), variables)
    return [need for need in needs if need.kind == kind]


def _level_dimensions(arguments: Arguments, variables: Mapping[str, Variable]) -> dict[str, int]:
    return {"levels": sum(len(need.levels) for need in _needs(arguments, variables, "levels"))}


def _build_levels(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    blocks = [
        evaluate(need.expression, frame.columns, frame.variables)[:, None] == np.arange(len(need.levels))
        for need in _needs(arguments, frame.variables, "levels")
    ]
    return {"levels": np.hstack(blocks).astype(np.float64)}


def _count_levels(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    return {"counts": arrays["levels"].sum(axis=0)}


_LEVELS = Preparation("glm.levels", 1, reads, _level_dimensions, _build_levels, set_exposure)

LEVELS = Step("glm.levels", 1, _LEVELS, (Output("counts", ("levels",), "protected"),), _count_levels)


def pooled_facts(cohorts: Cohorts, formula: Formula) -> dict[str, Fact]:
    """All facts that the formula's design needs."""
    needs = design_needs(formula, cohorts.variables)
    return {**_level_facts(cohorts, formula, [need for need in needs if need.kind == "levels"])}


def _level_facts(cohorts: Cohorts, formula: Formula, needs: list[Need]) -> dict[str, Fact]:
    if not needs:
        return {}
    counts = cohorts.sum("glm.levels", Request({"formula": str(formula)}))["counts"]
    ends = np.cumsum([len(need.levels) for need in needs])[:-1]
    present = [tuple(bool(count > 0.5) for count in part) for part in np.split(counts, ends)]
    return {need.key: LevelFact(found) for need, found in zip(needs, present, strict=True)}


FACT_STEPS = (LEVELS,)
