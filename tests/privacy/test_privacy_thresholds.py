"""Limits are tightened, never loosened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.errors import PolicyError
from hansa.privacy.thresholds import Thresholds, tighten

LARGER = ("group", "cell", "differing", "effective", "p_percent", "min_nodes")
SMALLER = ("parameters_per_person", "dominance")


@given(st.sampled_from(LARGER), st.integers(1, 50))
def test_a_larger_limit_is_tighter(name: str, more: int) -> None:
    base = Thresholds()
    wanted = getattr(base, name) + more
    tightened = tighten(base, {name: wanted})
    assert getattr(tightened, name) == wanted
    with pytest.raises(PolicyError, match="loosened"):
        tighten(tightened, {name: getattr(base, name)})


@given(st.sampled_from(SMALLER), st.floats(0.1, 0.9))
def test_a_smaller_share_is_tighter(name: str, factor: float) -> None:
    base = Thresholds()
    tightened = tighten(base, {name: getattr(base, name) * factor})
    assert getattr(tightened, name) < getattr(base, name)
    with pytest.raises(PolicyError, match="loosened"):
        tighten(tightened, {name: getattr(base, name)})


def test_limits_not_named_stay() -> None:
    assert tighten(Thresholds(), {"cell": 8}).model_dump() == {**Thresholds().model_dump(), "cell": 8}


@pytest.mark.parametrize(
    "wanted",
    [{"unknown": 1}, {"cell": 1}, {"cell": "many"}, {"min_nodes": 2}, {"dominance": float("nan")}],
    ids=str,
)
def test_what_is_no_limit_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(PolicyError):
        tighten(Thresholds(), wanted)
