"""A result as its researcher holds it: numbers, table, picture, and where it came from."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from textwrap import shorten
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hansa.client.proof import proof_text
from hansa.client.results.held_back import HeldBack, as_frame
from hansa.client.tables import Row, TableData
from hansa.errors import StudyError

if TYPE_CHECKING:  # pandas and matplotlib load when a summary or a picture is first asked for
    import pandas as pd
    from matplotlib.axes import Axes

    from hansa.client.league import Submitted
    from hansa.client.plots import Plot
    from hansa.engine import Outcome
    from hansa.stats.meta.estimators import Estimator

__all__ = ["View"]

_SHOWN = 60


class View:
    """One result. It never changes; ask again for another.

    Parameters
    ----------
    plain : mapping
        The result as it was logged; ``schema`` says what its fields mean.
    outcome : Outcome or None
        The run it came from.
    study : Submitted
    analysis : str
        The analysis' name in the study.
    """

    def __init__(self, plain: Mapping[str, Any], outcome: Outcome | None, study: Submitted, analysis: str) -> None:
        self._plain = plain
        self._outcome = outcome
        self._study = study
        self._analysis = analysis

    @property
    def plain(self) -> dict[str, Any]:
        """The result in plain values, as it was logged; a copy."""
        return copy.deepcopy(dict(self._plain))

    @property
    def schema(self) -> str:
        """What the fields of :attr:`plain` mean, by name and version."""
        return str(self._plain.get("schema", ""))

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Study, run, code, nodes, counts and checks behind the result; empty without a run."""
        return MappingProxyType({} if self._outcome is None else dict(self._outcome.provenance))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The result's numbers, unrounded."""
        import pandas as pd  # see the head of the file

        return pd.DataFrame({"value": pd.Series(dict(self._plain), dtype=object)})

    @property
    def held_back(self) -> pd.DataFrame:
        """What is not shown: ``what``, the ``rule`` and ``why``, a row for each; empty where nothing is held back."""
        return as_frame(tuple(self._held_back()))

    @property
    def title(self) -> str:
        """What the result is, in a line."""
        return f"{self._analysis} ({self.schema})"

    def plot(self, *, ax: Axes | None = None) -> Plot:  # noqa: ARG002  # subclasses draw on it
        """The result as a picture.

        Raises
        ------
        StudyError
            When this kind of result has none.
        """
        raise StudyError("this result has no picture", fix="see its summary")

    def pooled(self, term: str, *, method: Estimator = "REML") -> View:  # noqa: ARG002  # SitesView pools
        """The meta-analysis of one term over the sites, for results that hold the sites' own estimates.

        Raises
        ------
        StudyError
            For other results.
        """
        raise StudyError("this result has no estimates by site", fix="ask for sites", field="term")

    def validate(self, on: str | Sequence[str]) -> View:  # noqa: ARG002  # GlmFit validates
        """How this model does at another node, for logistic models.

        Raises
        ------
        StudyError
            For other results.
        """
        raise StudyError("this result is no model", fix="fit one, by glm", field="on")

    def table(self, kind: str | None = None) -> TableData:
        """The result as a table for people; without a kind, its main one.

        Raises
        ------
        StudyError
            For a kind that this result does not have; the error lists those that it has.
        """
        kinds = self._tables()
        chosen = next(iter(kinds)) if kind is None else kind
        if chosen not in kinds:
            raise StudyError(f"there is no table {chosen}", fix=f"one of {', '.join(kinds)}", field="kind")
        return kinds[chosen]()

    def to_json(self) -> str:
        """The plain result as JSON text."""
        return json.dumps(self._plain, indent=1, sort_keys=True)

    def proof_json(self) -> str:
        """Result, provenance and log proof in one text, to be kept and checked offline.

        Raises
        ------
        StudyError
            When the result does not come from a run.
        """
        if self._outcome is None:
            raise StudyError("this result has no proof of its own", fix="export those that it was made from")
        return proof_text(self._outcome, self._study.hub.proof_keys())

    def _held_back(self) -> Iterable[HeldBack]:
        return ()

    def _tables(self) -> Mapping[str, Callable[[], TableData]]:
        return {"summary": self._plain_table}

    def _plain_table(self) -> TableData:
        rows = tuple(Row(str(name), (shorten(str(value), _SHOWN),)) for name, value in self._plain.items())
        return TableData(self.title, ("Field", "Value"), rows)

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def __repr__(self) -> str:
        """The main table in columns of characters."""
        return str(self.table())
