"""Participant flow: how many people are left after each condition, over the league (STROBE 2007, item 13).

It is also the question of feasibility: how many people a study would have, before anything is committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hansa.errors import StudyError
from hansa.formula import evaluate, parse_expression
from hansa.model import Variable
from hansa.model.exposure import Exposure
from hansa.stats.arguments import no_others
from hansa.stats.contract import (
    Arguments,
    Arrays,
    Cohorts,
    Frame,
    Inputs,
    Method,
    Output,
    Preparation,
    Request,
    Step,
)
from hansa.stats.plain import Result

__all__ = ["METHOD", "Flow", "Stage"]

_CELL = 5


@dataclass(frozen=True)
class Stage:
    """One condition: how many people remain, and how many it left out.

    Both are ``None`` where the condition leaves out, or leaves over, fewer than a cell of people.
    """

    condition: str
    remaining: int | None
    left_out: int | None


@dataclass(frozen=True)
class Flow(Result):
    """Who remains after each condition, in order."""

    schema: ClassVar[str] = "flow/1.0"
    people: int
    stages: tuple[Stage, ...]


def _reads(arguments: Arguments) -> tuple[str, ...]:
    return tuple(_text(stage) for stage in arguments["stages"])


def _text(stage: str) -> str:
    return stage.removeprefix("known:").strip()


def _build(frame: Frame, arguments: Arguments) -> Arrays:
    remaining = np.ones(frame.rows, dtype=np.bool_)
    kept = [remaining]
    for stage in arguments["stages"]:
        value = evaluate(parse_expression(_text(stage)), frame.columns, frame.variables)
        kept.append(kept[-1] & (~np.isnan(value) if stage.startswith("known:") else value == 1))
    return {"kept": np.column_stack(kept).astype(np.float64)}


def _dimensions(arguments: Arguments, _variables: Mapping[str, Variable]) -> Mapping[str, int]:
    return {"stages": len(arguments["stages"]) + 1}


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    """The people counted; a count tells of whether values are known, so nothing is compared by value."""
    rows = np.ones(frame.rows, dtype=np.bool_)
    return (Exposure(f"flow {arguments['stages']}", rows, np.zeros((frame.rows, 0))),)


def _count(arrays: Arrays, _inputs: Inputs) -> Arrays:
    return {"people": arrays["kept"].sum(axis=0)}


_PREPARATION = Preparation("flow", 1, _reads, _dimensions, _build, _exposures)

_COUNT = Step("flow.count", 1, _PREPARATION, (Output("people", ("stages",), "protected"),), _count)


def flow(cohorts: Cohorts, arguments: Arguments) -> Flow:
    """Count the people after each stage.

    ``stages`` are conditions in the formula grammar; one that begins with ``known:`` keeps the people for
    whom its expression is not missing. Where a stage leaves out fewer than a cell of people, its own numbers
    are withheld, and a later stage is counted from the last number shown.
    """
    counts = [round(count) for count in cohorts.sum("flow.count", Request(arguments)).people]
    shown = counts[0]
    stages = []
    for condition, count in zip(arguments["stages"], counts[1:], strict=True):
        left_out = shown - count
        if 0 < left_out < _CELL or 0 < count < _CELL:
            stages.append(Stage(condition, None, None))
        else:
            stages.append(Stage(condition, count, left_out))
            shown = count
    return Flow(counts[0], tuple(stages))


def _complete(arguments: Arguments, _variables: Mapping[str, Variable]) -> tuple[str, ...]:
    no_others(arguments, "stages")
    stages = arguments.get("stages")
    if not isinstance(stages, list | tuple) or not all(isinstance(stage, str) for stage in stages):
        raise StudyError("stages is a list of conditions", field="arguments.stages")
    return ()


METHOD = Method(
    name="flow",
    version=1,
    title="Participant flow and feasibility",
    steps=(_COUNT,),
    plan=flow,
    complete=_complete,
    counts_rows=True,
    citations=("von Elm et al. (2007), The STROBE statement, Lancet 370:1453-1457",),
)
