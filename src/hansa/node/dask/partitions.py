"""What runs on a worker of the cluster: one partition's arrays, and its share of a step.

Methods are looked up among those installed there. Answers are plain values and never raise: what a step raises
may hold data, and Dask would write it, and the rows, into its log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from hansa.errors import HansaError, ProtocolError
from hansa.model import Dictionary, Study
from hansa.node.worker.crossing import Plain, error_out
from hansa.stats.catalogue import catalogue
from hansa.stats.contract import Frame, Step, joined, share
from hansa.stats.question import Question, read_question
from hansa.version import __version__
from hansa.wire import decode, encode

__all__ = ["build", "compute", "frame_out", "question_out", "round_out", "version"]


def version() -> str:
    """The version of Hansa that is installed here."""
    return __version__


def question_out(question: Question, analysis: str) -> bytes:
    """A question, for workers to read for themselves."""
    return encode([question.study.model_dump_json(), analysis, question.dictionary.model_dump_json()])


def round_out(step: Step, arguments: Any, inputs: Any) -> bytes:
    """A step by its name, and what the hub gave for it."""
    return encode({"step": step.name, "version": step.version, "arguments": arguments, "inputs": dict(inputs)})


def frame_out(frame: Frame) -> Plain:
    """One partition's rows."""
    rows = {"columns": dict(frame.columns), "rows": frame.rows, "derived": sorted(frame.derived)}
    return rows if frame.person is None else {**rows, "person": frame.person}


def build(named: bytes, asked: bytes, rows: Plain) -> Plain:
    """The arrays of one partition."""

    def act() -> Plain:
        question, wanted = _question(named), decode(asked)
        derived = frozenset(rows["derived"])
        frame = Frame(rows["columns"], question.variables, rows["rows"], derived, rows.get("person"))
        return {"arrays": dict(_step(question, wanted).preparation.build(frame, wanted["arguments"]))}

    return _answered(act)


def compute(named: bytes, asked: bytes, built: Sequence[Plain]) -> Plain:
    """The share of one partition; of all, where a step needs them together."""

    def act() -> Plain:
        wrong = next((one for one in built if "arrays" not in one), None)
        if wrong is not None:
            return wrong
        question, wanted = _question(named), decode(asked)
        step = _step(question, wanted)
        shapes = step.shapes(step.preparation.dimensions(wanted["arguments"], question.variables))
        parts = joined(step.preparation, [one["arrays"] for one in built])
        found = share(step, parts, wanted["inputs"], shapes)
        return {"sums": dict(found.sums), "weights": list(found.weights)}

    return _answered(act)


def _answered(act: Callable[[], Plain]) -> Plain:
    try:
        return {**act(), "code": __version__}
    except HansaError as error:
        return {"error": error_out(error), "code": __version__}
    except Exception as fault:  # a step's; its text may hold data, so its name alone is told
        name = MemoryError if isinstance(fault, MemoryError) else type(fault)
        return {"fault": name.__name__, "code": __version__}


@lru_cache(maxsize=8)
def _question(named: bytes) -> Question:
    study, analysis, dictionary = decode(named)
    asked, known = Study.model_validate_json(study), Dictionary.model_validate_json(dictionary)
    return read_question(asked, analysis, known, catalogue())


def _step(question: Question, wanted: Plain) -> Step:
    for step in question.method.steps:
        if (step.name, step.version) == (wanted["step"], wanted["version"]):
            return step
    raise ProtocolError("a round asks for a step that is not installed on the cluster")
