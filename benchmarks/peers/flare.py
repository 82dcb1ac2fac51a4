"""NVIDIA FLARE's side, run by FLARE's own interpreter: ``python -m benchmarks.peers.flare KIND DATA FOLDER REPEATS``.

``simulator`` and ``recipe`` are what its hello-lr example does; ``tuned`` is the same mathematics and controller
without polling pauses, damping and regularisation. One line of JSON for each run.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.outcome import Outcome
from benchmarks.peers.usage import MARK, cpu_seconds

COVARIATES = 20
NODES = 3
ROUNDS = 5
CLIENT = str(Path(__file__).with_name("flare_client.py"))


def recipe_job(data: str) -> Any:
    """FLARE's recipe for logistic regression by Newton's method, with the settings of its example."""
    from nvflare.app_common.np.recipes.lr.fedavg import FedAvgLrRecipe

    return FedAvgLrRecipe(
        min_clients=NODES,
        num_rounds=ROUNDS,
        damping_factor=0.8,
        num_features=COVARIATES,
        train_script=CLIENT,
        train_args=f"--data {data}",
    )


def tuned_job(data: str, folder: Path) -> Path:
    """The recipe's controller with a full step, an executor in FLARE's own process, and no pauses between polls."""
    from nvflare.app_common.workflows.lr.fedavg import FedAvgLR
    from nvflare.job_config.api import FedJob

    from benchmarks.peers.flare_site import Doubles, NewtonSite

    job = FedJob(name="tuned", min_clients=NODES)
    persistor = job.to_server(Doubles(COVARIATES), id="lr_persistor")
    controller = FedAvgLR(
        num_clients=NODES,
        damping_factor=1.0,
        epsilon=0.0,
        n_features=COVARIATES,
        num_rounds=ROUNDS,
        persistor_id=persistor,
        task_check_period=0.005,
    )
    job.to_server(controller)
    job.to_clients(NewtonSite(data))
    job.export_job(str(folder))
    for side, setting in (("server", {"server": {"task_request_interval": 0.005}}), ("client", {})):
        file = next((folder / "tuned").rglob(f"config_fed_{side}.json"))
        config = json.loads(file.read_text()) | setting | {"default_task_fetch_interval": 0.005}
        file.write_text(json.dumps(config))
    return folder / "tuned"


def simulated(data: str, folder: Path) -> Outcome:
    """One run in FLARE's simulator, a thread for each client."""
    from nvflare.recipe import SimEnv

    began, cpu = time.time(), cpu_seconds(os.environ[MARK])
    run = recipe_job(data).execute(SimEnv(num_clients=NODES, num_threads=NODES, workspace_root=str(folder)))
    result = Path(run.get_result())
    returned = time.time() - began
    weights = next((result / "server").rglob("weights.npy"))
    used = cpu_seconds(os.environ[MARK]) - cpu
    return Outcome(weights.stat().st_mtime - began, returned, used, ROUNDS, coefficients(weights))


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[Any]:
    """FLARE's server and three clients as processes of their own, as `nvflare poc` starts them: mutual TLS."""
    os.environ["NVFLARE_POC_WORKSPACE"] = str(folder)
    from nvflare.fuel.flare_api.flare_api import new_secure_session
    from nvflare.recipe.poc_env import PocEnv
    from nvflare.tool.poc import poc_commands as poc

    env = PocEnv(num_clients=NODES)
    poc.prepare_poc_provision([], NODES, str(folder), docker_image=None)
    poc._start_poc(str(folder), gpu_ids=[], excluded=[env.username], services_list=[])
    try:
        kit = next(folder.glob(f"*/prod_00/{env.username}"))
        session = connected(lambda: new_secure_session(env.username, str(kit)))
        yield session
        session.close()
    finally:
        poc._stop_poc(str(folder), excluded=[env.username], services_list=[])


def connected(connect: Any) -> Any:
    """A session with a server that hears all its clients."""
    ends = time.monotonic() + 180
    while True:
        try:
            session = connect()
            if len(session.get_system_info().client_info) == NODES:
                return session
            session.close()
        except Exception:
            if time.monotonic() > ends:
                raise
        time.sleep(0.5)


def submitted(session: Any, job: Path, folder: Path) -> Outcome:
    """One job, from its submission until its result is downloaded."""
    began, cpu = time.time(), cpu_seconds(os.environ[MARK])
    number = session.submit_job(str(job))
    watch = Watch(folder, number)
    session.monitor_job(number, timeout=600, poll_interval=0.1)
    result = Path(session.download_job_result(number))
    returned = time.time() - began
    watch.end()
    used = cpu_seconds(os.environ[MARK]) - cpu
    return Outcome(watch.written - began, returned, used, ROUNDS, coefficients(next(result.rglob("weights.npy"))))


class Watch:
    """Notes when a job's server last wrote its model: the folder is packed and removed at the job's end."""

    def __init__(self, folder: Path, job: str) -> None:
        self.written = 0.0
        self._over = threading.Event()
        self._file = next(folder.glob("*/prod_00/server")) / job / "models" / "weights.npy"
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            with contextlib.suppress(FileNotFoundError):
                self.written = self._file.stat().st_mtime

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def coefficients(weights: Path) -> tuple[float, ...]:
    return tuple(np.load(weights).ravel().tolist())


def exported(data: str, folder: Path) -> Path:
    job = recipe_job(data)
    job.export(str(folder))
    return folder / str(job.name)


def main() -> None:
    kind, data, place, repeats = sys.argv[1:]
    folder = Path(place)
    if kind == "simulator":
        for run in range(int(repeats) + 1):
            print(json.dumps(simulated(data, folder / str(run)).as_json()), flush=True)
        return
    job = tuned_job(data, folder / "job") if kind == "tuned" else exported(data, folder / "job")
    with deployed(folder / "poc") as session:
        for _ in range(int(repeats) + 1):
            print(json.dumps(submitted(session, job, folder / "poc").as_json()), flush=True)


if __name__ == "__main__":
    main()
