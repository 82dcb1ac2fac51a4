"""The pages played between machines: the hub in one network namespace, nodes and researcher in another, a wire between.

``python tests/network/howto_in_namespaces.py`` as root. Every command is typed as it stands on the pages, in a process
of its own, the hub's address 192.0.2.10 too. Not in CI, where not every machine may make namespaces.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import test_network_howto as howto

HUB, SITES = "hansa-hub", "hansa-sites"
WIRE = (
    f"ip link add hansa0 netns {HUB} type veth peer name hansa1 netns {SITES}",
    f"ip -n {HUB} address add 192.0.2.10/24 dev hansa0",
    f"ip -n {SITES} address add 192.0.2.20/24 dev hansa1",
    *(f"ip -n {space} link set {device} up" for space in (HUB, SITES) for device in ("lo", f"hansa{space == SITES:d}")),
)


class FarPlayers(howto.Players):
    """Machines that reach one another over the wire only."""

    def at(self, machine: str) -> list[str]:
        return ["ip", "netns", "exec", HUB if machine == "hub" else SITES]

    def here(self, command: str) -> str:
        return command

    def _said(self, machine: str, command: str) -> str:
        print(f"{machine}$ {command}", flush=True)
        program, *words = shlex.split(command)
        typed = [sys.executable, *([] if program == "python" else ["-m", "hansa.cli.main"]), *words]
        done = subprocess.run(
            [*self.at(machine), *typed], cwd=self.place(machine), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    made = []
    try:
        for space in (HUB, SITES):
            subprocess.run(["ip", "netns", "add", space], check=True)
            made.append(space)
        for command in WIRE:
            subprocess.run(command.split(), check=True)
        yield
    finally:
        for space in made:
            subprocess.run(["ip", "netns", "delete", space], check=True)


def main() -> None:
    os.environ["COLUMNS"] = "200"
    with namespaces(), tempfile.TemporaryDirectory() as folder:
        players = FarPlayers(Path(folder))
        try:
            howto.follow(players)
        finally:
            players.stop_what_is_left()
    print("every command of the pages was typed, and did what its page says")


if __name__ == "__main__":
    main()
