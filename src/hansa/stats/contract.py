"""The contract between a method and the federation: prepare, step, plan, declared outputs.

A method is one file with three kinds of function:

- a **preparation** turns a node's rows (one partition at a time) into the arrays its steps need;
- a **step** is a pure function from those arrays and a round's inputs to named arrays whose sum over
  partitions and nodes the method needs; it declares each of them as an :class:`Output`;
- a **plan** is ordinary code at the hub that asks for sums and does the algebra.

Nothing here knows of masks, messages or files. Plans are deterministic in the totals they receive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from hansa.errors import MethodError
from hansa.model import Variable
from hansa.model.exposure import Exposure, FloatArray

__all__ = [
    "Arguments",
    "Arrays",
    "Cohorts",
    "Frame",
    "Inputs",
    "Method",
    "Output",
    "Preparation",
    "Request",
    "Share",
    "Step",
    "Totals",
    "joined",
    "share",
    "zero_totals",
]

Arguments = Mapping[str, Any]
"""A preparation's arguments: plain CBOR values (text, numbers, lists, maps, booleans, None)."""

Inputs = Mapping[str, FloatArray]
"""A round's inputs: named float64 arrays."""

Arrays = Mapping[str, FloatArray]
"""Named float64 arrays: what a preparation makes of a partition, or what a step gives back."""

HEADROOM = 2.0**56
"""Default public bound on one node's share: leaves room for 128 nodes in the 63 integer bits."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One partition of a node's rows: ``columns`` by name (float64, NaN missing), their ``variables``.

    ``derived`` names the columns that the study derived. ``person`` numbers the people whose rows they are, shape (n,),
    the same in every partition of a node, where the method groups rows by person.
    """

    columns: Mapping[str, FloatArray]
    variables: Mapping[str, Variable]
    rows: int
    derived: frozenset[str] = frozenset()
    person: FloatArray | None = None


@dataclass(frozen=True)
class Output:
    """One declared array of a step.

    ``shape`` holds numbers or names of dimensions that the preparation's ``dimensions`` gives; ``bound`` is a
    public bound on the absolute value of one node's share; ``additive`` is the smallest unit whose shares may
    be added (a partition never splits it); ``disclosure`` is ``protected`` (small totals may appear; hub and
    nodes only), ``intermediate`` (hub only) or ``releasable``; ``governed_by`` names the count that must
    suffice before it leaves.
    """

    name: str
    shape: tuple[int | str, ...]
    disclosure: Literal["protected", "intermediate", "releasable"]
    additive: Literal["row", "person", "cluster", "node"] = "row"
    governed_by: str = "people"
    bound: float = HEADROOM


@dataclass(frozen=True)
class Preparation:
    """From rows to arrays, once per request and node.

    ``reads`` names the expressions (in the formula grammar) that ``build`` needs; ``dimensions`` gives the
    sizes that outputs refer to by name, from the arguments alone; ``exposures`` says what the sums will be
    over, in the same order for every node. ``exposed_by`` names the arguments that determine the exposures
    (``None``: all), so that preparations which share them are counted once.

    Two shortcuts give the same numbers for less work: ``together`` is ``build`` and ``exposures`` in one, and
    ``refine`` makes the arrays from those of the preparation named ``refines``, built for the same arguments
    (it may use their memory, and gives ``None`` where it cannot).

    ``join`` is for steps over the node: it makes one partition of all of a node's, once, in the order in which
    the steps need the rows.
    """

    name: str
    version: int
    reads: Callable[[Arguments], tuple[str, ...]]
    dimensions: Callable[[Arguments, Mapping[str, Variable]], Mapping[str, int]]
    build: Callable[[Frame, Arguments], Arrays]
    exposures: Callable[[Frame, Arguments], tuple[Exposure, ...]]
    exposed_by: tuple[str, ...] | None = None
    together: Callable[[Frame, Arguments], tuple[Arrays, tuple[Exposure, ...]]] | None = None
    refines: str | None = None
    refine: Callable[[Arrays, Arguments, Mapping[str, Variable]], Arrays | None] | None = None
    join: Callable[[Sequence[Arrays]], Arrays] | None = None

    def build_exposed(self, frame: Frame, arguments: Arguments) -> tuple[Arrays, tuple[Exposure, ...]]:
        """The arrays of a partition, and what sums over them are sums over."""
        if self.together is not None:
            return self.together(frame, arguments)
        exposed = self.exposures(frame, arguments)
        return self.build(frame, arguments), exposed


StepFunction = Callable[[Arrays, Inputs], Arrays]
NodeStepFunction = Callable[[Sequence[Arrays], Inputs], Arrays]


@dataclass(frozen=True)
class Step:
    """A pure function to named sums.

    ``compute`` takes one partition when the outputs are additive over rows, persons or clusters, and all of
    a node's partitions when they are additive over nodes. A step with ``weight_names`` returns one array
    more, ``weights``, shape (n, k): the row weights that the inputs put on people. It never leaves the node;
    the gate sees in it inputs that would single out a person. Columns 0 to ``centred`` - 1 are judged by
    their distance from the node's median, the others by their size.
    """

    name: str
    version: int
    preparation: Preparation
    outputs: tuple[Output, ...]
    compute: StepFunction | NodeStepFunction
    weight_names: tuple[str, ...] = ()
    centred: int = 0

    @property
    def over_node(self) -> bool:
        """Whether ``compute`` needs all partitions of a node at once."""
        return any(output.additive == "node" for output in self.outputs)

    def shapes(self, dimensions: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """The outputs' shapes, with named dimensions filled in."""
        return {
            output.name: tuple(dimensions[size] if isinstance(size, str) else size for size in output.shape)
            for output in self.outputs
        }


@dataclass(frozen=True)
class Request:
    """A preparation with its arguments: what every ``sum`` of a plan stands on."""

    arguments: Arguments = field(default_factory=dict)


class Totals(dict[str, FloatArray]):
    """Named totals; ``totals.gram`` is ``totals["gram"]``."""

    def __getattr__(self, name: str) -> FloatArray:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Cohorts(Protocol):
    """What a plan sees of the federation: variables, and sums over all participants."""

    @property
    def variables(self) -> Mapping[str, Variable]:
        """The dictionary's and the study's derived variables."""
        ...

    def sum(self, step: str, request: Request, /, **inputs: FloatArray | float) -> Totals:
        """One round: the totals of a step over all people of the analysis set."""
        ...

    def sum_many(self, step: str, request: Request, rounds: Sequence[Mapping[str, FloatArray]]) -> list[Totals]:
        """Independent rounds of one step, asked together."""
        ...


@dataclass(frozen=True)
class Method:
    """An entry of the catalogue.

    ``complete`` names, from the arguments, the expressions on which a person must be complete to be in the
    analysis set. ``site_release`` says whether a site may give its own result. A method that ``counts_rows``
    shows counts to the researcher, so it is not asked where one person may have many rows. ``by_person`` says, from the
    arguments, whether its steps need to know which rows are one person's. ``arms``: they may lie at different nodes, so
    that a node's sums may be its own release. ``refused`` is what a refusal for disclosure may mean here: it is told
    with every such refusal, whatever the data are, so that it tells of none.
    """

    name: str
    version: int
    title: str
    steps: tuple[Step, ...]
    plan: Callable[[Cohorts, Arguments], Any]
    complete: Callable[[Arguments, Mapping[str, Variable]], tuple[str, ...]]
    site_release: bool = False
    counts_rows: bool = False
    by_person: Callable[[Arguments], bool] | None = None
    arms: bool = False
    refused: str = ""
    citations: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Share:
    """One node's sums of a step, and per partition the row weights behind them (shape (n, k))."""

    sums: Totals
    weights: tuple[FloatArray, ...]


def share(step: Step, partitions: Sequence[Arrays], inputs: Inputs, shapes: Mapping[str, tuple[int, ...]]) -> Share:
    """One node's share of a step: its partitions' sums, added in their fixed order.

    Raises
    ------
    MethodError
        When the step returns arrays it did not declare, or of another shape.
    """
    total = zero_totals(shapes)
    weights = []
    parts = [partitions] if step.over_node else partitions
    for part in parts:
        found = dict(step.compute(part, inputs))  # type: ignore[arg-type]  # over_node decides which it takes
        if step.weight_names:
            weights.append(found.pop("weights"))
        for name, value in _declared(step, found, shapes).items():
            total[name] += value
    return Share(total, tuple(weights))


def joined(preparation: Preparation, partitions: Sequence[Arrays]) -> tuple[Arrays, ...]:
    """A node's partitions as its steps take them: as they are, or joined to one where the preparation says so."""
    if preparation.join is None or not partitions:
        return tuple(partitions)
    return (preparation.join(partitions),)


def zero_totals(shapes: Mapping[str, tuple[int, ...]]) -> Totals:
    """Zeros of the declared shapes: the share of a node without rows."""
    return Totals({name: np.zeros(shape) for name, shape in shapes.items()})


def _declared(step: Step, arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> Totals:
    found = Totals({name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()})
    if {name: value.shape for name, value in found.items()} != dict(shapes):
        raise MethodError(
            f"step {step.name} returned arrays it did not declare",
            why="a step returns exactly its declared outputs, in their declared shapes",
            fix="correct the step or its declaration",
        )
    return found
