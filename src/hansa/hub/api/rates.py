"""How often one identity may ask: a token bucket each, in this process's memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["Buckets"]

_MOST_KEPT = 10_000


@dataclass
class _Bucket:
    level: float
    at: float


class Buckets:
    """Buckets of ``burst`` tokens that fill up by ``rate`` a second.

    Examples
    --------
    >>> buckets = Buckets(rate=1.0, burst=2)
    >>> [buckets.take("ada", now=0.0) for _ in range(3)]
    [0.0, 0.0, 1.0]
    >>> buckets.take("ada", now=1.0)
    0.0
    """

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, who: str, *, now: float) -> float:
        """Take a token: 0, or the seconds until there is one again."""
        with self._lock:
            if len(self._buckets) > _MOST_KEPT:
                self._drop_full(now)
            bucket = self._buckets.setdefault(who, _Bucket(float(self._burst), now))
            bucket.level = self._level(bucket, now)
            bucket.at = now
            if bucket.level < 1.0:
                return (1.0 - bucket.level) / self._rate
            bucket.level -= 1.0
            return 0.0

    def _level(self, bucket: _Bucket, now: float) -> float:
        # A clock that was set back fills nothing, and takes nothing away.
        return min(float(self._burst), bucket.level + self._rate * max(0.0, now - bucket.at))

    def _drop_full(self, now: float) -> None:
        self._buckets = {who: bucket for who, bucket in self._buckets.items() if self._level(bucket, now) < self._burst}
