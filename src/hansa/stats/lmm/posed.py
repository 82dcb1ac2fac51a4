"""A mixed model as it is solved: on centred columns of about unit size; and the way back to the variables' units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hansa.errors import NotEstimable
from hansa.formula import facts_to_plain, resolve_design
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Cohorts, Request
from hansa.stats.glm.arguments import Model
from hansa.stats.glm.facts import pooled_facts
from hansa.stats.glm.fit import Problem, pose
from hansa.stats.lmm.arguments import MixedModel
from hansa.stats.lmm.criterion import Criterion, criterion_at, factor_of
from hansa.stats.lmm.rows import random_columns

__all__ = ["FEWEST_CLUSTERS", "Posed", "pose_mixed"]

FEWEST_CLUSTERS = 10
"""Fewer tell little of a variance, and sums at a few variances could be solved for the sums of each."""


@dataclass(frozen=True, eq=False)
class Posed:
    """A mixed model on its way: the fixed part as ``glm`` poses it, and where the random effects' columns stand.

    ``places`` are those in the design, -1 for an intercept that it does not have.
    """

    model: MixedModel
    fixed: Problem
    request: Request
    places: tuple[int, ...]
    clusters: int

    @property
    def names(self) -> tuple[str, ...]:
        """The random effects."""
        names = self.fixed.design.names
        return tuple(names[place] if place >= 0 else "(Intercept)" for place in self.places)

    @property
    def back(self) -> FloatArray:
        """The matrix from the kept coefficients of the scaled problem to those in the variables' units."""
        kept = self.fixed.kept
        return self.fixed.back[np.ix_(kept, kept)]

    @property
    def effects_back(self) -> FloatArray:
        """The matrix from random effects of scaled, centred columns to those of the columns in their units."""
        arguments, names = self.fixed.request.arguments, self.names
        own = np.array([name == "(Intercept)" for name in names])
        scale = np.where(own, 1.0, np.asarray(arguments["scale"])[list(self.places)])
        back = np.diag(scale)
        if own.any():
            back[0] -= np.where(own, 0.0, np.asarray(arguments["centre"])[list(self.places)]) * scale
        return back

    def at(self, theta: FloatArray) -> Criterion:
        """One round."""
        factor = factor_of(theta, len(self.places))
        totals = self.fixed.cohorts.sum("lmm.round", self.request, factor=factor)
        return criterion_at(theta, totals, self.fixed.kept, self.fixed.n, reml=self.model.method == "REML")

    def variances(self, found: Criterion) -> tuple[FloatArray, float]:
        """The random effects' covariance matrix and the residual variance, in the variables' units."""
        residual = found.variance / self.fixed.scaling.response**2
        factor = self.effects_back @ factor_of(found.theta, len(self.places))
        return residual * factor @ factor.T, residual

    def criterion(self, found: Criterion) -> float:
        """The criterion of the response and columns in their units."""
        response = self.fixed.scaling.response
        value = found.value - 2 * found.freedom * math.log(response)
        if self.model.method == "ML":
            return value
        # log|X'V^-1 X| changes with the columns' units; back is theirs over the response's
        return value - 2 * float(np.linalg.slogdet(self.back * response)[1])


def pose_mixed(cohorts: Cohorts, model: MixedModel) -> Posed:
    """The model with its facts, scaling and the columns that can be estimated.

    Raises
    ------
    StudyError
        When a random effect does not stand in the fixed part, or they are too many.
    NotEstimable
        When the rows are too few, there are fewer than ten clusters, or each of them is a single row.
    """
    facts = pooled_facts(cohorts, model.fixed)
    where = {"formula": str(model.fixed), "random": str(model.random), "facts": facts_to_plain(facts)}
    places = random_columns(where, cohorts.variables)
    plain = Model(model.fixed, "gaussian", "identity", "common", None, None, "model", model.level, None)
    fixed = pose(cohorts, plain, resolve_design(model.fixed, cohorts.variables, facts))
    request = Request({**fixed.request.arguments, "random": str(model.random)})
    clusters = round(float(cohorts.sum("lmm.count", request)["clusters"]))
    if clusters < FEWEST_CLUSTERS:
        raise _too_few(model)
    if clusters > fixed.n - 0.5:
        raise _single_rows(model)
    return Posed(model, fixed, request, places, clusters)


def _single_rows(model: MixedModel) -> NotEstimable:
    return NotEstimable(
        f"each {model.random.group} has one row",
        why="what varies between clusters cannot be told from the residuals",
        fix="take glm, or a group with several rows",
        field="formula",
    )


def _too_few(model: MixedModel) -> NotEstimable:
    group = model.random.group.name
    instead = "take glm with node = intercepts" if model.by_node else f"write {group} as a term of the fixed part"
    return NotEstimable(
        f"there are fewer than {FEWEST_CLUSTERS} {'nodes' if model.by_node else 'clusters'}",
        why="so few tell little of a variance between them, and their sums could be told apart",
        fix=f"{instead}, or combine the sites' own fits by meta-analysis",
        field="formula",
    )
