"""Cox models with Efron's ties: federated over 3 nodes, its steps alone, and pooled peers stratified the same way.

``python -m benchmarks.survival TASK [ROWS COVARIATES]``. Times are whole days, about 3,300 of them with an event
among 100,000 rows. scikit-survival has no strata: it fits one baseline hazard, which is less work.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import measured, report

NODES = 3


def rows(n: int, p: int) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    x = rng.standard_normal((n, p))
    frame = pd.DataFrame(x, columns=names(p))
    days = rng.exponential(4000 * np.exp(-(x @ np.linspace(-0.3, 0.3, p))))
    censored = rng.uniform(0, 3650, n)
    frame["days"] = np.ceil(np.minimum(days, censored)).astype(np.int64)
    frame["died"] = (days <= censored).astype(np.int64)
    return frame


def names(p: int) -> list[str]:
    return [f"x{number + 1}" for number in range(p)]


def formula(p: int) -> str:
    return f"Surv(days, died) ~ {' + '.join(names(p))}"


def dealt(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    parts = np.array_split(np.arange(len(frame)), NODES)
    return {f"node{number}": frame.iloc[part[0] : part[-1] + 1] for number, part in enumerate(parts)}


def hansa_task(n: int, p: int) -> Callable[[], Any]:
    import hansa

    league = hansa.local(dealt(rows(n, p)))

    def task() -> Any:
        return [term["coef"] for term in league.cox(formula(p)).plain["terms"]]

    return task


def steps_task(n: int, p: int) -> Callable[[], Any]:
    """The same plan with nothing between it and the rows: no gate, no masks, no messages."""
    from hansa.harmonise import infer_dictionary
    from hansa.stats import cox
    from hansa.stats.contract import Frame
    from hansa.stats.direct import DirectCohorts

    parts = dealt(rows(n, p))
    known = infer_dictionary(parts).by_name
    frames = [[Frame({str(c): part[c].to_numpy(float) for c in part}, known, len(part))] for part in parts.values()]
    cohorts = DirectCohorts(cox.METHOD, frames, known)

    def task() -> Any:
        return [term.coef for term in cox.plan(cohorts, {"formula": formula(p)}).terms]

    return task


def lifelines_task(n: int, p: int) -> Callable[[], Any]:
    from lifelines import CoxPHFitter

    frame = pd.concat([part.assign(node=node) for node, part in dealt(rows(n, p)).items()])

    def task() -> Any:
        return CoxPHFitter().fit(frame, "days", "died", strata=["node"]).params_.tolist()

    return task


def sksurv_task(n: int, p: int) -> Callable[[], Any]:
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    frame = rows(n, p)
    outcome = np.zeros(n, dtype=[("event", "?"), ("time", "<f8")])
    outcome["event"], outcome["time"] = frame["died"] == 1, frame["days"]

    def task() -> Any:
        return CoxPHSurvivalAnalysis(ties="efron").fit(frame[names(p)].to_numpy(), outcome).coef_.tolist()

    return task


TASKS = {"hansa": hansa_task, "steps": steps_task, "lifelines": lifelines_task, "scikit-survival": sksurv_task}

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    n, p = (int(number) for number in (*sys.argv[2:], "100000", "10")[:2])
    report(measured(TASKS[sys.argv[1]](n, p)))
