"""``hansa methods``: the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hansa.cli.output import as_json, json_option, show

if TYPE_CHECKING:
    from hansa.stats.contract import Method

__all__ = ["methods"]


@click.command()
@json_option
def methods(as_json_flag: bool) -> None:
    """List the installed methods: their steps, and what each sends."""
    from rich.table import Table  # loaded late: --help must stay instant

    from hansa.stats.catalogue import catalogue

    known = catalogue().values()
    if as_json_flag:
        as_json([_plain(method) for method in known])
        return
    table = Table("method", "what it gives", "steps: what leaves a node, masked", box=None, pad_edge=False)
    for method in known:
        steps = [f"{step.name}: {', '.join(output.name for output in step.outputs)}" for step in method.steps]
        table.add_row(f"{method.name}/{method.version}", method.title, "\n".join(steps))
    show(table)


def _plain(method: Method) -> dict[str, object]:
    steps = {step.name: {output.name: output.disclosure for output in step.outputs} for step in method.steps}
    return {
        "name": method.name,
        "version": method.version,
        "title": method.title,
        "site_release": method.site_release,
        "steps": steps,
        "citations": list(method.citations),
    }
