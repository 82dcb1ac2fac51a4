"""The tuned job's own parts: an executor in FLARE's client process that reads its rows once, and a model of doubles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FLMetaKey
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from nvflare.app_common.workflows.lr.np_persistor import LRModelPersistor


class Doubles(LRModelPersistor):  # type: ignore[misc]  # as below
    """FLARE's store of the model, which starts as float32 there and stays so."""

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features=n_features)
        self.model: Any = np.zeros((n_features + 1, 1))


class NewtonSite(Executor):  # type: ignore[misc]  # FLARE is not installed where types are checked
    """Score and information of one site at the coefficients it is shown."""

    def __init__(self, data: str) -> None:
        super().__init__()
        self.data = data
        self.rows: Any = None

    def execute(self, _name: str, shareable: Any, fl_ctx: Any, _abort: Any) -> Any:
        if self.rows is None:
            with np.load(Path(self.data) / f"{fl_ctx.get_identity_name()}.npz") as rows:
                self.rows = np.column_stack([np.ones(len(rows["x"])), rows["x"]]), rows["y"][:, None]
        x, y = self.rows
        asked = FLModelUtils.from_shareable(shareable)
        p = 1 / (1 + np.exp(-(x @ asked.params["numpy_key"])))
        sums = {"gradient": x.T @ (y - p), "hessian": (x * (p * (1 - p))).T @ x}
        meta = {FLMetaKey.NUM_STEPS_CURRENT_ROUND: len(y)}
        found = FLModel(params=sums, params_type=ParamsType.FULL, meta=meta, current_round=asked.current_round)
        return FLModelUtils.to_shareable(found)
