"""A node's work on its rows, on a Dask cluster of the custodian's own.

This node reads the rows, in the one order that there is, and keeps all that is about people: who may be used, codes,
counts, tallies. It sends each partition's rows once, only those of the analysis set and only the columns that the
question reads, and adds up the shares that come back, in the order of the partitions: the same numbers as
:class:`hansa.node.work.WorkHere` gives, to the last bit. Workers need not reach the data, so every kind of
data will do. What was lost with a worker is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from distributed import Client, Future
from pyroaring import AbstractBitMap, BitMap

from hansa.model import Dictionary
from hansa.model.exposure import FloatArray
from hansa.node.analysis_set import AnalysisSet, Data, select_people
from hansa.node.dask import partitions
from hansa.node.dask.cluster import Cluster, Lost
from hansa.node.keeping import Kept
from hansa.node.prepared import Asking, Counted, count_exposures, count_weights, preparation_key, reads
from hansa.node.rows import Found, Observed, step_failed
from hansa.node.site import observe
from hansa.node.worker.crossing import Plain
from hansa.stats.contract import Arguments, Frame, Inputs, Share, Step, zero_totals
from hansa.stats.question import Question

__all__ = ["RowsClustered", "WorkClustered"]

_WEAKER = "steps run on the workers of a Dask cluster, which Hansa does not confine"


@dataclass(frozen=True, eq=False)
class WorkClustered:
    """All of a node's rows, here; their arrays and steps are on the cluster."""

    data: Data
    cluster: Cluster
    weaker: tuple[str, ...] = (_WEAKER,)
    _kept: Kept = field(default_factory=Kept, repr=False)

    @property
    def dictionary(self) -> Dictionary:
        """What the columns mean."""
        return self.data.dictionary

    @property
    def people(self) -> BitMap:
        """Everybody who has a row, by code."""
        return self.data.everybody

    def select(self, question: Question, analysis: str, allowed: AbstractBitMap) -> RowsClustered:
        """The rows of a question among the people who may be used."""
        among = select_people(question, self.data, allowed)
        return RowsClustered(among, self.cluster, partitions.question_out(question, analysis), self._kept)

    def close(self) -> None:
        """Let go of the rows, here and on the cluster."""
        self.cluster.close()


@dataclass(eq=False)
class _There:
    """What is on the cluster of one question: by place, the rows of partitions that have any; and their arrays."""

    client: Client
    columns: frozenset[str]
    rows: dict[int, Future[Plain]] = field(default_factory=dict)
    key: bytes = b""
    arrays: dict[int, Future[Plain]] = field(default_factory=dict)


@dataclass(eq=False)
class RowsClustered:
    """The rows of one question. They and the arrays of one preparation are kept on the cluster, from round to round."""

    among: AnalysisSet
    cluster: Cluster
    _named: bytes
    _kept: Kept = field(repr=False)
    _there: _There | None = field(default=None, repr=False)

    @property
    def question(self) -> Question:
        """What is asked of them."""
        return self.among.question

    def people(self) -> BitMap:
        """The people of the analysis set."""
        return self.among.everybody

    def ask(self, step: Step, arguments: Arguments, inputs: Inputs, asking: Asking | None) -> Found:
        """A round: prepare where needed, count the exposures where ``asking`` says of whom, compute the share.

        What is lost on the way is sent once more: a step that ends its worker again would end them all.
        """
        until = self.cluster.until()
        try:
            return self._asked(step, arguments, inputs, asking, until)
        except Lost:
            pass
        try:
            return self._asked(step, arguments, inputs, asking, until)
        except Lost:
            why = "workers of the cluster were lost twice while it ran"
            raise step_failed("the step crashed at this node", why=why) from None

    def estimate(self, asking: Asking) -> Observed:
        """The question's whole plan over these rows alone, nothing judged yet."""
        return observe(self, asking)

    @property
    def kept_bytes(self) -> int:
        """What is on the cluster, near enough: the rows, and arrays of their size."""
        if self._there is None:
            return 0
        return sum(16 * self.among.people[place].codes.size * len(self._there.columns) for place in self._there.rows)

    def forget(self) -> None:
        """Let go of what is on the cluster."""
        self._there = None

    def _asked(
        self, step: Step, arguments: Arguments, inputs: Inputs, asking: Asking | None, until: float | None
    ) -> Found:
        counted = self._made_ready(step, arguments, asking, until)
        found = self._share(step, arguments, inputs, until)
        behind = [people for people in self.among.people if people.codes.size]
        return Found(found.sums, counted, count_weights(step, found, behind) if step.weight_names else None)

    def _made_ready(
        self, step: Step, arguments: Arguments, asking: Asking | None, until: float | None
    ) -> Counted | None:
        """Send the rows that are not there, and count what was not judged before, in one pass."""
        expressions = reads(step.preparation, arguments)
        there = self._placed(frozenset(self.among.empty_frame(expressions).columns))
        absent = {place for place, people in enumerate(self.among.people) if people.codes.size} - there.rows.keys()
        if asking is None and not absent:
            return None
        frames = self._sent(there, self.among.frames(expressions), absent, until)
        if asking is not None:
            return count_exposures(step.preparation, arguments, self.among, asking=asking, frames=frames)
        for _ in frames:
            pass
        return None

    def _placed(self, columns: frozenset[str]) -> _There:
        """What is there and of use; what is not is let go of, and its memory with it."""
        client = self.cluster.session()
        if self._there is None or self._there.client is not client or not columns <= self._there.columns:
            self._there = None  # its memory is freed first
            self._kept.make_room(self)
            self._there = _There(client, columns)
        there = self._there
        there.rows = {place: rows for place, rows in there.rows.items() if rows.status == "finished"}
        return there

    def _sent(self, there: _There, frames: Iterable[Frame], absent: set[int], until: float | None) -> Iterator[Frame]:
        for place, frame in enumerate(frames):
            if place in absent:
                there.rows[place] = self.cluster.send(there.client, partitions.frame_out(frame), until)
            yield frame

    def _share(self, step: Step, arguments: Arguments, inputs: Inputs, until: float | None) -> Share:
        """The shares of the partitions, added in their fixed order."""
        there = self._there
        assert there is not None
        total = zero_totals(step.shapes(step.preparation.dimensions(arguments, self.question.variables)))
        arrays = self._built(there, step, arguments)
        asked = partitions.round_out(step, arguments, inputs)
        parts = [arrays] if step.over_node and arrays else [[one] for one in arrays]
        steps = [there.client.submit(partitions.compute, self._named, asked, part, pure=False) for part in parts]
        weights: list[FloatArray] = []
        for found in self.cluster.gather(there.client, steps, until):
            weights.extend(found["weights"])
            for name, value in found["sums"].items():
                total[name] += value
        return Share(total, tuple(weights))

    def _built(self, there: _There, step: Step, arguments: Arguments) -> list[Future[Plain]]:
        """The arrays of every partition, built where they are not there; those of another preparation go first."""
        key = preparation_key(step.preparation, arguments)
        alive = {place: made for place, made in there.arrays.items() if made.status in {"finished", "pending"}}
        there.key, there.arrays = key, alive if key == there.key else {}
        asked = partitions.round_out(step, arguments, {})
        for place in sorted(there.rows.keys() - there.arrays.keys()):
            rows = there.rows[place]
            there.arrays[place] = there.client.submit(partitions.build, self._named, asked, rows, pure=False)
        return [there.arrays[place] for place in sorted(there.arrays)]
