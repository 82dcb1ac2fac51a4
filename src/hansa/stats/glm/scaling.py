"""Centres and powers of two under which a model's sums lose neither headroom nor low bits.

Columns come to about one, and the response of gaussian and gamma models too. Powers of two change no digit,
and with an intercept centring changes no fitted value, so the coefficients go back exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hansa.formula import Design, PolyFact
from hansa.formula.design import ResolvedFactor
from hansa.formula.tree import Name
from hansa.model import Variable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.fitting.scaling import power_of_two, sharpened
from hansa.stats.fitting.sizes import bucket_scale
from hansa.stats.glm.arguments import Model
from hansa.stats.glm.families import has_dispersion

__all__ = ["Scaling", "column_scales", "public_scaling", "sharper", "with_sizes"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Powers of two for the columns, shape (width,), and for the response.

    In a public scaling NaN stands where no dictionary range gives one.
    """

    columns: FloatArray
    response: float

    @property
    def complete(self) -> bool:
        """Whether no size needs to be asked for."""
        return bool(np.isfinite(self.columns).all()) and math.isfinite(self.response)


def public_scaling(model: Model, design: Design, variables: Mapping[str, Variable]) -> Scaling:
    """The scales that follow from the dictionary's ranges alone."""
    return Scaling(column_scales(design, variables), _response_scale(model, variables))


def column_scales(design: Design, variables: Mapping[str, Variable]) -> FloatArray:
    """A power of two for each column, shape (width,); NaN where the dictionary's ranges give none."""
    return np.array([_column_scale(design, column.parts, variables) for column in design.columns])


def with_sizes(scaling: Scaling, counts: FloatArray) -> Scaling:
    """Open scales filled in from the sizes counted (columns, response and offset in this order)."""
    found = bucket_scale(counts)
    response = scaling.response if math.isfinite(scaling.response) else float(found[-2])
    return Scaling(np.where(np.isfinite(scaling.columns), scaling.columns, found[:-2]), response)


def sharper(scaling: Scaling, model: Model, mean_square: FloatArray, fixed: BoolArray, residual: float) -> Scaling:
    """The scaling after a first look at the columns' mean squares about their centres.

    Parameters
    ----------
    scaling : Scaling
    model : Model
    mean_square : array, shape (width,)
        Under the scaling.
    fixed : array of bool, shape (width,)
        Columns to be left as they are: constant ones and indicators.
    residual : float
        The response's mean square about the null model, under the scaling.
    """
    columns = np.where(fixed, scaling.columns, sharpened(scaling.columns, mean_square))
    response = scaling.response
    if (model.family, model.link) == ("gaussian", "identity"):
        response = float(sharpened(np.array([response]), np.array([residual]))[0])
    return replace(scaling, columns=columns, response=response)


def _column_scale(design: Design, parts: tuple[tuple[int, int], ...], variables: Mapping[str, Variable]) -> float:
    factors = [design.factors[place] for place, _ in parts]
    scales = [_factor_scale(factor, variables, alone=len(factors) == 1) for factor in factors]
    return math.prod(scales)


def _factor_scale(one: ResolvedFactor, variables: Mapping[str, Variable], *, alone: bool) -> float:
    """NaN where nothing public is known; ``alone``: it will be centred, so that its spread counts."""
    if isinstance(one.fact, PolyFact):
        return float(2.0 ** round(math.log2(one.fact.norm2[1]) / 2))  # its squares sum to one
    if one.factor.kind != "number":
        return 1.0
    expression = one.factor.expression
    range_ = variables[expression.name].range if isinstance(expression, Name) else None
    return math.nan if range_ is None else _range_scale(range_, spread=alone)


def _response_scale(model: Model, variables: Mapping[str, Variable]) -> float:
    if not has_dispersion(model.family):
        return 1.0
    response = model.formula.response
    if not isinstance(response, Name):
        return math.nan
    variable = variables[response.name]
    if variable.is_categorical:
        return 1.0
    spread = (model.family, model.link) == ("gaussian", "identity")
    return math.nan if variable.range is None else _range_scale(variable.range, spread=spread)


def _range_scale(range_: tuple[float, float], *, spread: bool) -> float:
    if spread:
        return power_of_two(range_)[1]
    return 2.0 ** -math.ceil(math.log2(max(abs(range_[0]), abs(range_[1]))))
