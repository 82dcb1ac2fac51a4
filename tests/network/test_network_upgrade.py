"""Rolling upgrade: nodes of another version, as real processes, in one run with the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import hansa
from hansa.client.connect import RemoteLeague
from hansa.client.league import Submitted
from hansa.client.study_file import read_study
from hansa.errors import HansaError
from hansa.examples import heart, heart_dictionary, heart_policies, heart_study
from hansa.model import Analysis
from hansa.testing.network import NetworkLeague, league_folders, running

EVERYONE = tuple(sorted(heart()))
ASKED = {
    "age": Analysis(method="describe", arguments={"variables": ["age"]}),
    "each": Analysis(method="describe", arguments={"variables": ["age"]}, sites=True),
}
MAJOR, MINOR, PATCH = (int(part) for part in hansa.__version__.split("."))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkLeague]:
    made = league_folders(
        tmp_path_factory.mktemp("league") / "it",
        heart(),
        heart_dictionary(),
        heart_policies(),
        requester=read_study(heart_study()).requester,
    )
    with running(made) as league:
        yield league


@pytest.fixture
def league(network: NetworkLeague) -> Iterator[RemoteLeague]:
    connected = hansa.connect(identity=network.identity)
    yield connected
    connected.close()


def release(folder: Path, version: str) -> Path:
    """This package as another release of it."""
    package = Path(hansa.__file__).parent
    shutil.copytree(package, folder / "hansa", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "hansa" / "version.py"
    file.write_text(file.read_text().replace(f'"{hansa.__version__}"', f'"{version}"'))
    return folder


def replaced(network: NetworkLeague, node: str, source: Path) -> None:
    """The node's daemon ends, and one of another release takes its place."""
    process = network.processes.pop(node)
    process.terminate()
    assert process.wait(30) == 0
    network.start_node(node, source=source)
    network.wait_for(node)
    network.wait_for_nodes()


def submitted(league: RemoteLeague) -> Submitted:
    fields = read_study(heart_study()).model_dump(exclude={"id", "analyses", "cohorts"})
    return league.submit(league.study(ASKED, **{**fields, "cohorts": EVERYONE}))


def test_releases_that_differ_in_the_last_number_answer_together(
    network: NetworkLeague, league: RemoteLeague, tmp_path: Path
) -> None:
    before = submitted(league).run("age")
    replaced(network, "zurich", release(tmp_path, f"{MAJOR}.{MINOR}.{PATCH + 7}"))
    after = submitted(league).run("age")
    assert after.plain == before.plain
    assert after.provenance["nodes"] == list(EVERYONE)


def test_another_minor_version_is_refused_with_both_versions_in_words(
    network: NetworkLeague, league: RemoteLeague, tmp_path: Path
) -> None:
    other = f"{MAJOR}.{MINOR + 1}.0"
    replaced(network, "zurich", release(tmp_path, other))
    study = submitted(league)
    with pytest.raises(HansaError, match="another version of the methods"):
        study.run("age")
    assert "refused: protocol" in study.run("each").summary.to_string()
