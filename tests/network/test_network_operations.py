"""What an operator sees of a running league: logs without values, metrics on loopback, a backup that goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import hansa
from hansa.cli.main import hansa as command_line
from hansa.client.connect import RemoteLeague
from hansa.client.league import Submitted
from hansa.client.study_file import read_study
from hansa.engine.logs import EVENTS, FIELDS, token
from hansa.engine.metrics import serve_metrics
from hansa.errors import HansaError, PolicyError, Refused
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.model import Analysis
from hansa.store import NodeStore
from hansa.testing.messaging import free_port
from hansa.testing.network import NetworkLeague, league_folders, running
from hansa.wire.folder import read_status

DOCS = Path(__file__).parents[2] / "docs"
EVERYONE = tuple(sorted(heart()))
ALL = {"age": Analysis(method="describe", arguments={"variables": ["age"]})}
ALL_BUT_FEW = {"age": Analysis(method="describe", arguments={"variables": ["age"]}, population="most")}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkLeague]:
    made = league_folders(
        tmp_path_factory.mktemp("operations") / "league",
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
        lost_seconds=4.0,
    )
    for settings in (made.hub.path / "hub.toml", *(made.node(name).path / "node.toml" for name in EVERYONE)):
        settings.write_text(f"metrics_port = {free_port()}\n" + settings.read_text())
    with running(made) as league:
        yield league


@pytest.fixture(scope="module")
def league(network: NetworkLeague) -> Iterator[RemoteLeague]:
    connected = hansa.connect(identity=network.identity)
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def answered(league: RemoteLeague) -> Submitted:
    """A study that was answered, before another that differs by few people was refused."""
    study = submitted(league, ALL)
    assert study.run("age").plain["sizes"] == [920]
    with pytest.raises(Refused) as caught:
        few(league).run("age")
    assert caught.value.reason == "disclosure"
    return study


def submitted(league: RemoteLeague, analyses: dict[str, Analysis], **more: Any) -> Submitted:
    fields = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts", "populations"})
    return league.submit(league.study(analyses, **{**fields, "cohorts": EVERYONE, **more}))


def few(league: RemoteLeague) -> Submitted:
    return submitted(league, ALL_BUT_FEW, populations={"most": "age < 76"})


def lines(network: NetworkLeague, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in network.output(name).splitlines() if line.startswith("{")]


def scraped(port: int) -> str:
    # A proxy of the environment has no business with loopback.
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def port_of(network: NetworkLeague, name: str) -> int:
    port = network.hub.config.metrics_port if name == "hub" else network.node(name).config.metrics_port
    assert port is not None
    return port


def samples(network: NetworkLeague, name: str) -> Samples:
    families = text_string_to_metric_families(scraped(port_of(network, name)))
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def typed(*arguments: object) -> None:
    done = CliRunner().invoke(command_line, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def until(network: NetworkLeague, name: str, metric: str, value: float, **labels: str) -> None:
    ends, key = time.monotonic() + 20, (metric, tuple(sorted(labels.items())))
    while (found := samples(network, name).get(key)) != value:
        assert time.monotonic() < ends, f"{metric} stays {found}"
        time.sleep(0.1)


# --- logs ---------------------------------------------------------------------------------------------------


def test_what_daemons_log_is_of_fixed_events_and_allowed_fields(network: NetworkLeague, answered: Submitted) -> None:
    always = {"at", "level", "who", "event"}
    for name in ("hub", *EVERYONE):
        found = lines(network, name)
        assert found
        for line in found:
            assert always <= set(line) <= always | FIELDS, line
            assert line["event"] in EVENTS
            assert line["event"] not in {"fault", "library"}, line
    told = {line["who"] for line in lines(network, "hub")}
    assert {"hub"} < told <= {"hub", "hub worker-0", "hub worker-1"}
    assert {line["who"] for line in lines(network, "zurich")} == {"node zurich"}


def test_logs_tell_of_a_run_from_its_start_to_its_end(network: NetworkLeague, answered: Submitted) -> None:
    study = answered.study.id
    hub = [line for line in lines(network, "hub") if line.get("study") == study]
    assert [line["event"] for line in hub][:2] == ["run started", "round asked"]
    assert hub[-1]["event"] == "run ended"
    assert hub[-1]["code"] == "done"
    node = [line for line in lines(network, "zurich") if line.get("study") == study]
    assert {"study decided", "round counted", "round answered"} <= {line["event"] for line in node}
    rounds = [line["round"] for line in node if line["event"] == "round answered"]
    assert rounds == sorted(set(rounds))
    refused = [line for line in lines(network, "zurich") if line["event"] == "message declined"]
    assert "disclosure" in {line["code"] for line in refused}
    assert {"run", "code", "seconds"} <= set(refused[0])


def test_nothing_but_json_is_printed_and_no_value_or_secret(network: NetworkLeague, answered: Submitted) -> None:
    seeds = [network.node(name).keys.nkey("messaging")[0] for name in EVERYONE]
    secrets = [network.node(name).keys.secret("sign").hex() for name in EVERYONE]
    title = answered.study.title
    for name in ("hub", *EVERYONE):
        text = network.output(name)
        rest = [line for line in text.splitlines() if not line.startswith("{")]
        assert all(": serving" in line for line in rest), rest
        assert "eof_received" not in text
        for smuggled in (*seeds, *secrets, title, "few people", "resting_bp"):
            assert smuggled not in text
        # The number of people in the answer; by chance it may be in a time, an id or a length.
        assert all(value != 920 for line in lines(network, name) for key, value in line.items() if key != "bytes")


def logged(code: str, **environment: str) -> tuple[list[dict[str, Any]], str]:
    """What a process logs that does this; and its whole output."""
    done = subprocess.run(
        [sys.executable, "-c", "from hansa.engine.logs import *\n" + textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return [json.loads(line) for line in done.stderr.splitlines()], done.stdout + done.stderr


SECRET = "Mrs Frei, 7177191, HbA1c 9.4"  # a number that no time or line of code contains
SMUGGLERS = {
    "a field that is not allowed": f"log_event('fault', text={SECRET!r})",
    "a field that is not allowed, with an identifier": "log_event('fault', patient='Frei', insured=7177191)",
    "words in a field": f"log_event('fault', code={SECRET!r}, study={SECRET!r}, rule=[{SECRET!r}], round={SECRET!r})",
    "an event of other words": f"log_event({SECRET!r})",
    "a field called event": f"log_event('fault', who={SECRET!r}, at={SECRET!r}, level='error')",
    "a library's words": f"import logging; logging.getLogger('nats').error('got %s', {SECRET!r})",
    "a library's name": f"import logging; logging.getLogger({SECRET!r}).error('x')",
    "a warning": f"import warnings; warnings.warn({SECRET!r})",
    "a library's exception": f"""
        import logging
        try:
            raise ValueError({SECRET!r})
        except ValueError:
            logging.getLogger('nats').exception({SECRET!r})
    """,
    "an exception's class": f"raise type({SECRET!r}, (Exception,), {{}})()",
    "an uncaught exception": f"raise ValueError({SECRET!r})",
    "one in a thread": f"""
        import threading
        def fails(): raise ValueError({SECRET!r})
        thread = threading.Thread(target=fails); thread.start(); thread.join()
    """,
}


@pytest.mark.parametrize("code", SMUGGLERS.values(), ids=SMUGGLERS)
def test_values_cannot_be_smuggled_into_a_log(code: str) -> None:
    found, text = logged("configure_logs('node')\n" + textwrap.dedent(code))
    assert len(found) == 1, text
    for part in ("Frei", "7177191", "HbA1c"):
        assert part not in text
    assert found[0]["event"] in {"fault", "library", "(withheld)"}


def test_a_fault_is_logged_with_its_class_and_place() -> None:
    found, _ = logged("configure_logs('node zurich')\nimport json\njson.loads('{')")
    assert found[0]["code"] == "JSONDecodeError"
    assert re.fullmatch(r"decoder\.py:\d+", found[0]["place"])
    assert found[0]["who"] == "node zurich"


def test_the_noise_of_asyncio_is_not_logged_and_its_faults_are() -> None:
    noise = "returning true from eof_received() has no effect when using ssl"
    code = f"configure_logs('hub')\nimport logging\nlogging.getLogger('asyncio').warning({noise!r})\n"
    assert logged(code) == ([], "")
    found, _ = logged(code + "logging.getLogger('asyncio').error('x')")
    assert [line["library"] for line in found] == ["asyncio"]


@pytest.mark.parametrize(("level", "events"), [("", 1), ("debug", 2), ("warning", 0)])
def test_the_level_is_that_of_the_environment(level: str, events: int) -> None:
    code = "configure_logs('hub')\nlog_event('hub serving')\nlog_event('message answered', level='debug')"
    found, _ = logged(code, **({"HANSA_LOG": level} if level else {}))
    assert len(found) == events


def test_a_level_that_is_none_is_refused_without_showing_it() -> None:
    _, text = logged("try: configure_logs('hub')\nexcept Exception as e: print(e)", HANSA_LOG="hunter2")
    assert "HANSA_LOG" in text
    assert "hunter2" not in text


def test_a_process_that_was_not_told_to_log_does_not_and_a_closed_stream_stops_nothing() -> None:
    assert logged("log_event('hub serving')") == ([], "")
    found, text = logged("configure_logs('hub')\nimport sys\nsys.stderr.close()\nlog_event('hub serving')\nprint('on')")
    assert (found, text) == ([], "on\n")


@pytest.mark.parametrize("value", ["", "a b", "é", "x" * 65, "a\n", "<b>", None, 3, b"x", ["a"]])
def test_what_is_no_identifier_is_withheld(value: object) -> None:
    assert token(value) == "(withheld)"


# --- metrics ------------------------------------------------------------------------------------------------


def documented() -> dict[str, set[str]]:
    """Metric to labels, as the reference has them."""
    text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(hansa_\w+)` \| \w+ \|([^|]*)\|", text, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def served(text: str) -> dict[str, set[str]]:
    """As above, as they are served; Prometheus's own words ``_total``, ``_created`` and buckets' ``le`` aside."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        if not family.name.endswith("_created"):
            found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
            assert family.documentation not in {"", "Multiprocess metric"}
    return found


def test_each_metric_is_documented_with_its_labels_and_no_other(network: NetworkLeague, answered: Submitted) -> None:
    hub, node = (served(scraped(port_of(network, party))) for party in ("hub", "zurich"))
    assert hub | node == documented()


def test_a_nodes_metrics_count_what_it_answered(network: NetworkLeague, answered: Submitted) -> None:
    found = samples(network, "zurich")
    study = ("study", answered.study.id)
    stored = NodeStore(network.node("zurich").store).study(answered.study.id)
    assert stored is not None
    assert stored.permit is not None
    assert found["hansa_node_budget_used_rounds", (study,)] == stored.rounds_used > 0
    assert found["hansa_node_budget_rounds", (study,)] == stored.permit.rounds
    assert found["hansa_node_rounds_answered_total", ()] >= stored.rounds_used
    assert found["hansa_node_refusals_total", (("code", "disclosure"),)] == 1
    assert found["hansa_node_answer_bytes_total", ()] > 1000
    assert found["hansa_node_message_seconds_count", (("kind", "round-asked"),)] > stored.rounds_used
    assert found["hansa_node_connected", ()] == found["hansa_node_store_reachable", ()] == 1
    assert abs(found["hansa_node_heartbeat_timestamp_seconds", ()] - time.time()) < 10


def test_a_pause_shows(network: NetworkLeague) -> None:
    folder = network.node("zurich").path
    assert samples(network, "zurich")["hansa_node_paused", ()] == 0
    typed("node", "pause", "--folder", folder, "--by", "x")
    assert samples(network, "zurich")["hansa_node_paused", ()] == 1
    typed("node", "pause", "--off", "--folder", folder, "--by", "x")
    assert samples(network, "zurich")["hansa_node_paused", ()] == 0


def test_the_hubs_metrics_count_runs_rounds_and_requests(network: NetworkLeague, answered: Submitted) -> None:
    found = samples(network, "hub")
    asked = [line for line in lines(network, "hub") if line["event"] == "round asked"]
    assert found["hansa_hub_rounds_total", ()] == len(asked) > 0
    assert 0 < found["hansa_hub_round_seconds_count", ()] < len(asked), "the round that was refused did not end"
    assert found["hansa_hub_runs", (("state", "done"),)] == 1
    assert found["hansa_hub_runs", (("state", "failed"),)] == 1
    assert found["hansa_hub_jobs_queued", ()] == found["hansa_hub_runs", (("state", "running"),)] == 0
    assert {found["hansa_hub_node_present", (("node", name),)] for name in EVERYONE} == {1}
    assert found["hansa_hub_api_requests_total", (("status", "200"),)] > 0
    assert found["hansa_hub_api_bytes_total", (("direction", "in"),)] > 0
    assert found["hansa_hub_api_bytes_total", (("direction", "out"),)] > 1000
    assert found["hansa_hub_store_reachable", ()] == 1


def test_metrics_are_served_on_loopback_only(network: NetworkLeague) -> None:
    for name in ("hub", "zurich"):
        port = port_of(network, name)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_what_a_plan_process_counted_outlives_it(network: NetworkLeague, answered: Submitted) -> None:
    before = samples(network, "hub")["hansa_hub_rounds_total", ()]
    status = read_status(network.hub.path)
    assert status is not None
    processes = status["processes"]
    assert isinstance(processes, dict)
    for name in ("worker-0", "worker-1"):
        os.kill(processes[name], signal.SIGKILL)
    ends = time.monotonic() + 20
    while sum(line["event"] == "plan process replaced" for line in lines(network, "hub")) < 2:
        assert time.monotonic() < ends
        time.sleep(0.1)
    assert samples(network, "hub")["hansa_hub_rounds_total", ()] == before


def test_a_node_that_goes_is_seen_to_go(network: NetworkLeague, answered: Submitted) -> None:
    network.kill("cleveland")
    until(network, "hub", "hansa_hub_node_present", 0, node="cleveland")
    network.start_node("cleveland")
    network.wait_for("cleveland")
    until(network, "hub", "hansa_hub_node_present", 1, node="cleveland")
    told = [line["event"] for line in lines(network, "hub") if line.get("node") == "cleveland"]
    assert told[-2:] == ["node absent", "node present"]


def test_a_port_that_is_taken_is_said_to_be() -> None:
    first = serve_metrics(0, CollectorRegistry())
    try:
        with pytest.raises(PolicyError) as caught:
            serve_metrics(first.port, CollectorRegistry())
        assert caught.value.field == "metrics_port"
    finally:
        first.close()
    serve_metrics(first.port, CollectorRegistry()).close()


# --- backup -------------------------------------------------------------------------------------------------


def moved(network: NetworkLeague, to: Path) -> NetworkLeague:
    """The league from its backups, in other folders."""
    for name in ("hub", *EVERYONE):
        kind, archive = "hub" if name == "hub" else "node", to / f"{name}.tar"
        typed(kind, "backup", "--folder", network.folder / name, archive)
        typed(kind, "restore", "--folder", to / name, archive)
    (to / "researcher").symlink_to(network.identity)
    return NetworkLeague(to, network.nodes)


def test_a_league_goes_on_from_its_backups(network: NetworkLeague, answered: Submitted, tmp_path: Path) -> None:
    network.stop()
    left = {name: network.left(name) for name in EVERYONE}
    with running(moved(network, tmp_path)) as again:
        league = hansa.connect(identity=again.identity)
        with pytest.raises(HansaError, match="paused"):
            submitted(league, ALL)
        for name in EVERYONE:
            typed("node", "pause", "--off", "--folder", again.node(name).path, "--by", "x")
        with pytest.raises(Refused) as caught:
            few(league).run("age")
        assert caught.value.reason == "disclosure", "the history came with it"
        assert league.remote.run(answered.study.id, "age").result["sizes"] == [920]
        assert {name: again.left(name) for name in EVERYONE} == left, "a repeated question: nothing leaves again"
        league.close()
