"""The questions a researcher can ask in one call each, on a league."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from hansa.client.results import (
    CompetingView,
    ControlArmView,
    CorrelationView,
    CoxFit,
    CrosstabView,
    Description,
    EffectView,
    FineGrayFit,
    FlowView,
    GlmFit,
    HistogramView,
    LmmFit,
    MetaView,
    SitesView,
    SubgroupsView,
    SurvivalView,
    Table1View,
    View,
)
from hansa.model import Analysis, Study

__all__ = ["Questions"]

V = TypeVar("V", bound=View)


class Questions:
    """One method for each entry of the catalogue.

    Common keywords: ``population`` an expression for who is asked about ("" everybody), ``complete`` further
    variables on which people must be complete, ``nodes`` some of the cohorts, ``derive`` derived variables.
    Fields of the study go to the study; any other keyword is an argument of the method (``cell=8``).
    """

    def _ask(self, analysis: Analysis, **study: Any) -> View:
        raise NotImplementedError

    def _ask_by(self, analysis: Analysis, by: str, **study: Any) -> SubgroupsView:
        raise NotImplementedError

    @overload
    def glm(self, formula: str, *, family: str = ..., by: None = None, **keywords: Any) -> GlmFit: ...

    @overload
    def glm(self, formula: str, *, family: str = ..., by: str, **keywords: Any) -> SubgroupsView: ...

    def glm(
        self,
        formula: str,
        *,
        family: str = "gaussian",
        link: str | None = None,
        node: str = "common",
        weights: str | None = None,
        weights_type: str = "frequency",
        covariance: str | None = None,
        level: float = 0.95,
        penalty: str | None = None,
        by: str | None = None,
        **keywords: Any,
    ) -> GlmFit | SubgroupsView:
        """A generalised linear model over all cohorts, equal to the pooled one.

        ``node="intercepts"`` gives every cohort an intercept of its own, which never leaves it. ``by`` fits the
        model in each level of a variable and tests whether the levels differ. ``penalty="firth"`` gives a
        logistic model finite estimates where terms predict the outcome perfectly.
        """
        arguments = {"formula": formula, "family": family, "node": node, "level": level}
        optional = {"link": link, "covariance": covariance, "weights": weights, "penalty": penalty}
        arguments |= {name: value for name, value in optional.items() if value is not None}
        if weights is not None:
            arguments["weights_type"] = weights_type
        if by is not None:
            return self._by(by, arguments, keywords)
        return self._question(GlmFit, "glm", arguments, keywords)

    def lmm(self, formula: str, *, method: str = "REML", level: float = 0.95, **keywords: Any) -> LmmFit:
        """A linear mixed model over all cohorts, equal to lme4's fit of the pooled rows.

        ``formula`` has one group of random effects, ``y ~ age + sex + (1 + age | clinic)``: clusters of rows that lie
        within a cohort, or ``(1 | node)`` for the cohorts themselves. ``method`` is "REML" or "ML".
        """
        return self._question(LmmFit, "lmm", {"formula": formula, "method": method, "level": level}, keywords)

    def cox(
        self,
        formula: str,
        *,
        ties: str = "efron",
        baseline: str = "node",
        grid: float | None = None,
        weights: str | None = None,
        weights_type: str = "frequency",
        robust: bool | None = None,
        level: float = 0.95,
        penalty: str | None = None,
        theta: float | None = None,
        **keywords: Any,
    ) -> CoxFit:
        """Cox's proportional-hazards model over all cohorts, each with a baseline hazard of its own.

        ``formula`` is ``Surv(time, event) ~ age + sex``, or ``Surv(start, stop, event) ~ ...`` with late entry or
        covariates that change; ``strata()``, ``cluster()`` and ``offset()`` as in R. ``baseline="pooled"`` gives
        all cohorts one baseline hazard, for times counted in units of ``grid``. ``penalty="firth"`` gives finite
        estimates with few events; ``penalty="ridge"`` of strength ``theta`` draws many coefficients towards zero.
        """
        arguments: dict[str, Any] = {"formula": formula, "ties": ties, "baseline": baseline, "level": level}
        optional = {"grid": grid, "robust": robust, "penalty": penalty, "theta": theta}
        arguments |= {name: value for name, value in optional.items() if value is not None}
        if weights is not None:
            arguments |= {"weights": weights, "weights_type": weights_type}
        return self._question(CoxFit, "cox", arguments, keywords)

    def fine_gray(
        self,
        formula: str,
        cause: str,
        *,
        censored: str | None = None,
        ties: str = "efron",
        level: float = 0.95,
        **keywords: Any,
    ) -> FineGrayFit:
        """Fine and Gray's model of the incidence of one cause where others compete, over all cohorts.

        ``formula`` is ``Surv(time, status) ~ age + sex`` with a category: one level, ``censored`` (the first), is that
        of those last seen without any event; ``cause`` is another.
        """
        arguments = {"formula": formula, "cause": cause, "ties": ties, "level": level}
        if censored is not None:
            arguments["censored"] = censored
        return self._question(FineGrayFit, "fine_gray", arguments, keywords)

    def survival(
        self,
        formula: str,
        *,
        grid: float | None = None,
        interval: str = "log",
        weighting: str = "logrank",
        rho: float = 0.0,
        gamma: float = 0.0,
        tau: float | None = None,
        level: float = 0.95,
        **keywords: Any,
    ) -> SurvivalView:
        """Survival curves of groups over all cohorts, with a test between them and restricted means.

        ``formula`` is ``Surv(time, event) ~ arm + sex`` for a curve of each combination, or ``~ 1``.
        """
        arguments: dict[str, Any] = {"formula": formula, "interval": interval, "weighting": weighting, "level": level}
        if weighting == "fleming-harrington":
            arguments |= {"rho": rho, "gamma": gamma}
        arguments |= {name: value for name, value in (("grid", grid), ("tau", tau)) if value is not None}
        return self._question(SurvivalView, "survival", arguments, keywords)

    def competing_risks(
        self,
        formula: str,
        *,
        censored: str | None = None,
        grid: float | None = None,
        interval: str = "log",
        rho: float = 0.0,
        level: float = 0.95,
        **keywords: Any,
    ) -> CompetingView:
        """The cumulative incidence of each cause in groups over all cohorts, with Gray's tests between them.

        ``formula`` is ``Surv(time, status) ~ arm``, or ``~ 1``. ``status`` is a category: its level ``censored`` (by
        default the first) for those last seen without any event, the others the causes.
        """
        arguments: dict[str, Any] = {"formula": formula, "interval": interval, "rho": rho, "level": level}
        optional = {"censored": censored, "grid": grid}
        arguments |= {name: value for name, value in optional.items() if value is not None}
        return self._question(CompetingView, "competing_risks", arguments, keywords)

    def effect(
        self,
        outcome: str,
        treatment: str,
        adjust: str,
        *,
        estimand: str = "ATE",
        estimator: str = "aipw",
        node: str = "common",
        level: float = 0.95,
        **keywords: Any,
    ) -> EffectView:
        """The causal contrast of the treated and the untreated over all cohorts, adjusted for the terms ``adjust``.

        ``estimand`` says whom it is about: everybody ("ATE"), the treated ("ATT"), the overlap of the arms ("ATO").
        ``estimator`` is "aipw", "weighting" or "standardisation". With ``node="intercepts"`` the propensity model has
        an intercept in each cohort, which stays there.
        """
        arguments = {"outcome": outcome, "treatment": treatment, "adjust": adjust}
        arguments |= {"estimand": estimand, "estimator": estimator, "node": node}
        return self._question(EffectView, "effect", {**arguments, "level": level}, keywords)

    def control_arm(
        self,
        survival: str,
        treatment: str,
        adjust: str,
        *,
        estimand: str = "ATT",
        ties: str = "efron",
        grid: float | None = None,
        tau: float | None = None,
        level: float = 0.95,
        **keywords: Any,
    ) -> ControlArmView:
        """A single-arm trial at one cohort against external controls at the others, weighted to be alike.

        ``survival`` is ``Surv(time, event)``, ``treatment`` a boolean that may be the same for all people of a cohort,
        ``adjust`` the terms of the propensity model. Sums of an arm that fewer than ``min_nodes`` cohorts hold are
        these cohorts' own release: their policies must say ``alone_ok``.
        """
        arguments: dict[str, Any] = {"survival": survival, "treatment": treatment, "adjust": adjust}
        arguments |= {"estimand": estimand, "ties": ties, "level": level}
        arguments |= {name: value for name, value in (("grid", grid), ("tau", tau)) if value is not None}
        return self._question(ControlArmView, "control_arm", arguments, keywords)

    @overload
    def sites(self, formula: str, *, term: None = None, **keywords: Any) -> SitesView: ...

    @overload
    def sites(self, formula: str, *, term: str, **keywords: Any) -> MetaView: ...

    def sites(self, formula: str, *, term: str | None = None, **keywords: Any) -> SitesView | MetaView:
        """Each cohort's own regression as its release, and their meta-analysis.

        Keywords are those of :meth:`glm`; ``term`` is the one to pool (by default the first).
        """
        options = {"family": "gaussian", "level": 0.95, **_options(keywords, _GLM)}
        view = self._question(SitesView, "glm", {"formula": formula, **options}, {**keywords, "sites": True})
        return view if term is None else view.pooled(term)

    def describe(self, variables: Sequence[str], *, by: str | None = None, **keywords: Any) -> Description:
        """Count, missing, mean, standard deviation and quantiles of the pooled distribution."""
        return self._question(Description, "describe", _with_by(variables, by), keywords)

    def table1(self, variables: Sequence[str], *, by: str | None = None, **keywords: Any) -> Table1View:
        """The table of characteristics by group, with standardised mean differences."""
        return self._question(Table1View, "table1", _with_by(variables, by), keywords)

    def crosstab(self, row: str, column: str, **keywords: Any) -> CrosstabView:
        """Two categories against each other, small cells suppressed, with a chi-square test."""
        return self._question(CrosstabView, "crosstab", {"row": row, "column": column}, keywords)

    def histogram(self, variable: str, *, bins: int | Sequence[float] = 20, **keywords: Any) -> HistogramView:
        """Counts in bins; bins of few people are merged."""
        wanted = bins if isinstance(bins, int) else list(bins)
        return self._question(HistogramView, "histogram", {"variable": variable, "bins": wanted}, keywords)

    def correlation(self, variables: Sequence[str], **keywords: Any) -> CorrelationView:
        """Pearson correlations with confidence intervals."""
        return self._question(CorrelationView, "correlation", {"variables": list(variables)}, keywords)

    def flow(self, stages: Sequence[str], **keywords: Any) -> FlowView:
        """How many people remain after each condition; ``known: chol`` keeps those with a value."""
        return self._question(FlowView, "flow", {"stages": list(stages)}, keywords)

    def _by(self, by: str, arguments: Mapping[str, Any], keywords: Mapping[str, Any]) -> SubgroupsView:
        chosen, study = _split(keywords)
        return self._ask_by(Analysis(method="glm", arguments=dict(arguments), **chosen), by, **study)

    def _question(self, kind: type[V], method: str, arguments: Mapping[str, Any], keywords: Mapping[str, Any]) -> V:
        chosen, study = _split(keywords)
        more = {name: study.pop(name) for name in [*study] if name not in Study.model_fields}
        view = self._ask(Analysis(method=method, arguments={**arguments, **more}, **chosen), **study)
        assert isinstance(view, kind)
        return view


_ANALYSIS = frozenset({"population", "complete", "nodes", "sites"})
_GLM = ("family", "link", "node", "weights", "weights_type", "covariance", "level", "penalty")


def _split(keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keywords of the analysis, and those of the study around it."""
    chosen = {name: value for name, value in keywords.items() if name in _ANALYSIS}
    return chosen, {name: value for name, value in keywords.items() if name not in _ANALYSIS}


def _options(keywords: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: keywords.pop(name) for name in names if name in keywords}


def _with_by(variables: Sequence[str], by: str | None) -> dict[str, Any]:
    return {"variables": list(variables), **({} if by is None else {"by": by})}
