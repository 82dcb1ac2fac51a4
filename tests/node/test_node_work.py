"""Steps in worker processes: the same answers bit for bit, and a step that goes wrong costs a run, not the node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faulty_worker import FAULTS, METHOD, STEP
from pyroaring import BitMap

from hansa import errors
from hansa.embedded import local as embedded
from hansa.embedded.local import LocalLeague, local
from hansa.errors import DataError, FormulaError, HansaError, NotEstimable, ProtocolError, Refused
from hansa.examples import heart, heart_dictionary
from hansa.formula import parse_expression
from hansa.model import Dictionary, Party, Purpose, Study, Variable
from hansa.node.prepared import Asking
from hansa.node.rows import Work
from hansa.node.work import WorkHere, codes_kept_in, open_work
from hansa.node.worker.apart import WorkApart
from hansa.node.worker.crossing import error_in, error_out
from hansa.node.worker.pipes import receive, send
from hansa.privacy.thresholds import Thresholds
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Request
from hansa.stats.question import read_question
from hansa.store import NodeStore
from hansa.testing import hub_run
from hansa.wire.codec import MAX_BYTES

HERE = str(Path(__file__).parent)
THREE = ("budapest", "cleveland", "zurich")
MEMORY, SECONDS = 512 << 20, 120.0
ASKING = Asking(frozenset({"a"}), "epochs", Thresholds())


def league(monkeypatch: pytest.MonkeyPatch, apart: tuple[str, ...], data: dict[str, Any], **limits: Any) -> LocalLeague:
    """An embedded league in which some nodes work apart."""
    work_apart(monkeypatch, apart, data, **limits)
    return local(data, heart_dictionary())


def work_apart(monkeypatch: pytest.MonkeyPatch, apart: tuple[str, ...], data: dict[str, Any], **limits: Any) -> None:
    turn = iter(sorted(data))

    def opened(*what: Any, isolate: bool) -> Work:
        assert not isolate
        if next(turn) in apart:
            return WorkApart(*what, **{"memory": MEMORY, "seconds": SECONDS, **limits})
        return open_work(*what, isolate=False)

    monkeypatch.setattr(embedded, "open_work", opened)


def close(made: LocalLeague) -> None:
    for node in made.nodes.values():
        node.close()


def three() -> dict[str, Path]:
    return {name: heart()[name] for name in THREE}


def child_of(work: Any) -> int:
    return int(work._child._process.pid)


def gone(pid: int, within: float = 10) -> bool:
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


# --- the same answers -----------------------------------------------------------------------------------------


def test_a_league_of_workers_gives_the_same_answers_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(made: LocalLeague) -> list[Any]:
        same: dict[str, Any] = {"complete": ("disease", "age", "sex", "resting_bp")}  # one analysis set for all
        return [
            made.glm("disease ~ age + sex + resting_bp", family="binomial", **same).plain,
            made.describe(["age", "resting_bp"], **same).plain,
            made.correlation(["age", "resting_bp"], **same).plain,
            made.sites("disease ~ age", family="binomial", **same).plain,
        ]

    here, apart = league(monkeypatch, (), three()), league(monkeypatch, THREE, three())
    try:
        assert repr(answers(here)) == repr(answers(apart))
        assert {node.context.work.weaker for node in apart.nodes.values()} == {()}
    finally:
        close(apart)


def test_an_arm_at_a_node_that_works_apart_is_its_own_release_there_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = {}
    for place, name in enumerate(("trial", "west", "north", "south")):
        random = np.random.default_rng([5, place])
        rows = {
            "age": random.integers(30, 80, 80),
            "days": random.integers(1, 300, 80),
            "died": random.random(80) < 0.6,
        }
        data[name] = tmp_path / f"{name}.csv"
        pd.DataFrame({**rows, "given": name == "trial"}).to_csv(data[name], index=False)
    found = []
    for apart in ((), ("trial", "west")):
        work_apart(monkeypatch, apart, data)
        made = local(data)
        try:
            found.append(repr(made.control_arm("Surv(days, died)", "given", "age").plain))
            noted = [entry.array for entry in made.nodes["trial"].context.store.ledger()]
            assert "sums of an arm that few nodes hold" in noted
        finally:
            close(made)
    assert found[0] == found[1]


def frame_of(rows: int) -> pd.DataFrame:
    """A frame of every kind of column, some of it missing, in an order that is not by person."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"person": [f"p{number}" for number in random.permutation(rows)]})
    frame["age"] = random.integers(20, 90, rows)
    frame["marker"] = np.where(random.random(rows) < 0.1, np.nan, random.normal(200, 30, rows))
    frame["sex"] = pd.Categorical(random.choice(["male", "female"], rows))
    frame["ill"] = pd.Series(random.random(rows) < 0.5, dtype="boolean").mask(random.random(rows) < 0.1)
    frame["smoking"] = pd.Series(random.choice(["none", "former"], rows)).mask(random.random(rows) < 0.1)
    frame["seen"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, rows), unit="D")
    return frame


def dictionary_of(*, many_rows: bool) -> Dictionary:
    return Dictionary(
        title="all kinds",
        person="person",
        one_row_per_person=not many_rows,
        variables=(
            Variable(name="age", type="integer", range=(18, 110)),
            Variable(name="marker", type="number", range=(0, 400)),
            Variable(name="sex", type="category", levels=("male", "female")),
            Variable(name="smoking", type="category", levels=("none", "former", "current")),
            Variable(name="ill", type="boolean"),
            Variable(name="seen", type="date"),
        ),
    )


def study_of(analyses: dict[str, Any]) -> Study:
    return Study(
        id="s",
        title="t",
        purpose=Purpose(statement="p"),
        requester=Party(name="r", owner="itself"),
        cohorts=("a",),
        min_nodes=1,
        variables=("age", "marker", "sex", "smoking", "ill", "seen"),
        analyses=analyses,
        lay_summary="l",
    )


def both(data: Any, dictionary: Dictionary) -> Iterator[Work]:
    for isolate in (False, True):
        encode = codes_kept_in(NodeStore(None), dictionary)
        yield open_work(data, dictionary, encode, isolate=isolate, memory=MEMORY, seconds=SECONDS)


@pytest.mark.parametrize("many_rows", [False, True])
@pytest.mark.parametrize("kind", ["pandas", "arrow", "parquet", "csv", "duckdb"])
def test_every_kind_of_data_gives_the_same_people_and_sums(kind: str, tmp_path: Path, *, many_rows: bool) -> None:
    rows = 70_000 if kind in {"pandas", "parquet"} else 500  # more than a partition: they are streamed
    frame = frame_of(rows)
    if many_rows:
        frame["person"] = [name[:-1] for name in frame["person"]]
    data, dictionary = stored(frame, kind, tmp_path), dictionary_of(many_rows=many_rows)
    asked = {"method": "glm", "arguments": {"formula": "marker ~ age + sex + smoking + ill", "family": "gaussian"}}
    question = read_question(study_of({"q": {**asked, "population": "age > 30"}}), "q", dictionary, catalogue())
    found = []
    for work in both(data, dictionary):
        rows_of = work.select(question, "q", BitMap(code for code in work.people if code % 7))
        observed = rows_of.estimate(ASKING)
        counted = [one.tallies if hasattr(one, "tallies") else (one,) for one in observed.seen]
        numbers = [tally.numbers.tolist() for tallies in counted for tally in tallies]
        populations = [one.populations for one in observed.seen if hasattr(one, "populations")]
        people = [(p.id, p.variables, list(p.people)) for some in populations for p in some]
        found.append((list(work.people), list(rows_of.people()), repr(observed.result), numbers, people))
        work.close()
    assert found[0] == found[1]
    assert found[0][1]


def stored(frame: pd.DataFrame, kind: str, folder: Path) -> Any:
    if kind == "pandas":
        return frame
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "arrow":
        return table
    path = folder / f"data.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "csv":
        frame.to_csv(path, index=False, date_format="%Y-%m-%d")
    else:
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE people AS SELECT * FROM frame")
        return f"{path}?table=people"
    return path


# --- a step that goes wrong -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLeague]:
    """A league of three in which one node works apart, with a method that misbehaves there."""
    folder = tmp_path_factory.mktemp("node")
    data = {**three(), "zurich": folder / "zurich.csv"}
    data["zurich"].write_bytes(heart()["zurich"].read_bytes())
    (folder / "keys").mkdir()
    (folder / "keys" / "sign").write_bytes(b"a key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE)
        patch.setenv("HANSA_SECRET", "a secret")
        patch.setattr(embedded, "catalogue", lambda: {**catalogue(), METHOD.name: METHOD})
        made = league(patch, ("zurich",), data, _module="faulty_worker")
        yield made
        close(made)


def opened_run(made: LocalLeague) -> tuple[Any, str]:
    asked = {"method": "faulty", "arguments": {"fault": "none"}}
    study = made.submit(made.study({"q": asked}, variables=("age",))).study
    return hub_run(made, study, "q", methods={METHOD.name: METHOD})[0], study.id


def ask(run: Any, fault: str) -> float:
    totals = run.sum(STEP, Request({}), {"fault": np.asarray(float(list(FAULTS).index(fault)))})
    return float(totals["sum"])


def ages(made: LocalLeague) -> float:
    return float(sum(pd.read_csv(path)["age"].sum() for path in three().values()))


def failure(made: LocalLeague, fault: str) -> tuple[Refused, str]:
    """What is told of a fault outside, and what its steward reads; the next run is answered."""
    node = made.nodes["zurich"]
    run, study = opened_run(made)
    with pytest.raises(Refused) as told:
        ask(run, fault)
    noted = [why for _, event, about, why in node.context.store.events() if (event, about) == ("step failed", study)]
    with pytest.raises(Refused, match="not open here"):
        ask(run, "none")
    assert ask(opened_run(made)[0], "none") == ages(made)
    assert told.value.reason == "step"
    assert len(noted) == 1
    return told.value, noted[0]


@pytest.mark.parametrize(
    ("fault", "word", "why"),
    [
        ("raise", "failed", "ValueError"),
        ("memory", "ran out of memory", "limits.memory_mb"),
        ("exit", "crashed", "status 7"),
        ("killed", "crashed", "status -11"),
        ("leave", "crashed", "status 0"),
        ("babble", "crashed", "could not be read"),
        ("socket", "failed", "PermissionError"),
        ("program", "failed", "PermissionError"),
        ("write", "failed", "PermissionError"),
    ],
)
def test_a_fault_gives_its_round_a_clear_word(faulty: LocalLeague, fault: str, word: str, why: str) -> None:
    told, noted = failure(faulty, fault)
    assert told.what == f"the step {word} at this node"
    assert why in noted
    assert "321.5" not in f"{told} {noted}"
    assert why not in str(told)


@pytest.mark.parametrize("fault", ["sleep", "loop"])
def test_a_step_that_never_ends_is_ended(faulty: LocalLeague, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    work: Any = faulty.nodes["zurich"].context.work
    run, _ = opened_run(faulty)
    before = child_of(work)
    with monkeypatch.context() as patch:
        patch.setattr(work, "_seconds", 0.5)
        began = time.monotonic()
        with pytest.raises(Refused, match="took too long"):
            ask(run, fault)
        assert time.monotonic() - began < 30
    assert gone(before)
    assert ask(opened_run(faulty)[0], "none") == ages(faulty)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("loopback", "OSError"),
        ("write past Python", "PermissionError"),
        ("truncate past Python", "PermissionError"),
        ("remove past Python", "PermissionError"),
        ("signal past Python", "PermissionError"),
        ("read a key", "PermissionError"),
        ("read the node", "PermissionError"),
    ],
)
def test_what_python_does_not_refuse_the_system_does(faulty: LocalLeague, fault: str, why: str) -> None:
    assert failure(faulty, fault)[1].endswith(f": {why}")


def test_a_step_is_told_no_secret_and_heard_by_nobody(faulty: LocalLeague, capfd: pytest.CaptureFixture[str]) -> None:
    for fault in ("secrets", "print"):
        assert ask(opened_run(faulty)[0], fault) == ages(faulty)
    assert "321.5" not in "".join(capfd.readouterr())


def test_the_data_are_as_they_were(faulty: LocalLeague) -> None:
    work: Any = faulty.nodes["zurich"].context.work
    assert Path(work._file).read_bytes() == heart()["zurich"].read_bytes()


def test_another_run_goes_on_after_a_crash(faulty: LocalLeague) -> None:
    crashing, _ = opened_run(faulty)
    other, _ = opened_run(faulty)
    other.start()
    with pytest.raises(Refused, match="crashed"):
        ask(crashing, "exit")
    assert ask(other, "none") == ages(faulty)


def test_a_site_whose_step_crashes_releases_nothing_and_goes_on(faulty: LocalLeague) -> None:
    questions = {
        fault.split()[0]: {"method": "faulty", "arguments": {"fault": fault}, "sites": True}
        for fault in ("exit", "not estimable")
    }
    submitted = faulty.submit(faulty.study(questions, variables=("age",)))
    reasons = {name: submitted.run(name).plain["reasons"] for name in questions}
    assert reasons["exit"] == {"zurich": "refused: step"}
    assert list(reasons["not"]) == ["zurich"]
    assert "a is not estimable" in reasons["not"]["zurich"]


def test_an_error_of_hansa_comes_back_as_itself(faulty: LocalLeague) -> None:
    node = faulty.nodes["zurich"].context
    study = faulty.study({"q": {"method": "faulty", "arguments": {"fault": "none"}}}, variables=("age",))
    rows = node.select(study, "q", node.work.people)
    with pytest.raises(NotEstimable) as told:
        rows.ask(STEP, {}, {"fault": np.asarray(float(list(FAULTS).index("not estimable")))}, None)
    expected = NotEstimable("a is not estimable", why="nobody has it", fix="leave it out", field="formula")
    assert told.value.to_dict() == expected.to_dict()


def test_data_that_changed_under_a_node_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    frame_of(50).to_csv(file, index=False)
    dictionary = dictionary_of(many_rows=False)
    question = read_question(
        study_of({"q": {"method": "describe", "arguments": {"variables": ["age"]}}}), "q", dictionary, catalogue()
    )
    work = WorkApart(file, dictionary, codes_kept_in(NodeStore(None), dictionary), memory=MEMORY, seconds=SECONDS)
    people = list(work.select(question, "q", work.people).people())
    frame_of(50).iloc[::-1].to_csv(file, index=False)
    os.kill(child_of(work), signal.SIGKILL)
    with pytest.raises(Refused, match="crashed"):
        work.select(question, "q", work.people)
    with pytest.raises(Refused, match="not those that this node was started with"):
        work.select(question, "q", work.people)
    frame_of(50).to_csv(file, index=False)
    assert list(work.select(question, "q", work.people).people()) == people
    work.close()


# --- starting and ending --------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolate", [False, True])
def test_data_that_do_not_fit_are_told_alike(tmp_path: Path, *, isolate: bool) -> None:
    twice = frame_of(20)
    twice["person"] = ["p1", *twice["person"][1:]]
    twice.to_csv(tmp_path / "twice.csv", index=False)
    dictionary = dictionary_of(many_rows=False)
    encode = codes_kept_in(NodeStore(None), dictionary)
    for name, what in (("absent.csv", "no such file"), ("twice.csv", "repeat a person")):
        with pytest.raises(DataError, match=what):
            open_work(tmp_path / name, dictionary, encode, isolate=isolate, memory=MEMORY, seconds=SECONDS)


def test_a_worker_that_cannot_start_or_read_shows_when_the_data_are_opened(tmp_path: Path) -> None:
    frame_of(20).to_csv(tmp_path / "data.csv", index=False)
    dictionary = dictionary_of(many_rows=False)
    hopeless: list[tuple[str, dict[str, Any]]] = [
        ("reading needs more memory", {"memory": 1 << 20}),
        ("opened in a process apart.*status 1", {"_module": "hansa.no_such_module"}),
    ]
    for what, how in hopeless:
        with pytest.raises(DataError, match=what):
            WorkApart(tmp_path / "data.csv", dictionary, codes_kept_in(NodeStore(None), dictionary), **how)


def test_a_worker_ends_when_it_is_let_go_of_and_is_not_replaced() -> None:
    dictionary = heart_dictionary()
    work = WorkApart(heart()["zurich"], dictionary, codes_kept_in(NodeStore(None), dictionary), seconds=SECONDS)
    pid = child_of(work)
    work.close()
    assert gone(pid)
    with pytest.raises(Refused, match="stopping"):
        work.request({"do": "people"})


def test_a_worker_ends_with_its_node_even_in_a_step(tmp_path: Path) -> None:
    code = f"""
        import sys, threading, time
        sys.path.insert(0, {HERE!r})
        import numpy as np
        from faulty_worker import FAULTS, METHOD, STEP
        from hansa.examples import heart, heart_dictionary
        from hansa.model import Party, Purpose, Study
        from hansa.node.worker.apart import WorkApart
        from hansa.node.work import codes_kept_in
        from hansa.stats.question import read_question
        from hansa.store import NodeStore
        d = heart_dictionary()
        work = WorkApart(heart()["zurich"], d, codes_kept_in(NodeStore(None), d), _module="faulty_worker")
        study = Study.model_validate_json({study_of({"q": {"method": "faulty"}}).model_dump_json()!r})
        rows = work.select(read_question(study, "q", d, {{"faulty": METHOD}}), "q", work.people)
        print(work._child._process.pid, flush=True)
        rows.ask(STEP, {{}}, {{"fault": np.asarray(float(list(FAULTS).index("loop")))}}, None)
    """
    environment = {**os.environ, "PYTHONPATH": HERE}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as node:
        assert node.stdout is not None
        pid = int(node.stdout.readline())
        time.sleep(0.3)  # the step is under way
        assert not gone(pid, within=0)
        node.kill()
    assert gone(pid)


# --- where the machine allows less ----------------------------------------------------------------------------


def python(code: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_machine_without_namespaces_and_landlock_is_reported() -> None:
    told = python("""
        import ctypes
        class Refusing:
            def unshare(self, *_): return -1
            def syscall(self, *_): return -1
        ctypes.CDLL = lambda *_, **__: Refusing()
        from hansa.node.worker.confine import confine
        print(*confine(()), sep="\\n")
    """)
    assert [word.split(":")[0] for word in told] == ["no network namespace", "no Landlock"]


def test_where_only_python_refuses_it_still_does(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    attempts = [
        "socket.socket()",
        "open(f, 'w')",
        "open(f, 'r+b')",
        "os.open(f, os.O_WRONLY)",
        "os.remove(f)",
        "os.rename(f, f + 'x')",
        "os.truncate(f, 0)",
        "os.chmod(f, 0)",
        "subprocess.run(['true'])",
        "os.system('true')",
        "os.fork()",
        "os.kill(os.getppid(), 0)",
    ]
    told = python(
        f"""
        import os, socket, subprocess, sys
        from hansa.node.worker.confine import refuse_in_python
        f = sys.argv[1]
        refuse_in_python()
        print(len(open(f).read()))
        for attempt in {attempts!r}:
            try:
                eval(attempt)
            except PermissionError:
                continue
            print(attempt)
        """,
        str(file),
    )
    assert told == ["4"]
    assert file.read_text() == "a\n1\n"


# --- what crosses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_crosses_with_its_fields(name: str) -> None:
    error = getattr(errors, name)("what", why="why", fix="fix", field="field")
    found = error_in(error_out(error))
    assert type(found) is type(error)
    assert found.to_dict() == error.to_dict()


def test_a_refusal_keeps_its_reason_and_other_classes_become_hansas_own() -> None:
    found = error_in(error_out(Refused("no", reason="disclosure")))
    assert isinstance(found, Refused)
    assert found.reason == "disclosure"
    with pytest.raises(FormulaError) as fault:
        parse_expression("a +")
    assert type(error_in(error_out(fault.value))) is FormulaError
    assert type(error_in({"class": "SystemExit", "what": "w", "why": "", "fix": "", "field": ""})) is HansaError


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_values_cross_a_pipe_whole(pipe: tuple[int, int]) -> None:
    send(pipe[1], {"a": np.arange(3.0), "b": [None, "x"]})
    found = receive(pipe[0])
    assert found["a"].tolist() == [0.0, 1.0, 2.0]
    assert found["b"] == [None, "x"]


def test_a_pipe_that_says_nothing_or_is_not_read_is_left(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    with pytest.raises(TimeoutError):
        receive(pipe[0], time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        send(pipe[1], bytes(1 << 22), time.monotonic() + 0.05)


@pytest.mark.parametrize(
    "sent", [(MAX_BYTES + 1).to_bytes(8, "big"), (4).to_bytes(8, "big") + b"\x80\x04N."], ids=["too long", "a pickle"]
)
def test_what_is_no_plain_value_is_refused(pipe: tuple[int, int], sent: bytes) -> None:
    os.write(pipe[1], sent)
    with pytest.raises(ProtocolError):
        receive(pipe[0])


# --- what stays ready -----------------------------------------------------------------------------------------


def test_the_arrays_of_runs_that_ended_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    dictionary = dictionary_of(many_rows=False)
    asked = {"method": "glm", "arguments": {"formula": "marker ~ age + sex", "family": "gaussian"}}
    question = read_question(study_of({"q": asked}), "q", dictionary, catalogue())
    work = open_work(frame_of(500), dictionary, codes_kept_in(NodeStore(None), dictionary), isolate=False)
    assert isinstance(work, WorkHere)
    rows = [work.select(question, "q", work.people) for _ in range(3)]
    first = repr(rows[0].estimate(ASKING).result)
    size = rows[0].kept_bytes
    assert size > 500 * 3 * 8
    monkeypatch.setattr(rows[0]._kept, "room", size)
    for one in rows[1:]:
        assert repr(one.estimate(ASKING).result) == first
    assert [one.kept_bytes for one in rows] == [0, size, size]
    assert repr(rows[0].estimate(ASKING).result) == first
    assert [one.kept_bytes for one in rows] == [size, 0, size]
