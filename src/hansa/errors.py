"""Every error Hansa raises: what happened, why, and how to go on.

Each class fixes a stable ``code`` (used on the wire and in JSON), the exit status of the command line and
the HTTP status of the API. Messages name fields and places; they never carry data values.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
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
]


class HansaError(Exception):
    """The root of the tree.

    Parameters
    ----------
    what : str
        What happened, in one sentence.
    why : str
        The reason, as far as the reader may know it.
    fix : str
        What the reader can do now.
    field : str
        The input that is at fault, dotted (``"population.adults"``), or empty.

    Examples
    --------
    >>> error = HansaError("the file is empty", why="it has no rows", fix="export it again")
    >>> print(error)
    the file is empty: it has no rows. To go on: export it again.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, what: str, *, why: str = "", fix: str = "", field: str = "") -> None:
        super().__init__(what, why, fix, field)
        self.what = what
        self.why = why
        self.fix = fix
        self.field = field

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field else ""
        reason = f": {self.why}" if self.why else ""
        advice = f". To go on: {self.fix.rstrip('.')}." if self.fix else ""
        return f"{place}{self.what}{reason}{advice}"

    def to_dict(self) -> dict[str, str]:
        """The error as plain fields, for ``--json`` and problem+json."""
        return {"code": self.code, "what": self.what, "why": self.why, "fix": self.fix, "field": self.field}


class StudyError(HansaError):
    """The study file or a call's arguments are wrong."""

    code, exit_status, http_status = "study", 2, 422


class FormulaError(StudyError):
    """A formula, derivation or population cannot be read; ``str()`` shows the place with a caret."""

    code = "formula"


class DictionaryError(StudyError):
    """A dictionary contradicts itself or lacks a variable."""

    code = "dictionary"


class PolicyError(StudyError):
    """A policy or charter file is wrong."""

    code = "policy"


class DataError(HansaError):
    """A node's data do not fit its dictionary. Raised and read at the node only."""

    code, exit_status, http_status = "data", 3, 422


class Refused(HansaError):
    """A node, or the gate of every node, said no.

    Outside the node a refusal that depends on data has the one code ``disclosure`` and general advice:
    no number, no rule, no node.
    """

    code, exit_status, http_status = "refused", 4, 403

    def __init__(self, what: str, *, why: str = "", fix: str = "", field: str = "", reason: str = "policy") -> None:
        super().__init__(what, why=why, fix=fix, field=field)
        self.reason = reason

    def to_dict(self) -> dict[str, str]:
        """The refusal as plain fields."""
        return {**super().to_dict(), "reason": self.reason}


class MethodError(HansaError):
    """A method cannot do what was asked of it."""

    code, exit_status, http_status = "method", 5, 422


class NotEstimable(MethodError):
    """The data do not determine the estimate (separation, no variation, too few people)."""

    code = "not-estimable"


class ConvergenceError(MethodError):
    """An iteration ended without an answer."""

    code = "convergence"


class ProtocolError(HansaError):
    """A message is malformed, out of order, replayed, or not from whom it says."""

    code, exit_status, http_status = "protocol", 6, 400


class SignatureInvalid(ProtocolError):
    """A signature or certificate does not verify."""

    code = "signature"


class HeadroomError(ProtocolError):
    """A share is not finite or too large for the integers of the secure sum."""

    code = "headroom"


class LogError(HansaError):
    """A log, checkpoint or proof does not verify."""

    code, exit_status, http_status = "log", 7, 409


class StoreError(HansaError):
    """What must be kept cannot be read or written."""

    code, exit_status, http_status = "store", 8, 500


class Unreachable(HansaError):
    """A party did not answer in time; ``nodes`` names those that were lost."""

    code, exit_status, http_status = "unreachable", 9, 503

    def __init__(
        self, what: str, *, why: str = "", fix: str = "", field: str = "", nodes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, why=why, fix=fix, field=field)
        self.nodes = nodes
