"""Synthetic cohorts: deterministic frames of people who do not exist, with the dictionary that describes them.

The same arguments give the same frames on every machine, so that a test can name a person and say what is
known about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hansa.model import Dictionary, Variable

__all__ = ["LEVELS", "SyntheticCohorts", "synthetic_cohorts", "synthetic_dictionary"]

LEVELS = ("none", "former", "current")
"""The levels of ``smoking``, the reference first."""

_DEFAULT_SIZES = {"aachen": 100, "bergen": 100, "cadiz": 100, "delft": 100}


@dataclass(frozen=True, eq=False)
class SyntheticCohorts:
    """Frames by node name, and their dictionary."""

    frames: Mapping[str, pd.DataFrame]
    dictionary: Dictionary

    @property
    def pooled(self) -> pd.DataFrame:
        """All rows in one frame, for comparison with the federated answer."""
        return pd.concat(list(self.frames.values()), ignore_index=True)

    def with_person(self, node: str, **values: float | str) -> SyntheticCohorts:
        """The same cohorts with the first row of a node replaced: somebody a test may look for.

        Examples
        --------
        >>> cohorts = synthetic_cohorts().with_person("aachen", age=99)
        >>> int(cohorts.frames["aachen"].loc[0, "age"])
        99
        """
        frame = self.frames[node].copy()
        for name, value in values.items():
            frame.loc[0, name] = value
        return SyntheticCohorts({**self.frames, node: frame}, self.dictionary)


def synthetic_dictionary(*, many_rows: bool = False, scale: float = 1.0) -> Dictionary:
    """The dictionary of :func:`synthetic_cohorts`; ``scale`` multiplies the range of ``marker``."""
    return Dictionary(
        title="Synthetic cohorts",
        person="person" if many_rows else None,
        one_row_per_person=not many_rows,
        variables=(
            Variable(name="age", type="integer", unit="years", range=(18, 110)),
            Variable(name="marker", type="number", unit="mg/L", range=(0, 400 * scale)),
            Variable(name="pressure", type="number", unit="mmHg", range=(40, 260)),
            Variable(name="sex", type="category", levels=("male", "female")),
            Variable(name="smoking", type="category", levels=LEVELS),
            Variable(name="ill", type="boolean"),
        ),
    )


def synthetic_cohorts(
    sizes: Mapping[str, int] | None = None,
    *,
    seed: int = 0,
    effect: float = 0.04,
    missing: float = 0.0,
    rows_per_person: int = 1,
    scale: float = 1.0,
    smoking: Sequence[float] = (0.5, 0.3, 0.2),
) -> SyntheticCohorts:
    """Cohorts of given sizes; ``ill`` depends on ``age`` through a logistic model.

    Parameters
    ----------
    sizes : mapping from node name to number of people, optional
        Four nodes of 100 people by default. Zero is allowed.
    seed : int
    effect : float
        The log odds ratio of ``ill`` per year of ``age``.
    missing : float
        The share of ``marker`` and ``pressure`` that is missing at random.
    rows_per_person : int
        Above one, a ``person`` column repeats and the dictionary says so.
    scale : float
        Multiplies ``marker`` (1e12 or 1e-12 look for lost digits and lost headroom).
    smoking : sequence of float
        How frequent the three levels are.

    Examples
    --------
    >>> cohorts = synthetic_cohorts({"a": 3, "b": 2, "c": 2})
    >>> [len(frame) for frame in cohorts.frames.values()]
    [3, 2, 2]
    >>> bool(synthetic_cohorts().pooled.equals(synthetic_cohorts().pooled))
    True
    """
    chosen = _DEFAULT_SIZES if sizes is None else sizes
    frames = {}
    for place, (node, people) in enumerate(chosen.items()):
        random = np.random.default_rng([seed, place])
        frame = _frame(random, people, effect=effect, scale=scale, smoking=smoking)
        frame = frame.loc[frame.index.repeat(rows_per_person)].reset_index(drop=True)
        for name in ("marker", "pressure"):
            frame.loc[random.random(len(frame)) < missing, name] = np.nan
        if rows_per_person > 1:
            frame.insert(0, "person", [f"{node}-{row // rows_per_person}" for row in range(len(frame))])
        frames[node] = frame
    return SyntheticCohorts(frames, synthetic_dictionary(many_rows=rows_per_person > 1, scale=scale))


def _frame(
    random: np.random.Generator, people: int, *, effect: float, scale: float, smoking: Sequence[float]
) -> pd.DataFrame:
    age = random.integers(30, 70, people)
    risk = 1 / (1 + np.exp(-effect * (age - 50)))
    return pd.DataFrame(
        {
            "age": age,
            "marker": np.clip(np.round(random.normal(200, 30, people), 1), 0, 400) * scale,
            "pressure": np.round(random.normal(130, 15, people)),
            "sex": random.choice(["male", "female"], people),
            "smoking": random.choice(list(LEVELS), people, p=np.asarray(smoking) / np.sum(smoking)),
            "ill": random.random(people) < risk,
        }
    )
