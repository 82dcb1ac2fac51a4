"""Cox models with Efron's ties: federated over 3 nodes, its steps alone, and pooled peers stratified the same way.

``python -m benchmarks.survival`` runs all, each in a process of its own with one BLAS thread, prints a table and
draws ``survival.svg``, the cost over rows; ``python -m benchmarks.survival TASK [ROWS COVARIATES]`` runs one. Times
are whole days, about 3,300 of them with an event among 100,000 rows. scikit-survival has no strata: it fits one
baseline hazard, which is less work. Each is asked for one covariate before it is asked for all; what that first call
took, with all that is loaded and set up then, stands beside it.

A Cox model of ours always comes with its checks: the tests of proportional hazards over time and its logarithm, and
concordance. The peers are asked for the fit alone, and in lines of their own ("checked") for what they have of the
same: lifelines all of it, scikit-survival concordance.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import THREADS, Measured, in_own_process, measured, report

NODES = 3

Task = Callable[[int], Any]
"""A fit with the first so many covariates, to its coefficients."""


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


def hansa_task(n: int, p: int) -> Task:
    import hansa

    league = hansa.local(dealt(rows(n, p)))

    def task(few: int) -> Any:
        return [term["coef"] for term in league.cox(formula(few)).plain["terms"]]

    return task


def steps_task(n: int, p: int) -> Task:
    """The same plan with nothing between it and the rows: no gate, no masks, no messages."""
    from hansa.harmonise import infer_dictionary
    from hansa.stats.contract import Frame
    from hansa.stats.cox import plan as cox
    from hansa.stats.direct import DirectCohorts

    parts = dealt(rows(n, p))
    known = infer_dictionary(parts).by_name
    frames = [[Frame({str(c): part[c].to_numpy(float) for c in part}, known, len(part))] for part in parts.values()]
    cohorts = DirectCohorts(cox.METHOD, frames, known)

    def task(few: int) -> Any:
        return [term.coef for term in cox.plan(cohorts, {"formula": formula(few)}).terms]

    return task


def lifelines_task(n: int, p: int, *, checked: bool = False) -> Task:
    from lifelines import CoxPHFitter
    from lifelines.statistics import proportional_hazard_test

    frame = pd.concat([part.assign(node=node) for node, part in dealt(rows(n, p)).items()])

    def task(few: int) -> Any:
        shown = frame[[*names(few), "days", "died", "node"]]
        fit = CoxPHFitter().fit(shown, "days", "died", strata=["node"])
        if checked:
            proportional_hazard_test(fit, shown, time_transform=["identity", "log"])
            _ = fit.concordance_index_
        return fit.params_.tolist()

    return task


def sksurv_task(n: int, p: int, *, checked: bool = False) -> Task:
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    frame = rows(n, p)
    outcome = np.zeros(n, dtype=[("event", "?"), ("time", "<f8")])
    outcome["event"], outcome["time"] = frame["died"] == 1, frame["days"]

    def task(few: int) -> Any:
        x = frame[names(few)].to_numpy()
        fit = CoxPHSurvivalAnalysis(ties="efron").fit(x, outcome)
        if checked:
            fit.score(x, outcome)
        return fit.coef_.tolist()

    return task


TASKS: Mapping[str, Callable[[int, int], Task]] = {
    "hansa": hansa_task,
    "steps": steps_task,
    "lifelines": lifelines_task,
    "lifelines, checked": partial(lifelines_task, checked=True),
    "scikit-survival": sksurv_task,
    "scikit-survival, checked": partial(sksurv_task, checked=True),
}
ROWS, COVARIATES = 100_000, 10
GROWTH = (50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000)
REPEATS = 3


def one(task: str, n: int, p: int) -> Measured:
    """A fit after the one of one covariate, whose CPU seconds stand in the detail."""
    fit = TASKS[task](n, p)
    first = measured(lambda: fit(1))
    found = measured(lambda: fit(p))
    return replace(found, detail={"first": first.cpu, "coef": found.detail})


def least(task: str, n: int, p: int) -> Measured:
    runs = [in_own_process("benchmarks.survival", task, str(n), str(p)) for _ in range(REPEATS)]
    return min(runs, key=lambda run: run.cpu)


def main() -> None:
    found = {task: least(task, ROWS, COVARIATES) for task in TASKS}
    print(f"| {ROWS:,} x {COVARIATES} | CPU s | hansa / theirs | first call, 1 covariate |\n| --- | --- | --- | --- |")
    for task, run in found.items():
        print(f"| {task} | {run.cpu:.3f} | {found['hansa'].cpu / run.cpu:.2f} | {run.detail['first']:.3f} |")
    seconds = {task: [least(task, n, COVARIATES).cpu for n in GROWTH] for task in ("hansa", "steps")}
    for task, times in seconds.items():
        print(f"{task}, CPU s for {GROWTH} rows: {', '.join(f'{time:.2f}' for time in times)}")
    draw(seconds)
    print(f"hansa, 1,000,000 x 20: {least('hansa', 1_000_000, 20).cpu:.2f} CPU s")


def draw(seconds: Mapping[str, Sequence[float]]) -> None:
    """CPU seconds by number of rows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5))
    axes = figure.add_subplot()
    for task, times in seconds.items():
        axes.plot(np.array(GROWTH) / 1e6, times, marker="o", label=task)
    axes.set(xlabel=f"million rows ({COVARIATES} covariates)", ylabel="CPU s", ylim=(0, None), xlim=(0, None))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(Path(__file__).with_suffix(".svg"))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    if len(sys.argv) > 1:
        task, n, p = (*sys.argv[1:], str(ROWS), str(COVARIATES))[:3]
        report(one(task, int(n), int(p)))
    else:
        os.environ.update(dict.fromkeys(THREADS, "1"))
        main()
