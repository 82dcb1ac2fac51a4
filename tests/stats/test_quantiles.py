from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.model.exposure import FloatArray
from hansa.stats.descriptive.quantiles import (
    BINS,
    Bin,
    Quantile,
    bin_counts,
    bracketed,
    first_edges,
    order_statistics,
    quantile,
    ranks_of,
    search_for,
)

SMALLEST = 10


def found(
    values: FloatArray,
    probability: float,
    range_: tuple[float, float] | None,
    rounds: list[FloatArray] | None = None,
) -> tuple[Quantile, list[Bin | None]]:
    edges = first_edges(range_, float(values.mean()), float(values.std()))
    searches = [search_for(rank, edges) for rank in ranks_of(probability, values.size)[:2]]

    def count(edges: FloatArray) -> FloatArray:
        if rounds is not None:
            rounds.append(edges)
        return bin_counts(values, edges)

    low, high = order_statistics(count, searches, SMALLEST)
    return quantile(probability, values.size, (low, high)), [low, high]


def holds(values: FloatArray, result: Quantile) -> None:
    true = float(np.quantile(values, result.probability, method="linear"))
    assert result.estimate is not None
    assert result.error_bound is not None
    assert abs(result.estimate - true) <= result.error_bound + 1e-9 * max(1.0, abs(true))


VALUES = st.one_of(
    st.lists(st.floats(-100, 300), min_size=40, max_size=300),
    st.lists(st.integers(0, 4).map(float), min_size=40, max_size=300),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 3.7, 1e5, -1e5]), min_size=40, max_size=300),
    st.lists(st.floats(1e9, 1e9 + 1), min_size=40, max_size=100),
)
RANGES = st.sampled_from([None, (0.0, 1.0), (0.0, 200.0), (-50.0, 1e6), (1e9, 1e9 + 2)])


@settings(max_examples=150, deadline=None)
@given(VALUES, RANGES, st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95]))
def test_the_bound_holds_and_no_bin_holds_few(
    values: list[float], range_: tuple[float, float] | None, probability: float
) -> None:
    data = np.array(values)
    if not bracketed(probability, data.size, SMALLEST):
        return
    result, bins = found(data, probability, range_)
    if result.estimate is None:
        return
    for part in bins:
        assert part is not None
        assert ((data >= part.lower) & (data < part.upper)).sum() == part.inside >= SMALLEST
        assert (data < part.lower).sum() == part.below
        assert (data >= part.upper).sum() == part.above
    holds(data, result)


@pytest.mark.parametrize("probability", [0.05, 0.25, 0.5, 0.75, 0.95])
def test_a_smooth_distribution_is_found_closely_in_few_rounds(probability: float) -> None:
    values = np.random.default_rng(1).normal(120, 15, 100_000)
    rounds: list[FloatArray] = []
    result, bins = found(values, probability, (60.0, 260.0), rounds)
    holds(values, result)
    assert result.error_bound is not None
    assert result.error_bound < 0.1
    assert len(rounds) <= 4
    assert all(part is not None and part.inside < 100 for part in bins)


def test_a_value_shared_by_many_is_given_exactly() -> None:
    values = np.repeat([1.0, 2.5, 7.3], [100, 300, 100])
    result, _ = found(values, 0.5, (0.0, 10.0))
    assert result.estimate == 2.5
    assert result.error_bound is not None
    assert result.error_bound < 1e-6


def test_a_median_between_two_shared_values_is_their_mean() -> None:
    result, _ = found(np.repeat([0.0, 1.0], 50), 0.5, (-1.0, 2.0))
    assert result.estimate == 0.5


def test_nodes_of_different_scales_and_values_beyond_the_range_are_found() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(10, 1, 500), rng.normal(4000, 50, 500), rng.normal(-900, 5, 500)])
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        result, _ = found(values, probability, (0.0, 20.0))
        holds(values, result)
        assert result.error_bound is not None
        assert result.error_bound < 100


def test_a_bin_beside_a_shared_value_does_not_close_in_on_a_single_person() -> None:
    values = np.concatenate([[62.9] * 12 + [62.987654], np.full(500, 63.0), np.full(486, 70.0)])
    _, bins = found(values, 12.5 / (values.size - 1), (18.0, 100.0))
    assert bins[0] is not None
    assert bins[1] is not None
    assert bins[0].inside >= SMALLEST
    assert bins[0].width > 0.01
    assert bins[1].width < 1e-6


def test_edges_do_not_depend_on_where_single_people_are() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, 400)
    moved = values.copy()
    moved[values.argmax()] += 0.001
    for probability in (0.25, 0.5):
        assert found(values, probability, (-8.0, 8.0))[1] == found(moved, probability, (-8.0, 8.0))[1]


def test_a_position_that_would_tell_of_few_people_beyond_is_the_midpoint() -> None:
    few = Bin(0.0, 10.0, below=3, inside=20, above=100, point=False)
    assert quantile(0.05, 123, (few, few)).estimate == 5.0


def test_too_few_people_give_no_quantile() -> None:
    result, _ = found(np.arange(9.0), 0.5, (0.0, 10.0))
    assert result == Quantile(0.5, None, None)


def test_values_astronomically_beyond_the_range_give_no_quantile_rather_than_a_wrong_one() -> None:
    assert found(np.full(100, 1e300), 0.5, (0.0, 1.0))[0].estimate is None


def test_bins_are_closed_on_the_left() -> None:
    assert bin_counts(np.array([1.0]), np.array([0.0, 1.0, 2.0])).tolist() == [0.0, 0.0, 1.0, 0.0]


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_the_ranks_interpolate_as_numpy_does(probability: float, n: int) -> None:
    low, high, weight = ranks_of(probability, n)
    mean = (1 - weight) * low + weight * high
    assert math.isclose(mean, float(np.quantile(np.arange(n), probability)), rel_tol=1e-9, abs_tol=1e-9)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e6), RANGES)
def test_the_first_grid_rises_strictly(mean: float, sd: float, range_: tuple[float, float] | None) -> None:
    edges = first_edges(range_, mean, 0.0 if sd < 1e-9 * abs(mean) else sd)
    assert edges.shape == (BINS + 1,)
    assert (np.diff(edges) > 0).all()
