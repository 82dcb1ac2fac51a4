"""Newton's method on means that Flower's SecAgg+ adds up; the server sees no single node's answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import ServerApp

from .newton import step

app = ServerApp()


class Newton(FedAvg):  # type: ignore[misc]  # Flower is not installed where types are checked
    """Federated averaging whose averages are scores and informations."""

    def __init__(self, width: int) -> None:
        self.beta = np.zeros(width)
        start = ndarrays_to_parameters([self.beta])
        super().__init__(fraction_evaluate=0.0, min_fit_clients=3, min_available_clients=3, initial_parameters=start)

    def aggregate_fit(self, server_round: Any, results: Any, failures: Any) -> Any:
        aggregated, metrics = super().aggregate_fit(server_round, results, failures)
        self.beta = step(self.beta, parameters_to_ndarrays(aggregated)[0])
        return ndarrays_to_parameters([self.beta]), metrics


@app.main()
def main(grid: Any, context: Any) -> None:
    config = context.run_config
    strategy = Newton(int(config["covariates"]) + 1)
    legacy = LegacyContext(context, config=ServerConfig(num_rounds=int(config["rounds"])), strategy=strategy)
    # A finer grid than its default; three nodes' sums fit into 32 bits, since every mean here is below one.
    masked = SecAggPlusWorkflow(3, 2, max_weight=1, clipping_range=1.0, quantization_range=2**28)
    DefaultWorkflow(fit_workflow=masked)(grid, legacy)
    Path(config["result"]).write_text(json.dumps(strategy.beta.tolist()), encoding="utf-8")
