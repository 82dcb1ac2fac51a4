"""SIGKILL at points that are hard to hit: a hub's plan process at each step of a run, a node between its steps.

One run is killed again and again, each time one step later, and ends with the numbers of a run without any fault.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import hansa
from hansa.cli.demo.network import largest_difference
from hansa.client.connect import RemoteLeague
from hansa.client.study_file import read_study
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.model import Analysis
from hansa.testing.network import NetworkLeague, league_folders, running

NODES = tuple(sorted(heart()))
FAR = "zurich"
RISK = {"formula": "disease ~ age + resting_bp", "family": "binomial"}
# Each run's question is another, so that none of its rounds was charged before.
ASKED = {name: Analysis(method="glm", arguments={**RISK, "level": level}) for name, level in (("a", 0.9), ("b", 0.8))}

# Each is struck off when it is reached. That all others do no harm either, test_network_kill_points.py shows faster.
HUB_DIES = (
    *("amid ask run-open", "amid ask round-asked", "amid ask counts-shown", "before record_total"),
    *("after record_total", "after log release", "before finish"),
)
NODE_DIES = ("after handle run-start", "after handle round-asked", "after record_answer")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkLeague]:
    folder = tmp_path_factory.mktemp("killed")
    made = league_folders(
        folder / "it",
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
        lost_seconds=5.0,
        wait_seconds=30.0,
        lease_seconds=1.5,
    )
    for node in NODES:
        file = made.node(node).path / "node.toml"
        file.write_text(file.read_text().replace("isolate = true", "isolate = false"))  # only to start sooner
    for name in ("hub", FAR):
        (folder / name).write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANSA_DEATHS", str(folder))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "deaths"), prepend=":")
        with running(made) as league:
            yield league


@pytest.fixture
def league(network: NetworkLeague) -> Iterator[RemoteLeague]:
    connected = hansa.connect(identity=network.identity)
    yield connected
    connected.close()


def study_of(league: Any, analysis: str) -> Any:
    fields = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"})
    return league.submit(league.study({analysis: ASKED[analysis]}, **{**fields, "cohorts": NODES}))


def sql(file: Path, statement: str, *values: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(statement, values).fetchall()


def ends_rightly(network: NetworkLeague, league: RemoteLeague, analysis: str, *, runs: int) -> None:
    """A run's numbers, charges, ledgers and log, after whatever was done to it."""
    study = study_of(league, analysis)
    view = study.run(analysis)
    undisturbed = study_of(hansa.local(heart(), heart_dictionary(), heart_policies()), analysis).run(analysis)
    assert view.provenance["nodes"] == list(NODES)
    assert largest_difference(view.plain, undisturbed.plain) == 0.0
    rounds = view.provenance["requests"]
    assert rounds == undisturbed.provenance["requests"] > 3
    for node in NODES:
        store = network.node(node).store
        assert sql(store, "PRAGMA integrity_check") == [("ok",)]
        assert sql(store, "SELECT rounds_used FROM studies WHERE study = ?", study.study.id) == [(rounds,)], node
        left = sql(store, "SELECT run, round, array FROM ledger WHERE study = ?", study.study.id)
        assert len(left) == len(set(left)), "nothing stands there twice"
        answered = "SELECT DISTINCT run, round FROM ledger WHERE study = ? AND disclosure = 'intermediate'"
        assert len(sql(store, answered, study.study.id)) >= rounds, "and nothing is missing"
    proved = hansa.verify_proof(view.proof_json())
    assert set(proved.witnesses) == set(NODES)
    hub = network.hub.path / "hub.db"
    assert sql(hub, "PRAGMA integrity_check") == [("ok",)]
    kinds = [kind for (kind,) in sql(hub, "SELECT kind FROM log_entries WHERE study = ?", study.study.id)]
    assert {"study", "decision", "run", "round", "release"} <= set(kinds)
    assert kinds.count("round") >= rounds
    assert kinds.count("run") >= runs


def listed(network: NetworkLeague, name: str) -> Path:
    return network.folder.parent / name


def test_a_plan_process_killed_again_and_again_loses_nothing(network: NetworkLeague, league: RemoteLeague) -> None:
    listed(network, "hub").write_text("\n".join(HUB_DIES))
    ends_rightly(network, league, "a", runs=len(HUB_DIES) - 1)  # none was opened when the first one died
    assert listed(network, "hub").read_text() == "", "every death was died"


def test_a_node_killed_between_its_steps_is_charged_once(network: NetworkLeague, league: RemoteLeague) -> None:
    listed(network, FAR).write_text("\n".join(NODE_DIES))
    over = threading.Event()

    def revive() -> None:
        while not over.wait(0.02):
            if network.processes[FAR].poll() is not None:
                network.start_node(FAR)

    reviving = threading.Thread(target=revive)
    reviving.start()
    try:
        ends_rightly(network, league, "b", runs=len(NODE_DIES) + 1)
        assert listed(network, FAR).read_text() == "", "every death was died"
    finally:
        over.set()
        reviving.join()
