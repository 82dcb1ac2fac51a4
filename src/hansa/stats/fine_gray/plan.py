"""Fine and Gray's model of the subdistribution hazard: covariates and the cumulative incidence of one cause.

Fine JP, Gray RJ (1999). A proportional hazards model for the subdistribution of a competing risk. Journal of the
American Statistical Association 94:496-509; stratified as in Zhou B et al. (2011), Biometrics 67:661.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hansa.errors import StudyError
from hansa.formula import Formula, check_survival, facts_to_plain, parse_formula, resolve_design
from hansa.model import Variable
from hansa.stats.arguments import no_others, one_of
from hansa.stats.competing.arguments import states_of
from hansa.stats.contract import Arguments, Cohorts, Method
from hansa.stats.cox.arguments import CoxModel, read_cox
from hansa.stats.cox.fit import fit_cox
from hansa.stats.cox.plan import cox_result
from hansa.stats.cox.steps import SIZES
from hansa.stats.fine_gray.result import FineGrayResult, one_cause
from hansa.stats.fine_gray.rows import STEPS
from hansa.stats.glm.basis import FACT_STEPS
from hansa.stats.glm.facts import pooled_facts

__all__ = ["METHOD", "FineGrayResult", "plan"]

_ARGUMENTS = ("formula", "cause", "censored", "ties", "level")
_CELL = 5


@dataclass(frozen=True)
class _Asked:
    """The formula as written, its status and cause, and the Cox model over weighted rows."""

    written: Formula
    status: str
    cause: str
    model: CoxModel


def plan(cohorts: Cohorts, arguments: Arguments) -> FineGrayResult:
    """Fit the model over all cohorts, each with a baseline and a censoring distribution of its own.

    Parameters
    ----------
    cohorts : Cohorts
    arguments : mapping
        ``formula``: ``Surv(time, status) ~ age + sex``, where status is a category; with ``strata()`` for further
        baselines and censoring distributions within nodes, ``cluster()`` and offsets. ``cause``: the level of status
        whose incidence is modelled. ``censored``: the level of those last seen without any event; the first. ``ties``:
        "efron" (default) or "breslow". ``level``: of the intervals, 0.95.

    Returns
    -------
    FineGrayResult
        Coefficients, robust errors and tests equal those of R's ``coxph`` on the rows of
        ``finegray(..., strata(node))``, stratified by node, robust by person.

    Raises
    ------
    StudyError, FormulaError
        When an argument does not fit.
    NotEstimable
        When the data do not determine the model.
    ConvergenceError
        When the iteration ends without an answer.
    """
    asked = _read(arguments, cohorts.variables)
    facts = pooled_facts(cohorts, asked.model.formula)
    design = resolve_design(asked.model.formula, cohorts.variables, facts)
    fitted = fit_cox(cohorts, asked.model, design)
    competing = round(float(fitted.problem.means["competing"]))
    found = cox_result(asked.model, design, fitted, None)
    return FineGrayResult(
        **vars(found)
        | {
            "formula": str(asked.written),
            "ratio": "subdistribution hazard ratio",
            "tests": tuple(test for test in found.tests if test.name == "Wald"),
            "aic": None,
            "bic": None,
            "facts": facts_to_plain(design.facts),
            "status": asked.status,
            "censored": asked.model.censored,
            "cause": asked.cause,
            "clusters": found.n if asked.written.cluster is None else found.clusters,
            "competing": competing if competing == 0 or competing >= _CELL else None,
        }
    )


def _read(arguments: Arguments, variables: Mapping[str, Variable]) -> _Asked:
    no_others(arguments, *_ARGUMENTS)
    written = _formula(arguments.get("formula"))
    _, status = written.survival or ()
    states = _states(written, variables)
    censored = one_of(arguments, "censored", states, states[0])
    causes = tuple(state for state in states if state != censored)
    cause = arguments.get("cause")
    if cause not in causes:
        raise StudyError(
            "the model needs the cause whose incidence it is about",
            why=f"{censored} is the level of {status} that means censoring; censored= names another",
            fix=f"one of {', '.join(causes)}",
            field="cause",
        )
    given = {name: arguments[name] for name in ("ties", "level") if name in arguments}
    model = read_cox({"formula": str(one_cause(written, cause)), "robust": True, **given}, variables)
    if model.by_node:
        raise StudyError("cluster(node) is not for Fine-Gray models", fix="leave it out", field="formula")
    return _Asked(written, str(status), cause, replace(model, steps="fine_gray", censored=censored))


def _formula(text: object) -> Formula:
    if not isinstance(text, str):
        raise StudyError("the model needs a formula", fix="write Surv(time, status) ~ age + sex, say", field="formula")
    formula = parse_formula(text)
    if len(formula.survival or ()) != 2:
        raise StudyError(
            "the response is Surv(time, status)",
            why="late entry would need the distribution of entries beside that of censoring",
            fix="write the time first, then the status",
            field="formula",
        )
    return formula


def _states(formula: Formula, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    check_survival(formula, variables, causes=True)
    states = states_of(formula, variables)
    if len(states) < 3:
        raise StudyError(
            "the status has no competing causes",
            why="it is a category with a level for censoring, and two causes or more",
            fix="with one cause take cox",
            field="formula",
        )
    return states


def _complete(arguments: Arguments, variables: Mapping[str, Variable]) -> tuple[str, ...]:
    return tuple(str(expression) for expression in _read(arguments, variables).model.formula.expressions)


METHOD = Method(
    name="fine_gray",
    version=1,
    title="Fine-Gray model of a competing risk",
    steps=(*FACT_STEPS, SIZES, *STEPS),
    plan=plan,
    complete=_complete,
    citations=(
        "Fine JP, Gray RJ (1999). Proportional hazards for the subdistribution of a competing risk. JASA 94:496.",
        "Zhou B et al. (2011). Competing risks regression for stratified data. Biometrics 67:661.",
    ),
)
