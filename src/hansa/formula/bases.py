"""Bases of smooth terms: natural and B-splines and orthogonal polynomials, number for number as in R.

Knots, boundaries and recurrences come from outside (pooled over the league), never from the rows at hand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

__all__ = ["b_spline", "natural_spline", "orthogonal_polynomial"]

FloatArray = npt.NDArray[np.float64]

_CUBIC = 3


def natural_spline(x: FloatArray, knots: tuple[float, ...], boundary: tuple[float, float]) -> FloatArray:
    """The natural cubic spline basis of R's ``splines::ns(x, knots=, Boundary.knots=)``.

    Cubic between the boundary knots, linear beyond them; no intercept.

    Parameters
    ----------
    x : FloatArray
        Shape (n,); NaN is missing.
    knots : tuple of float
        Interior knots, rising.
    boundary : tuple of float
        Lower and upper boundary knot.

    Returns
    -------
    FloatArray
        Shape (n, len(knots) + 1); a row of NaN where x is missing.

    Notes
    -----
    The B-spline basis is projected on the null space of its second derivatives at the boundary, by the QR
    decomposition that R uses (Hastie, "Generalized additive models", in Statistical Models in S, 1992, 7.2).

    Examples
    --------
    >>> natural_spline(np.array([20.0, 80.0]), (50.0,), (20.0, 80.0)).round(3)
    array([[0.   , 0.   ],
           [0.344, 0.771]])
    """
    grid = _knots(knots, boundary, _CUBIC)
    ends = np.array(boundary)
    inside = np.clip(x, *boundary)
    basis = _basis(inside, grid, _CUBIC)
    slopes = _derivatives(ends, grid, 1)
    beyond = np.nan_to_num(x - inside)
    basis += np.where(beyond < 0, beyond, 0.0)[:, None] * slopes[0]
    basis += np.where(beyond > 0, beyond, 0.0)[:, None] * slopes[1]
    curvature = _derivatives(ends, grid, 2)[:, 1:]
    rotation = np.linalg.qr(curvature.T, mode="complete").Q
    return np.asarray(basis[:, 1:] @ rotation[:, 2:], dtype=np.float64)


def b_spline(
    x: FloatArray, knots: tuple[float, ...], boundary: tuple[float, float], degree: int = _CUBIC
) -> FloatArray:
    """The B-spline basis of R's ``splines::bs(x, knots=, degree=, Boundary.knots=)``.

    Beyond the boundary knots the outermost polynomial pieces go on; no intercept.

    Parameters
    ----------
    x : FloatArray
        Shape (n,); NaN is missing.
    knots : tuple of float
        Interior knots, rising.
    boundary : tuple of float
        Lower and upper boundary knot.
    degree : int
        The degree of the pieces, at least 1.

    Returns
    -------
    FloatArray
        Shape (n, len(knots) + degree); a row of NaN where x is missing.

    Examples
    --------
    >>> b_spline(np.array([0.0, 0.5, 1.0]), (), (0.0, 1.0), degree=2)
    array([[0.  , 0.  ],
           [0.5 , 0.25],
           [0.  , 1.  ]])
    """
    return _basis(x, _knots(knots, boundary, degree), degree)[:, 1:]


def orthogonal_polynomial(x: FloatArray, alpha: tuple[float, ...], norm2: tuple[float, ...]) -> FloatArray:
    """The polynomials of R's ``predict(poly(x, degree))``.

    p_0 = 1, p_1 = x - alpha_1, p_{j+1} = (x - alpha_{j+1}) p_j - (norm2_{j+2} / norm2_{j+1}) p_{j-1}, each divided
    by its norm over the pooled rows (Kennedy & Gentle, Statistical Computing, 1980, 343-344).

    Parameters
    ----------
    x : FloatArray
        Shape (n,); NaN is missing.
    alpha : tuple of float
        As in ``attr(poly(x, degree), "coefs")$alpha``; its length is the degree.
    norm2 : tuple of float
        As in ``$norm2``: 1, the number of rows, and the squared norms of p_1 to p_degree.

    Returns
    -------
    FloatArray
        Shape (n, degree).

    Examples
    --------
    >>> orthogonal_polynomial(np.array([1.0, 2.0, 3.0]), (2.0,), (1.0, 3.0, 2.0)).ravel().round(4)
    array([-0.7071,  0.    ,  0.7071])
    """
    assert len(norm2) == len(alpha) + 2
    before, current = np.zeros_like(x), np.ones_like(x)
    columns = []
    for j, centre in enumerate(alpha):
        before, current = current, (x - centre) * current - (norm2[j + 1] / norm2[j]) * before
        columns.append(current / np.sqrt(norm2[j + 2]))
    return np.column_stack(columns)


def _knots(knots: tuple[float, ...], boundary: tuple[float, float], degree: int) -> FloatArray:
    return np.array([boundary[0]] * (degree + 1) + list(knots) + [boundary[1]] * (degree + 1))


def _basis(x: FloatArray, grid: FloatArray, degree: int) -> FloatArray:
    """All B-splines at x, shape (n, len(grid) - degree - 1); rows of NaN where x is missing."""
    missing = np.isnan(x)
    values = scipy.interpolate.BSpline.design_matrix(
        np.where(missing, grid[0], x), grid, degree, extrapolate=True
    ).toarray()
    values[missing] = np.nan
    return np.asarray(values, dtype=np.float64)


def _derivatives(x: FloatArray, grid: FloatArray, order: int) -> FloatArray:
    """Derivatives of all cubic B-splines at x, shape (len(x), len(grid) - 4)."""
    count = len(grid) - _CUBIC - 1
    return np.asarray(scipy.interpolate.BSpline(grid, np.eye(count), _CUBIC).derivative(order)(x), dtype=np.float64)
