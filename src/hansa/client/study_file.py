"""Studies as YAML files, checked before anything is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hansa.errors import StudyError
from hansa.model import Dictionary, Study, read_value
from hansa.model.yaml import parse_yaml
from hansa.stats.catalogue import catalogue
from hansa.stats.question import read_question
from hansa.wire.identifiers import new_id

__all__ = ["check_study", "read_study"]


def read_study(source: str | Path | Mapping[str, Any]) -> Study:
    """A study from a YAML file, or from its content as a mapping; without an ``id`` it gets a new one.

    Raises
    ------
    StudyError
        Naming the file, line or field that is wrong.
    """
    content = source if isinstance(source, Mapping) else _load(Path(source))
    return read_value(Study, {"id": new_id(dt.datetime.now(dt.UTC)), **content})


_CAUSAL = ("effect", "control_arm")
"""Methods that contrast treatments."""


def check_study(study: Study, dictionary: Dictionary) -> tuple[str, ...]:
    """Read every analysis against a dictionary; the advice that a careful colleague would give.

    Raises
    ------
    StudyError
        For the first analysis that cannot be asked, naming its field.
    """
    questions = {name: read_question(study, name, dictionary, catalogue()) for name in study.analyses}
    advice = []
    sets = {question.set_digest for name, question in questions.items() if question.complete}
    if len(sets) > 1:
        advice.append(
            f"the regressions use {len(sets)} analysis sets; give them one by listing the same variables under"
            " complete, or some may be refused because few people differ"
        )
    beyond = set().union(*(question.touched | question.raw for question in questions.values())) - set(study.variables)
    if beyond:
        raise StudyError(
            "the analyses use variables that the study does not declare",
            why="a permit covers the declared variables only",
            fix=f"add {', '.join(sorted(beyond))}",
            field="variables",
        )
    if study.valid_until is None:
        advice.append("say until when the study runs (valid_until): some policies refer a study without an end")
    if study.ethics_approval is None:
        advice.append("name the ethics approval: some policies refer a study without one")
    if study.target_trial is None and any(analysis.method in _CAUSAL for analysis in study.analyses.values()):
        advice.append("say which trial the study emulates (target_trial): a contrast of treatments is read by it")
    if any(question.method.arms for question in questions.values()):
        advice.append("cohorts that hold an arm which few others hold must allow that it is told alone (alone_ok)")
    return tuple(advice)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise StudyError(
            f"{path} cannot be read", why=fault.strerror or "", fix="give the path of a study file"
        ) from None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 0
        raise StudyError(f"{path}, line {line}, is not YAML", why=fault.problem or "", fix="correct it") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise StudyError(f"{path} is not YAML in UTF-8", fix="correct it") from None
    if not isinstance(content, Mapping):
        raise StudyError(f"{path} holds no study", why="a study is a mapping of fields", fix="see the tutorial")
    return content
