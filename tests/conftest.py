"""One hypothesis profile: no deadlines (two shared cores), and the same examples in every run of CI; one PostgreSQL."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

if TYPE_CHECKING:
    from postgres_server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real PostgreSQL, started for the first test that asks for one."""
    from postgres_server import running_server  # noqa: PLC0415  # most tests need none

    with running_server() as started:
        yield started


@pytest.fixture(autouse=True)
def _leftovers_stay_here(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the messaging client leaves of a failed connection goes where it is expected, not in a later test."""
    yield
    if any("Unraisable" in str(mark.args) for mark in request.node.iter_markers("filterwarnings")):
        gc.collect()
