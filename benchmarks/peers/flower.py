"""Flower's side: ``python -m benchmarks.peers.flower KIND APP DATA FOLDER REPEATS``, over its own commands.

KIND is ``simulation`` (its engine, nodes as Ray actors) or ``deployed`` (a SuperLink and three SuperNodes as
processes). APP names a server and a client of ``flower_app``. One line of JSON for each run.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from benchmarks.peers.outcome import Outcome
from benchmarks.peers.usage import MARK, cpu_seconds
from hansa.testing.messaging import free_port

NODES = 3
APP = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "peer"
version = "1.0.0"
description = "Logistic regression"
license = "Apache-2.0"
dependencies = ["flwr[simulation]>=1.25.0", "scikit-learn>=1.6.1"]
[tool.hatch.build.targets.wheel]
packages = ["."]
[tool.flwr.app]
publisher = "peer"
[tool.flwr.app.components]
serverapp = "flower_app.{app}_server:app"
clientapp = "flower_app.{app}_client:app"
[tool.flwr.app.config]
rounds = {rounds}
covariates = 20
data = "{data}"
result = "{result}"
"""
CONNECTION = """
[superlink]
default = "here"
[superlink.here]
address = "127.0.0.1:{port}"
insecure = true
"""
ROUNDS = {"fedavg": 25, "newton": 5, "secagg": 5}
"""25 is the quickstart's own number; Newton's method is done after five."""


def app_folder(folder: Path, app: str, data: str) -> Path:
    """The app as its user would have it in a folder."""
    made = folder / "app"
    shutil.copytree(Path(__file__).with_name("flower_app"), made / "flower_app")
    text = APP.format(app=app, rounds=ROUNDS[app], data=data, result=folder / "result.json")
    (made / "pyproject.toml").write_text(text, encoding="utf-8")
    return made


@contextlib.contextmanager
def serving(kind: str, folder: Path) -> Iterator[None]:
    """A SuperLink and, where ``deployed``, SuperNodes that it hears. No TLS, and nothing is installed at run time."""
    port = free_port()
    (folder / "home").mkdir()
    (folder / "home" / "config.toml").write_text(CONNECTION.format(port=port), encoding="utf-8")
    link = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port)]
    link += ["--disable-runtime-dependency-installation", *(["--simulation"] if kind == "simulation" else [])]
    started = [begin(link, folder / "superlink.log")]
    try:
        wait_for(lambda: healthy(port))
        if kind == "deployed":
            started += [begin(node(place, port), folder / f"node{place}.log") for place in range(NODES)]
            wait_for(lambda: all("SuperNode ID" in (folder / f"node{i}.log").read_text() for i in range(NODES)))
        yield
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def node(place: int, link: int) -> list[str]:
    where = ["--superlink", f"127.0.0.1:{link}", "--port", str(free_port())]
    return ["flower-supernode", "--insecure", *where, "--node-config", f"partition-id={place} num-partitions={NODES}"]


def begin(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out)


def healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).is_success
    except httpx.HTTPError:
        return False


def wait_for(done: Callable[[], bool], seconds: float = 180.0) -> None:
    ends = time.monotonic() + seconds
    while not done():
        if time.monotonic() > ends:
            raise SystemExit("Flower's processes do not serve")
        time.sleep(0.1)


def submitted(kind: str, app: Path, folder: Path, rounds: int) -> Outcome:
    """One run of ``flwr run``."""
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    sizes = ["--federation-config", f"num-supernodes={NODES}"] if kind == "simulation" else []
    began, cpu = time.time(), cpu_seconds(os.environ[MARK])
    command = ["flwr", "run", str(app), "here", "--stream", *sizes]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    returned, used = time.time() - began, cpu_seconds(os.environ[MARK]) - cpu
    if not result.exists():
        raise SystemExit(f"Flower gave no result:\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    found = tuple(json.loads(result.read_text(encoding="utf-8")))
    return Outcome(result.stat().st_mtime - began, returned, used, rounds, found)


def main() -> None:
    kind, name, data, place, repeats = sys.argv[1:]
    folder = Path(place)
    os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", FLWR_HOME=str(folder / "home"))
    app = app_folder(folder, name, data)
    with serving(kind, folder):
        for _ in range(int(repeats) + 1):
            print(json.dumps(submitted(kind, app, folder, ROUNDS[name]).as_json()), flush=True)


if __name__ == "__main__":
    main()
