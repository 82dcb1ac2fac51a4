"""The server as in Flower's quickstart for scikit-learn: federated averaging, as it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Any, context: Any) -> None:
    config = context.run_config
    start = ArrayRecord([np.zeros((1, int(config["covariates"]))), np.zeros(1)])
    found = FedAvg(min_train_nodes=3, min_evaluate_nodes=3, min_available_nodes=3).start(
        grid=grid, initial_arrays=start, num_rounds=int(config["rounds"])
    )
    slopes, intercept = found.arrays.to_numpy_ndarrays()
    Path(config["result"]).write_text(json.dumps([*intercept.tolist(), *slopes.ravel().tolist()]), encoding="utf-8")
