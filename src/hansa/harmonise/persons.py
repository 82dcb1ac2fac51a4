"""Stable integer codes for people: what consent, cells and history count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hansa.errors import DataError

__all__ = ["encode_persons"]

_MOST = 2**32 - 1


def encode_persons(
    identifiers: Sequence[NDArray[Any]], known: Mapping[str, int], *, one_row_per_person: bool
) -> tuple[tuple[NDArray[np.uint32], ...], dict[str, int]]:
    """Give each person an integer code that stays the same from load to load.

    Parameters
    ----------
    identifiers : sequence of arrays, each of shape (n,)
        ``Chunk.person`` of every chunk, in order: text, or int64 row numbers, which are their own codes.
    known : mapping of str to int
        The codes given before.
    one_row_per_person : bool
        Whether a repeated identifier is an error.

    Returns
    -------
    codes : tuple of uint32 arrays
        One array for each chunk.
    new : dict of str to int
        The codes given now: the numbers after the highest known one, in order of first appearance.

    Raises
    ------
    DataError
        If a row has no identifier, or a person has two rows where only one is allowed. It says how many
        rows, not who.

    Examples
    --------
    >>> import numpy as np
    >>> encode_persons([np.array(["b", "c"], dtype=object)], {"c": 7}, one_row_per_person=True)
    ((array([8, 7], dtype=uint32),), {'b': 8})
    """
    lengths = [len(chunk) for chunk in identifiers]
    if sum(lengths) > _MOST:
        raise DataError("there are more rows than codes for people", fix="split the cohort")
    rows = np.concatenate(identifiers) if lengths else np.array([], dtype=object)
    new: dict[str, int] = {}
    if rows.dtype.kind == "i":
        codes = rows.astype(np.uint32)
    else:
        codes, new = _encode(rows, known, one_row_per_person=one_row_per_person)
    return tuple(np.split(codes, np.cumsum(lengths)[:-1])) if lengths else (), new


def _encode(
    rows: NDArray[Any], known: Mapping[str, int], *, one_row_per_person: bool
) -> tuple[NDArray[np.uint32], dict[str, int]]:
    coded = pa.array(rows, pa.large_string(), from_pandas=True).dictionary_encode()
    absent, people = coded.null_count, coded.dictionary.to_pylist()
    if absent:
        raise DataError(
            f"{absent} of {len(rows)} rows do not say whom they are about",
            why="the person column is empty there, or holds a number too large to be exact",
            fix="complete the person column, or leave these rows out",
        )
    repeated = len(rows) - len(people)
    if one_row_per_person and repeated:
        raise DataError(
            f"{repeated} of {len(rows)} rows repeat a person",
            why="the dictionary says one row per person",
            fix="keep one row for each person, or declare one_row_per_person: false",
        )
    first = max(known.values(), default=-1) + 1
    new = {person: first + rank for rank, person in enumerate(p for p in people if p not in known)}
    if first + len(new) > _MOST:
        raise DataError("there are more people than codes for people", fix="split the cohort")
    codes = np.fromiter((known[p] if p in known else new[p] for p in people), np.uint32, len(people))
    return codes[coded.indices.to_numpy()], new
