"""The command line: what it says, in both forms, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hansa.cli.main import hansa
from hansa.errors import LogError, StudyError
from hansa.examples import heart, heart_study


def run(*arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hansa.cli.main", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def short_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's study with two analyses, one of which a hospital refuses alone."""
    content = yaml.safe_load(heart_study().read_text(encoding="utf-8"))
    content["analyses"] = {name: content["analyses"][name] for name in ("people", "risk_common")}
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_help_starts_in_under_four_tenths_of_a_second_and_loads_no_numerical_library() -> None:
    code = "import sys; from hansa.cli.main import hansa; print('numpy' in sys.modules, 'pydantic' in sys.modules)"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert time.perf_counter() - began < 2.0  # generous here; the figure stands in benchmarks/RESULTS.md


def test_every_command_has_help() -> None:
    runner = CliRunner()
    for command in (["demo"], ["doctor"], ["log", "verify"], ["methods"], ["policy", "explain"], ["study", "run"]):
        found = runner.invoke(hansa, [*command, "--help"])
        assert found.exit_code == 0
        assert "--json" in found.output


def test_doctor_passes_here_and_prints_json() -> None:
    found = CliRunner().invoke(hansa, ["doctor", "--json"])
    assert found.exit_code == 0
    assert all(good for good, _ in json.loads(found.output).values())


def test_methods_lists_what_each_step_sends() -> None:
    methods = {entry["name"]: entry for entry in json.loads(CliRunner().invoke(hansa, ["methods", "--json"]).output)}
    assert methods["glm"]["steps"]["glm.irls"]["gram"] == "intermediate"
    assert methods["crosstab"]["steps"]["crosstab.counts"] == {"counts": "protected"}


def test_study_check_names_the_field_that_is_wrong(short_study: Path, tmp_path: Path) -> None:
    good = CliRunner().invoke(hansa, ["study", "check", str(short_study), "--json"])
    assert json.loads(good.output)["analyses"] == ["people", "risk_common"]
    content = yaml.safe_load(short_study.read_text(encoding="utf-8"))
    content["analyses"]["risk_common"]["arguments"]["formula"] = "disease ~ agee"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(StudyError, match="age"):
        CliRunner().invoke(hansa, ["study", "check", str(wrong)], catch_exceptions=False)


def test_study_run_writes_a_proof_that_log_verify_accepts_and_a_forged_one_is_refused(
    short_study: Path, tmp_path: Path
) -> None:
    arguments = ["study", "run", str(short_study), "--analysis", "risk_common", "--out", str(tmp_path), "--json"]
    found = CliRunner().invoke(hansa, arguments, catch_exceptions=False)
    result = json.loads(found.output)
    assert {decision["verdict"] for decision in result["decisions"].values()} == {"permit"}
    assert result["results"]["risk_common"]["n"] == 860
    proof = tmp_path / "risk_common.proof.json"
    verified = CliRunner().invoke(hansa, ["log", "verify", str(proof), "--json"], catch_exceptions=False)
    assert json.loads(verified.output)["witnesses"] == ["budapest", "cleveland", "long_beach", "zurich"]
    forged = json.loads(proof.read_text(encoding="utf-8"))
    forged["result"]["n"] = 861
    proof.write_text(json.dumps(forged), encoding="utf-8")
    with pytest.raises(LogError, match="not the one that was logged"):
        CliRunner().invoke(hansa, ["log", "verify", str(proof)], catch_exceptions=False)
    assert run("log", "verify", str(proof), status=7).startswith("error: result:")


def test_policy_explain_says_what_would_change() -> None:
    arguments = ["policy", "explain", "--study", str(heart_study()), "--what-if", "requester.owner=null", "--json"]
    found = json.loads(CliRunner().invoke(hansa, arguments, catch_exceptions=False).output)
    assert {entry["decision"]["verdict"] for entry in found.values()} == {"permit"}
    assert any(entry["what_if"]["verdict"] != "permit" for entry in found.values())


def test_a_league_file_brings_ones_own_data(short_study: Path, tmp_path: Path) -> None:
    league = {"nodes": {name: {"data": str(path)} for name, path in heart().items()}}
    path = tmp_path / "league.yaml"
    path.write_text(yaml.safe_dump(league), encoding="utf-8")
    arguments = ["study", "run", str(short_study), "--league", str(path), "--analysis", "people", "--json"]
    found = json.loads(CliRunner().invoke(hansa, arguments, catch_exceptions=False).output)
    assert found["results"]["people"]["people"] == 920


def test_a_wrong_league_file_says_how_to_mend_it(tmp_path: Path, short_study: Path) -> None:
    path = tmp_path / "league.yaml"
    path.write_text("nodes: 3", encoding="utf-8")
    assert "a YAML file with nodes" in run("study", "check", str(short_study), "--league", str(path), status=2)


def test_a_refused_study_ends_with_the_refusals_own_status(short_study: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(short_study.read_text(encoding="utf-8"))
    content["analyses"]["people"] = {**content["analyses"]["risk_common"], "population": "age > 76"}
    path = tmp_path / "refused.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    said = run("study", "run", str(path), "--analysis", "people", "--json", status=4)
    assert json.loads(said)["results"]["people"]["reason"] == "disclosure"
    run("study", "check", str(path), status=0)
