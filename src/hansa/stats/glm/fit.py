"""The pooled fit: scales, means, the null model, Newton's method, and the way back to the variables' units."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hansa.errors import ConvergenceError, MethodError, NotEstimable
from hansa.formula import Design, facts_to_plain
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.contract import Cohorts, Request, Totals
from hansa.stats.fitting.aliasing import estimable, factored, leftover
from hansa.stats.fitting.newton import Fit, Point, maximise
from hansa.stats.fitting.separation import growing
from hansa.stats.glm.arguments import Model
from hansa.stats.glm.design import slopes
from hansa.stats.glm.families import has_dispersion, linked
from hansa.stats.glm.robust import POWERS, sandwich
from hansa.stats.glm.scaling import Scaling, public_scaling, sharper, with_sizes

__all__ = ["Fitted", "Problem", "fit_coefficients", "fit_pooled", "null_point", "pose", "unscaled"]

_SHARPENINGS = 3
_CONSTANT = 1e-11
_CLOSE = 1e-3
"""Where a column has less than this share of its variance to itself, columns are mixed."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A model on its way: the request its rounds stand on, the scaling, and the pooled means' totals.

    ``kept`` are the columns that are not aliased, ``mean_square`` is that of the scaled columns at the start.
    ``mix``, where there is one, is the triangular matrix by which the columns are multiplied so that they are
    nearly uncorrelated.
    """

    cohorts: Cohorts
    model: Model
    design: Design
    scaling: Scaling
    request: Request
    means: Totals
    start: Point
    kept: BoolArray
    mean_square: FloatArray
    mix: FloatArray | None = None

    def ask(self, beta: FloatArray) -> Totals:
        """One round at ``beta``."""
        step = "glm.irls" if self.model.node == "common" else "glm.profile"
        return self.cohorts.sum(step, self.request, beta=beta)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that have a coefficient."""
        return tuple(self.design.names[place] for place in slopes(self.design, self.model.node))

    @property
    def has_intercept(self) -> bool:
        """Whether the first coefficient is a common intercept."""
        return self.model.node == "common" and self.model.formula.intercept

    @property
    def n(self) -> float:
        """Rows; for frequency weights their sum."""
        return float(self.means["weight" if self.model.weights_type == "frequency" else "rows"])

    def grown(self, direction: FloatArray) -> tuple[str, ...]:
        """The columns that take part in a step, for errors."""
        unmixed = direction if self.mix is None else self.mix @ direction
        return growing(unmixed * np.sqrt(self.mean_square), self.names)

    @property
    def intercepts(self) -> float:
        """Intercepts of nodes."""
        return float(self.start.totals.get("nodes", np.zeros(())))

    @property
    def back(self) -> FloatArray:
        """The matrix from coefficients of the scaled, centred problem to those in the variables' units."""
        places = list(slopes(self.design, self.model.node))
        scale = self.scaling.columns[places]
        response = {"identity": 1 / self.scaling.response, "inverse": self.scaling.response}
        back = np.diag(scale)
        if self.has_intercept:
            centre = np.asarray(self.request.arguments["centre"])[places]
            back[0, 1:] = -(centre * scale)[1:]
        if self.mix is not None:
            back = back @ self.mix
        return back * response.get(self.model.link, 1.0)

    def dispersion(self, totals: Totals) -> float:
        """Pearson's chi-square over its degrees of freedom; 1 where the family has no dispersion."""
        if not has_dispersion(self.model.family):
            return 1.0
        df = self.n - int(self.kept.sum()) - self.intercepts
        pearson = float(totals["pearson"])
        if self.model.weights_type == "sampling":
            pearson *= self.n / float(self.means["weight"])
        return pearson / max(df, 1.0)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fit in the variables' units.

    ``coef`` (p,) is NaN where ``kept`` is false; ``covariance`` is of the kept coefficients. ``deviance``,
    ``pearson``, ``dispersion`` and ``null_deviance`` are those of the response on its own scale,
    ``scaled_deviance`` and ``scaled_null`` those on ``scale`` times it, from which the likelihood is taken.
    """

    names: tuple[str, ...]
    kept: BoolArray
    coef: FloatArray
    covariance: FloatArray
    n: float
    weight: float
    saturated: float
    intercepts: int
    deviance: float
    null_deviance: float | None
    scaled_deviance: float
    scaled_null: float | None
    pearson: float
    dispersion: float
    scale: float
    iterations: int


def fit_pooled(problem: Problem) -> Fitted:
    """Fit the model over all nodes.

    Raises
    ------
    NotEstimable
        When the data do not determine the model.
    ConvergenceError
        When the iteration ends without an answer.
    """
    null = null_point(problem)
    return unscaled(problem, fit_coefficients(problem, null), null)


def fit_coefficients(problem: Problem, null: Point | None) -> Fit:
    """Newton's method from the null model, or where it does not help from the problem's start."""
    first = problem.start if null is None or not problem.has_intercept else null
    return maximise(problem.ask, first, problem.kept, problem.dispersion, problem.grown)


# --- posing -------------------------------------------------------------------------------------------------


def pose(cohorts: Cohorts, model: Model, design: Design) -> Problem:
    """The problem as it will be solved: its scaling, start, and which columns can be estimated.

    Raises
    ------
    NotEstimable
        When the outcome does not vary, or the rows are too few.
    """
    problem = _mixed(_posed(cohorts, model, design))
    if problem.n - int(problem.kept.sum()) - problem.intercepts < 0.5:
        raise NotEstimable(
            "there are as many coefficients as rows",
            why="nothing is left to judge them by",
            fix="take a smaller model",
            field="formula",
        )
    return problem


def _posed(cohorts: Cohorts, model: Model, design: Design) -> Problem:
    """The problem under a scaling that suits it; the first look at the information says whether it does."""
    arguments: dict[str, Any] = {
        "formula": str(design.formula),
        "facts": facts_to_plain(design.facts),
        "weights": model.weights,
    }
    scaling = public_scaling(model, design, cohorts.variables)
    if not scaling.complete:
        scaling = with_sizes(scaling, cohorts.sum("glm.sizes", Request(arguments))["counts"])
    for _ in range(_SHARPENINGS):
        problem, constant = _with(cohorts, model, design, scaling, arguments)
        found = _sharpened(problem, constant)
        if np.array_equal(found.columns, scaling.columns) and found.response == scaling.response:
            break
        scaling = found
    return problem


def _with(
    cohorts: Cohorts, model: Model, design: Design, scaling: Scaling, arguments: dict[str, Any]
) -> tuple[Problem, BoolArray]:
    """The problem under this scaling, and which of its columns are constant."""
    base = {
        **arguments,
        "family": model.family,
        "link": model.link,
        "scale": scaling.columns.tolist(),
        "response_scale": scaling.response,
    }
    means = cohorts.sum("glm.means", Request(base))
    _check_means(model, means)
    middle = means["columns"] / means["weight"]
    centred = np.array(design.names) != "(Intercept)" if model.formula.intercept else np.zeros(design.width, bool)
    centre = np.where(centred, middle / scaling.columns, 0.0)
    shift = float(means["response"] / means["weight"]) / scaling.response if _is_shifted(model) else 0.0
    request = Request({**base, "node": model.node, "centre": centre.tolist(), "response_centre": shift, "mix": None})
    blank = Problem(cohorts, model, design, scaling, request, means, _NOWHERE, np.ones(0, dtype=np.bool_), np.zeros(0))
    start, gram = _start(blank)
    places = list(slopes(design, model.node))
    mean_square = np.diag(gram) / max(float(start.totals["information"]), 1e-300)
    constant = centred[places] & (np.sqrt(mean_square) <= _CONSTANT * np.abs(middle[places]))
    varying = ~constant
    kept = varying & estimable(gram * np.outer(varying, varying))
    posed = Problem(cohorts, model, design, scaling, request, means, start, kept, mean_square)
    return posed, constant


def _is_shifted(model: Model) -> bool:
    """Whether the response may be centred, since an intercept takes the shift up exactly."""
    return (model.family, model.link, model.formula.intercept) == ("gaussian", "identity", True)


def _mixed(problem: Problem) -> Problem:
    """The problem with nearly uncorrelated columns, where theirs are so close that digits would be lost.

    The columns are multiplied by the inverse of the Cholesky factor of the information at the start, which
    the nodes then do not lose digits to; its totals there are known without another round.
    """
    totals, kept = problem.start.totals, problem.kept
    gram = totals["gram"][np.ix_(kept, kept)]
    if not kept.any() or leftover(gram) > _CLOSE:
        return problem
    mix = np.eye(len(kept))
    mix[np.ix_(kept, kept)] = factored(gram / float(totals["information"])).whitening
    request = Request({**problem.request.arguments, "mix": mix.tolist()})
    beta = np.asarray(np.linalg.solve(mix, problem.start.beta), dtype=np.float64)
    mixed = Totals({**totals, "gram": mix.T @ totals["gram"] @ mix, "score": mix.T @ totals["score"]})
    return replace(problem, request=request, start=Point(beta, mixed), mix=mix)


def _check_means(model: Model, means: Totals) -> None:
    if means["unusable"] > 0.5:
        needs = {
            "binomial": "be 0 or 1",
            "poisson": "not be negative",
            "gamma": "be positive",
            "gaussian": "be finite",
        }
        raise MethodError(
            "some rows cannot be used in this model",
            why="a value is missing, infinite or at a level that the facts call absent, or a weight is negative, "
            f"or the response does not fit: it must {needs[model.family]} for the {model.family} family",
            fix="restrict the population, or take another family",
            field="formula",
        )
    if not means["weight"] > 0:
        raise NotEstimable("nobody is in the analysis set", fix="widen the population", field="population")


_NOWHERE = Point(np.zeros(0), Totals())


def _start(problem: Problem) -> tuple[Point, FloatArray]:
    """Where Newton's method starts, and the information by which aliased columns are found."""
    p = len(problem.names)
    if problem.model.node == "intercepts":
        beta = np.zeros(p)
    elif problem.model.formula.intercept:
        beta = np.concatenate([[_intercept(problem)], np.zeros(p - 1)])
    else:
        first = problem.cohorts.sum("glm.start", problem.request)
        kept = estimable(first["gram"])
        beta = np.zeros(p)
        beta[kept] = factored(first["gram"][np.ix_(kept, kept)]).solve(first["score"][kept])
    totals = problem.ask(beta)
    return Point(beta, totals), totals["gram"]


def _intercept(problem: Problem) -> float:
    """The intercept of the null model without offset; with one, a start for it."""
    weight = float(problem.means["weight"])
    model = problem.model
    mean = 0.0 if _is_shifted(model) else float(problem.means["response"]) / weight
    if (model.family == "binomial" and not 0 < mean < 1) or (model.family == "poisson" and not mean > 0):
        raise NotEstimable(
            "the outcome does not vary",
            why="everybody has the same value",
            fix="widen the population",
            field="formula",
        )
    if (model.link == "log" and mean <= 0) or (model.link == "inverse" and mean == 0):
        raise ConvergenceError(
            f"the {model.link} link does not suit the response", why="its mean is not positive", field="link"
        )
    return float(linked(model.link, np.array([mean]))[0]) - float(problem.means["offset"]) / weight


def _sharpened(problem: Problem, constant: BoolArray) -> Scaling:
    design, places = problem.design, list(slopes(problem.design, problem.model.node))
    fixed = np.ones(design.width, dtype=np.bool_)
    indicators = np.array([design.columns[place].two_valued for place in places], dtype=np.bool_)
    intercept = np.array([name == "(Intercept)" for name in problem.names], dtype=np.bool_)
    fixed[places] = constant | indicators | intercept
    squares = np.ones(design.width)
    squares[places] = problem.mean_square
    residual = float(problem.start.totals["deviance"]) / float(problem.means["weight"])
    return sharper(problem.scaling, problem.model, squares, fixed, residual)


# --- null model and the way back ----------------------------------------------------------------------------


def null_point(problem: Problem) -> Point | None:
    """The fit without slopes: intercepts and offset alone; ``None`` where the link does not allow it."""
    if problem.model.node == "intercepts":
        return problem.start
    if not problem.has_intercept:
        point = Point(np.zeros(len(problem.names)), problem.ask(np.zeros(len(problem.names))))
        return point if math.isfinite(point.deviance) else None
    if not problem.model.formula.offsets:
        return problem.start
    only = np.array([name == "(Intercept)" for name in problem.names])
    return maximise(problem.ask, problem.start, only, lambda _: 1.0, problem.grown).point


def unscaled(problem: Problem, fit: Fit, null: Point | None) -> Fitted:
    """The fit in the variables' units."""
    model, scale = problem.model, problem.scaling.response
    totals = fit.point.totals
    # the response's unit: of gaussian deviances the square, of gamma's none
    unit = scale**2 if model.family == "gaussian" else 1.0
    dispersion = problem.dispersion(totals)
    back = problem.back[:, problem.kept]
    coef = np.full(len(problem.names), np.nan)
    coef[problem.kept] = (back @ fit.point.beta[problem.kept])[problem.kept]
    if problem.has_intercept:
        coef[0] += problem.request.arguments["response_centre"]
    covariance = back[problem.kept] @ _covariance(problem, fit, dispersion) @ back[problem.kept].T
    return Fitted(
        names=problem.names,
        kept=problem.kept,
        coef=coef,
        covariance=covariance,
        n=problem.n,
        weight=float(problem.means["weight"]),
        saturated=float(problem.means["saturated"]),
        intercepts=round(problem.intercepts),
        deviance=fit.point.deviance / unit,
        null_deviance=None if null is None else null.deviance / unit,
        scaled_deviance=fit.point.deviance,
        scaled_null=None if null is None else null.deviance,
        pearson=float(totals["pearson"]) / unit,
        dispersion=dispersion / unit,
        scale=scale,
        iterations=fit.iterations,
    )


def _covariance(problem: Problem, fit: Fit, dispersion: float) -> FloatArray:
    kind, inverse = problem.model.covariance, fit.information.inverse
    if kind == "model":
        return dispersion * inverse
    full = np.zeros((len(problem.kept), len(problem.kept)))
    full[np.ix_(problem.kept, problem.kept)] = inverse
    middle = problem.cohorts.sum(
        "glm.meat" if problem.model.node == "common" else "glm.profile_meat",
        problem.request,
        beta=fit.point.beta,
        inverse=full,
        power=POWERS[kind],
        frequency=float(problem.model.weights_type == "frequency"),
    )["meat"][np.ix_(problem.kept, problem.kept)]
    parameters = int(problem.kept.sum()) + round(problem.intercepts)
    return sandwich(inverse, middle, kind, problem.n, parameters)
