"""What pages claim of each other and of the code: claims name tests that exist, and no page is out of reach."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", page.read_text(encoding="utf-8"))
        waiting += {(page.parent / link).resolve() for link in links} - reached - {*waiting}
    numbered = set((DOCS / "adr").glob("*.md"))
    assert {*DOCS.rglob("*.md"), ROOT / "README.md"} - reached - numbered == set()


def test_files_that_the_trust_page_names_as_evidence_exist() -> None:
    text = (DOCS / "explanation" / "trust.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|src)/[\w/.]+)`", text)
    assert len(named) >= 10
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_the_test_that_plays_each_threat_exists() -> None:
    rows = re.findall(r"^\| (?!---|what is done)(.+?) \| (.+?) \| (.*?) \|$", _threats(), re.MULTILINE)
    assert len(rows) > 50
    for threat, outcome, tests in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
        assert named or "**not prevented**" in outcome, threat
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), f"{threat}: {file}::{test}"


def _threats() -> str:
    return (DOCS / "explanation" / "threats.md").read_text(encoding="utf-8")


def test_every_reason_of_a_refusal_is_documented() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "hansa").rglob("*.py")]
    used = {reason for text in texts for reason in re.findall(r'\breason="([a-z]+)"', text)}
    assert {"disclosure", "budget", "epoch"} <= used
    documented = re.findall(
        r"^\| `([a-z]+)` \|", (DOCS / "reference" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert used <= set(documented)
