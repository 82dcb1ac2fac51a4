"""Faults in real processes: a run ends with the right total over a stated set of nodes, or says who and why."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import hansa
from hansa.cli.demo.network import largest_difference
from hansa.client.connect import RemoteLeague
from hansa.client.league import Submitted
from hansa.client.study_file import read_study
from hansa.errors import HansaError, Unreachable
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.model import Analysis
from hansa.testing.network import NetworkLeague, league_folders, running

EVERYONE = tuple(sorted(heart()))
ASKED = {"risk": Analysis(method="glm", arguments={"formula": "disease ~ age + resting_bp", "family": "binomial"})}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkLeague]:
    made = league_folders(
        tmp_path_factory.mktemp("league") / "it",
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
        alone_ok=True,
        lost_seconds=2.5,
        wait_seconds=20.0,
    )
    with running(made) as league:
        yield league


@pytest.fixture
def league(network: NetworkLeague) -> Iterator[RemoteLeague]:
    for name in ("hub", *EVERYONE):
        if name not in network.processes:
            network.start_hub() if name == "hub" else network.start_node(name)
    network.wait_for()
    network.wait_for_nodes()
    connected = hansa.connect(identity=network.identity)
    yield connected
    connected.close()


def submitted(league: RemoteLeague) -> Submitted:
    fields = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"})
    return league.submit(league.study(ASKED, **{**fields, "cohorts": EVERYONE}))


def embedded(nodes: tuple[str, ...]) -> Any:
    policies = heart_policies()
    league = hansa.local({n: heart()[n] for n in nodes}, heart_dictionary(), {n: policies[n] for n in nodes})
    fields = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"})
    return league.submit(league.study(ASKED, **{**fields, "cohorts": nodes})).run("risk").plain


def is_embedded(view: Any, nodes: tuple[str, ...] = EVERYONE) -> bool:
    assert tuple(view.provenance["nodes"]) == nodes
    return largest_difference(view.plain, embedded(nodes)) == 0.0


def charged(network: NetworkLeague, node: str, study: str) -> int:
    with closing(sqlite3.connect(network.node(node).store)) as connection:
        return int(connection.execute("SELECT rounds_used FROM studies WHERE study = ?", (study,)).fetchone()[0])


def plan_processes(network: NetworkLeague) -> dict[str, int]:
    status = json.loads((network.hub.path / "status.json").read_text())
    return {name: pid for name, pid in status["processes"].items() if name.startswith("worker")}


# --- nodes --------------------------------------------------------------------------------------------------


def test_a_node_killed_in_the_middle_and_back_in_time_is_in_the_answer(
    network: NetworkLeague, league: RemoteLeague
) -> None:
    study = submitted(league)

    def kill_and_start() -> None:
        network.kill("cleveland")
        network.start_node("cleveland")

    thread = network.at_first_answer("cleveland", kill_and_start)
    view = study.run("risk")
    thread.join()
    assert is_embedded(view)
    # An identical round is charged once, although the run was begun again.
    assert charged(network, "cleveland", study.study.id) == charged(network, "zurich", study.study.id)


def test_a_frozen_node_that_thaws_is_in_the_answer(network: NetworkLeague, league: RemoteLeague) -> None:
    study = submitted(league)

    def freeze_for_a_while() -> None:
        network.freeze("zurich")
        time.sleep(6)
        network.thaw("zurich")

    thread = network.at_first_answer("zurich", freeze_for_a_while)
    view = study.run("risk")
    thread.join()
    assert is_embedded(view)


def test_a_node_that_leaves_between_studies_decides_when_it_is_back(
    network: NetworkLeague, league: RemoteLeague
) -> None:
    network.kill("long_beach")
    time.sleep(3)
    study = submitted(league)
    assert set(study.decisions) == set(EVERYONE) - {"long_beach"}
    network.start_node("long_beach")
    network.wait_for("long_beach")
    network.wait_for_nodes()
    assert is_embedded(study.run("risk"))


def test_the_ledger_of_a_killed_node_is_whole(network: NetworkLeague, league: RemoteLeague) -> None:
    study = submitted(league)
    network.at_first_answer("budapest", lambda: network.kill("budapest")).join(0)
    handle = study.league
    assert isinstance(handle, RemoteLeague)
    run = handle.remote.start(study.study.id, "risk")
    deadline = time.monotonic() + 20
    while "budapest" in network.processes and time.monotonic() < deadline:
        time.sleep(0.05)
    with closing(sqlite3.connect(network.node("budapest").store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rounds = connection.execute(
            "SELECT count(DISTINCT round) FROM ledger WHERE study = ? AND disclosure = 'intermediate'",
            (study.study.id,),
        ).fetchone()[0]
        assert rounds >= charged(network, "budapest", study.study.id) >= 1
    network.start_node("budapest")
    network.wait_for("budapest")
    for _ in handle.remote.watch(run.id):
        pass
    assert is_embedded(handle.results(run.id))


# --- hub ----------------------------------------------------------------------------------------------------


def test_a_plan_process_killed_in_the_middle_is_replaced_and_the_run_goes_on(
    network: NetworkLeague, league: RemoteLeague
) -> None:
    study = submitted(league)
    before = plan_processes(network)

    def kill_all() -> None:
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)

    thread = network.at_first_answer("zurich", kill_all)
    view = study.run("risk")
    thread.join()
    assert is_embedded(view)
    assert not set(plan_processes(network).values()) & set(before.values())
    assert charged(network, "zurich", study.study.id) == charged(network, "cleveland", study.study.id)


def test_a_hub_killed_in_the_middle_goes_on_when_it_is_back(network: NetworkLeague, league: RemoteLeague) -> None:
    study = submitted(league)
    handle = study.league
    assert isinstance(handle, RemoteLeague)
    workers = plan_processes(network)

    def kill_hub() -> None:
        network.kill("hub")
        for pid in workers.values():
            os.kill(pid, signal.SIGKILL)
        status = json.loads((network.hub.path / "status.json").read_text())
        os.kill(status["processes"]["messaging"], signal.SIGKILL)

    thread = network.at_first_answer("zurich", kill_hub)
    run = handle.remote.start(study.study.id, "risk")
    thread.join()
    network.start_hub()
    network.wait_for("hub")
    for _ in handle.remote.watch(run.id):
        pass
    assert is_embedded(handle.results(run.id))
    proved = hansa.verify_proof(handle.results(run.id).proof_json())
    assert proved.log_size > 0


def test_a_messaging_server_restarted_in_the_middle_costs_only_time(
    network: NetworkLeague, league: RemoteLeague
) -> None:
    study = submitted(league)
    status = json.loads((network.hub.path / "status.json").read_text())
    thread = network.at_first_answer("zurich", lambda: os.kill(status["processes"]["messaging"], signal.SIGKILL))
    view = study.run("risk")
    thread.join()
    assert is_embedded(view)


def test_a_run_that_is_left_can_be_picked_up_by_its_id(network: NetworkLeague, league: RemoteLeague) -> None:
    study = submitted(league)
    run = league.remote.start(study.study.id, "risk")
    league.close()
    again = hansa.connect(identity=network.identity)
    for _ in again.remote.watch(run.id):
        pass
    assert is_embedded(again.results(run.id))
    assert [found.id for found in again.remote.runs(study.study.id)] == [run.id]
    again.close()


# --- a node that does not come back -------------------------------------------------------------------------


def test_a_lost_node_whose_policy_allows_it_is_left_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(_impatient(tmp_path_factory, alone_ok=True)) as network:
        league = hansa.connect(identity=network.identity)
        thread = network.at_first_answer("budapest", lambda: network.kill("budapest"))
        view = submitted(league).run("risk")
        thread.join()
        left = tuple(name for name in EVERYONE if name != "budapest")
        assert is_embedded(view, left)
        # One more lost, and too few are left.
        network.kill("zurich")
        with pytest.raises(HansaError) as stopped:
            submitted(league).run("risk")
        assert isinstance(stopped.value, Unreachable) or "too few" in stopped.value.what
        league.close()


def test_a_lost_node_whose_policy_does_not_allow_it_stops_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(_impatient(tmp_path_factory, alone_ok=False)) as network:
        league = hansa.connect(identity=network.identity)
        thread = network.at_first_answer("budapest", lambda: network.kill("budapest"))
        with pytest.raises(Unreachable, match="the run stopped: budapest was lost"):
            submitted(league).run("risk")
        thread.join()
        league.close()


def _impatient(folders: pytest.TempPathFactory, *, alone_ok: bool) -> NetworkLeague:
    return league_folders(
        folders.mktemp("impatient") / "it",
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
        alone_ok=alone_ok,
        workers=1,
        lost_seconds=2.0,
        wait_seconds=0.5,
    )


def test_the_demo_compares_numbers_and_notices_a_difference() -> None:
    assert largest_difference({"a": [1.0, 2]}, {"a": [1.0, 2]}) == 0.0
    assert largest_difference({"a": 1.0}, {"b": 1.0}) == float("inf")
