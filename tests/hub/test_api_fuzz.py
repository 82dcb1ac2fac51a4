"""Everything that the description allows, and much that it does not, thrown at the interface: nothing breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from api_cases import Api, make_api, served
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from hansa.wire import encode

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
]


@schemathesis.serializer("application/cbor")
def as_bytes(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else encode(repr(value))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(make_api(tmp_path_factory.mktemp("league"))) as running:
        yield running


@pytest.fixture(scope="module")
def description(api: Api) -> Any:
    """The interface's own description, in which studies and runs are ones that there are."""
    study = api.submitted()
    run = api.start(study, "table")
    assert api.ask("DELETE", f"/v1/runs/{run}").status_code == 200
    real = {"study": study, "run": run}
    found = api.ask("GET", "/v1/openapi.json").json()
    for path in found["paths"].values():
        for parameter in (each for operation in path.values() for each in operation.get("parameters", [])):
            if parameter["in"] == "path" and parameter["name"] in real:
                parameter["schema"] = {"type": "string", "enum": [real[parameter["name"]]]}
    loaded = schemathesis.openapi.from_dict(found)
    loaded.config.base_url = api.url
    return loaded


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_breaks_the_interface(description: Any, api: Api, mode: GenerationMode) -> None:
    statuses: dict[str, set[int]] = {}
    for operation in (found.ok() for found in description.get_all_operations()):
        with suppress(Unsatisfiable):  # nothing can be wrong where nothing is given
            _throw_at(operation, api, mode, statuses.setdefault(f"{operation.method} {operation.path}", set()))
    answered = {name for name, found in statuses.items() if found}
    well = {name for name, found in statuses.items() if any(status < 400 for status in found)}
    if mode is GenerationMode.POSITIVE:
        assert answered == set(statuses)
        assert {"get /v1/studies/{study}", "delete /v1/runs/{run}", "get /v1/runs/{run}/events"} <= well
    else:
        assert len(answered) >= 10


def _throw_at(operation: Any, api: Api, mode: GenerationMode, statuses: set[int]) -> None:
    @settings(max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        answer = case.call(headers=api.access())
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    holds()
