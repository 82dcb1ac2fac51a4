"""For tests of Hansa and of methods for it: synthetic cohorts, and hostile parties around honest code."""

from hansa.testing.hostile import (
    BAD_PAYLOADS,
    WEIGHED,
    CheatingPeer,
    LyingHub,
    Wiretap,
    contents,
    forged_envelope,
    grafted,
    hub_run,
    lying_exchange,
    submit_bytes,
    weighed_round,
)
from hansa.testing.synthetic import LEVELS, SyntheticCohorts, synthetic_cohorts, synthetic_dictionary

__all__ = [
    "BAD_PAYLOADS",
    "LEVELS",
    "WEIGHED",
    "CheatingPeer",
    "LyingHub",
    "SyntheticCohorts",
    "Wiretap",
    "contents",
    "forged_envelope",
    "grafted",
    "hub_run",
    "lying_exchange",
    "submit_bytes",
    "synthetic_cohorts",
    "synthetic_dictionary",
    "weighed_round",
]
