"""Example data: the heart-disease records of four hospitals (heart/SOURCE.md has source and licence)."""

from __future__ import annotations

from pathlib import Path

from hansa.harmonise import read_dictionary
from hansa.model import Dictionary

__all__ = ["heart", "heart_dictionary", "heart_policies", "heart_study"]

_HERE = Path(__file__).parent
_NODES = ("cleveland", "budapest", "zurich", "long_beach")


def heart() -> dict[str, Path]:
    """The CSV file of each hospital, by node name.

    920 people referred for coronary angiography at four hospitals (Janosi, Steinbrunn, Pfisterer and
    Detrano, UCI Machine Learning Repository, CC BY 4.0, doi:10.24432/C52P4X).

    Examples
    --------
    >>> list(heart())
    ['cleveland', 'budapest', 'zurich', 'long_beach']
    """
    return {node: _HERE / "heart" / f"{node}.csv" for node in _NODES}


def heart_dictionary() -> Dictionary:
    """The dictionary that describes all four files.

    Examples
    --------
    >>> heart_dictionary()["resting_bp"].unit
    'mmHg'
    """
    return read_dictionary(_HERE / "heart" / "dictionary.yaml")


def heart_policies() -> dict[str, Path]:
    """An example policy of each hospital, by node name; invented, none of them is the hospital's own."""
    return {node: _HERE / "policies" / f"{node}.yaml" for node in _NODES}


def heart_study() -> Path:
    """The demo's study file: one signed question with all its analyses."""
    return _HERE / "heart" / "study.yaml"
