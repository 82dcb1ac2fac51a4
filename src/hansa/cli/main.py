"""``hansa``: the entry point. Commands load their packages only when they run."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from hansa.errors import HansaError
from hansa.version import __version__

__all__ = ["hansa", "main"]

_COMMANDS = {
    "demo": ("hansa.cli.demo", "Run the whole story on real data of four hospitals."),
    "doctor": ("hansa.cli.doctor", "Check this installation; each failure says how to fix it."),
    "hub": ("hansa.cli.hub", "Run a league's hub, and keep its charter."),
    "identity": ("hansa.cli.identity", "Make a researcher's identity."),
    "log": ("hansa.cli.log", "Verify what the log proves."),
    "methods": ("hansa.cli.methods", "List the methods of the catalogue."),
    "node": ("hansa.cli.node", "Run a custodian's node and decide what it answers."),
    "policy": ("hansa.cli.policy", "Explain what policies say to a study."),
    "study": ("hansa.cli.study", "Check and run study files."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called, so that ``--help`` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 1 fault, 2 wrong input, 3 data do not fit, 4 refused, 5 method, 6 protocol, "
        '7 log or proof, 8 store. Completion: add `eval "$(_HANSA_COMPLETE=bash_source hansa)"` to ~/.bashrc '
        "(zsh_source and fish_source for the others)."
    ),
)
@click.version_option(__version__, prog_name="hansa")
def hansa() -> None:
    """Health-data cohorts answer questions together without a record leaving home."""


def main() -> None:
    """Run the command line; an error is one message and its own exit code."""
    try:
        status = hansa(standalone_mode=False)
    except HansaError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    # Without its standalone mode click returns the status that a command exits with.
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
