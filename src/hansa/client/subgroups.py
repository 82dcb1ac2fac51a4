"""A model within each level of a variable, and the test whether the levels differ.

Subgroup estimates alone invite reading differences into chance, so they never come without the likelihood-ratio
test of the interaction (Assmann et al. 2000, Lancet 355:1064-1069).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hansa.client.results.glm import GlmFit
from hansa.client.results.subgroups import SubgroupsView
from hansa.errors import NotEstimable, Refused, StudyError
from hansa.formula import derived_variables, parse_formula
from hansa.model import Analysis, Derivation, Dictionary, Variable, read_value

if TYPE_CHECKING:
    from hansa.client.league import Submitted

__all__ = ["read_subgroups", "subgroup_analyses"]

_ADDITIVE, _INTERACTION = "without_interaction", "with_interaction"


def subgroup_analyses(
    analysis: Analysis, by: str, dictionary: Dictionary, derive: Mapping[str, Any]
) -> tuple[dict[str, Analysis], tuple[str, ...]]:
    """The analyses that answer a question by the levels of ``by``, and those levels.

    Raises
    ------
    StudyError
        If ``by`` is no category or boolean, the model is penalised, has no intercept, or names ``by`` already.
    """
    if analysis.arguments.get("penalty") is not None:
        raise StudyError(
            "subgroups of a penalised model have no test of their interaction",
            why="penalised likelihoods of two models cannot be compared",
            fix="write the interaction into the formula, as in y ~ x * sex, and see its terms",
            field="penalty",
        )
    variable = _variable(by, dictionary, derive)
    additive, interaction = _formulas(analysis.arguments["formula"], by)
    conditions = _conditions(variable)
    asked = {f"level_{place}": _within(analysis, condition) for place, condition in enumerate(conditions)}
    for name, formula in ((_ADDITIVE, additive), (_INTERACTION, interaction)):
        arguments = {**analysis.arguments, "formula": formula}
        asked[name] = analysis.model_copy(update={"arguments": arguments})
    return asked, variable.coded_levels


def read_subgroups(submitted: Submitted, by: str, levels: tuple[str, ...]) -> SubgroupsView:
    """Run them all; a level that is refused or not estimable says so and does not stop the others."""
    fits: dict[str, GlmFit] = {}
    reasons: dict[str, str] = {}
    for place, level in enumerate(levels):
        try:
            fits[level] = _fit(submitted, f"level_{place}")
        except Refused as refusal:
            reasons[level] = f"refused: {refusal.what}"
        except NotEstimable as fault:
            reasons[level] = f"not estimable: {fault.what}"
    test = _fit(submitted, _ADDITIVE).compare(_fit(submitted, _INTERACTION))
    return SubgroupsView(fits, reasons, test, by, submitted)


def _fit(submitted: Submitted, analysis: str) -> GlmFit:
    found = submitted.run(analysis)
    assert isinstance(found, GlmFit)
    return found


def _variable(by: str, dictionary: Dictionary, derive: Mapping[str, Any]) -> Variable:
    declared = {name: read_value(Derivation, entry) for name, entry in derive.items()}
    known = derived_variables(declared, dictionary.by_name)
    if by not in known or not known[by].is_categorical:
        raise StudyError(
            f"subgroups are levels of a category or a boolean, and {by} is none",
            fix="derive one, for example with cut",
            field="by",
        )
    return known[by]


def _formulas(text: str, by: str) -> tuple[str, str]:
    formula = parse_formula(text)
    if by in formula.names or not formula.intercept or not formula.terms:
        raise StudyError(
            "the subgroups' model has an intercept, at least one term, and not the subgroup variable",
            fix=f"leave {by} out: it is added, with and without its interactions",
            field="formula",
        )
    terms = " + ".join(":".join(map(str, term)) for term in formula.terms)
    offsets = "".join(f" + offset({offset})" for offset in formula.offsets)
    return f"{formula.response} ~ {terms} + {by}{offsets}", f"{formula.response} ~ ({terms}) * {by}{offsets}"


def _conditions(variable: Variable) -> tuple[str, ...]:
    if variable.type == "boolean":
        return f"not {variable.name}", variable.name
    quoted = (f"'{level}'" if "'" not in level else f'"{level}"' for level in variable.levels)
    return tuple(f"{variable.name} == {level}" for level in quoted)


def _within(analysis: Analysis, condition: str) -> Analysis:
    whole = f"({analysis.population}) and ({condition})" if analysis.population else condition
    return analysis.model_copy(update={"population": whole})
