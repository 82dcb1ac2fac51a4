"""The pages for hub, custodian and researcher are played through, command by command, with real processes on loopback.

What the reader types is taken from the pages. Only what differs between two readers is put in its place: the hub's
address and ports, a node's name, fingerprints as they were read aloud, and the ids that the commands printed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from hansa.cli.main import hansa
from hansa.examples import heart
from hansa.testing.messaging import free_port

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = ("hub", "custodian", "researcher")
NODES = tuple(heart())
BLOCK = re.compile(r"^```console machine=\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```yaml study file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FINGERPRINT = r"[0-9a-f]{4}(?:-[0-9a-f]{4}){4}"
RUN = re.compile(r"run ([0-9a-f-]{36})")
SERVING = 40.0


def commands(page: str) -> list[str]:
    """What a page's reader types, one command each, in the order of the page."""
    text = (HOWTO / f"{page}.md").read_text(encoding="utf-8")
    lines = "".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [" ".join(line.removeprefix("$ ").split()) for line in lines]


@dataclass(eq=False)
class Players:
    """The machines' folders, the daemons that run, and which commands of each page are still to be typed."""

    folder: Path
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    left: dict[str, list[str]] = field(default_factory=lambda: {page: commands(page) for page in PAGES})
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def at(self, _machine: str) -> list[str]:
        """What runs a program at a machine: all are this one."""
        return []

    def place(self, machine: str) -> Path:
        made = self.folder / machine
        made.mkdir(exist_ok=True)
        return made

    def types(self, machine: str, page: str, start: str, fill: Mapping[str, str] | None = None, *, nth: int = 0) -> str:
        """Type a command of a page, the ``nth`` that begins so, at a machine; what it printed."""
        found = [command for command in commands(page) if command.startswith(start)][nth]
        if found in self.left[page]:
            self.left[page].remove(found)
        command = self._filled(found, {"zurich": machine, **(fill or {})} if page == "custodian" else fill or {})
        typed, _, into = command.partition(" > ")  # all of a shell that the pages use
        said = self._said(machine, typed)
        if into:
            (self.place(machine) / into).write_text(said, encoding="utf-8")
        return said

    def starts(self, machine: str, page: str, command: str) -> None:
        """Type a command that stays, in a terminal of its own."""
        assert command in commands(page)
        if command in self.left[page]:
            self.left[page].remove(command)
        with (self.place(machine) / "terminal.out").open("wb") as out:
            self.daemons[machine] = subprocess.Popen(
                [*self.at(machine), sys.executable, "-m", "hansa.cli.main", *shlex.split(command)[1:]],
                cwd=self.place(machine),
                stdout=out,
                stderr=out,
                env=_environment(),
            )

    def waits_for(self, machine: str, page: str, start: str, wanted: str) -> str:
        """Type a command again and again until it says what is wanted."""
        ends = time.monotonic() + SERVING
        while True:
            said = self.types(machine, page, start)
            if re.search(wanted, said):
                return said
            assert time.monotonic() < ends, f"{start} never said {wanted}:\n{said}\n{self.output(machine)}"
            time.sleep(0.3)

    def is_up(self, machine: str) -> None:
        ends = time.monotonic() + SERVING
        while ": serving" not in self.output(machine):
            assert self.daemons[machine].poll() is None, self.output(machine)
            assert time.monotonic() < ends, self.output(machine)
            time.sleep(0.05)

    def output(self, machine: str) -> str:
        return (self.place(machine) / "terminal.out").read_text(encoding="utf-8", errors="replace")

    def stop(self, *machines: str) -> list[int]:
        for machine in machines:
            self.daemons[machine].send_signal(signal.SIGTERM)
        return [self.daemons.pop(machine).wait(40) for machine in machines]

    def stop_what_is_left(self) -> None:
        """Politely first: a hub ends what it has started, and a killed one cannot."""
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(40)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def here(self, command: str) -> str:
        """The pages' address and ports are another machine's: all are this one."""
        command = command.replace("192.0.2.10", "127.0.0.1")
        if command.startswith("hansa hub init"):
            command += f" --messaging-port {self.ports[0]} --api-port {self.ports[1]}"
        return command

    def _filled(self, command: str, fill: Mapping[str, str]) -> str:
        command = self.here(command)
        for word, meant in fill.items():
            command = re.sub(rf"\b{word}\b", meant, command)
        return command

    def _said(self, machine: str, command: str) -> str:
        """What a command prints, typed in a machine's folder.

        In this process where it is not about the network: to start another takes seconds.
        """
        program, *words = shlex.split(command)
        if words[0] == "study":
            done = self._in_a_process(machine, words)
            assert done.returncode == 0, f"{machine}: {command}\n{done.stdout}{done.stderr}"
            return done.stdout
        with contextlib.chdir(self.place(machine)):
            if program == "python":
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(words[1], {})
                return out.getvalue()
            found = CliRunner().invoke(hansa, words, catch_exceptions=False)
        assert found.exit_code == 0, f"{machine}: {command}\n{found.output}"
        return found.output

    def _in_a_process(self, machine: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.at(machine), sys.executable, "-m", "hansa.cli.main", *words],
            cwd=self.place(machine),
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def _environment() -> dict[str, str]:
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def players(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Players]:
    monkeypatch.setenv("COLUMNS", "200")
    made = Players(tmp_path)
    try:
        yield made
    finally:
        made.stop_what_is_left()


def test_the_pages_can_be_followed_to_a_result_and_leave_out_nothing(players: Players) -> None:
    follow(players)


def follow(players: Players) -> None:
    """Every command of the pages, in an order in which three readers would type them."""
    root = _the_league_is_founded(players)
    _members_join(players, root)
    _all_serve(players)
    _a_study_is_referred_approved_and_answered(players)
    _a_run_that_waits_for_a_node_is_cancelled(players)
    _the_custodian_looks_and_stops(players)
    _the_hub_revokes_a_member_and_all_stop(players)
    assert players.left == {page: [] for page in PAGES}, "commands that nobody has typed"


def _the_league_is_founded(players: Players) -> str:
    """The root's fingerprint, as its operator reads it to the members."""
    players.types("hub", "hub", "python -c")
    said = players.types("hub", "hub", "hansa hub init")
    charter = players.place("hub") / "hub" / "charter.cbor"
    for machine in (*NODES, "ada"):
        shutil.copy(charter, players.place(machine))
    [root] = re.findall(FINGERPRINT, said)
    return str(root)


def _members_join(players: Players, root: str) -> None:
    for node in NODES:
        players.types(node, "custodian", "python -c", nth=0)
        players.types(node, "custodian", "python -c", nth=1)
        said = players.types(node, "custodian", "hansa node init")
        read_to_us, own = re.findall(FINGERPRINT, said)
        assert read_to_us == root
        _admitted(players, node, "node", own)
    assert own in players.types(NODES[-1], "custodian", "hansa node join")
    read_to_us, own = re.findall(FINGERPRINT, players.types("ada", "researcher", "hansa identity init"))
    assert read_to_us == root
    _admitted(players, "ada", "identity", own)


def _admitted(players: Players, machine: str, folder: str, fingerprint: str) -> None:
    """The request travels, and its fingerprint is read aloud."""
    shutil.copy(
        players.place(machine) / folder / "join-request.cbor", players.place("hub") / f"{machine}-join-request.cbor"
    )
    fill = {"zurich": machine, "1f58-b914-5b24-d108-d7ac": fingerprint}
    assert "admitted" in players.types("hub", "hub", "hansa hub admit", fill)


def _all_serve(players: Players) -> None:
    # The page: the charter's root leaves the machine before the hub serves.
    key = players.place("hub") / "hub" / "keys" / "charter.key"
    key.rename(players.folder / "safe.key")
    players.starts("hub", "hub", "hansa hub serve")
    for node in NODES:
        players.starts(node, "custodian", "hansa node serve")
    for machine in ("hub", *NODES):
        players.is_up(machine)
    players.waits_for("hub", "hub", "hansa hub status", r"(?s)(: present.*){4}")
    doctor = players.types("zurich", "custodian", "hansa node doctor")
    assert "FAIL" not in doctor
    assert "connected: True" in players.types("zurich", "custodian", "hansa node status")


def _a_study_is_referred_approved_and_answered(players: Players) -> None:
    [(name, study)] = FILE.findall((HOWTO / "researcher.md").read_text(encoding="utf-8"))
    (players.place("ada") / name).write_text(study, encoding="utf-8")
    said = players.types("ada", "researcher", "hansa study submit")
    [early] = RUN.findall(said)
    assert "names no approval by an ethics committee" in said
    for node in NODES:
        entry = players.types(node, "custodian", "hansa node inbox")
        assert "masked sums would leave" in entry
        waiting = entry.split()[0]
        assert "permitted" in players.types(node, "custodian", "hansa node approve", {"STUDY": waiting})
    [run] = RUN.findall(players.types("ada", "researcher", "hansa study start"))
    assert run != early, "the early run had failed, as the page says"
    assert "done" in players.types("ada", "researcher", "hansa study watch", {"RUN": run})
    listed = players.types("ada", "researcher", "hansa study runs")
    assert re.search(rf"{early}.*failed: too few cohorts permit this study.*\(refused\)", listed)
    assert re.search(rf"{run}.*done", listed)
    assert "n = 860 at 4 nodes" in players.types("ada", "researcher", "hansa study results", {"RUN": run})
    assert "verified" in players.types("ada", "researcher", "hansa log verify", {"RUN": run})


def _a_run_that_waits_for_a_node_is_cancelled(players: Players) -> None:
    players.daemons["zurich"].send_signal(signal.SIGSTOP)
    [run] = RUN.findall(players.types("ada", "researcher", "hansa study start", {"risk": "table1"}))
    assert "cancelled" in players.types("ada", "researcher", "hansa study cancel", {"RUN": run})
    players.daemons["zurich"].send_signal(signal.SIGCONT)


def _the_custodian_looks_and_stops(players: Players) -> None:
    study = {"STUDY": "resting-pressure-2026"}
    assert "glm.profile" in players.types("zurich", "custodian", "hansa node ledger")
    players.types("zurich", "custodian", "hansa node pause --by")
    assert "paused: True" in players.types("zurich", "custodian", "hansa node status")
    players.types("zurich", "custodian", "hansa node pause --off")
    assert "paused: False" in players.types("zurich", "custodian", "hansa node status")
    players.types("zurich", "custodian", "hansa node stop-run", study)
    players.types("budapest", "custodian", "hansa node deny", study)


def _the_hub_revokes_a_member_and_all_stop(players: Players) -> None:
    (players.folder / "safe.key").rename(players.place("hub") / "hub" / "keys" / "charter.key")
    players.types("hub", "hub", "hansa hub revoke")
    assert "zurich" not in players.types("hub", "hub", "hansa hub status")
    assert players.stop(*NODES, "hub") == [0] * 5
