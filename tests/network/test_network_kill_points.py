"""A hub that dies at any point of a run or a submission, before or after what it does there: the next goes on rightly.

A killed process stops between two things that others can see: a transaction of its store, a request to its nodes.
Here it stops at each of them in turn, is opened again from its folder, and runs the same analysis.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from network_daemons import ASKED, NAMES, Running, founded, now, serving

from hansa.client.proof import proof_text, verify_proof
from hansa.client.study_file import read_study
from hansa.engine.messaging import HubEndpoint
from hansa.engine.outcome import Outcome
from hansa.examples import heart_study
from hansa.hub.opening import open_hub
from hansa.store import HubStore, NodeStore

POINTS = (
    (HubEndpoint, "ask"),
    (HubStore, "append"),
    (HubStore, "record_total"),
    (HubStore, "save_journal_name"),
    (HubStore, "save_result"),
    (HubStore, "save_study"),
    (HubStore, "save_decision"),
)


class Killed(BaseException):
    """Not to be caught by anything of the hub's."""


class Death:
    """Ends the hub at the ``at``-th point of a run, before or after what is done there; 0: never."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at, self.after, self.passed = 0, False, 0
        for kind, name in POINTS:
            patch.setattr(kind, name, self._watched(getattr(kind, name)))

    def _watched(self, plain: Any) -> Any:
        @functools.wraps(plain)
        def watched(*arguments: Any, **named: Any) -> Any:
            self.passed += 1
            here = self.passed == self.at
            if here and not self.after:
                raise Killed
            done = plain(*arguments, **named)
            if here:
                raise Killed
            return done

        return watched

    def plan(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.passed = at, after, 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folders = founded(tmp_path_factory.mktemp("points") / "league")
    for node in NAMES:
        file = folders.node(node).path / "node.toml"
        file.write_text(file.read_text().replace("isolate = true", "isolate = false"))  # only to be quick
    with serving(folders) as made:
        yield made


def restarted(running: Running) -> None:
    running.hub.close()
    running.hub = open_hub(running.folders.hub, clock=now)


def charges(running: Running) -> list[int]:
    """What each node's permits were charged, over all studies."""
    stores = [NodeStore(running.folders.node(node).store) for node in NAMES]
    studies = [store.study(name) for store in stores for name in store.studies()]
    return [study.rounds_used for study in studies if study is not None]


def witnesses(running: Running, outcome: Outcome) -> int:
    """How many nodes have cosigned the log's proof of an outcome, which verifies."""
    return len(verify_proof(proof_text(outcome, running.hub.hub.proof_keys())).witnesses)


def test_a_hub_that_dies_anywhere_in_a_run_goes_on(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    first = running.submit()
    undisturbed = running.hub.hub.run(first.study.id, "age").result
    charged = sum(charges(running))
    death = Death(monkeypatch)
    counted = running.submit().study.id
    death.plan(0, after=False)
    running.hub.hub.run(counted, "age")
    points = death.passed
    assert points > 8, "requests, journal, result and log of a run"
    # To die after a point is to die before the next one: between them nothing is written or sent.
    deaths = [*((at, False) for at in range(1, points + 1)), (points, True)]
    for at, after in deaths:
        death.plan(0, after=False)
        study = running.submit().study.id
        death.plan(at, after=after)
        with pytest.raises(Killed):
            running.hub.hub.run(study, "age")
        death.plan(0, after=False)
        restarted(running)
        outcome = running.hub.hub.run(study, "age")
        assert outcome.result == undisturbed, (at, after)
        assert outcome.provenance["nodes"] == list(NAMES)
        assert witnesses(running, outcome) == len(NAMES)
    assert sum(charges(running)) == charged, "the same rounds of the same people were charged once"


def test_a_hub_that_dies_anywhere_in_a_submission_logs_what_it_keeps(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"}), "cohorts": NAMES}
    death = Death(monkeypatch)
    death.plan(0, after=False)
    running.submit()
    points = death.passed
    assert points == 2 + 1 + 2 * len(NAMES), "the study, the question to nodes, their decisions"
    for at in range(1, points + 1):
        death.plan(at, after=False)
        league = running.league()
        study = league.study(ASKED, **fields)
        with pytest.raises(Killed):
            league.submit(study)
        death.plan(0, after=False)
        restarted(running)
        assert set(running.league().submit(study).decisions) == set(NAMES)
        store = running.hub.store
        kinds = [store.entry(index)[0] for index in store.entries_of(study.id)]
        assert "study" in kinds, f"died at {at}"
        assert kinds.count("decision") >= len(NAMES), f"died at {at}"
