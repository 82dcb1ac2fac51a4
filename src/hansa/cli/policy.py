"""``hansa policy explain``: what each node would answer, and what would change it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from hansa.cli.league import league_option, open_league
from hansa.cli.output import as_json, json_option, show

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Explain what policies say to a study."""


@policy.command()
@click.option("--study", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--node", help="Only this node.")
@click.option("--what-if", "changes", multiple=True, metavar="FIELD=VALUE", help="For example requester.seat=CH.")
@league_option
@json_option
def explain(file: Path, node: str | None, changes: tuple[str, ...], league: str, as_json_flag: bool) -> None:
    """Every rule of every node's policy for a study, without submitting it."""
    from hansa.client.study_file import read_study  # loaded late: --help must stay instant
    from hansa.governance import decide, what_if
    from hansa.governance import explain as in_words

    asked = read_study(file)
    today = dt.datetime.now(dt.UTC).date()
    found: dict[str, Any] = {}
    for name, custodian in open_league(league).nodes.items():
        if node not in (None, name):
            continue
        settings = custodian.context.settings
        decision = decide(settings.policy, asked, today, settings.facts)
        found[name] = {"decision": decision.model_dump(mode="json")}
        if not as_json_flag:
            show(in_words(decision) + "\n")
        if changes:
            what = what_if(settings.policy, asked, _changes(changes), today=today, node_facts=settings.facts)
            found[name]["what_if"] = {"verdict": what.after.verdict, "changed": list(what.changed)}
            if not as_json_flag:
                rules = f" (changed: {', '.join(what.changed)})" if what.changed else ""
                show(f"  with {', '.join(changes)}: {what.before.verdict} -> {what.after.verdict}{rules}\n")
    if as_json_flag:
        as_json(found)


def _changes(pairs: tuple[str, ...]) -> dict[str, Any]:
    import yaml  # loaded late, as above

    changes = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter("write FIELD=VALUE, for example requester.seat=CH", param_hint="--what-if")
        # NO is Norway: two capital letters stay text where YAML would read a boolean.
        changes[field] = value if value.isalpha() and value.isupper() else yaml.safe_load(value)
    return changes
