"""Pooled columns dealt to nodes, for the tests of the descriptive methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hansa.examples import heart, heart_dictionary
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Frame, Method, Request, Totals
from hansa.stats.direct import DirectCohorts

Columns = Mapping[str, FloatArray]
Variables = Mapping[str, Variable]


class FixedPoint(DirectCohorts):
    """Totals on the grid of the secure sum (64 fraction bits), and a record of the rounds."""

    def __init__(self, method: Method, nodes: Sequence[Sequence[Frame]], variables: Variables) -> None:
        super().__init__(method, nodes, variables)
        self.rounds: list[str] = []

    def sum(self, step: str, request: Request, /, **inputs: FloatArray | float) -> Totals:
        self.rounds.append(step)
        total = super().sum(step, request, **inputs)
        assert all(np.all(np.abs(value) < 2.0**56) for value in total.values())
        return Totals({k: np.ldexp(np.rint(np.ldexp(v, 64)), -64) for k, v in total.items()})


def described(*variables: Variable) -> dict[str, Variable]:
    return {variable.name: variable for variable in variables}


def frame(columns: Columns, variables: Variables) -> Frame:
    return Frame(columns, variables, len(next(iter(columns.values()))))


def deal(columns: Columns, variables: Variables, owners: NDArray[np.int64]) -> list[list[Frame]]:
    """One node per owner 0 to the largest, also those without rows."""
    nodes = range(int(owners.max(initial=0)) + 2)
    return [[frame({k: v[owners == node] for k, v in columns.items()}, variables)] for node in nodes]


def ask(
    method: Method,
    columns: Columns,
    variables: Variables,
    owners: NDArray[np.int64] | None = None,
    /,
    **arguments: Any,
) -> Any:
    rows = len(next(iter(columns.values())))
    owners = np.arange(rows) % 3 if owners is None else owners
    cohorts = FixedPoint(method, deal(columns, variables, owners), variables)
    return method.plan(cohorts, arguments)


def heart_frame() -> tuple[pd.DataFrame, dict[str, FloatArray], dict[str, Variable], NDArray[np.int64]]:
    """The heart data as pandas reads them, and as Hansa's columns; which hospital each row is of."""
    parts = [pd.read_csv(path) for path in heart().values()]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    data = pd.concat(parts, ignore_index=True).astype(object)
    variables = heart_dictionary().by_name
    columns = {name: _column(data, variable) for name, variable in variables.items() if name in data}
    for name, column in columns.items():
        data.loc[np.isnan(column), name] = np.nan
    return data, columns, variables, owners


def _column(data: pd.DataFrame, variable: Variable) -> FloatArray:
    values = data[variable.name]
    if variable.is_categorical:
        codes = {level: float(i) for i, level in enumerate(variable.coded_levels)}
        text = values.astype("string").str.lower()
        return np.asarray(text.map(codes).to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64)
    codes_missing = [float(code) for code in variable.missing]
    return np.asarray(np.where(np.isin(numbers, codes_missing), np.nan, numbers), dtype=np.float64)
