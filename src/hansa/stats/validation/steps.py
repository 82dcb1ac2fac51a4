"""The sums of an external validation: what a frozen model's scores and the outcome give at a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from hansa.formula import design_matrix, facts_from_plain, offset, parse_formula, resolve_design, response
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.model.exposure import BoolArray, Exposure, FloatArray
from hansa.stats.contract import Arguments, Arrays, Frame, Inputs, Output, Preparation, Step
from hansa.stats.descriptive.quantiles import bin_counts
from hansa.stats.glm.families import working
from hansa.stats.glm.steps import gram_of

__all__ = ["BINS", "GROUPS", "STEPS", "reads"]

BINS = 1_000
"""Bins of scores; with as many, an area under the curve is known to about a thousandth."""

GROUPS = 10
"""Groups of a calibration curve at most."""


def reads(arguments: Arguments) -> tuple[str, ...]:
    """Every expression that the model's formula needs."""
    return tuple(str(expression) for expression in parse_formula(arguments["model"]["formula"]).expressions)


def _no_dimensions(_arguments: Arguments, _variables: Mapping[str, Variable]) -> dict[str, int]:
    return {}


def _scored(frame: Frame, arguments: Arguments) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Linear predictor and outcome, each (n,), and which rows the model covers."""
    model = arguments["model"]
    formula = parse_formula(model["formula"])
    design = resolve_design(formula, frame.variables, facts_from_plain(model["facts"]))
    beta = np.array([model["coefficients"][name] for name in design.names], dtype=np.float64)
    score = design_matrix(design, frame.columns, frame.variables, rows=frame.rows) @ beta
    score += offset(formula, frame.columns, frame.variables, rows=frame.rows)
    outcome = response(formula, frame.columns, frame.variables)
    return score, outcome, np.isfinite(score) & np.isin(outcome, (0.0, 1.0))


def _build(frame: Frame, arguments: Arguments) -> dict[str, FloatArray]:
    score, outcome, covered = _scored(frame, arguments)
    return {
        "score": score[covered],
        "outcome": outcome[covered],
        "covered": covered.astype(np.float64),
    }


def _exposures(frame: Frame, arguments: Arguments) -> tuple[Exposure, ...]:
    score, outcome, covered = _scored(frame, arguments)
    formula = parse_formula(arguments["model"]["formula"])
    plain = isinstance(formula.response, Name) and formula.response.name not in frame.derived
    return (
        Exposure(
            name="validation",
            rows=covered,
            columns=np.column_stack([score, outcome]),
            names=("linear predictor", str(formula.response)),
            derived=(True, not plain),
            strata=(False, False),
            variables=formula.names,
            products=True,
            indicator=(False, True),
        ),
    )


def _sums(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001  # a step takes inputs
    """People, events, expected events, squared errors, scores and their squares."""
    score, outcome = arrays["score"], arrays["outcome"]
    risk = expit(score)
    return {
        "n": float(len(score)),
        "events": outcome.sum(),
        "expected": risk.sum(),
        "brier": ((outcome - risk) ** 2).sum(),
        "score": score.sum(),
        "square": score @ score,
        "not_covered": (1 - arrays["covered"]).sum(),
    }


def _recalibration(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """A round of the logistic regression of the outcome on the score, at (intercept, slope)."""
    x = np.column_stack([np.ones_like(arrays["score"]), arrays["score"]])
    row = working("binomial", "logit", arrays["outcome"], x @ inputs["beta"])
    weights = np.zeros((len(arrays["covered"]), 2))
    weights[arrays["covered"] > 0] = np.column_stack([row.mu, row.weight])
    return {
        "gram": gram_of(x, row.weight),
        "score": row.residual @ x,
        "deviance": row.deviance.sum(),
        "invalid": 0.0,
        "weights": weights,
    }


def _histogram(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """People without and with the event, by score."""
    score, outcome = arrays["score"], arrays["outcome"]
    return {"counts": np.stack([bin_counts(score[outcome == value], inputs["edges"]) for value in (0.0, 1.0)])}


def _groups(arrays: Arrays, inputs: Inputs) -> dict[str, Any]:
    """Expected events between edges of the score."""
    place = np.searchsorted(inputs["edges"], arrays["score"], side="right")
    return {"expected": np.bincount(place, weights=expit(arrays["score"]), minlength=GROUPS)}


_SCORES = Preparation("validate.scores", 1, reads, _no_dimensions, _build, _exposures)

STEPS = (
    Step(
        "validate.sums",
        1,
        _SCORES,
        (
            Output("n", (), "protected"),
            Output("events", (), "protected"),
            Output("expected", (), "intermediate"),
            Output("brier", (), "intermediate"),
            Output("score", (), "intermediate"),
            Output("square", (), "intermediate"),
            Output("not_covered", (), "protected"),
        ),
        _sums,
    ),
    Step(
        "validate.recalibration",
        1,
        _SCORES,
        (
            Output("gram", (2, 2), "intermediate"),
            Output("score", (2,), "intermediate"),
            Output("deviance", (), "intermediate"),
            Output("invalid", (), "intermediate"),
        ),
        _recalibration,
        weight_names=("recalibrated risk", "working weight"),
        centred=1,
    ),
    Step("validate.histogram", 1, _SCORES, (Output("counts", (2, BINS), "protected"),), _histogram),
    Step("validate.groups", 1, _SCORES, (Output("expected", (GROUPS,), "intermediate"),), _groups),
)
