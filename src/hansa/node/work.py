"""A node's work on its rows, in this process or apart from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import AbstractBitMap, BitMap

from hansa.harmonise import DataLike, encode_persons, open_source, read_chunks
from hansa.model import Dictionary
from hansa.node.analysis_set import AnalysisSet, Data, select_people
from hansa.node.keeping import Kept
from hansa.node.prepared import (
    Asking,
    Counted,
    Prepared,
    count_exposures,
    count_weights,
    preparation_key,
    prepare,
    prepare_and_count,
    refined,
)
from hansa.node.rows import Found, Observed, Work
from hansa.node.site import observe
from hansa.node.worker.apart import Encode, WorkApart
from hansa.stats.contract import Arguments, Inputs, Share, Step, share, zero_totals
from hansa.stats.question import Question

if TYPE_CHECKING:
    from hansa.store import NodeStore

__all__ = ["RowsHere", "WorkHere", "codes_kept_in", "open_work"]


def open_work(
    data: DataLike,
    dictionary: Dictionary,
    encode: Encode,
    *,
    isolate: bool,
    memory: int | None = None,
    seconds: float | None = None,
    dask: str | None = None,
) -> Work:
    """A node's data, read once to know its people.

    Parameters
    ----------
    data : path, address or frame
        As :func:`hansa.harmonise.open_source` takes it.
    encode : function from identifiers to codes
        See :func:`codes_kept_in`. It runs here, wherever the rows are.
    isolate : bool
        Whether steps run in a process apart: no keys, no network, nothing to write to.
    memory : int, optional
        Bytes that such a process may use beyond what its libraries take.
    seconds : float, optional
        Seconds that each request to it, or to the cluster, may take.
    dask : str, optional
        The address of a Dask cluster on which steps run, whatever ``isolate`` says.

    Raises
    ------
    DataError
        If the data cannot be read, or do not fit the dictionary; if there is no such cluster, or it runs another
        version of Hansa.
    """
    if dask is not None:
        return _clustered(data, dictionary, encode, dask, seconds)
    if isolate:
        return WorkApart(data, dictionary, encode, memory=memory, seconds=seconds)
    return WorkHere(_opened(data, dictionary, encode))


def _opened(data: DataLike, dictionary: Dictionary, encode: Encode) -> Data:
    source = open_source(data)
    people = [chunk.person for chunk in read_chunks(source, dictionary, [])]
    return Data(source, dictionary, encode(people))


def _clustered(data: DataLike, dictionary: Dictionary, encode: Encode, address: str, seconds: float | None) -> Work:
    from hansa.node.dask.cluster import Cluster  # noqa: PLC0415  # needs the optional package distributed
    from hansa.node.dask.clustered import WorkClustered  # noqa: PLC0415  # as above

    return WorkClustered(_opened(data, dictionary, encode), Cluster(address, seconds))


def codes_kept_in(store: NodeStore, dictionary: Dictionary) -> Encode:
    """Person codes that a node's store remembers from load to load."""

    def encode(people: Sequence[NDArray[Any]]) -> tuple[NDArray[np.uint32], ...]:
        codes, new = encode_persons(people, store.persons(), one_row_per_person=dictionary.one_row_per_person)
        store.add_persons(new)
        return codes

    return encode


@dataclass(frozen=True, eq=False)
class WorkHere:
    """All of a node's rows, in this process."""

    data: Data
    weaker: tuple[str, ...] = ()
    _kept: Kept = field(default_factory=Kept, repr=False)

    @property
    def dictionary(self) -> Dictionary:
        """What the columns mean."""
        return self.data.dictionary

    @property
    def people(self) -> BitMap:
        """Everybody who has a row, by code."""
        return self.data.everybody

    def select(self, question: Question, analysis: str, allowed: AbstractBitMap) -> RowsHere:  # noqa: ARG002  # the question says it all here
        """The rows of a question among the people who may be used."""
        return RowsHere(select_people(question, self.data, allowed), self._kept)

    def close(self) -> None:
        """The rows go with this object."""


@dataclass(eq=False)
class RowsHere:
    """The rows of one question. The arrays of one preparation are kept, from round to round."""

    among: AnalysisSet
    _kept: Kept = field(default_factory=Kept, repr=False)
    _prepared: tuple[bytes, Prepared] | None = field(default=None, repr=False)

    @property
    def question(self) -> Question:
        """What is asked of them."""
        return self.among.question

    def people(self) -> BitMap:
        """The people of the analysis set."""
        return self.among.everybody

    def ask(self, step: Step, arguments: Arguments, inputs: Inputs, asking: Asking | None) -> Found:
        """A round: prepare where needed, count the exposures where ``asking`` says of whom, compute the share."""
        prepared, counted = self._made_ready(step, arguments, asking)
        found = self._share(step, arguments, inputs, prepared)
        weights = count_weights(step, found, prepared.people) if step.weight_names else None
        return Found(found.sums, counted, weights)

    def estimate(self, asking: Asking) -> Observed:
        """The question's whole plan over these rows alone, nothing judged yet."""
        return observe(self, asking)

    @property
    def kept_bytes(self) -> int:
        """What its arrays take."""
        partitions = () if self._prepared is None else self._prepared[1].partitions
        return sum(array.nbytes for arrays in partitions for array in arrays.values())

    def forget(self) -> None:
        """Let go of the arrays."""
        self._prepared = None

    def _made_ready(self, step: Step, arguments: Arguments, asking: Asking | None) -> tuple[Prepared, Counted | None]:
        """The round's arrays, built where they are not there yet, and the count of what was not judged before."""
        key = preparation_key(step.preparation, arguments)
        what = (step.preparation, arguments, self.among)
        if self._prepared is not None and self._prepared[0] == key:
            return self._prepared[1], None if asking is None else count_exposures(*what, asking=asking)
        self._kept.make_room(self)
        before, self._prepared = self._prepared, None
        made = refined(*what, built=before[1]) if asking is None and before is not None else None
        del before  # free the old arrays before the new ones are built
        counted = None
        if asking is None:
            made = made or prepare(*what)
        else:
            made, counted = prepare_and_count(*what, asking=asking)
        self._prepared = (key, made)
        return made, counted

    def _share(self, step: Step, arguments: Arguments, inputs: Inputs, prepared: Prepared) -> Share:
        shapes = self.question.shapes(step, arguments)
        if not prepared.partitions:
            return Share(zero_totals(shapes), ())
        return share(step, prepared.partitions, inputs, shapes)
