"""Pooled rows dealt to nodes, for the tests of generalised linear models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from descriptive_cases import Columns, FixedPoint, deal, described
from numpy.typing import NDArray

from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.glm import plan as glm
from hansa.stats.glm.result import GlmResult

HERE = Path(__file__).parent

NUMBERS = ("x", "dose", "year", "time", "events", "cost", "level", "copies", "precision")

VARIABLES: dict[str, Variable] = described(
    *(Variable(name=name, type="number") for name in NUMBERS if name != "year"),
    Variable(name="year", type="integer", range=(1980, 2030)),
    Variable(name="yes", type="boolean"),
    Variable(name="g", type="category", levels=("a", "b", "c")),
)


def data() -> tuple[dict[str, FloatArray], NDArray[np.int64]]:
    """The columns of glm_data.csv, and the site of each row."""
    table = pd.read_csv(HERE / "glm_data.csv")
    columns = {name: table[name].to_numpy(dtype=np.float64) for name in (*NUMBERS, "yes")}
    columns["g"] = np.array(["abc".index(level) for level in table["g"]], dtype=np.float64)
    sites = np.array([int(site[1:]) for site in table["site"]])
    return columns, sites


def fit(
    columns: Columns, owners: NDArray[np.int64], variables: Mapping[str, Variable] = VARIABLES, **arguments: Any
) -> GlmResult:
    """The federated fit, with totals on the grid of the secure sum."""
    return fit_with_rounds(columns, owners, variables, **arguments)[0]


def fit_with_rounds(
    columns: Columns, owners: NDArray[np.int64], variables: Mapping[str, Variable] = VARIABLES, **arguments: Any
) -> tuple[GlmResult, list[str]]:
    """The federated fit, and the steps it asked for."""
    cohorts = FixedPoint(glm.METHOD, deal(columns, variables, owners), variables)
    return glm.plan(cohorts, arguments), cohorts.rounds


def coefs(result: GlmResult) -> FloatArray:
    """The estimated coefficients."""
    return np.array([term.coef for term in result.terms if term.coef is not None])


def errors(result: GlmResult) -> FloatArray:
    """Their standard errors."""
    return np.array([term.se for term in result.terms if term.se is not None])
