"""Every code block of the documentation runs: Python in order per page, commands by the command line.

A block of ``text output`` is what the Python before it prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hansa.cli.main import hansa
from hansa.governance import read_policy
from hansa.harmonise import read_dictionary
from hansa.model import Study, read_value

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
KINDS = {"python", "console", "yaml", "text", "mermaid", "toml"}


def blocks(page: Path) -> list[tuple[str, str, str]]:
    return [(kind, info.strip(), body) for kind, info, body in BLOCK.findall(page.read_text(encoding="utf-8"))]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_every_block_says_a_kind_that_is_checked() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(blocks(page)), f"{named(page)} has a block without a kind"
        assert {kind for kind, _, _ in blocks(page)} <= KINDS


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(kind != "text" for kind, _, _ in blocks(page))], ids=named
)
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "docs"}
    printed = ""
    for kind, info, body in blocks(page):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(body, named(page), "exec", dont_inherit=True), namespace)
            printed = out.getvalue()
        elif kind == "text" and info == "output":
            assert _lines(printed) == _lines(body), "the page says that something else is printed"
        elif kind == "console" and info.startswith("machine="):
            continue  # needs several machines: tests/network/test_network_howto.py runs it, all of it
        elif kind == "console":
            _run_commands(body)
        elif kind == "yaml":
            _read_yaml(info, body, tmp_path)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_commands_of_several_machines_stand_on_the_pages_that_are_played_through() -> None:
    played = {page for page in PAGES if any(info.startswith("machine=") for _, info, _ in blocks(page))}
    assert played == {ROOT / "docs" / "howto" / f"{name}.md" for name in ("custodian", "hub", "researcher")}
    text = (ROOT / "tests" / "network" / "test_network_howto.py").read_text(encoding="utf-8")
    assert 'PAGES = ("hub", "custodian", "researcher")' in text


def _run_commands(body: str) -> None:
    for line in body.splitlines():
        command = line.split("  #")[0].strip().removeprefix("$ ")
        if not command.startswith("hansa "):
            assert command.startswith(("make ", "#")) or not command, f"{command} is not checked"
            continue
        found = CliRunner().invoke(hansa, shlex.split(command)[1:], catch_exceptions=False)
        assert found.exit_code == 0, found.output


def _read_yaml(info: str, body: str, folder: Path) -> None:
    """A block's first word says what reads it; ``file=NAME`` also writes it for the commands that follow."""
    what, _, rest = info.partition(" ")
    content = yaml.safe_load(body)
    if what == "policy":
        read_policy(body)
    elif what == "dictionary":
        read_dictionary(content)
    elif what == "study":
        read_value(Study, {"id": "docs", **content})
    else:
        assert what in ("league", "part"), f"nothing reads a yaml block called {what!r}"
    if rest.startswith("file="):
        Path(os.path.join(folder, rest.removeprefix("file="))).write_text(body, encoding="utf-8")
