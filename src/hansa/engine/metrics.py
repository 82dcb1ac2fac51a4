"""Metrics of a daemon for Prometheus: a registry of its own, served on loopback only.

Metrics hold what an operator needs to see that things run: never a count of people, never what depends on data.
"""

from __future__ import annotations

import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from hansa.engine.logs import log_event
from hansa.errors import PolicyError

__all__ = ["BUCKETS", "MetricsServer", "serve_metrics"]

BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Upper bounds of histograms, in seconds: from a small table to a large model."""

_LOOPBACK = "127.0.0.1"


class MetricsServer:
    """Metrics, listening at ``http://127.0.0.1:port/metrics``."""

    def __init__(self, server: WSGIServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(port: int, registry: CollectorRegistry) -> MetricsServer:
    """Serve a registry on loopback; port 0 takes any that is free.

    Raises
    ------
    PolicyError
        If the port cannot be had.
    """
    try:
        server, thread = start_http_server(port, addr=_LOOPBACK, registry=registry)
    except (OSError, OverflowError) as fault:
        raise PolicyError(
            "metrics cannot be served", why=type(fault).__name__, fix="give another port", field="metrics_port"
        ) from None
    log_event("metrics served")
    return MetricsServer(server, thread)
