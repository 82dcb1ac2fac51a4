from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hansa.stats.fitting.scaling import power_of_two, scale_about_mean, sharpened

FINITE = st.floats(-1e12, 1e12, allow_subnormal=False)


@given(FINITE, FINITE)
def test_the_range_is_scaled_into_minus_one_to_one_and_not_into_half(a: float, b: float) -> None:
    low, high = sorted((a, b))
    if high - low < 1e-6:
        return
    centre, scale = power_of_two((low, high))
    reach = (high - centre) * scale
    assert 0.49 < reach <= 1 + 1e-9
    assert np.frexp(scale)[0] == 0.5


def test_without_a_range_nothing_is_moved() -> None:
    assert power_of_two(None) == (0.0, 1.0)


def test_sharpening_brings_a_tiny_mean_square_near_one() -> None:
    scale = sharpened(np.array([2.0**-30]), np.array([2.0**-60]))
    assert scale.tolist() == [1.0]


def test_sharpening_leaves_good_scales_and_empty_columns_alone() -> None:
    scale = np.array([0.25, 0.25, 0.25])
    assert sharpened(scale, np.array([1.0, 1e-3, np.nan])).tolist() == scale.tolist()


def test_sharpening_looks_closer_where_nothing_was_seen() -> None:
    assert sharpened(np.array([1.0]), np.array([0.0]))[0] > 1


def test_a_column_without_range_or_far_from_it_is_scaled_by_its_mean() -> None:
    scale = scale_about_mean(np.array([1.0, 0.5]), np.array([1e9, -3e4]))
    assert ((scale * [1e9, 3e4] >= 0.5) & (scale * [1e9, 3e4] <= 1)).all()


def test_a_column_within_its_range_keeps_its_scale() -> None:
    assert scale_about_mean(np.array([0.5]), np.array([1.9])).tolist() == [0.5]
