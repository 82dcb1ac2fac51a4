"""What is compared: each peer as its user finds it, and tuned."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONFIGURATIONS", "Configuration"]


@dataclass(frozen=True)
class Configuration:
    """One line of the table.

    ``command`` is a module and its first arguments, for the interpreter of ``peer``'s environment (``""``: this one);
    the commands of ``programs``' environments are on its path.
    """

    name: str
    command: tuple[str, ...]
    masked: str
    tls: str
    peer: str = ""
    programs: tuple[str, ...] = ()


def _flare(name: str, kind: str, tls: str) -> Configuration:
    return Configuration(f"FLARE, {name}", ("benchmarks.peers.flare", kind), "no", tls, peer="nvflare")


def _flower(name: str, kind: str, app: str, masked: str) -> Configuration:
    command = ("benchmarks.peers.flower", kind, app)
    return Configuration(f"Flower, {name}", command, masked, "no", programs=("flower",))


CONFIGURATIONS = {
    "hansa": Configuration(
        "Hansa: hub and 3 nodes as processes, every check on", ("benchmarks.peers.league",), "yes, 128 bits", "yes"
    ),
    "flare-simulator": _flare("as found: its logistic-regression recipe in the simulator", "simulator", "no"),
    "flare-recipe": _flare("as found: the same, server and 3 clients as processes", "recipe", "mutual"),
    "flare-tuned": _flare("tuned: full Newton steps, no pauses, as processes", "tuned", "mutual"),
    "flower-simulation": _flower("as found: quickstart-sklearn, simulation", "simulation", "fedavg", "no"),
    "flower-newton-simulation": _flower("tuned: Newton steps, simulation", "simulation", "newton", "no"),
    "flower-newton": _flower("tuned: Newton steps, SuperLink and 3 SuperNodes", "deployed", "newton", "no"),
    "flower-secagg-simulation": _flower("tuned, SecAgg+, simulation", "simulation", "secagg", "yes, 32 bits"),
    "flower-secagg": _flower("tuned, SecAgg+, SuperLink and 3 SuperNodes", "deployed", "secagg", "yes, 32 bits"),
}
