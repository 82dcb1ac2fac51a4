"""statsmodels on the pooled rows, beside the federated fit: possible here because the demo holds all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hansa.examples import heart

if TYPE_CHECKING:
    import pandas as pd

    from hansa.client.results import View

__all__ = ["Comparison", "compare"]

_ANALYSED = ["disease", "age", "sex", "resting_bp", "exang", "max_heart_rate"]


@dataclass(frozen=True)
class Comparison:
    """One model's coefficients and standard errors, ours and statsmodels', and the largest relative difference."""

    analysis: str
    rows: Sequence[tuple[str, float, float, float, float]]
    largest: float


def compare(results: Mapping[str, View]) -> tuple[Comparison, ...]:
    """Both risk models and the diagnostic one; nothing where statsmodels is not installed."""
    try:
        import statsmodels.api  # noqa: F401  # only whether it is there
    except ImportError:
        return ()
    pooled = _pooled_rows()
    wanted = {
        "risk_common": ["age", "female", "resting_bp"],
        "risk_intercepts": ["age", "female", "resting_bp"],
        "diagnostic": ["age", "female", "resting_bp", "exang", "max_heart_rate"],
    }
    return tuple(
        _comparison(name, results[name], pooled, columns) for name, columns in wanted.items() if name in results
    )


def _comparison(name: str, view: View, pooled: pd.DataFrame, columns: Sequence[str]) -> Comparison:
    import pandas as pd
    import statsmodels.api as sm

    hospitals = pd.get_dummies(pooled["hospital"], dtype=float)
    intercept = hospitals if name != "risk_common" else pd.DataFrame({"const": 1.0}, index=pooled.index)
    design = pd.concat([intercept, pooled[list(columns)]], axis=1)
    reference = sm.GLM(pooled["disease"], design, family=sm.families.Binomial()).fit(tol=1e-14)
    ours = view.summary.drop(index="(Intercept)", errors="ignore")
    rows = [
        (str(term), float(row["coef"]), float(row["se"]), float(reference.params[column]), float(reference.bse[column]))
        for (term, row), column in zip(ours.iterrows(), columns, strict=True)
    ]
    largest = max(max(abs(coef / other - 1), abs(se / other_se - 1)) for _, coef, se, other, other_se in rows)
    return Comparison(name, rows, largest)


def _pooled_rows() -> pd.DataFrame:
    import pandas as pd

    frames = [pd.read_csv(path).assign(hospital=name) for name, path in sorted(heart().items())]
    rows = pd.concat(frames, ignore_index=True)
    rows["resting_bp"] = rows["resting_bp"].replace(0, float("nan"))
    rows = rows.dropna(subset=_ANALYSED)
    boolean = {
        True: 1.0,
        False: 0.0,
        "true": 1.0,
        "false": 0.0,
        "TRUE": 1.0,
        "FALSE": 0.0,
        "True": 1.0,
        "False": 0.0,
    }
    for column in ("disease", "exang"):
        rows[column] = rows[column].map(boolean)
    return rows.assign(female=(rows["sex"] == "female").astype(float))
