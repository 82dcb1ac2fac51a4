"""Hansa: health-data cohorts answer questions together without a record leaving home."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hansa.errors import HansaError, Refused
from hansa.version import __version__

if TYPE_CHECKING:
    from hansa.client.connect import RemoteLeague, connect
    from hansa.client.league import League
    from hansa.client.proof import verify_proof
    from hansa.client.study_file import read_study
    from hansa.embedded.local import LocalLeague, local
    from hansa.model import Analysis, Party, Purpose, Study

__all__ = [
    "Analysis",
    "HansaError",
    "League",
    "LocalLeague",
    "Party",
    "Purpose",
    "Refused",
    "RemoteLeague",
    "Study",
    "__version__",
    "connect",
    "local",
    "read_study",
    "verify_proof",
]


# Loaded on first use: the numerical libraries take a second, and `hansa --help` needs none of them.
_HOMES = {
    "Analysis": "hansa.model",
    "League": "hansa.client.league",
    "LocalLeague": "hansa.embedded.local",
    "Party": "hansa.model",
    "Purpose": "hansa.model",
    "RemoteLeague": "hansa.client.connect",
    "Study": "hansa.model",
    "connect": "hansa.client.connect",
    "local": "hansa.embedded.local",
    "read_study": "hansa.client.study_file",
    "verify_proof": "hansa.client.proof",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hansa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
