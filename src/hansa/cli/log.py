"""``hansa log verify``: a result's provenance, proved offline."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from hansa.cli.output import as_json, json_option, show

__all__ = ["log"]


@click.group()
def log() -> None:
    """Verify what the log proves."""


@log.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--log-key", help="The log's verifier key that you trust; else the file's own.")
@click.option("--witness-key", "witness_keys", multiple=True, help="A witness's verifier key that you trust.")
@click.option("--witnesses", "needed", type=int, help="How many must have cosigned (default: more than half).")
@json_option
def verify(
    file: Path, log_key: str | None, witness_keys: tuple[str, ...], needed: int | None, as_json_flag: bool
) -> None:
    """Check a proof FILE without any network: every entry, the checkpoint, its witnesses, the result."""
    from hansa.client.proof import verify_proof  # loaded late: --help must stay instant

    text = file.read_text(encoding="utf-8")
    report = verify_proof(text, log_key=log_key, witness_keys=witness_keys or None, witnesses_needed=needed)
    if as_json_flag:
        as_json({"verified": True, **asdict(report)})
        return
    entries = ", ".join(f"{count} {kind}" for kind, count in report.entries.items())
    show(f"verified: run {report.run} over {', '.join(report.nodes)}")
    show(f"  in the log of {report.log_size} entries: {entries}")
    show(f"  cosigned by {', '.join(report.witnesses)}")
    if not report.pinned:
        show("  the log's key came with the file: give --log-key to check it against the one you trust")
