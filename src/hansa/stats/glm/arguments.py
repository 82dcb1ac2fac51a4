"""The arguments of a generalised linear model, read and checked before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hansa.errors import StudyError
from hansa.formula import Formula, check_expression, parse_formula
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.stats.arguments import level, no_others, no_survival, one_of, prior_weights
from hansa.stats.contract import Arguments
from hansa.stats.glm.families import check_family

__all__ = ["COVARIANCES", "NODES", "WEIGHTS", "Model", "read_model"]

NODES: tuple[str, ...] = ("common", "intercepts")
WEIGHTS: tuple[str, ...] = ("frequency", "precision", "sampling")
COVARIANCES: tuple[str, ...] = ("model", "HC0", "HC1", "HC2", "HC3")

_ARGUMENTS = ("formula", "family", "link", "node", "weights", "weights_type", "covariance", "level", "penalty")


@dataclass(frozen=True)
class Model:
    """What is fitted: formula, family and link, whose intercepts, weights, and how the covariance is taken."""

    formula: Formula
    family: str
    link: str
    node: str
    weights: str | None
    weights_type: str | None
    covariance: str
    level: float
    penalty: str | None


def read_model(arguments: Arguments, variables: Mapping[str, Variable]) -> Model:
    """Read the arguments of ``glm``; each that is left out has its default.

    Raises
    ------
    StudyError
        Naming the argument at fault.
    FormulaError
        With the place in the formula.
    """
    no_others(arguments, *_ARGUMENTS)
    formula = _formula(arguments.get("formula"))
    family, link = check_family(arguments.get("family", "gaussian"), arguments.get("link"))
    node = one_of(arguments, "node", NODES, "common")
    if node == "intercepts" and not formula.intercept:
        raise StudyError(
            "a model with intercepts of nodes has an intercept",
            fix="take - 1 or + 0 out of the formula, or take node = common",
            field="node",
        )
    if not formula.terms and (node == "intercepts" or not formula.intercept):
        raise StudyError("the formula has no coefficients", fix="add a term", field="formula")
    if family == "binomial":
        _check_binary(formula, variables)
    weights, kind = prior_weights(arguments, variables, WEIGHTS)
    default = "HC0" if kind == "sampling" else "model"
    covariance = one_of(arguments, "covariance", COVARIANCES, default)
    if kind == "sampling" and covariance == "model":
        raise StudyError(
            "sampling weights need a sandwich covariance",
            why="the model's own covariance takes each weight for a number of people",
            fix="take HC0, or leave covariance out",
            field="covariance",
        )
    model = Model(formula, family, link, node, weights, kind, covariance, level(arguments), arguments.get("penalty"))
    _check_penalty(model)
    _check_counts(model)
    return model


def _check_counts(model: Model) -> None:
    """The negative binomial's weights and covariance are those of its likelihood."""
    if model.family != "negative binomial":
        return
    if model.weights_type not in (None, "frequency") or model.covariance != "model":
        raise StudyError(
            "a negative binomial model is one of people and their counts",
            why="theta is estimated from the likelihood, which precision and sampling weights, and sandwich "
            "covariances, do not take at its word",
            fix="take frequency weights or none, and the model's covariance; or family = poisson with HC0",
            field="family",
        )


def _check_penalty(model: Model) -> None:
    """Firth's penalty is that of a logistic model with one intercept, whose rows are people."""
    if model.penalty is None:
        return
    if model.penalty != "firth":
        raise StudyError(f"there is no penalty {model.penalty}", fix="firth, or none", field="penalty")
    if (model.family, model.link) != ("binomial", "logit"):
        raise StudyError(
            "Firth's penalty is for logistic models",
            why="for other families and links it is another function than half the logarithm of the determinant",
            fix="take family = binomial with its logit link, or no penalty",
            field="penalty",
        )
    if model.node != "common":
        raise StudyError(
            "Firth's penalty cannot be had with an intercept that stays in each node",
            why="the penalty ties the nodes' intercepts to each other, so that a node cannot fit its own",
            fix="take node = common",
            field="node",
        )
    if model.weights_type not in (None, "frequency") or model.covariance != "model":
        raise StudyError(
            "Firth's penalty is that of a likelihood of people",
            why="precision and sampling weights, and sandwich covariances, are for models whose likelihood is not "
            "taken at its word",
            fix="take frequency weights or none, and the model's covariance",
            field="penalty",
        )


def _formula(text: Any) -> Formula:
    if not isinstance(text, str):
        raise StudyError("the model needs a formula", fix="write one, such as y ~ age + sex", field="formula")
    formula = parse_formula(text)
    if formula.response is None:
        raise StudyError("the formula has no response", fix="write it to the left of ~", field="formula")
    no_survival(formula, "glm")
    return formula


def _check_binary(formula: Formula, variables: Mapping[str, Variable]) -> None:
    assert formula.response is not None
    found = check_expression(formula.response, variables)
    ranged = isinstance(formula.response, Name) and variables[formula.response.name].range == (0.0, 1.0)
    if not found.is_categorical and not ranged and found.type != "integer":
        raise StudyError(
            "a binomial response is yes or no",
            why=f"{formula.response} is a {found.type}",
            fix=f"compare it, as in {formula.response} > 0, or declare it a boolean",
            field="formula",
        )
