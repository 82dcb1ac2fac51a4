"""The public names are pinned: adding or dropping one is a decision, and shows here."""

from __future__ import annotations

import importlib

import pytest

NAMES = {
    "hansa": [
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
    ],
    "hansa.errors": [
        "ConvergenceError",
        "DataError",
        "DictionaryError",
        "FormulaError",
        "HansaError",
        "HeadroomError",
        "LogError",
        "MethodError",
        "NotEstimable",
        "PolicyError",
        "ProtocolError",
        "Refused",
        "SignatureInvalid",
        "StoreError",
        "StudyError",
        "Unreachable",
    ],
    "hansa.engine": [
        "HubGateway",
        "InProcess",
        "Journal",
        "JournalEntry",
        "Outcome",
        "Progress",
        "SiteAnswer",
        "Transport",
        "replay",
        "request_digest",
    ],
    "hansa.examples": ["heart", "heart_dictionary", "heart_policies", "heart_study"],
    "hansa.privacy": [
        "ADVICE",
        "Breach",
        "People",
        "Population",
        "RoundContext",
        "Tally",
        "Thresholds",
        "tighten",
    ],
    "hansa.store": ["HubStore", "Job", "LedgerEntry", "NodeStore", "StoredStudy"],
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names_are_the_pinned_ones_and_exist(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(NAMES[module])
    for name in found.__all__:
        assert getattr(found, name) is not None
