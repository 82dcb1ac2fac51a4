"""What a Fine-Gray model says: subdistribution hazard ratios, with robust errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hansa.formula import Formula
from hansa.formula.tree import Call, Comparison, Text
from hansa.stats.cox.result import CoxResult, cox_fields

__all__ = ["FineGrayResult", "one_cause", "read_fine_gray_result"]


@dataclass(frozen=True)
class FineGrayResult(CoxResult):
    """A Fine-Gray model over all nodes, in the fields of a Cox model.

    ``status`` is the category, ``censored`` its level of those seen last without any event, ``cause`` the one whose
    incidence is modelled, ``competing`` how many had another cause's event (none where that is fewer than 5). The
    likelihood is that of weighted rows: there is no test by it, nor AIC or BIC.
    """

    schema: ClassVar[str] = "fine_gray/1.0"
    status: str = ""
    censored: str = ""
    cause: str = ""
    competing: int | None = None


def one_cause(formula: Formula, cause: str) -> Formula:
    """The formula ``Surv(time, status == cause) ~ ...``, of which the other causes are no events.

    Examples
    --------
    >>> from hansa.formula import parse_formula
    >>> str(one_cause(parse_formula("Surv(days, end) ~ age"), "death"))
    "Surv(days, end == 'death') ~ age"
    """
    time, status = formula.survival or ()
    return replace(formula, response=Call("Surv", (time, Comparison((status, Text(cause)), ("==",)))))


def read_fine_gray_result(plain: Mapping[str, Any]) -> FineGrayResult:
    """A result from its plain values; fields that a newer minor version added are left aside."""
    return FineGrayResult(**cox_fields(FineGrayResult, plain))
