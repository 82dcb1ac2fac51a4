"""What the renewals of hub, node and researcher share on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from hansa.cli.output import show

__all__ = ["charter_argument", "new_keys_option", "show_request"]

new_keys_option = click.option("--new-keys", is_flag=True, help="Make the working keys anew; the old ones are deleted.")
charter_argument = click.argument("charter", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def show_request(folder: Path, request: bytes) -> None:
    """Where a request to join lies, and what to read aloud."""
    from hansa.wire.charter import fingerprint  # loaded late: --help must stay instant

    show(f"Send {folder / 'join-request.cbor'} to the charter's members, and read them its fingerprint yourself:")
    show(f"  {fingerprint(request)}")
