"""``hansa study submit|start|runs|watch|results|cancel``: studies in a league on other machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hansa.cli.output import as_json, json_option, show
from hansa.cli.parties import now

if TYPE_CHECKING:
    from hansa.client.connect import RemoteLeague

__all__ = ["cancel", "results", "runs", "start", "submit", "watch"]


def _connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say whose league is asked."""
    for option in (
        click.option("--url", default="", help="The hub's address; as the charter has it, where none is given."),
        click.option(
            "--identity",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            default=Path("identity"),
            show_default=True,
            help="A folder that `hansa identity init` made.",
        ),
    ):
        command = option(command)
    return command


def _league(url: str, identity: Path) -> RemoteLeague:
    from hansa.client.connect import connect  # loaded late: --help must stay instant

    return connect(url, identity)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--analysis", "wanted", multiple=True, help="Only this analysis; may be given more than once.")
@_connected
@json_option
def submit(file: Path, wanted: tuple[str, ...], url: str, identity: Path, as_json_flag: bool) -> None:
    """Submit a study FILE and start its analyses; they run at the hub, and can be watched later."""
    from hansa.client.study_file import read_study  # loaded late, as above

    with _league(url, identity) as league:
        submitted = league.submit(read_study(file))
        started = {name: league.remote.start(submitted.study.id, name) for name in wanted or submitted.study.analyses}
    if as_json_flag:
        decisions = {node: decision.verdict for node, decision in submitted.decisions.items()}
        runs = {name: run.id for name, run in started.items()}
        as_json({"study": submitted.study.id, "decisions": decisions, "runs": runs})
        return
    show(submitted.explain())
    show(f"\nstudy {submitted.study.id}")
    for name, run in started.items():
        show(f"  {name}: run {run.id}, {run.state}")


@click.command()
@click.argument("study")
@click.argument("analysis")
@_connected
@json_option
def start(study: str, analysis: str, *, url: str, identity: Path, as_json_flag: bool) -> None:
    """Start an ANALYSIS of a STUDY that was submitted before, such as one that a committee has permitted since."""
    with _league(url, identity) as league:
        run = league.remote.start(study, analysis)
    as_json(vars(run)) if as_json_flag else show(f"run {run.id}, {run.state}")


@click.command()
@click.argument("study")
@_connected
@json_option
def runs(study: str, url: str, identity: Path, as_json_flag: bool) -> None:
    """The runs of a STUDY, where they are, and why those failed that did."""
    with _league(url, identity) as league:
        found = league.remote.runs(study)
    if as_json_flag:
        as_json([vars(run) for run in found])
        return
    for run in found:
        show(f"{run.id}  {run.analysis}: {_outcome(run.state, run.failure)}")


@click.command()
@click.argument("run")
@_connected
@json_option
def watch(run: str, url: str, identity: Path, as_json_flag: bool) -> None:
    """Show a RUN's progress until it is over, and why it failed, if it did; it can be left and taken up again."""
    from hansa.client.live import follow_live  # loaded late, as above

    with _league(url, identity) as league:
        if as_json_flag:
            for _ in league.remote.watch(run):
                """Only the end is printed."""
        else:
            follow_live(league.remote, run, clock=now)
        last = league.remote.state(run)
    as_json(vars(last)) if as_json_flag else show(f"{run}: {_outcome(last.state, last.failure)}")
    if last.state != "done":
        raise click.exceptions.Exit(1)


def _outcome(state: str, failure: str) -> str:
    return f"{state}: {failure}" if failure else state


@click.command()
@click.argument("run")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write result and proof here.")
@_connected
@json_option
def results(run: str, out: Path | None, url: str, identity: Path, as_json_flag: bool) -> None:
    """The result of a RUN, and its proof."""
    with _league(url, identity) as league:
        view = league.results(run)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{run}.json").write_text(json.dumps(view.plain, indent=2), encoding="utf-8")
            (out / f"{run}.proof.json").write_text(view.proof_json(), encoding="utf-8")
    as_json(view.plain) if as_json_flag else show(repr(view))


@click.command()
@click.argument("run")
@_connected
def cancel(run: str, url: str, identity: Path) -> None:
    """Cancel a RUN; nothing of it is released."""
    with _league(url, identity) as league:
        show(f"{run}: {league.remote.cancel(run).state}")
