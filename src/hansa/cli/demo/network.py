"""``hansa demo --network``: hub and hospitals as processes of their own; one hospital's node is killed in the middle.

The comparison is with the embedded league: of all four hospitals for what ran before the loss, and of the three
that were left for the run in the middle of which the node was killed.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hansa
from hansa.client.study_file import read_study
from hansa.errors import HansaError, Unreachable
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.testing.network import NetworkLeague, league_folders, running

__all__ = ["NetworkStory", "largest_difference", "play"]

_LOST = "budapest"
_WHOLE = ("people", "table1", "risk_common", "risk_intercepts")
_BROKEN = "diagnostic"

Say = Callable[[str], None]


@dataclass(frozen=True)
class NetworkStory:
    """What happened: each analysis' largest difference from the embedded run, and the word of the run that stopped."""

    differences: Mapping[str, float]
    nodes_left: tuple[str, ...]
    stopped: str


def play(say: Say) -> NetworkStory:
    """Both acts: a league whose members let a run go on without a lost node, and one whose members do not."""
    differences, left = _first_act(say)
    return NetworkStory(differences, left, _second_act(say))


def _first_act(say: Say) -> tuple[dict[str, float], tuple[str, ...]]:
    with _league(alone_ok=True, say=say) as network:
        league = hansa.connect(identity=network.identity)
        submitted = league.submit(read_study(heart_study()))
        say("decisions: " + ", ".join(f"{node} {made.verdict}" for node, made in sorted(submitted.decisions.items())))
        differences = {}
        for name in _WHOLE:
            began = time.perf_counter()
            view = submitted.run(name)
            took = time.perf_counter() - began
            differences[name] = largest_difference(view.plain, _embedded(tuple(heart()), name))
            say(f"{name}: {took:.2f} s, largest difference {differences[name]:.1e}")
        killer = _killer(network, _LOST, say)
        view = submitted.run(_BROKEN, progress=lambda text: say(f"  {text}"))
        killer.join()
        left = tuple(view.provenance["nodes"])
        differences[_BROKEN] = largest_difference(view.plain, _embedded(left, _BROKEN))
        say(f"{_BROKEN} over {', '.join(left)}: largest difference {differences[_BROKEN]:.1e}")
        league.close()
    return differences, left


def _second_act(say: Say) -> str:
    with _league(alone_ok=False, say=say) as network:
        league = hansa.connect(identity=network.identity)
        submitted = league.submit(read_study(heart_study()))
        killer = _killer(network, _LOST, say)
        try:
            submitted.run(_BROKEN, progress=lambda text: say(f"  {text}"))
        except Unreachable as stopped:
            said = str(stopped)
        else:
            raise HansaError("the run went on without a node whose policy does not allow it")
        finally:
            killer.join()
            league.close()
    say(said)
    return said


class _league:  # noqa: N801  # a context manager that reads like a function
    """The four hospitals as processes, in a folder that goes with them."""

    def __init__(self, *, alone_ok: bool, say: Say) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hansa-network-"))
        made = league_folders(
            self._folder / "league",
            heart(),
            heart_dictionary(),
            heart_policies(),
            requester=read_study(heart_study()).requester,
            alone_ok=alone_ok,
        )
        say(f"starting a hub, its messaging server and four nodes (alone_ok: {str(alone_ok).lower()})")
        self._running = running(made)

    def __enter__(self) -> NetworkLeague:
        return self._running.__enter__()

    def __exit__(self, *found: Any) -> None:
        self._running.__exit__(*found)
        shutil.rmtree(self._folder, ignore_errors=True)


def _killer(network: NetworkLeague, node: str, say: Say) -> threading.Thread:
    """Kills a node as soon as it has answered a round of the next run."""
    before = network.left(node)

    def kill() -> None:
        network.kill(node)
        say(f"  killed {node} after {network.left(node) - before} array(s) of this run had left it")

    return network.at_first_answer(node, kill)


def _embedded(nodes: tuple[str, ...], analysis: str) -> Any:
    """The same analysis in one process."""
    policies = heart_policies()
    league = hansa.local(
        {name: heart()[name] for name in nodes}, heart_dictionary(), {name: policies[name] for name in nodes}
    )
    study = read_study(heart_study())
    asked = {analysis: study.analyses[analysis]}
    fields = study.model_dump(exclude={"id", "analyses", "cohorts"})
    return league.submit(league.study(asked, **{**fields, "cohorts": nodes})).run(analysis).plain


def largest_difference(one: Any, other: Any) -> float:
    """The largest relative difference between the numbers of two plain results of the same shape.

    Examples
    --------
    >>> largest_difference({"n": 4, "mean": [2.0]}, {"n": 4, "mean": [2.5]})
    0.2
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        return max((largest_difference(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return max((largest_difference(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other))
    return 0.0 if one == other else float("inf")
