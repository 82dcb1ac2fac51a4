"""The methods this installation knows: Hansa's own, and those of packages that offer ``hansa.methods``.

A node runs only what its custodian installed; nothing in a message can add to this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from hansa.errors import MethodError
from hansa.stats.competing.plan import METHOD as COMPETING
from hansa.stats.contract import Method
from hansa.stats.control_arm.plan import METHOD as CONTROL_ARM
from hansa.stats.cox.plan import METHOD as COX
from hansa.stats.descriptive.correlation import METHOD as CORRELATION
from hansa.stats.descriptive.crosstab import METHOD as CROSSTAB
from hansa.stats.descriptive.describe import METHOD as DESCRIBE
from hansa.stats.descriptive.flow import METHOD as FLOW
from hansa.stats.descriptive.histogram import METHOD as HISTOGRAM
from hansa.stats.descriptive.table1 import METHOD as TABLE1
from hansa.stats.effect.plan import METHOD as EFFECT
from hansa.stats.fine_gray.plan import METHOD as FINE_GRAY
from hansa.stats.glm.plan import METHOD as GLM
from hansa.stats.lmm.plan import METHOD as LMM
from hansa.stats.survival.plan import METHOD as SURVIVAL
from hansa.stats.validation.plan import METHOD as VALIDATION

__all__ = ["catalogue"]

_OWN = (
    *(DESCRIBE, TABLE1, CROSSTAB, HISTOGRAM, CORRELATION, FLOW),
    *(GLM, LMM, COX, FINE_GRAY, SURVIVAL, COMPETING, EFFECT, CONTROL_ARM, VALIDATION),
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
    methods = {method.name: method for method in _OWN}
    for entry in entry_points(group="hansa.methods"):
        method = entry.load()
        if method.name in methods:
            raise MethodError(f"two methods are called {method.name}", fix=f"uninstall {entry.value} or the other")
        methods[method.name] = method
    return MappingProxyType(methods)
