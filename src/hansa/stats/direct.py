"""Steps and plans driven directly, without a federation around them.

A node runs a site's own estimate this way (the same plan over its own rows), and tests drive methods so.
It checks nothing: whoever calls it holds all the rows and answers for what becomes of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hansa.errors import MethodError
from hansa.model import Variable
from hansa.model.exposure import FloatArray
from hansa.stats.contract import Arrays, Frame, Method, Request, Step, Totals, joined, share, zero_totals

__all__ = ["DirectCohorts"]


class DirectCohorts:
    """``Cohorts`` over frames held in this process: ``nodes[i][j]`` is partition j of node i."""

    def __init__(self, method: Method, nodes: Sequence[Sequence[Frame]], variables: Mapping[str, Variable]) -> None:
        self._steps = {step.name: step for step in method.steps}
        self._nodes = nodes
        self._variables = variables
        self._prepared: dict[str, list[tuple[Arrays, ...]]] = {}

    @property
    def variables(self) -> Mapping[str, Variable]:
        """The variables a plan may name."""
        return self._variables

    def sum(self, step: str, request: Request, /, **inputs: FloatArray | float) -> Totals:
        """The totals of one step over all nodes, added in their order."""
        found = self._step(step)
        shapes = found.shapes(found.preparation.dimensions(request.arguments, self._variables))
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
        total = zero_totals(shapes)
        for partitions in self._partitions(found, request):
            if partitions:
                for name, value in share(found, partitions, arrays, shapes).sums.items():
                    total[name] += value
        return total

    def sum_many(self, step: str, request: Request, rounds: Sequence[Mapping[str, FloatArray]]) -> list[Totals]:
        """Each round's totals."""
        return [self.sum(step, request, **inputs) for inputs in rounds]

    def _step(self, name: str) -> Step:
        try:
            return self._steps[name]
        except KeyError:
            raise MethodError(f"the method has no step {name}", fix=f"one of {sorted(self._steps)}") from None

    def _partitions(self, step: Step, request: Request) -> list[tuple[Arrays, ...]]:
        key = f"{step.preparation.name} {request.arguments!r}"
        if key not in self._prepared:
            self._prepared[key] = [
                joined(
                    step.preparation,
                    [step.preparation.build(frame, request.arguments) for frame in frames if frame.rows],
                )
                for frames in self._nodes
            ]
        return self._prepared[key]
