from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hansa.examples import heart, heart_dictionary, heart_policies
from hansa.examples.make_heart import write_heart
from hansa.harmonise import check_source, open_source, read_chunks

NODES = ("cleveland", "budapest", "zurich", "long_beach")
AVAILABLE = {
    "age": (303, 294, 123, 200),
    "sex": (303, 294, 123, 200),
    "cp": (303, 294, 123, 200),
    "restecg": (303, 293, 122, 200),
    "exang": (303, 293, 122, 147),
    "max_heart_rate": (303, 293, 122, 147),
    "resting_bp": (303, 293, 121, 143),
    "chol": (303, 271, 0, 144),
    "slope": (303, 104, 106, 98),
    "thal": (301, 28, 71, 34),
    "ca": (299, 3, 5, 2),
    "num": (303, 294, 123, 200),
    "disease": (303, 294, 123, 200),
}
WOMEN = (97, 81, 10, 6)
DISEASED = (139, 106, 115, 149)
HEALTHY = (164, 188, 8, 51)
COMPLETE = (303, 293, 121, 143)


def columns(node: str) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    dictionary = heart_dictionary()
    names = [variable.name for variable in dictionary.variables]
    [chunk] = read_chunks(open_source(heart()[node]), dictionary, names)
    return chunk.columns


@pytest.mark.parametrize(("place", "node"), list(enumerate(NODES)))
def test_what_is_available_at_each_hospital(place: int, node: str) -> None:
    report = check_source(open_source(heart()[node]), heart_dictionary())
    found = {variable.name: variable.n for variable in report.variables}
    assert {name: found[name] for name in AVAILABLE} == {name: n[place] for name, n in AVAILABLE.items()}
    assert report.rows == report.people == AVAILABLE["age"][place]


@pytest.mark.parametrize("node", NODES)
def test_nothing_is_undeclared_or_implausible(node: str) -> None:
    report = check_source(open_source(heart()[node]), heart_dictionary())
    assert {(variable.undeclared, variable.outside_range) for variable in report.variables} == {(0, 0)}


@pytest.mark.parametrize(("place", "node"), list(enumerate(NODES)))
def test_women_and_disease_at_each_hospital(place: int, node: str) -> None:
    table = columns(node)
    assert heart_dictionary()["sex"].levels == ("male", "female")
    assert int(table["sex"].sum()) == WOMEN[place]
    assert (int(table["disease"].sum()), int((table["disease"] == 0).sum())) == (DISEASED[place], HEALTHY[place])
    np.testing.assert_array_equal(table["disease"], table["num"] > 0)


def test_complete_cases_of_the_example_model() -> None:
    names = ("disease", "age", "sex", "resting_bp", "exang", "max_heart_rate")
    complete = [int((~np.isnan([columns(node)[name] for name in names]).any(axis=0)).sum()) for node in NODES]
    assert tuple(complete) == COMPLETE
    assert sum(complete) == 860


def test_negative_st_depression_is_kept() -> None:
    assert sum(int((columns(node)["oldpeak"] < 0).sum()) for node in NODES) == 12


def test_raw_zeros_stay_in_the_files() -> None:
    def zeros(node: str, column: str) -> int:
        with heart()[node].open(encoding="utf-8") as file:
            return sum(row[column] == "0" for row in csv.DictReader(file))

    assert [zeros(node, "chol") for node in NODES] == [0, 0, 123, 49]
    assert [zeros(node, "resting_bp") for node in NODES] == [0, 0, 0, 1]


def test_nobody_is_at_two_hospitals() -> None:
    people = [person for node in NODES for person in _people(node)]
    assert len(set(people)) == len(people) == 920


def _people(node: str) -> list[str]:
    with heart()[node].open(encoding="utf-8") as file:
        return [row["person"] for row in csv.DictReader(file)]


def test_policies_stand_beside_the_data() -> None:
    assert {node: path.name for node, path in heart_policies().items()} == {node: f"{node}.yaml" for node in NODES}


def test_the_script_files_person_304_under_hungary(tmp_path: Path) -> None:
    source = tmp_path / "combined.csv"
    source.write_text(
        "id,age,sex,dataset,cp,trestbps,chol,fbs,restecg,thalch,exang,oldpeak,slope,ca,thal,num\n"
        "304,28,Male,Cleveland,atypical angina,130,132,FALSE,lv hypertrophy,185,FALSE,0,,,,0\n"
        "721,63,Male,VA Long Beach,asymptomatic,0,260,,st-t abnormality,112,TRUE,-3,flat,,reversable defect,2\n"
    )
    write_heart(source, tmp_path)
    assert (tmp_path / "cleveland.csv").read_text().count("\n") == 1
    assert (tmp_path / "budapest.csv").read_text().splitlines()[1] == (
        "304,28,male,atypical_angina,130,132,false,lv_hypertrophy,185,false,0,,,,0,false"
    )
    assert (tmp_path / "long_beach.csv").read_text().splitlines()[1] == (
        "721,63,male,asymptomatic,0,260,,st_t_abnormality,112,true,-3,flat,,reversible_defect,2,true"
    )
