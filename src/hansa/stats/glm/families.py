"""Families and links of generalised linear models: what one row gives to the sums.

For a row with response y, linear predictor eta, mean mu and variance function V (McCullagh & Nelder 1989,
section 2.5), with d = dmu/deta:

- the working weight d^2 / V,
- the score residual (y - mu) d / V, the derivative of the log-likelihood by eta at dispersion 1,
- the unit deviance.

Binomial formulas are written so that nothing is lost or divided by zero as mu tends to 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import gammaln, kl_div, log_ndtr, ndtr, ndtri, xlogy

from hansa.errors import StudyError
from hansa.model.exposure import BoolArray, FloatArray

__all__ = [
    "FAMILIES",
    "LINKS",
    "Working",
    "canonical_link",
    "check_family",
    "fits",
    "has_dispersion",
    "linked",
    "log_likelihood",
    "saturated",
    "starting_mean",
    "working",
]

FAMILIES: tuple[str, ...] = ("gaussian", "binomial", "poisson", "gamma")
LINKS: tuple[str, ...] = ("identity", "log", "logit", "probit", "cloglog", "inverse")

_LINKS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gaussian": ("identity", "log", "inverse"),
        "binomial": ("logit", "probit", "cloglog", "log"),
        "poisson": ("log", "identity"),
        "gamma": ("inverse", "log", "identity"),
        "negative binomial": ("log",),
    }
)
"""The links of each family, the first the canonical one; as in R's ``family``, cauchit and sqrt left out."""

# Beyond these a row is out of the model's domain, or would fill the secure sum. The response of gaussian and
# gamma models is scaled to about one, so that they leave room on both sides.
_LOG_LIMITS = {"gaussian": (-700.0, 10.0), "poisson": (-700.0, 20.0), "gamma": (-16.0, 16.0)}
_IDENTITY_LEAST = {"poisson": 2.0**-20, "gamma": 2.0**-16}
_INVERSE_LEAST = {"gaussian": 2.0**-8, "gamma": 2.0**-16}
_CLOGLOG_LIMITS = (-700.0, 20.0)
_LOG_BINOMIAL_MOST = -(2.0**-20)


@dataclass(frozen=True, eq=False)
class Working:
    """Per row, each of shape (n,): mean, working weight, score residual, unit deviance.

    ``valid`` marks the rows whose linear predictor lies in the model's domain; ``None`` means all. The others
    are given at the domain's edge.
    """

    mu: FloatArray
    weight: FloatArray
    residual: FloatArray
    deviance: FloatArray
    valid: BoolArray | None = None


def canonical_link(family: str) -> str:
    """The family's canonical link.

    Examples
    --------
    >>> canonical_link("gamma")
    'inverse'
    """
    return _LINKS_OF[family][0]


def check_family(family: object, link: object) -> tuple[str, str]:
    """The family and its link; ``None`` asks for the canonical one.

    Raises
    ------
    StudyError
        When there is no such family, or it has no such link.

    Examples
    --------
    >>> check_family("poisson", None)
    ('poisson', 'log')
    """
    if family not in _LINKS_OF:
        raise StudyError(f"there is no family {family}", fix=f"one of {', '.join(_LINKS_OF)}", field="family")
    known = str(family)
    if link is None:
        return known, canonical_link(known)
    if link not in _LINKS_OF[known]:
        raise StudyError(
            f"the {known} family has no link {link}", fix=f"one of {', '.join(_LINKS_OF[known])}", field="link"
        )
    return known, str(link)


def has_dispersion(family: str) -> bool:
    """Whether the family's dispersion is estimated (else it is 1)."""
    return family in ("gaussian", "gamma")


def fits(family: str, y: FloatArray) -> BoolArray:
    """Which responses the family can have: 0 and 1 for binomial, none below 0 for Poisson, above 0 for gamma."""
    match family:
        case "binomial":
            return np.isin(y, (0.0, 1.0))
        case "poisson":
            return np.greater_equal(y, 0.0)
        case "gamma":
            return np.greater(y, 0.0)
    return np.isfinite(y)


def starting_mean(family: str, link: str, y: FloatArray) -> FloatArray:
    """A mean for each row to start from where no intercept gives one (R's ``mustart``)."""
    match family:
        case "binomial":
            return (y + 0.5) / 2
        case "poisson":
            return y + 0.1
        case "gaussian" if link != "identity":
            return np.maximum(y, 2.0**-6)
    return y


def linked(link: str, mu: FloatArray) -> FloatArray:
    """The link function, eta = g(mu).

    Examples
    --------
    >>> linked("logit", np.array([0.5, 0.75])).round(4)
    array([0.    , 1.0986])
    """
    match link:
        case "log":
            return np.log(mu)
        case "logit":
            return np.log(mu) - np.log1p(-mu)
        case "probit":
            return np.asarray(ndtri(mu), dtype=np.float64)
        case "cloglog":
            return np.log(-np.log1p(-mu))
        case "inverse":
            return 1 / mu
    return mu


def working(family: str, link: str, y: FloatArray, eta: FloatArray) -> Working:
    """What each row gives at its linear predictor; finite whatever eta is.

    Parameters
    ----------
    family, link : str
        As :func:`check_family` allows them.
    y, eta : array, shape (n,)

    Examples
    --------
    >>> found = working("binomial", "logit", np.array([1.0, 0.0]), np.array([0.0, 800.0]))
    >>> found.weight.tolist(), found.residual.tolist(), found.deviance.round(3).tolist()
    ([0.25, 0.0], [0.5, -1.0], [1.386, 1600.0])
    """
    if family == "binomial":
        return _BINOMIAL[link](y, eta)
    if link == "log":
        low, high = _LOG_LIMITS[family]
        return _from_log(family, y, eta, low, high)
    if link == "inverse":
        return _from_inverse(family, y, eta)
    return _from_identity(family, y, eta)


def saturated(family: str, y: FloatArray, prior: FloatArray) -> float:
    """The part of the log-likelihood that no coefficient changes; see :func:`log_likelihood`.

    Poisson: the saturated log-likelihood. Gamma: the sum of log y. Gaussian: that of half the log weights.
    Rows of weight zero give nothing.
    """
    match family:
        case "poisson":
            return float(prior @ (xlogy(y, y) - y - gammaln(y + 1)))
        case "gamma":
            return float(prior @ np.log(np.where(prior > 0, y, 1.0)))
        case "gaussian":
            return 0.5 * float(np.log(np.where(prior > 0, prior, 1.0)).sum())
    return 0.0


def log_likelihood(family: str, deviance: float, n: float, constant: float) -> float:
    """The log-likelihood from the deviance, with the dispersion's estimate deviance / n where it has one.

    Parameters
    ----------
    family : str
    deviance : float
    n : float
        Rows; for frequency weights and for gamma models, the sum of weights.
    constant : float
        The sum of :func:`saturated` over all rows.

    Returns
    -------
    float
        As R's ``logLik``: gaussian and gamma at the maximum over the dispersion (gamma: at deviance / n).
        Infinite for a deviance of zero there.
    """
    if family in ("binomial", "poisson"):
        return constant - deviance / 2
    if deviance <= 0 or n <= 0:
        return math.inf
    if family == "gaussian":
        return constant - n / 2 * (math.log(2 * math.pi * deviance / n) + 1)
    shape = n / deviance
    per_row = shape * math.log(shape) - float(gammaln(shape)) - shape
    return n * per_row - constant - shape * deviance / 2


# --- binomial -----------------------------------------------------------------------------------------------


def _logit(y: FloatArray, eta: FloatArray) -> Working:
    decay = np.exp(-np.abs(eta))
    tail = 1 / (1 + decay)  # the larger of mu and 1 - mu
    weight = decay * tail
    mu = np.where(eta >= 0, tail, weight)
    weight *= tail
    deviance = np.log1p(decay)
    deviance += np.maximum(eta, 0.0)
    deviance -= y * eta
    deviance *= 2
    return Working(mu, weight, y - mu, deviance)


def _probit(y: FloatArray, eta: FloatArray) -> Working:
    sign = np.where(y > 0.5, 1.0, -1.0)
    towards, away = log_ndtr(sign * eta), log_ndtr(-sign * eta)
    density = -0.5 * eta**2 - 0.5 * math.log(2 * math.pi)
    mills = np.exp(density - towards)
    weight = mills * np.exp(density - away)
    return Working(np.asarray(ndtr(eta), dtype=np.float64), weight, sign * mills, -2 * towards)


def _cloglog(y: FloatArray, eta: FloatArray) -> Working:
    low, high = _CLOGLOG_LIMITS
    inside = np.clip(eta, low, high)
    hazard = np.exp(inside)
    with np.errstate(over="ignore"):
        ratio = hazard / np.expm1(hazard)  # d / mu
    mu = -np.expm1(-hazard)
    event = y > 0.5
    deviance = np.where(event, -2 * np.log(mu), 2 * hazard)
    return Working(mu, hazard * ratio, np.where(event, ratio, -hazard), deviance)


def _log_binomial(y: FloatArray, eta: FloatArray) -> Working:
    inside = np.clip(eta, -700.0, _LOG_BINOMIAL_MOST)
    odds = 1 / np.expm1(-inside)
    event = y > 0.5
    deviance = np.where(event, -2 * inside, -2 * np.log(-np.expm1(inside)))
    residual = np.where(event, 1.0, -odds)
    return Working(np.exp(inside), odds, residual, deviance, _all_or(eta <= _LOG_BINOMIAL_MOST))


_BINOMIAL: Mapping[str, Callable[[FloatArray, FloatArray], Working]] = MappingProxyType(
    {"logit": _logit, "probit": _probit, "cloglog": _cloglog, "log": _log_binomial}
)


# --- gaussian, Poisson, gamma: V = 1, mu, mu^2 ------------------------------------------------------------------


def _from_log(family: str, y: FloatArray, eta: FloatArray, low: float, high: float) -> Working:
    mu = np.exp(np.clip(eta, low, high))
    valid = (eta <= high) if low < -100 else (eta >= low) & (eta <= high)
    return _assembled(family, y, mu, mu, valid)


def _from_identity(family: str, y: FloatArray, eta: FloatArray) -> Working:
    if family == "gaussian":
        residual = y - eta
        return Working(eta, np.ones_like(eta), residual, residual**2)
    least = _IDENTITY_LEAST[family]
    return _assembled(family, y, np.maximum(eta, least), np.ones_like(eta), eta >= least)


def _from_inverse(family: str, y: FloatArray, eta: FloatArray) -> Working:
    least = _INVERSE_LEAST[family]
    size = np.abs(eta) if family == "gaussian" else eta
    mu = 1 / np.where(size >= least, eta, least)
    return _assembled(family, y, mu, -(mu**2), size >= least)


def _assembled(family: str, y: FloatArray, mu: FloatArray, slope: FloatArray, valid: BoolArray) -> Working:
    distance = y - mu
    match family:
        case "poisson":
            scaled, deviance = slope / mu, 2 * kl_div(y, mu)
        case "gamma":
            ratio = y / mu
            scaled, deviance = slope / mu**2, 2 * (ratio - 1 - np.log(ratio))
        case _:
            scaled, deviance = slope, distance**2
    return Working(mu, slope * scaled, distance * scaled, deviance, _all_or(valid))


def _all_or(valid: BoolArray) -> BoolArray | None:
    return None if valid.all() else valid
