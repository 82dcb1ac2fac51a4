"""Linear algebra on a pooled information matrix: which columns can be estimated, solving and inverting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from hansa.errors import NotEstimable
from hansa.model.exposure import BoolArray, FloatArray

__all__ = ["Factored", "estimable", "factored", "leftover"]

_TOLERANCE = 1e-11


@dataclass(frozen=True, eq=False)
class Factored:
    """The Cholesky factor of an information matrix scaled to unit diagonal."""

    factor: FloatArray
    root: FloatArray

    def solve(self, right: FloatArray) -> FloatArray:
        """The solution x of information x = right, shape (p,)."""
        return np.asarray(cho_solve((self.factor, True), right / self.root)) / self.root

    @property
    def whitening(self) -> FloatArray:
        """The upper triangular matrix M with M' information M = 1, shape (p, p)."""
        p = len(self.root)
        lower = np.tril(self.factor)
        return np.asarray(solve_triangular(lower, np.eye(p), lower=True)).T / self.root[:, None]

    @property
    def inverse(self) -> FloatArray:
        """The inverse, shape (p, p), symmetric."""
        p = len(self.root)
        inverse = np.asarray(cho_solve((self.factor, True), np.eye(p)))
        return (inverse + inverse.T) / (2 * np.outer(self.root, self.root))


def estimable(gram: FloatArray, tolerance: float = _TOLERANCE) -> BoolArray:
    """Which columns are no combination of earlier ones: Cholesky in column order, as R keeps the first.

    Parameters
    ----------
    gram : array, shape (p, p)
        Pooled, so that every split of the rows gives the same answer.
    tolerance : float
        The least share of a column's sum of squares that the columns before it must leave over.

    Returns
    -------
    array of bool, shape (p,)

    Examples
    --------
    >>> x = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 2], [0, 0, 0]])
    >>> estimable(x.T @ x).tolist()
    [True, True, False]
    """
    root = np.sqrt(np.diag(gram))
    safe = np.where(root > 0, root, 1.0)
    rest = gram / np.outer(safe, safe)
    kept = np.zeros(len(gram), dtype=np.bool_)
    for column in range(len(gram)):
        left = rest[column, column]
        if left > tolerance:
            kept[column] = True
            direction = rest[:, column] / np.sqrt(left)
            rest = rest - np.outer(direction, direction)
    return kept


def leftover(gram: FloatArray) -> float:
    """The least share of a column's sum of squares that the columns before it leave over; 1 for none.

    Examples
    --------
    >>> round(leftover(np.array([[1.0, 0.8], [0.8, 1.0]])), 6)
    0.36
    """
    return float(np.diag(factored(gram).factor).min(initial=1.0)) ** 2


def factored(gram: FloatArray) -> Factored:
    """The factor of a positive definite information matrix.

    Raises
    ------
    NotEstimable
        When it is singular.
    """
    root = np.sqrt(np.maximum(np.diag(gram), 0.0))
    if not (root > 0).all():
        raise _singular()
    try:
        factor, _ = cho_factor(gram / np.outer(root, root), lower=True)
    except np.linalg.LinAlgError:
        raise _singular() from None
    return Factored(np.asarray(factor), root)


def _singular() -> NotEstimable:
    return NotEstimable(
        "the data do not determine all coefficients",
        why="the information about some of them vanished on the way",
        fix="take out or merge sparse terms",
        field="formula",
    )
