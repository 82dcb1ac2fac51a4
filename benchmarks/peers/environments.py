"""The peers' own environments: made once, from PyPI, apart from Hansa's."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

__all__ = ["ROOT", "environment", "version_of"]

ROOT = Path("/tmp/hansa-peers")  # a folder of its own, outside the project
PACKAGES = {
    "nvflare": ("nvflare==2.9.0",),
    "flower": ("flwr[simulation]==1.41.0", "scikit-learn==1.9.1"),
}
UV = Path(sys.executable).with_name("uv")


def environment(peer: str) -> Path:
    """The folder of programs of a peer's environment; it is made if it is not there."""
    folder = ROOT / peer
    if not (folder / "complete").exists():
        subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--python", folder / "bin/python", *PACKAGES[peer]], check=True
        )
        (folder / "complete").touch()
    return folder / "bin"


def version_of(peer: str) -> str:
    """What is installed there, not what was asked for."""
    name = {"nvflare": "nvflare", "flower": "flwr"}[peer]
    path = str(next((ROOT / peer / "lib").glob("python*/site-packages")))
    return next(found.version for found in distributions(name=name, path=[path]))
