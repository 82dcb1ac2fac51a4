"""Generalised linear models over all cohorts, equal to the fit of the pooled rows.

McCullagh P, Nelder JA (1989). Generalized Linear Models, 2nd edition; section 2.5 for the algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hansa.errors import MethodError, NotEstimable
from hansa.formula import Design, facts_to_plain, parse_formula, resolve_design
from hansa.model import Variable
from hansa.model.exposure import BoolArray, FloatArray
from hansa.stats.aliasing import estimable
from hansa.stats.contract import Arguments, Cohorts, Method, Request, Totals
from hansa.stats.design import reads, slopes
from hansa.stats.families import has_dispersion, linked, log_likelihood
from hansa.stats.glm_arguments import Model, read_model
from hansa.stats.glm_facts import FACT_STEPS, pooled_facts
from hansa.stats.glm_profile import PROFILE
from hansa.stats.glm_result import GlmResult, Term, as_rows, chi_square, likelihood_ratio, term, wald
from hansa.stats.glm_robust import MEAT, PROFILE_MEAT, sandwich
from hansa.stats.glm_scaling import Scaling, first_scaling, sharper
from hansa.stats.glm_steps import IRLS, MEANS, SIZES, START
from hansa.stats.newton import Fit, Point, maximise

__all__ = ["METHOD", "GlmResult", "Term", "likelihood_ratio", "plan", "wald"]
