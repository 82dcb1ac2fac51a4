"""Steps on a real Dask cluster: the same numbers to the last bit, and what is lost there costs no node."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dask_cluster import DaskCluster
from faulty_worker import FAULTS, METHOD, STEP
from pyroaring import BitMap
from test_node_work import ASKING, dictionary_of, frame_of, study_of

from hansa.embedded import local as embedded
from hansa.embedded.local import LocalLeague, local
from hansa.errors import DataError, HansaError, NotEstimable, PolicyError, Refused
from hansa.examples import heart, heart_dictionary
from hansa.harmonise import read_chunks
from hansa.node import analysis_set, work
from hansa.node.config import NodeFolder
from hansa.node.dask.cluster import Cluster, connect, describe
from hansa.node.dask.clustered import RowsClustered, WorkClustered
from hansa.node.doctor import examine
from hansa.node.opening import _work
from hansa.node.rows import Work
from hansa.node.work import codes_kept_in, open_work
from hansa.stats.catalogue import catalogue
from hansa.stats.question import read_question
from hansa.store import NodeStore
from hansa.version import __version__

SECONDS = 120.0
THREE = ("budapest", "cleveland", "zurich")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and two workers."""
    running = DaskCluster(tmp_path_factory.mktemp("dask"))
    running.start_scheduler()
    for _ in range(2):
        running.start_worker()
    yield running
    running.end()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions of at most a hundred rows; patience with workers that start on a machine that is busy."""
    monkeypatch.setattr("hansa.node.dask.cluster._CONNECTING", 90.0)
    for module in (analysis_set, work):
        monkeypatch.setattr(module, "read_chunks", partial(read_chunks, chunk_rows=100))


def opened(cluster: DaskCluster, data: Any, dictionary: Any, **settings: Any) -> WorkClustered:
    encode = codes_kept_in(NodeStore(None), dictionary)
    made = open_work(
        data, dictionary, encode, isolate=True, **{"seconds": SECONDS, "dask": cluster.address, **settings}
    )
    assert isinstance(made, WorkClustered)
    return made


def league(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> LocalLeague:
    """An embedded league whose nodes' work is opened so."""

    def open_so(*what: Any, isolate: bool) -> Work:
        return open_work(*what, isolate=isolate, **settings)

    monkeypatch.setattr(embedded, "open_work", open_so)
    return local({name: heart()[name] for name in THREE}, heart_dictionary())


# --- the same answers -----------------------------------------------------------------------------------------


def test_a_league_on_a_cluster_gives_the_same_answers_bit_for_bit(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(made: LocalLeague) -> list[Any]:
        same: dict[str, Any] = {"complete": ("disease", "age", "sex", "resting_bp")}  # one analysis set for all
        return [
            made.glm("resting_bp ~ age + sex", family="gaussian", **same).plain,
            made.glm("disease ~ age + sex + resting_bp", family="binomial", **same).plain,
            made.glm("disease ~ age + sex", family="binomial", node="intercepts", **same).plain,
            made.describe(["age", "resting_bp"], **same).plain,
            made.sites("disease ~ age", family="binomial", **same).plain,
        ]

    here = answers(league(monkeypatch))
    there = league(monkeypatch, dask=cluster.address, seconds=SECONDS)
    try:
        assert repr(answers(there)) == repr(here)
        assert all(isinstance(node.context.work, WorkClustered) for node in there.nodes.values())
    finally:
        for node in there.nodes.values():
            node.close()


GLM = {"method": "glm", "arguments": {"formula": "marker ~ age + sex + smoking + ill", "family": "gaussian"}}
LINE = {"method": "glm", "arguments": {"formula": "marker ~ age", "family": "gaussian"}}


@pytest.mark.parametrize("many_rows", [False, True])
@pytest.mark.parametrize("some", [True, False], ids=["some", "nobody"])
def test_people_and_counts_are_the_same(cluster: DaskCluster, *, some: bool, many_rows: bool) -> None:
    frame, dictionary = frame_of(500), dictionary_of(many_rows=many_rows)
    if many_rows:
        frame["person"] = [name[:-1] for name in frame["person"]]
    asked = {**GLM, "population": "age > 30"} if some else {**LINE, "population": "age > 109"}
    question = read_question(study_of({"q": asked}), "q", dictionary, catalogue())
    found = []
    encode = codes_kept_in(NodeStore(None), dictionary)
    for one in (open_work(frame, dictionary, encode, isolate=False), opened(cluster, frame, dictionary)):
        rows = one.select(question, "q", BitMap(code for code in one.people if code % 7))
        observed = rows.estimate(ASKING)
        counted = [seen.tallies if hasattr(seen, "tallies") else (seen,) for seen in observed.seen]
        numbers = [tally.numbers.tolist() for tallies in counted for tally in tallies]
        populations = [seen.populations for seen in observed.seen if hasattr(seen, "populations")]
        people = [(p.id, p.variables, list(p.people)) for some in populations for p in some]
        found.append((list(one.people), list(rows.people()), repr(observed.result), numbers, people))
        one.close()
    assert found[0] == found[1]
    assert bool(found[0][1]) == some


def test_rows_are_grouped_by_person_there_too_and_no_code_is_sent(cluster: DaskCluster) -> None:
    frame, dictionary = frame_of(500), dictionary_of(many_rows=True)
    frame["person"] = [name[:-1] for name in frame["person"]]
    asked = {"method": "lmm", "arguments": {"formula": "marker ~ age + (1 | person)"}, "population": "age > 30"}
    question = read_question(study_of({"q": asked}), "q", dictionary, catalogue())
    plain = open_work(frame, dictionary, codes_kept_in(NodeStore(None), dictionary), isolate=False)
    there = opened(cluster, frame, dictionary)
    chosen = [one.select(question, "q", BitMap(code for code in one.people if code % 7)) for one in (plain, there)]
    results = [rows.estimate(ASKING).result for rows in chosen]
    assert repr(results[0]) == repr(results[1])
    assert isinstance(chosen[1], RowsClustered)
    assert chosen[1]._there is not None
    sent = [chosen[1]._there.client.gather(rows)["person"] for rows in chosen[1]._there.rows.values()]
    assert set(np.concatenate(sent)) == set(range(len(chosen[1].people())))
    assert max(chosen[1].people()) >= len(chosen[1].people())
    plain.close()
    there.close()


def test_partitions_of_nobody_are_not_sent(cluster: DaskCluster) -> None:
    dictionary = dictionary_of(many_rows=False)
    frame = frame_of(350)
    frame["age"] = np.repeat([50, 20, 50, 20], [100, 100, 100, 50])
    one = opened(cluster, frame, dictionary)
    question = read_question(study_of({"q": {**GLM, "population": "age > 30"}}), "q", dictionary, catalogue())
    rows = one.select(question, "q", one.people)
    assert isinstance(rows, RowsClustered)
    rows.estimate(ASKING)
    assert rows._there is not None
    assert sorted(rows._there.rows) == [0, 2]
    sent = rows._there.client.gather(rows._there.rows[0])
    assert sent["rows"] == len(rows.among.people[0].codes) < 100
    assert set(sent["columns"]) == {"age", "sex", "smoking", "ill", "marker"}
    one.close()


def test_the_rows_of_runs_that_ended_make_room_on_the_cluster(
    ages: RowsClustered, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = rows_of(WorkClustered(ages.among.data, ages.cluster, _kept=ages._kept))
    assert ask(ages) == SUM
    assert ages.kept_bytes > 350 * 8
    monkeypatch.setattr(ages._kept, "room", 0)
    assert ask(other) == SUM
    assert (ages.kept_bytes > 0, other.kept_bytes > 0) == (False, True)
    assert ask(ages) == SUM


# --- a step that goes wrong -----------------------------------------------------------------------------------


@pytest.fixture
def ages(cluster: DaskCluster) -> Iterator[RowsClustered]:
    """The rows of the method that misbehaves on the cluster."""
    dictionary = dictionary_of(many_rows=False)
    one = opened(cluster, frame_of(350), dictionary)
    yield rows_of(one)
    one.close()


def rows_of(one: WorkClustered) -> RowsClustered:
    asked = study_of({"q": {"method": "faulty"}})
    return one.select(read_question(asked, "q", one.dictionary, {"faulty": METHOD}), "q", one.people)


def ask(rows: RowsClustered, fault: str = "none") -> float:
    found = rows.ask(STEP, {}, {"fault": np.asarray(float(list(FAULTS).index(fault)))}, None)
    return float(found.sums["sum"])


SUM = float(frame_of(350)["age"].sum())


@pytest.mark.parametrize(
    ("fault", "what", "why"),
    [
        ("raise", "failed", "ValueError"),
        ("memory", "ran out of memory", "a worker of the cluster"),
        ("exit", "crashed", "lost twice"),
    ],
)
def test_a_fault_gives_its_round_a_clear_word(
    cluster: DaskCluster, ages: RowsClustered, fault: str, what: str, why: str
) -> None:
    with pytest.raises(Refused, match=what) as told:
        ask(ages, fault)
    assert told.value.reason == "step"
    assert why in told.value.why
    assert ask(ages) == SUM
    assert "321.5" not in f"{told.value} {(cluster.folder / 'dask_worker.log').read_text()}"


def test_an_error_of_hansa_comes_back_as_itself(ages: RowsClustered) -> None:
    expected = NotEstimable("a is not estimable", why="nobody has it", fix="leave it out", field="formula")
    with pytest.raises(NotEstimable) as told:
        ask(ages, "not estimable")
    assert told.value.to_dict() == expected.to_dict()


def test_a_step_that_never_ends_is_ended(ages: RowsClustered, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(ages) == SUM
    with monkeypatch.context() as patch:
        patch.setattr(ages.cluster, "_seconds", 1.0)
        began = time.monotonic()
        with pytest.raises(Refused, match="took too long"):
            ask(ages, "loop")
        assert time.monotonic() - began < 90
    assert ask(ages) == SUM


# --- what is lost ---------------------------------------------------------------------------------------------


def test_what_died_with_a_worker_is_sent_again(ages: RowsClustered, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    send = ages.cluster.send

    def noted(_cluster: Cluster, client: Any, value: dict[str, Any], until: float | None) -> Any:
        sent.append(value)
        return send(client, value, until)

    ages.cluster.session().wait_for_workers(2, timeout=90)  # an earlier test may have ended one
    monkeypatch.setattr(Cluster, "send", noted)
    assert ask(ages) == SUM
    assert len(sent) == 4
    there = ages._there
    assert there is not None
    before = len(sent)
    victim = next(iter(there.client.who_has(there.rows[0]).values()))[0]
    lost = sum(victim in places for places in there.client.who_has(list(there.rows.values())).values())
    os.kill(there.client.run(os.getpid)[victim], signal.SIGKILL)
    assert ask(ages) == SUM
    assert len(sent) - before == lost < 4


def test_a_cluster_that_goes_is_used_again_when_it_is_back(
    cluster: DaskCluster, ages: RowsClustered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(ages) == SUM
    cluster.end()
    with monkeypatch.context() as patch:
        patch.setattr("hansa.node.dask.cluster._CONNECTING", 0.5)
        with pytest.raises(Refused, match="could not be run") as told:
            ask(ages)
    assert told.value.reason == "step"
    assert "does not answer" in told.value.why
    cluster.start_scheduler()
    cluster.start_worker()
    assert ask(ages) == SUM


# --- who may compute ------------------------------------------------------------------------------------------


def test_a_worker_of_another_version_is_refused(cluster: DaskCluster, ages: RowsClustered) -> None:
    client = ages.cluster.session()
    others = len(client.nthreads())
    assert describe(cluster.address) == f"{others} Dask workers at {cluster.address}, Hansa {__version__}"
    cluster.start_worker("0.0.9")
    try:
        client.wait_for_workers(others + 1, timeout=90)
        with pytest.raises(DataError, match="another version") as told:
            connect(cluster.address)
        with pytest.raises(Refused, match="could not be run") as refused:  # it came after the node had connected
            ask(ages)
    finally:
        cluster.end_workers(keep=others)
    assert told.value.field == "compute.dask"
    assert "another version" in refused.value.why


def test_rows_that_were_let_go_of_are_not_asked(ages: RowsClustered) -> None:
    ages.cluster.close()
    with pytest.raises(Refused, match="stopping"):
        ask(ages)


def test_a_node_is_opened_on_the_cluster_that_its_settings_name(cluster: DaskCluster, tmp_path: Path) -> None:
    config = (
        f'name = "zurich"\ndata = "z.csv"\nparty = {{name = "z", owner = "z"}}\n[compute]\ndask = "{cluster.address}"\n'
    )
    (tmp_path / "node.toml").write_text(config)
    folder, store = NodeFolder(tmp_path), NodeStore(None)
    checks = {check.name: check for check in examine(folder, now=dt.datetime.now(dt.UTC))}
    assert checks["compute"].good
    assert f"workers at {cluster.address}" in checks["compute"].text
    made = _work(folder.config, str(heart()["zurich"]), heart_dictionary(), store)
    assert isinstance(made, WorkClustered)
    assert [event for _, event, *_ in store.events() if event == "weaker isolation"]
    made.close()
    (tmp_path / "node.toml").write_text(config.replace("tcp://", "http://"))
    with pytest.raises(PolicyError) as told:
        assert folder.config
    assert told.value.field == "compute.dask"


def test_a_cluster_that_is_not_there_shows_when_the_data_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.node.dask.cluster._CONNECTING", 0.5)
    with pytest.raises(DataError, match="cannot be reached"):
        connect("tcp://127.0.0.1:9")
    with pytest.raises(HansaError, match="cannot be reached"):
        connect("no address")
