"""``make fuzz``: each target for some seconds under atheris, which follows what the code does with the bytes.

``python fuzz_run.py SECONDS [TARGET ...]`` runs each target in a process of its own and prints what it did. What a
target could not bear is kept as ``corpus/TARGET/crash-...``: once it is mended, ``test_fuzz_targets`` reads it again.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def one(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which then ends."""
    import atheris  # type: ignore[import-untyped]  # noqa: PLC0415  # untyped; who runs the tests need not have it

    with atheris.instrument_imports(include=["hansa", "fuzz_targets"]):
        from fuzz_targets import TARGETS  # noqa: PLC0415  # watched from its import on

    target = TARGETS[name]
    found = CORPUS / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as grown:
        for seed, content in target.seeds.items():
            (Path(grown) / seed.replace(" ", "-")).write_bytes(content)
        limits = [f"-max_total_time={seconds}", "-max_len=6000", "-timeout=20", "-rss_limit_mb=3000"]
        atheris.Setup(["fuzz", grown, str(found), *limits, f"-artifact_prefix={found}/"], target.run)
        atheris.Fuzz()


def each(names: list[str], seconds: int) -> int:
    """Every target, one after the other; how many had a finding."""
    found = 0
    for name in names:
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, str(seconds)], capture_output=True, text=True, check=False
        )
        runs = re.findall(r"^(?:#|Done )(\d+)", done.stderr, re.MULTILINE)
        coverage = re.findall(r" ft: (\d+)", done.stderr)
        print(
            f"{name:14} {runs[-1] if runs else '?':>9} runs  {coverage[-1] if coverage else '?':>6} features",
            flush=True,
        )
        if done.returncode:
            found += 1
            print("\n".join((done.stdout + done.stderr).strip().splitlines()[-25:]), flush=True)
    return found


def main(words: list[str]) -> int:
    if words[:1] == ["--one"]:
        one(words[1], int(words[2]))
        return 0
    from fuzz_targets import TARGETS  # noqa: PLC0415  # not in the process that watches

    return each(words[1:] or list(TARGETS), int(words[0]) if words else 60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
