"""``hansa identity``: a researcher's key and request to join."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hansa.cli.output import show
from hansa.cli.parties import now, party_options, read_party
from hansa.cli.renewal import charter_argument, new_keys_option, show_request

__all__ = ["identity"]


_FOLDER = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("identity"), show_default=True
)


@click.group()
def identity() -> None:
    """Make a researcher's identity, and keep it up to date."""


@identity.command()
@_FOLDER
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


@identity.command()
@_FOLDER
@new_keys_option
def renew(folder: Path, new_keys: bool) -> None:
    """Make a new request to join, by the same member key, for another year."""
    from hansa.client.identity import renew_identity  # loaded late, as above

    show_request(folder, renew_identity(folder, new_keys=new_keys, now=now()))
    if new_keys:
        show(
            "The old signing key is deleted: nothing can be asked until the charter's members have admitted you again."
        )


@identity.command()
@_FOLDER
@charter_argument
def charter(folder: Path, charter: Path) -> None:
    """Take a newer CHARTER by hand, where the hub cannot be asked for it: it is verified first."""
    from hansa.client.identity import take_newer_charter  # loaded late, as above

    taken = take_newer_charter(folder, charter.read_bytes(), now=now())
    show(f"league {taken.charter.league}: version {taken.charter.charter_version} of the charter is kept")
