"""``hansa study``: check and run study files, here or in a league on other machines."""

from __future__ import annotations

from pathlib import Path

import click

from hansa.cli.league import league_option, open_league
from hansa.cli.output import as_json, json_option, show, watching
from hansa.cli.remote import cancel, results, runs, start, submit, watch

__all__ = ["study"]

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def study() -> None:
    """Check and run study files."""


for _command in (submit, start, runs, watch, results, cancel):
    study.add_command(_command)


@study.command()
@_FILE
@league_option
@json_option
def check(file: Path, league: str, as_json_flag: bool) -> None:
    """Read a study FILE against a league's dictionary, before anything is sent."""
    from hansa.client.study_file import check_study, read_study  # loaded late: --help must stay instant

    found = read_study(file)
    advice = check_study(found, open_league(league).dictionary)
    if as_json_flag:
        as_json({"study": found.title, "analyses": sorted(found.analyses), "advice": list(advice)})
        return
    show(f"{found.title}: {len(found.analyses)} analyses can be asked")
    for line in advice:
        show(f"  advice: {line}")


@study.command()
@_FILE
@league_option
@click.option("--analysis", "wanted", multiple=True, help="Only this analysis; may be given more than once.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write results and proofs here.")
@json_option
def run(file: Path, league: str, wanted: tuple[str, ...], out: Path | None, as_json_flag: bool) -> None:
    """Submit a study FILE, show every node's decision, and run its analyses."""
    from hansa.client.study_file import read_study  # loaded late, as above
    from hansa.errors import Refused

    submitted = open_league(league).submit(read_study(file))
    results: dict[str, object] = {}
    if not as_json_flag:
        show(submitted.explain())
    for name in wanted or submitted.study.analyses:
        with watching(name, quiet=as_json_flag) as progress:
            try:
                view = submitted.run(name, progress=progress)
            except Refused as refusal:
                results[name] = refusal.to_dict()
                if not as_json_flag:
                    show(f"\n{name}: {refusal}")
                continue
        results[name] = view.plain
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{name}.proof.json").write_text(view.proof_json(), encoding="utf-8")
        if not as_json_flag:
            show(f"\n{name}\n{view!r}")
    if as_json_flag:
        decisions = {node: decision.model_dump(mode="json") for node, decision in submitted.decisions.items()}
        as_json({"decisions": decisions, "results": results})
    if any(isinstance(result, dict) and result.get("code") == "refused" for result in results.values()):
        raise click.exceptions.Exit(Refused.exit_status)
