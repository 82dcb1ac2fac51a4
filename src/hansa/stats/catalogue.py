"""The methods this installation knows: Hansa's own, and those of packages that offer ``hansa.methods``.

A node runs only what its custodian installed; nothing in a message can add to this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from hansa.errors import MethodError
from hansa.stats import (
    competing,
    control_arm,
    correlation,
    cox,
    crosstab,
    describe,
    effect,
    fine_gray,
    flow,
    glm,
    histogram,
    lmm,
    survival,
    table1,
    validation,
)
from hansa.stats.contract import Method

__all__ = ["catalogue"]

_OWN = (
    *(describe, table1, crosstab, histogram, correlation, flow),
    *(glm, lmm, cox, fine_gray, survival, competing, effect, control_arm, validation),
)


@cache
def catalogue() -> Mapping[str, Method]:
    """Every installed method by name.

    Raises
    ------
    MethodError
        If an installed package offers a method under a name that is taken.

    Examples
    --------
    >>> "glm" in catalogue()
    True
    """
    methods = {module.METHOD.name: module.METHOD for module in _OWN}
    for entry in entry_points(group="hansa.methods"):
        method = entry.load()
        if method.name in methods:
            raise MethodError(f"two methods are called {method.name}", fix=f"uninstall {entry.value} or the other")
        methods[method.name] = method
    return MappingProxyType(methods)
