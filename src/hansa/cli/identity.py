"""``hansa identity``: a researcher's key and request to join."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hansa.cli.output import show
from hansa.cli.parties import now, party_options, read_party

__all__ = ["identity"]


@click.group()
def identity() -> None:
    """Make a researcher's identity."""


@identity.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("identity"), show_default=True)
@click.option("--name", required=True, help="The researcher's name: letters, digits, - and _.")
@click.option("--charter", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@party_options
def init(folder: Path, name: str, charter: Path, **party: Any) -> None:
    """Make a key and the request to join a league."""
    from hansa.client.identity import found_identity  # loaded late: --help must stay instant
    from hansa.wire.charter import fingerprint, read_charter

    sealed = charter.read_bytes()
    root = read_charter(sealed, now=now()).charter.root
    request = found_identity(folder, name, read_party(party), sealed, now=now())
    show(f"The league's root has the fingerprint {fingerprint(root)}: compare it with a member's.")
    show(f"Send {folder / 'join-request.cbor'} to the charter's members and read them: {fingerprint(request)}")
