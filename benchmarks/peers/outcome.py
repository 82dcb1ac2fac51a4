"""What one run of one configuration gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """``fitted`` seconds until the coefficients stand at the server, ``returned`` until the caller's command ends."""

    fitted: float
    returned: float
    cpu: float
    rounds: int
    coefficients: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
