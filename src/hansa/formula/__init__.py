"""Formulas, derivations and populations: an allow-listed grammar, its syntax tree, columns and designs."""

from hansa.formula.bases import b_spline, natural_spline, orthogonal_polynomial
from hansa.formula.derivations import derive_columns, derived_variables, parse_derivations, raw_variables
from hansa.formula.design import Design, DesignColumn, design_needs, resolve_design
from hansa.formula.evaluation import BoolArray, FloatArray, evaluate, population
from hansa.formula.facts import (
    Fact,
    KnotFact,
    LevelFact,
    Need,
    PolyFact,
    facts_from_plain,
    facts_to_plain,
    knot_fact,
)
from hansa.formula.kinds import ExprType
from hansa.formula.matrix import design_matrix, offset, response
from hansa.formula.parser import parse_expression
from hansa.formula.survival import Observed, check_survival, observed
from hansa.formula.terms import Formula, MixedFormula, RandomPart, parse_formula, parse_mixed_formula
from hansa.formula.tree import Expr, names_in
from hansa.formula.types import check_condition, check_expression

__all__ = [
    "BoolArray",
    "Design",
    "DesignColumn",
    "Expr",
    "ExprType",
    "Fact",
    "FloatArray",
    "Formula",
    "KnotFact",
    "LevelFact",
    "MixedFormula",
    "Need",
    "Observed",
    "PolyFact",
    "RandomPart",
    "b_spline",
    "check_condition",
    "check_expression",
    "check_survival",
    "derive_columns",
    "derived_variables",
    "design_matrix",
    "design_needs",
    "evaluate",
    "facts_from_plain",
    "facts_to_plain",
    "knot_fact",
    "names_in",
    "natural_spline",
    "observed",
    "offset",
    "orthogonal_polynomial",
    "parse_derivations",
    "parse_expression",
    "parse_formula",
    "parse_mixed_formula",
    "population",
    "raw_variables",
    "resolve_design",
    "response",
]
