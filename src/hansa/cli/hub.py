"""``hansa hub``: found a league, admit its members, and serve."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from hansa.cli.backup import hub_backup, hub_restore
from hansa.cli.output import as_json, json_option, show
from hansa.cli.parties import PARTY, now, party_options, read_party, serve_until_told
from hansa.cli.renewal import new_keys_option

__all__ = ["hub"]

_FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("hub"),
    show_default=True,
    help="The hub's folder.",
)
_REQUEST = click.argument("request", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def hub() -> None:
    """Run a league's hub, and keep its charter."""


hub.add_command(hub_backup)
hub.add_command(hub_restore)


@hub.command()
@_FOLDER
@click.option("--league", required=True, help="The league's name: one word.")
@click.option("--host", required=True, help="The name or address under which nodes and researchers reach the hub.")
@click.option("--dictionary", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--messaging-port", type=int, default=4222, show_default=True)
@click.option("--websocket-port", type=int, default=None, help="Also listen for messaging as WebSocket, such as 443.")
@click.option("--api-port", type=int, default=8443, show_default=True)
@click.option("--server", "servers", multiple=True, help="tls://HOST:PORT of a messaging server that runs already.")
@click.option("--database", default="", help="postgresql://...; SQLite in the folder where none is given.")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes that run plans.")
@party_options
def init(folder: Path, *, dictionary: Path, **options: Any) -> None:
    """Found a league: the charter and its root key, certificates, the hub's keys and settings."""
    from hansa.errors import PolicyError  # loaded late: --help must stay instant
    from hansa.harmonise import read_dictionary
    from hansa.hub.config import HubConfig, HubFolder, found_league
    from hansa.model import read_value
    from hansa.wire.charter import fingerprint

    party = read_party({name: options.pop(name) for name in PARTY})
    known = {name: value for name, value in options.items() if value is not None}
    config = read_value(HubConfig, {**known, "party": party}, error=PolicyError)
    founded = found_league(HubFolder(folder), config, read_dictionary(dictionary), now=now())
    show(f"league {config.league}: give every member {folder / 'charter.cbor'}")
    show(f"Read them its root's fingerprint aloud: {fingerprint(founded.charter.root)}")
    show(f"Keep {folder / 'keys' / 'charter.key'} offline; it is needed only to admit and revoke members.")


@hub.command()
@_FOLDER
@_REQUEST
@click.option("--fingerprint", "said", required=True, help="As the applicant read it to you.")
def admit(folder: Path, request: Path, said: str) -> None:
    """Admit a node or researcher by the REQUEST it sent and the fingerprint it read aloud."""
    from hansa.errors import Refused  # loaded late, as above
    from hansa.hub.config import HubFolder
    from hansa.wire.charter import fingerprint, read_request

    sealed = request.read_bytes()
    if said.strip().lower() != fingerprint(sealed):
        raise Refused(
            "this is not the request that the applicant made",
            why="its fingerprint is another than the one read aloud",
            fix="have the request sent again",
            field="fingerprint",
        )
    asked = read_request(sealed)
    HubFolder(folder).admit(asked, now=now())
    show(f"{asked.role} {asked.name} of {asked.party.name}: admitted")


@hub.command()
@_FOLDER
@click.argument("member")
def revoke(folder: Path, member: str) -> None:
    """Revoke all keys of a MEMBER; its messages are refused as soon as the others have the new charter."""
    from hansa.hub.config import HubFolder  # loaded late, as above

    HubFolder(folder).revoke(member, now=now())
    show(f"{member}: revoked")


@hub.command("messaging-config")
@_FOLDER
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--host", "hosts", multiple=True, required=True, help="A name or address of that server's machine.")
@click.option("--listen", default="0.0.0.0", show_default=True, help="The address it listens on there.")  # noqa: S104  # as every server that others reach
@click.option("--port", type=int, default=4222, show_default=True)
@click.option("--websocket-port", type=int, default=None, help="Also listen as WebSocket, such as 443.")
def messaging_config(folder: Path, out: Path, hosts: tuple[str, ...], **where: Any) -> None:
    """Write users, permissions and certificate of a messaging server that the hub does not start itself to OUT."""
    from hansa.hub.config import HubFolder  # loaded late, as above
    from hansa.hub.elsewhere import unnamed, write_server

    home = HubFolder(folder)
    write_server(home, out, hosts, **where, now=now())
    show(f"{out}: take it to {hosts[0]}, include hansa.conf in its nats.conf, and start nats-server in that folder")
    if unnamed(home, hosts, now=now()):
        show("The charter names another place: only nodes that have this one in their node.toml will connect to it.")


@hub.command()
@_FOLDER
@new_keys_option
def renew(folder: Path, new_keys: bool) -> None:
    """Renew the hub's own certificates, and the servers' TLS certificate, for another year; the root key is needed."""
    from hansa.hub.config import HubFolder  # loaded late, as above
    from hansa.hub.renewal import renew_hub

    known = renew_hub(HubFolder(folder), new_keys=new_keys, now=now())
    show(f"version {known.charter.charter_version} of the charter is signed; a running hub takes it up by itself")
    if new_keys:
        show(f"No node can open what the hub sends from now on: give every member {folder / 'charter.cbor'}.")
        show("A custodian types `hansa node charter FILE`; researchers who connect get it by themselves.")


@hub.command()
@_FOLDER
def serve(folder: Path) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C); plans under way are finished or handed on."""
    from hansa.engine.logs import configure_logs  # loaded late, as above
    from hansa.hub.config import HubFolder
    from hansa.hub.daemon import HubDaemon

    configure_logs("hub")
    daemon = HubDaemon(HubFolder(folder), now)
    daemon.start()
    show(f"hub of {daemon.folder.config.league}: serving at {daemon.open.charter.charter.api}")
    serve_until_told(daemon.write_status)
    daemon.close()


@hub.command()
@_FOLDER
@json_option
def status(folder: Path, as_json_flag: bool) -> None:
    """Whether the hub runs; its members, when each node was heard last, and when certificates end."""
    from hansa.hub.config import HubFolder  # loaded late, as above
    from hansa.hub.renewal import first_ends
    from hansa.wire.folder import read_status

    home = HubFolder(folder)
    known = home.charter(now=now())
    ends = first_ends(home, known)
    members = [
        {"name": one.name, "role": one.role, "organisation": one.party.name, "certificates_end": ends[one.name]}
        for one in known.charter.members
    ]
    found = {
        **(read_status(folder) or {"state": "never started"}),
        "league": home.config.league,
        "charter": known.charter.charter_version,
        "certificates_end": min(ends.values()),
        "members": members,
    }
    if as_json_flag:
        as_json(found)
        return
    show("\n".join(f"{name}: {value}" for name, value in found.items() if name not in {"members", "nodes"}))
    heard = found.get("nodes")
    nodes: dict[str, str] = heard if isinstance(heard, dict) else {}
    for one in known.charter.members:
        state = f": {nodes.get(one.name, 'never heard')}" if one.role == "node" else ""
        show(f"  {one.role} {one.name}, {one.party.name}{state}{_warning(ends[one.name])}")


def _warning(ends: dt.datetime) -> str:
    """What stands behind a member whose certificates end soon."""
    from hansa.wire.renewal import SOON  # loaded late, as above

    return f" (certificates end {ends:%Y-%m-%d}: renew them)" if ends - now() < SOON else ""
