"""What a custodian should know about the data before anyone asks a question of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hansa.harmonise.columns import Chunk, read_chunks
from hansa.harmonise.persons import encode_persons
from hansa.harmonise.source import Source
from hansa.model import Dictionary, Value, Variable

__all__ = ["QualityReport", "VariableQuality", "check_source"]


class VariableQuality(Value):
    """One variable in counts of rows; ``n + missing + undeclared`` is all of them.

    ``outside_range`` counts, among the ``n``, values outside the dictionary's plausible range.
    """

    name: str
    n: int
    missing: int
    undeclared: int
    outside_range: int


class QualityReport(Value):
    """How a source fits its dictionary. For its custodian only: counts may be as small as one."""

    rows: int
    people: int
    variables: tuple[VariableQuality, ...]


def check_source(source: Source, dictionary: Dictionary) -> QualityReport:
    """Read everything once and count what is there, missing, undeclared and implausible.

    A unit that differs from the dictionary's cannot be seen in the numbers alone and is not looked for;
    many values outside the plausible range may be its trace.

    Raises
    ------
    DataError
        If a column is not there (naming the nearest), a row has no person, or a person has a row too many.

    Examples
    --------
    >>> import pandas as pd
    >>> from hansa.harmonise import open_source, read_dictionary
    >>> dictionary = read_dictionary({"variables": [{"name": "age", "type": "integer", "range": [18, 100]}]})
    >>> report = check_source(open_source(pd.DataFrame({"age": [61.0, 47.5, None, 610.0]})), dictionary)
    >>> report.variables[0]
    VariableQuality(name='age', n=2, missing=1, undeclared=1, outside_range=1)
    """
    names = [variable.name for variable in dictionary.variables]
    people: list[NDArray[np.object_] | NDArray[np.int64]] = []
    counts = np.zeros((len(names), 3), dtype=np.int64)
    for chunk in read_chunks(source, dictionary, names):
        people.append(chunk.person)
        counts += [_counts(variable, chunk) for variable in dictionary.variables]
    rows = sum(len(chunk) for chunk in people)
    codes, _ = encode_persons(people, {}, one_row_per_person=dictionary.one_row_per_person)
    return QualityReport(
        rows=rows,
        people=len(np.unique(np.concatenate(codes))),
        variables=tuple(
            VariableQuality(name=name, n=n, missing=rows - n - undeclared, undeclared=undeclared, outside_range=out)
            for name, (n, undeclared, out) in zip(names, counts.tolist(), strict=True)
        ),
    )


def _counts(variable: Variable, chunk: Chunk) -> tuple[int, int, int]:
    values = chunk.columns[variable.name]
    low, high = variable.range or (-np.inf, np.inf)
    outside = np.count_nonzero((values < low) | (values > high))
    return int(np.count_nonzero(~np.isnan(values))), chunk.undeclared[variable.name], int(outside)
