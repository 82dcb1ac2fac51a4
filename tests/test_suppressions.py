"""Every suppression of a check says why, on its own line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)(?P<rest>.*)")
REASONED = re.compile(r":\s?[A-Z0-9, ]+?\s+#\s\S|\[[a-z0-9, -]+\]\s+#\s\S")


def unreasoned(text: str) -> list[int]:
    """The numbers of the lines that suppress a check and do not say why."""
    found = ((number, SUPPRESSION.search(line)) for number, line in enumerate(text.splitlines(), 1))
    return [number for number, match in found if match and not REASONED.match(match["rest"])]


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_every_suppression_says_why(folder: str) -> None:
    files = [file for file in sorted((ROOT / folder).rglob("*.py")) if file != Path(__file__)]
    assert files
    found = {str(file.relative_to(ROOT)): unreasoned(file.read_text(encoding="utf-8")) for file in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_bare_suppression_is_found() -> None:
    bare = [
        "x  # noqa",
        "x  # noqa: S608",
        "x  # type: ignore",
        "x  # type: ignore[arg-type]",
        "x  # noqa: S608 as above",
    ]
    reasoned = ["x  # noqa: S608  # literals only", "x  # type: ignore[arg-type, misc]  # a double", "x  # why"]
    assert unreasoned("\n".join(bare)) == [1, 2, 3, 4, 5]
    assert unreasoned("\n".join(reasoned)) == []
