"""What every regression shows of its coefficients: a frame, a forest plot, and the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hansa.client.plots import Forest, ForestRow, forest_plot
from hansa.client.tables import Row
from hansa.client.tables.numbers import BLANK, estimate, fixed, p_value, ratio, significant
from hansa.errors import StudyError
from hansa.stats.glm.result import Term

if TYPE_CHECKING:  # see view
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.plots import Plot

__all__ = [
    "INTERCEPT",
    "Coefficients",
    "coefficient_columns",
    "coefficient_row",
    "covariance_frame",
    "ratio_prefix",
    "terms_forest",
    "terms_frame",
]

INTERCEPT = "(Intercept)"
_PREFIXES = {
    "odds ratio": "or",
    "rate ratio": "rr",
    "risk ratio": "rr",
    "hazard ratio": "hr",
    "subdistribution hazard ratio": "shr",
    "ratio of means": "rm",
}


class Coefficients(Protocol):
    """The part of a regression's result that is about its coefficients."""

    @property
    def by_name(self) -> Mapping[str, Term]:
        """The terms by name."""
        ...

    @property
    def ratio(self) -> str | None:
        """What exp(coef) is, if anything."""
        ...

    @property
    def statistic_kind(self) -> str:
        """Z or t."""
        ...

    @property
    def level(self) -> float:
        """Of the intervals."""
        ...


def terms_frame(plain: Mapping[str, Any]) -> pd.DataFrame:
    """The terms of a plain ``glm`` result, one row each."""
    import pandas as pd

    kind, named = plain["statistic_kind"], plain["ratio"]
    columns = {"coef": "coef", "se": "se", "statistic": kind, "p": "p", "lower": "lower", "upper": "upper"}
    if named:
        prefix = ratio_prefix(named)
        columns |= {
            "exponentiated": named.replace(" ", "_"),
            "exponentiated_lower": f"{prefix}_lower",
            "exponentiated_upper": f"{prefix}_upper",
        }
    rows = [{shown: term[name] for name, shown in columns.items()} for term in plain["terms"]]
    index = pd.Index([term["name"] for term in plain["terms"]], name="term", dtype=object)
    return pd.DataFrame(rows, index=index, columns=list(columns.values()), dtype="float64")


def ratio_prefix(named: str) -> str:
    """What begins the columns of a ratio's bounds.

    Examples
    --------
    >>> ratio_prefix("odds ratio")
    'or'
    """
    return _PREFIXES[named]


def covariance_frame(plain: Mapping[str, Any]) -> pd.DataFrame:
    """The covariance of the coefficients that are not aliased."""
    import pandas as pd

    names = list(plain["covariance_terms"])
    return pd.DataFrame(plain["covariance"], index=names, columns=names, dtype="float64")


def terms_forest(
    result: Coefficients, summary: pd.DataFrame, terms: Sequence[str] | None, *, ax: Axes | None = None
) -> Plot:
    """A forest plot of the coefficients, or of their ratios; without terms, all but the intercept.

    Raises
    ------
    StudyError
        For a term that the model does not have.
    """
    wanted = [name for name in result.by_name if name != INTERCEPT] if terms is None else list(terms)
    unknown = [name for name in wanted if name not in result.by_name]
    if unknown or not wanted:
        said = f"there is no term {', '.join(unknown)}" if unknown else "there is no term to draw"
        raise StudyError(said, fix=f"some of {', '.join(result.by_name)}", field="terms")
    named = result.ratio
    forest = Forest(
        rows=tuple(_forest_row(result.by_name[name], ratio=named is not None) for name in wanted),
        effect=named or "coefficient",
        what="",
        level=result.level,
        ratio=named is not None,
        reference=0.0 if named is None else 1.0,
    )
    return forest_plot(forest, summary.loc[wanted], ax=ax)


def coefficient_columns(result: Coefficients) -> tuple[str, ...]:
    """The headings of the table of coefficients."""
    level = f"{100 * result.level:g}% CI"
    kind = "χ²" if result.statistic_kind == "chi2" else result.statistic_kind
    columns = ["Term", "Coefficient", "SE", level, kind, "p"]
    if result.ratio:
        columns.insert(1, f"{result.ratio[0].upper()}{result.ratio[1:]} ({level})")
    return tuple(columns)


def coefficient_row(term: Term, *, ratio_shown: bool) -> Row:
    """One row of the table of coefficients: ratio (where it means something), coefficient, error, interval, test, p."""
    if term.coef is None:
        return Row(term.name, (BLANK,) * (6 if ratio_shown else 5))
    middle, bounds = estimate(term.coef, term.lower, term.upper).rstrip(")").split(" (")
    cells = [middle, significant(term.se), bounds, fixed(term.statistic, 2), p_value(term.p)]
    if ratio_shown:
        cells.insert(0, ratio(term.exponentiated, term.exponentiated_lower, term.exponentiated_upper))
    return Row(term.name, tuple(cells))


def _forest_row(term: Term, *, ratio: bool) -> ForestRow:
    if term.coef is None:
        return ForestRow(term.name, reason="aliased: a combination of earlier terms")
    if ratio:
        return ForestRow(term.name, term.exponentiated, term.exponentiated_lower, term.exponentiated_upper)
    return ForestRow(term.name, term.coef, term.lower, term.upper)
