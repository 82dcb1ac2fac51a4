"""A fitted Fine-Gray model: subdistribution hazard ratios, checks, predictions, and words for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hansa.client.results.cox import TIES, CoxFit
from hansa.client.results.held_back import HeldBack, of_subdistribution
from hansa.client.results.prediction import hazard_ratios
from hansa.client.tables.numbers import count
from hansa.formula import parse_formula
from hansa.stats.fine_gray.result import FineGrayResult, one_cause, read_fine_gray_result
from hansa.version import __version__

if TYPE_CHECKING:  # see view
    import pandas as pd

__all__ = ["FineGrayFit"]


class FineGrayFit(CoxFit):
    """A Fine-Gray model of the incidence of one cause over all cohorts, where others compete.

    ``summary`` has a row per term, as of a Cox model: ``coef``, ``se``, ``z``, ``p``, ``lower``, ``upper``,
    ``subdistribution_hazard_ratio`` and its bounds. A ratio above 1 means a higher cumulative incidence of the cause.
    """

    def _held_back(self) -> Iterable[HeldBack]:
        return of_subdistribution(self._plain)

    @property
    def title(self) -> str:
        """The model, its cause and its formula."""
        return f"Fine-Gray model of {self._result.cause}: {self._result.formula}"

    def predict(
        self, people: pd.DataFrame | Mapping[str, Any], *, reference: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """The subdistribution hazard of people with these covariates, relative to a reference, as of a Cox model."""
        formula = str(one_cause(parse_formula(self._result.formula), self._result.cause))
        return hazard_ratios(replace(self._result, formula=formula), self._study, people, reference)

    def methods(self) -> str:
        """A paragraph for the methods section of a paper."""
        result, nodes = self._result, len(self.provenance.get("nodes", ()))
        competing = "fewer than 5" if result.competing is None else count(result.competing)
        strata = f", further stratified by {', '.join(result.strata)}" if result.strata else ""
        return (
            f"We modelled the subdistribution hazard of {result.cause} (Fine and Gray 1999, JASA 94:496) by "
            f"{result.formula}" + (f" over {nodes} cohorts" if nodes else "") + f" with {TIES[result.ties]}, in "
            f"{count(result.n)} people, {count(result.events)} of whom had the event and {competing} a competing one. "
            f"Each cohort had a baseline and a censoring distribution of its own (Zhou et al. 2011, Biometrics 67:661)"
            f"{strata}; the estimates equal those of the pooled data stratified by cohort. Standard errors are robust, "
            f"over {count(result.clusters)} clusters, and take the censoring distribution as known. Proportional "
            "subdistribution hazards were tested by scaled Schoenfeld residuals (Grambsch and Therneau 1994, "
            "Biometrika 81:515). Only masked sums left the cohorts "
            f"(Hansa {__version__}; method fine_gray, version 1); no event time was shared."
        )

    @cached_property
    def _result(self) -> FineGrayResult:
        return read_fine_gray_result(self._plain)

    def _advice(self) -> list[str]:
        """As of a Cox model, and how such a ratio is read."""
        read = (
            f"The ratios are about the incidence of {self._result.cause} in the presence of the other causes: for what "
            "brings it about fit a Cox model of the cause as well, and look at the other causes beside it."
        )
        return [*super()._advice(), read]

    def _notes(self) -> tuple[str, ...]:
        result, (seen, _, *others) = self._result, super()._notes()
        competing = "fewer than 5" if result.competing is None else count(result.competing)
        return (
            seen.replace(" events", f" events of {result.cause}, {competing} of other causes"),
            "Each node has a baseline and a censoring distribution of its own, which stay there.",
            *others,
        )
