"""Dialysis in the State of Rio de Janeiro: 6,805 patients of 67 centres, each centre a node.

Carvalho MS et al. (2003), International Journal for Quality in Health Care 15:189; the data are those of SurvSet.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from cox_cases import fit_to
from descriptive_cases import described
from lifelines import CoxPHFitter
from SurvSet.data import SurvLoader

from hansa.model import Variable
from hansa.model.exposure import FloatArray

DISEASES = ("congen", "diabetes", "hypert", "other", "renal")
VARIABLES = described(
    *(Variable(name=name, type="integer") for name in ("time", "event", "age", "begin")),
    Variable(name="disease", type="category", levels=DISEASES),
)


# R 4.2, survival 3.5-3: coxph(Surv(time, event) ~ num_age + fac_disease + strata(fac_center),
# control = coxph.control(eps = 1e-14, toler.chol = 1e-15)); lifelines stops at 1.5e-8 of it
COEF = [0.034599775398625313, 1.029753748638487565, 0.631312505026744297, 0.758143614922624276, 0.573245551133583997]
ERRORS = [
    0.0018091201758874413,
    0.231472914437877153,
    0.2294581479674854818,
    0.2384462897713483798,
    0.2339673870421134783,
]
LOGLIK = (-6757.8419292825029, -6516.8027190462008)
CONCORDANCE = 0.6587273953016306


@cache
def patients() -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its pickles name modules of an older numpy
        found: pd.DataFrame = SurvLoader().load_dataset(ds_name="Dialysis")["df"]
    named = {"num_age": "age", "num_begin": "begin", "fac_disease": "disease", "fac_center": "centre"}
    return found.rename(columns=named).assign(centre=lambda rows: rows["centre"].cat.codes)


def columns() -> dict[str, FloatArray]:
    data = patients()
    values = {name: data[name].to_numpy(dtype=np.float64) for name in ("time", "event", "age", "begin")}
    values["disease"] = np.array([DISEASES.index(name) for name in data["disease"]], dtype=np.float64)
    return values


def test_67_centres_as_67_nodes_give_the_pooled_model_stratified_by_centre() -> None:
    data = patients()
    owners = data["centre"].to_numpy(dtype=np.int64)
    assert (len(data), data["centre"].nunique(), int(data.groupby("centre").size().min())) == (6805, 67, 4)
    found = fit_to(columns(), VARIABLES, owners, formula="Surv(time, event) ~ age + disease")
    assert [term.coef for term in found.terms] == pytest.approx(COEF, rel=1e-8)
    assert [term.se for term in found.terms] == pytest.approx(ERRORS, rel=1e-8)
    assert (found.null_loglik, found.loglik) == pytest.approx(LOGLIK, rel=1e-10)
    assert found.concordance is not None
    assert found.concordance.value == pytest.approx(CONCORDANCE, rel=1e-10)
    assert (found.n, found.events) == (6805, int(data["event"].sum()))


def test_one_baseline_for_all_centres_is_the_pooled_model() -> None:
    data = patients()
    owners = data["centre"].to_numpy(dtype=np.int64)
    found = fit_to(columns(), VARIABLES, owners, formula="Surv(time, event) ~ age", baseline="pooled")
    peer = CoxPHFitter().fit(data[["time", "event", "age"]], "time", "event", fit_options={"precision": 1e-14})
    assert found.by_name["age"].coef == pytest.approx(peer.params_["age"], rel=1e-8)
    assert found.by_name["age"].se == pytest.approx(peer.standard_errors_["age"], rel=1e-8)
