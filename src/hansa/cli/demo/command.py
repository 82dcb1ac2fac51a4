"""``hansa demo``: run the story, say the main numbers, and write the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hansa.cli.output import as_json, json_option, show, watching

if TYPE_CHECKING:
    from hansa.cli.demo.story import Story

__all__ = ["demo"]


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hansa-demo"),
    show_default=True,
    help="Folder for the page, the results and the proofs.",
)
@click.option("--network", is_flag=True, help="Hub and nodes as processes of their own; one node is killed midway.")
@json_option
def demo(out: Path, network: bool, as_json_flag: bool) -> None:
    """Four hospitals answer a real question together; one page tells what happened and proves it."""
    if network:
        _play_network(as_json_flag=as_json_flag)
        return
    from hansa.cli.demo.page import page
    from hansa.cli.demo.story import tell
    from hansa.cli.league import open_league

    with watching("four hospitals", quiet=as_json_flag) as progress:
        story = tell(open_league("heart"), progress)
        progress("writing the page")
        out.mkdir(parents=True, exist_ok=True)
        (out / "index.html").write_text(page(story), encoding="utf-8")
        for name, view in story.results.items():
            (out / f"{name}.proof.json").write_text(view.proof_json(), encoding="utf-8")
    if as_json_flag:
        as_json(_plain(story, out))
        return
    for line in _lines(story, out):
        show(line)


def _play_network(*, as_json_flag: bool) -> None:
    from hansa.cli.demo.network import play

    story = play((lambda _text: None) if as_json_flag else show)
    if as_json_flag:
        as_json({**vars(story), "largest_difference": max(story.differences.values())})
        return
    show(f"largest relative difference from the embedded run: {max(story.differences.values()):.1e}")


def _plain(story: Story, out: Path) -> dict[str, Any]:
    return {
        "page": str(out / "index.html"),
        "decisions": {node: decision.verdict for node, decision in story.decisions.items()},
        "second_requester": {node: decision.verdict for node, decision in story.insurer.items()},
        "results": {name: view.plain for name, view in story.results.items()},
        "validation": story.validation.plain,
        "refused": dict(story.refused),
        "largest_difference": {found.analysis: found.largest for found in story.comparisons},
        "log": {"entries": story.proof.log_size, "witnesses": list(story.proof.witnesses)},
    }


def _lines(story: Story, out: Path) -> list[str]:
    common = _p_value(story, "risk_common", "resting_bp")
    own = _p_value(story, "risk_intercepts", "resting_bp")
    verdicts = ", ".join(f"{node} {decision.verdict}" for node, decision in story.decisions.items())
    insurer = ", ".join(f"{node} {decision.verdict}" for node, decision in story.insurer.items())
    lines = [
        f"The study: {story.study.title}",
        f"  decisions: {verdicts}",
        f"  resting pressure: p = {common:.2f} with one intercept, {own:.3f} with one for each hospital",
    ]
    lines += [
        f"  {found.analysis}: largest difference from pooled statsmodels {found.largest:.1e}"
        for found in story.comparisons
    ]
    if not story.comparisons:
        lines.append("  statsmodels is not installed, so nothing is compared (pip install 'hansa[demo]')")
    return [
        *lines,
        f"The second requester: {insurer}",
        f"The log: {story.proof.log_size} entries, cosigned by {', '.join(story.proof.witnesses)}",
        f"The page: {out / 'index.html'}",
    ]


def _p_value(story: Story, analysis: str, term: str) -> float:
    terms = {entry["name"]: entry["p"] for entry in story.results[analysis].plain["terms"]}
    return float(terms[term])
