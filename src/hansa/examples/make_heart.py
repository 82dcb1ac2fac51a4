"""Write the four hospitals' heart-disease files from the combined public file (see heart/SOURCE.md).

Run it as ``python -m hansa.examples.make_heart heart_disease_uci.csv``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["write_heart"]

_NODES = {"Cleveland": "cleveland", "Hungary": "budapest", "Switzerland": "zurich", "VA Long Beach": "long_beach"}

# The combined file counts this person to Cleveland; Cleveland has 303 rows and Hungary 294, this one included.
_MISFILED = {"304": "Hungary"}

_LEVELS = {
    "sex": {"Male": "male", "Female": "female"},
    "cp": {
        "typical angina": "typical_angina",
        "atypical angina": "atypical_angina",
        "non-anginal": "non_anginal",
        "asymptomatic": "asymptomatic",
    },
    "restecg": {
        "normal": "normal",
        "st-t abnormality": "st_t_abnormality",
        "lv hypertrophy": "lv_hypertrophy",
    },
    "slope": {"upsloping": "upsloping", "flat": "flat", "downsloping": "downsloping"},
    "thal": {"normal": "normal", "fixed defect": "fixed_defect", "reversable defect": "reversible_defect"},
    "fbs": {"TRUE": "true", "FALSE": "false"},
    "exang": {"TRUE": "true", "FALSE": "false"},
}

_COLUMNS = {
    "person": "id",
    "age": "age",
    "sex": "sex",
    "cp": "cp",
    "resting_bp": "trestbps",
    "chol": "chol",
    "fbs": "fbs",
    "restecg": "restecg",
    "max_heart_rate": "thalch",
    "exang": "exang",
    "oldpeak": "oldpeak",
    "slope": "slope",
    "ca": "ca",
    "thal": "thal",
    "num": "num",
}


def _record(row: dict[str, str]) -> dict[str, str]:
    def value(column: str) -> str:
        text = row[column]
        return _LEVELS[column][text] if text and column in _LEVELS else text

    record = {name: value(column) for name, column in _COLUMNS.items()}
    return {**record, "disease": "true" if int(row["num"]) > 0 else "false"}


def _records(source: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with source.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield _NODES[_MISFILED.get(row["id"], row["dataset"])], _record(row)


def write_heart(source: Path, folder: Path) -> None:
    """Write ``<node>.csv`` into ``folder`` for each hospital, rows in the order of the source."""
    records = list(_records(source))
    for node in _NODES.values():
        with (folder / f"{node}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*_COLUMNS, "disease"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(record for place, record in records if place == node)


if __name__ == "__main__":
    write_heart(Path(sys.argv[1]), Path(__file__).parent / "heart")
