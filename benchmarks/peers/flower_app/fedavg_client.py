"""A node as in Flower's quickstart for scikit-learn: one iteration of a penalised regression, then the loss."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from .newton import of_node

app = ClientApp()


def _model(message: Any, context: Any) -> tuple[Any, Any, Any]:
    x, y = of_node(context)
    model = LogisticRegression(max_iter=1, warm_start=True)
    model.classes_ = np.arange(2)
    model.coef_, model.intercept_ = message.content["arrays"].to_numpy_ndarrays()
    return model, x[:, 1:], y


@app.train()
def train(message: Any, context: Any) -> Any:
    model, x, y = _model(message, context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one iteration never converges, and says so
        model.fit(x, y)
    found = {"arrays": ArrayRecord([model.coef_, model.intercept_]), "metrics": MetricRecord({"num-examples": len(y)})}
    return Message(content=RecordDict(found), reply_to=message)


@app.evaluate()
def evaluate(message: Any, context: Any) -> Any:
    model, x, y = _model(message, context)
    metrics = {"num-examples": len(y), "loss": float(log_loss(y, model.predict_proba(x)))}
    return Message(content=RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
