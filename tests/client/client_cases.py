"""Plain results as the hub hands them over, made by the methods' own result types."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hansa.client.league import Submitted
from hansa.engine import SiteAnswer
from hansa.model import Analysis
from hansa.stats.descriptive.crosstab import Crosstab
from hansa.stats.descriptive.describe import Description, LevelCounts, NumericSummary
from hansa.stats.descriptive.flow import Flow, Stage
from hansa.stats.descriptive.quantiles import Quantile
from hansa.stats.descriptive.table1 import CategoricalRow, LevelRow, NumericCell, NumericRow, Table1
from hansa.stats.glm.result import GlmResult, term
from hansa.stats.plain import to_plain
from hansa.stats.validation.plan import CalibrationGroup, Estimate, Validation

HOSTILE = '<script>alert("x")</script> $\\frac{ & 50% _x_'


def study(method: str = "glm", **analysis: Any) -> Submitted:
    """As much of a submitted study as a view looks at."""
    asked = Analysis(method=method, **analysis)
    return cast("Submitted", SimpleNamespace(study=SimpleNamespace(analyses={"question": asked})))


def glm(
    coefs: dict[str, tuple[float | None, float]] | None = None,
    *,
    n: int = 860,
    df: int = 856,
    loglik: float = -500.0,
    ratio: str | None = "odds ratio",
    family: str = "binomial",
) -> dict[str, Any]:
    chosen = coefs or {"(Intercept)": (-3.8, 0.64), "age": (0.066, 0.0087), "sex[female]": (-1.66, 0.19)}
    freedom = None if family == "binomial" else float(df)
    kept = {name: se for name, (coef, se) in chosen.items() if coef is not None}
    result = GlmResult(
        formula="disease ~ age + sex",
        family=family,
        link="logit" if family == "binomial" else "identity",
        node="common",
        terms=tuple(
            term(name, coef, se, df=freedom, level=0.95, ratio=ratio is not None) for name, (coef, se) in chosen.items()
        ),
        ratio=ratio,
        statistic_kind="z" if freedom is None else "t",
        level=0.95,
        n=n,
        df_residual=df,
        df_null=n - 1,
        deviance=1000.0,
        null_deviance=1190.0,
        loglik=loglik,
        null_loglik=-595.0,
        aic=1008.0,
        bic=1027.0,
        dispersion=1.0,
        pearson=850.0,
        pseudo_r2=0.16,
        deviance_r2=0.16,
        lr_statistic=190.0,
        lr_df=3,
        lr_p=1e-40,
        covariance_terms=tuple(kept),
        covariance=tuple(
            tuple(a * b * (i == j) for j, b in enumerate(kept.values())) for i, a in enumerate(kept.values())
        ),
        covariance_kind="model",
        weights=None,
        weights_type=None,
        iterations=5,
        converged=True,
        aliased=tuple(name for name in chosen if name not in kept),
        knots=(),
        dropped_levels=(),
        facts={},
    )
    plain: dict[str, Any] = to_plain(result)
    return plain


def description(by: str | None = "arm") -> dict[str, Any]:
    """``age`` in one small group has nothing; ``stage`` has a blank count."""
    groups = ("", "a", "b") if by else ("",)
    known = tuple(Quantile(p, 40.0 + 30 * p, 0.5) for p in (0.05, 0.25, 0.5, 0.75, 0.95))
    blank = tuple(Quantile(p, None, None) for p in (0.05, 0.25, 0.5, 0.75, 0.95))
    numeric = [NumericSummary("age", group, 100, 0, 55.04, 9.96, known) for group in groups[:2]]
    numeric += [NumericSummary("age", group, None, None, None, None, blank) for group in groups[2:]]
    categorical = [LevelCounts("stage", group, ("i", "ii"), (60, 40), 0) for group in groups[:2]]
    categorical += [LevelCounts("stage", group, ("i", "ii"), (None, None), None) for group in groups[2:]]
    sizes = (100,) * len(groups)
    plain: dict[str, Any] = to_plain(Description(by, groups, sizes, 7, tuple(numeric), tuple(categorical)))
    return plain


def table1() -> dict[str, Any]:
    p25, median, p75 = (Quantile(p, value, 0.001) for p, value in ((0.25, 120.0), (0.5, 130.0), (0.75, 140.5)))
    cell = NumericCell(410, 3, 131.96, 18.04, p25, median, p75)
    empty = NumericCell(None, None, None, None, *(Quantile(p, None, None) for p in (0.25, 0.5, 0.75)))
    rows = (
        NumericRow("bp", "Pressure", "mmHg", (cell, cell, empty), 0.234),
        CategoricalRow(
            "sex",
            "",
            (
                LevelRow("male", (300, 200, None), (75.0, 80.0, None)),
                LevelRow("female", (100, 50, None), (25.0, 20.0, None)),
            ),
            (0, 0, 0),
            None,
        ),
    )
    plain: dict[str, Any] = to_plain(Table1("arm", ("", "a", "b"), (400, 250, 150), 0, rows))
    return plain


def crosstab(*, blank: bool = False) -> dict[str, Any]:
    counts: tuple[tuple[int | None, ...], ...] = ((None, None), (None, None)) if blank else ((267, 459), (144, 50))
    parts: tuple[tuple[float | None, ...], ...] = (
        ((None, None), (None, None)) if blank else ((36.8, 63.2), (74.2, 25.8))
    )
    plain: dict[str, Any] = to_plain(
        Crosstab(
            row="sex",
            column="disease",
            row_levels=("male", "female"),
            column_levels=("false", "true"),
            counts=counts,
            row_totals=(726, 194),
            column_totals=(411, 509),
            total=920,
            row_percents=parts,
            column_percents=parts,
            chi_square=None if blank else 86.9,
            df=None if blank else 1,
            p=None if blank else 1e-20,
            cramers_v=None if blank else 0.31,
            withheld="a cell is blank" if blank else "",
        )
    )
    return plain


def flow() -> dict[str, Any]:
    stages = (Stage("age >= 40", 800, 120), Stage("known: bp", None, None), Stage("known: chol", 800, 0))
    plain: dict[str, Any] = to_plain(Flow(920, stages))
    return plain


def validation() -> dict[str, Any]:
    curve = (CalibrationGroup(50, 5, 0.12, 0.1, 0.04, 0.21), CalibrationGroup(50, 30, 0.5, 0.6, 0.46, 0.72))
    plain: dict[str, Any] = to_plain(
        Validation(
            formula="disease ~ age + sex",
            level=0.95,
            n=100,
            events=35,
            mean_predicted=0.31,
            mean_observed=0.35,
            observed_expected=Estimate(1.13, 0.15, 0.87, 1.46),
            intercept=Estimate(0.2, 0.22, -0.23, 0.63),
            slope=Estimate(0.9, 0.2, 0.51, 1.29),
            brier=0.19,
            scaled_brier=0.16,
            auroc=Estimate(0.74, 0.05, 0.64, 0.84),
            auroc_bound=0.004,
            curve=curve,
            not_covered=None,
        )
    )
    return plain


def answers() -> list[SiteAnswer]:
    """Two sites with estimates, one that refused, one whose data determine none."""
    fault = {"schema": "not-estimable/1.0", "what": "no finite estimate exists for sex[female]", "why": "", "fix": ""}
    return [
        SiteAnswer("budapest", glm({"(Intercept)": (-3.6, 1.2), "age": (0.04, 0.017)}, n=293)),
        SiteAnswer("cleveland", glm({"(Intercept)": (-4.9, 1.1), "age": (0.06, 0.015), "bp": (0.01, 0.01)}, n=303)),
        SiteAnswer("long_beach", None, refused="disclosure"),
        SiteAnswer("zurich", fault),
    ]
