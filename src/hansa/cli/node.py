"""``hansa node``: a custodian's node, from its first key to its ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hansa.cli.backup import node_backup, node_restore
from hansa.cli.output import as_json, json_option, show
from hansa.cli.parties import now, party_options, read_party, serve_until_told
from hansa.cli.renewal import charter_argument, new_keys_option, show_request

if TYPE_CHECKING:
    from hansa.model import Analysis
    from hansa.node.config import NodeFolder
    from hansa.store import NodeStore

__all__ = ["node"]

_FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("node"),
    show_default=True,
    help="The node's folder.",
)
_BY = click.option("--by", required=True, help="Who decides; it stands in the audit.")


@click.group()
def node() -> None:
    """Run a custodian's node and decide what it answers."""


node.add_command(node_backup)
node.add_command(node_restore)


@node.command()
@_FOLDER
@click.option("--name", required=True, help="The node's name in the league.")
@click.option("--charter", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--data", required=True, help="Parquet, CSV or DuckDB file, or postgresql://HOST/DATABASE?table=NAME.")
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--consent", default="everyone", show_default=True, help="`everyone`, or a CSV of person and purpose.")
@party_options
def init(folder: Path, name: str, charter: Path, *, data: str, policy: Path, consent: str, **party: Any) -> None:
    """Make a node's folder: keys, settings, policy; check the data; write the request to join."""
    from hansa.node.config import NodeConfig, NodeFolder, found_node  # loaded late: --help must stay instant
    from hansa.node.opening import check_data
    from hansa.wire.charter import fingerprint, read_charter

    source = data if "://" in data else str(Path(data).resolve())
    register = consent if consent == "everyone" else str(Path(consent).resolve())
    sealed = charter.read_bytes()
    known = read_charter(sealed, now=now())
    facts = {"consent.register": True}
    config = NodeConfig(name=name, party=read_party(party), data=source, consent=register, facts=facts)
    checked = check_data(source, known)
    request = found_node(NodeFolder(folder), config, policy, sealed, now=now())
    show(f"data: {checked.rows} rows, {checked.people} people, {checked.columns} of the dictionary's variables found")
    show(f"league: {known.charter.league}; its root's fingerprint: {fingerprint(known.charter.root)}")
    show("Compare that with what a member reads to you from their own copy.")
    show(f"\nSend {folder / 'join-request.cbor'} to the charter's members. Read them its fingerprint yourself:")
    show(f"  {fingerprint(request)}")
    show("Once they have admitted the node: hansa node serve")


@node.command()
@_FOLDER
def join(folder: Path) -> None:
    """Show the request to join again, with the fingerprint to read aloud."""
    from hansa.wire.charter import fingerprint  # loaded late, as above

    file = folder / "join-request.cbor"
    show(f"{file}\n{fingerprint(file.read_bytes())}")


@node.command()
@_FOLDER
@new_keys_option
def renew(folder: Path, new_keys: bool) -> None:
    """Make a new request to join, by the same member key, for another year."""
    from hansa.node.config import renew_node  # loaded late, as above

    request = renew_node(_folder(folder), new_keys=new_keys, now=now())
    show_request(folder, request)
    if new_keys:
        show("The old working keys are deleted: this node cannot serve until the charter's members have admitted it")
        show("again. Stop it now, and start it then.")


@node.command()
@_FOLDER
@charter_argument
def charter(folder: Path, charter: Path) -> None:
    """Take a newer CHARTER by hand, where the hub cannot show it: it is verified, and a running node goes by it."""
    taken = _folder(folder).take_charter(charter.read_bytes(), now=now())
    show(f"league {taken.charter.league}: version {taken.charter.charter_version} of the charter is kept")


@node.command()
@_FOLDER
@click.option(
    "--wait", type=float, default=60.0, show_default=True, help="Seconds to keep trying to reach the hub at first."
)
def serve(folder: Path, wait: float) -> None:
    """Answer the league until told to stop (SIGTERM or Ctrl-C); what is under way is finished."""
    from hansa.engine.logs import configure_logs  # loaded late, as above
    from hansa.node.starting import start_node

    home = _folder(folder)
    configure_logs(f"node {home.config.name}")
    daemon = start_node(home, clock=now, wait=wait, refused=lambda fault: show(f"{fault} It is tried again and again."))
    show(f"node {daemon.node.context.name}: serving")
    serve_until_told(daemon.look)
    daemon.close()


@node.command()
@_FOLDER
@json_option
def status(folder: Path, as_json_flag: bool) -> None:
    """Whether the node runs, is connected, refused or paused; how many studies it knows; when certificates end."""
    from hansa.node.daemon import is_paused  # loaded late, as above
    from hansa.wire.folder import read_status

    found = {**(read_status(folder) or {"state": "never started"}), "paused": is_paused(folder)}
    found["studies"] = len(_store(folder).studies())
    found["certificates_end"] = _folder(folder).certificates_end(now=now()) or "not admitted, as far as is known here"
    as_json(found) if as_json_flag else show("\n".join(f"{name}: {value}" for name, value in found.items()))


@node.command()
@_FOLDER
@json_option
def inbox(folder: Path, as_json_flag: bool) -> None:
    """The studies that wait for people's decision."""
    store = _store(folder)
    waiting = {name: _summary(store, name) for name in store.studies() if _waits(store, name)}
    if as_json_flag:
        as_json(waiting)
    elif not waiting:
        show("nothing waits")
    for name, found in waiting.items() if not as_json_flag else ():
        show(f"{name}\n  {found['title']}\n  asked by {found['requester']}\n  {found['sentence']}")
        for part, words in {**found["target_trial"], **found["leaves"]}.items():
            show(f"  {part}: {words}")


@node.command()
@_FOLDER
@click.argument("study")
@_BY
def approve(folder: Path, study: str, by: str) -> None:
    """Permit a STUDY that was referred to people."""
    from hansa.node.stewarding import approve_study  # loaded late, as above

    approve_study(_folder(folder), study, by=by, now=now())
    show(f"{study}: permitted")


@node.command()
@_FOLDER
@click.argument("study")
@click.option("--reason", required=True, help="Why; it stands in the audit.")
@_BY
def deny(folder: Path, study: str, reason: str, by: str) -> None:
    """Say no to a STUDY."""
    from hansa.node.stewarding import deny_study  # loaded late, as above

    deny_study(_folder(folder), study, reason=reason, by=by)
    show(f"{study}: denied")


@node.command(name="stop-run")
@_FOLDER
@click.argument("study")
@_BY
def stop_run(folder: Path, study: str, by: str) -> None:
    """Withdraw a STUDY's permit: no round of it is answered from now on."""
    from hansa.node.stewarding import stop_study  # loaded late, as above

    stop_study(_folder(folder), study, by=by)
    show(f"{study}: stopped")


@node.command()
@_FOLDER
@click.option("--off", is_flag=True, help="Answer again.")
@_BY
def pause(folder: Path, off: bool, by: str) -> None:
    """Answer nothing until `hansa node pause --off`."""
    from hansa.node import daemon  # loaded late, as above

    _store(folder).note_event("resumed" if off else "paused", "", by)
    daemon.resume(folder) if off else daemon.pause(folder)
    show("serving again" if off else "paused")


@node.command()
@_FOLDER
@click.option("--study", default="", help="Only what left for this study.")
@json_option
def ledger(folder: Path, study: str, as_json_flag: bool) -> None:
    """What left: when, to whom, each array and its checks."""
    found = [entry for entry in _store(folder).ledger() if study in ("", entry.study)]
    if as_json_flag:
        as_json([vars(entry) for entry in found])
        return
    from rich.table import Table  # loaded late, as above

    table = Table("when", "study", "step", "array", "shape", "class", "to", "checks")
    for entry in found:
        where = (entry.at, entry.study[-8:], entry.step, entry.array, entry.shape)
        table.add_row(*where, entry.disclosure, entry.receiver, entry.checks)
    show(table)


@node.command()
@_FOLDER
@json_option
def doctor(folder: Path, as_json_flag: bool) -> None:
    """Check folder, keys, charter, certificates, policy, data, store, disk and connection; failures say their fix."""
    from hansa.node.doctor import examine  # loaded late, as above

    found = examine(_folder(folder), now=now())
    if as_json_flag:
        as_json([vars(one) for one in found])
    else:
        for one in found:
            show(f"{'ok  ' if one.good else 'FAIL'}  {one.name}: {one.text}")
    if not all(one.good for one in found):
        raise click.exceptions.Exit(1)


def _folder(folder: Path) -> NodeFolder:
    from hansa.node.config import NodeFolder  # loaded late, as above

    return NodeFolder(folder)


def _store(folder: Path) -> NodeStore:
    from hansa.store import NodeStore  # loaded late, as above

    home = _folder(folder)
    home.config  # noqa: B018  # says that the folder is no node's, before a store is made in it
    return NodeStore(home.store)


def _waits(store: NodeStore, study: str) -> bool:
    found = store.study(study)
    return found is not None and found.decision.verdict == "refer" and found.permit is None


def _summary(store: NodeStore, study: str) -> dict[str, Any]:
    from hansa.node.studies import study_of  # loaded late, as above

    stored = store.study(study)
    assert stored is not None
    asked = study_of(stored)
    sentences = [finding.sentence for finding in stored.decision.findings if finding.verdict != "permit"]
    return {
        "title": asked.title,
        "requester": asked.requester.name,
        "summary": asked.lay_summary,
        "sentence": " ".join(sentences),
        "analyses": json.dumps(sorted(asked.analyses)),
        "leaves": {name: _leaves(analysis) for name, analysis in sorted(asked.analyses.items())},
        "target_trial": {} if asked.target_trial is None else asked.target_trial.parts,
    }


def _leaves(analysis: Analysis) -> str:
    """What is asked, and what would leave this node for it."""
    from hansa.stats.catalogue import catalogue  # loaded late, as above

    method = catalogue().get(analysis.method)
    if method is None:
        return f"{analysis.method}, which is not installed here"
    if analysis.sites:
        return f"{method.title}; this node's own estimate would leave, as its release"
    alone = "; where few nodes hold an arm, this one among them, they are its own release" if method.arms else ""
    return f"{method.title}; masked sums would leave{alone}"
