from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from client_cases import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hansa.client.plots import (
    Box,
    CalibrationGroup,
    FlowStep,
    Forest,
    ForestRow,
    Matrix,
    Plot,
    box_plot,
    calibration_plot,
    flow_plot,
    forest_plot,
    histogram_plot,
    love_plot,
    matrix_plot,
)

DATA = pd.DataFrame({"x": [1.0]})


def forest(*rows: ForestRow, ratio: bool = True) -> Plot:
    drawn = Forest(rows, "odds ratio", "age", 0.95, ratio, 1.0 if ratio else 0.0, "2 of 3 sites.")
    return forest_plot(drawn, DATA)


def hostile_matrix() -> Plot:
    return matrix_plot(
        Matrix([[40.0], [None]], [[HOSTILE], ["–"]], [HOSTILE, "b"], [HOSTILE], HOSTILE, HOSTILE, (0, 100)), DATA
    )


PICTURES: dict[str, Callable[[], Plot]] = {
    "forest": lambda: forest(
        ForestRow(HOSTILE, 1.05, 1.01, 1.1, 60.0),
        ForestRow("b", reason=f"refused: {HOSTILE}"),
        ForestRow("all", 1.05, 1.01, 1.1, kind="pooled"),
        ForestRow("next", None, 0.9, 1.2, kind="prediction"),
    ),
    "love": lambda: love_plot([HOSTILE, "b"], [0.3, None], DATA),
    "histogram": lambda: histogram_plot([0, 1, 3], [5, 10], DATA, label=HOSTILE, unit=HOSTILE),
    "matrix": hostile_matrix,
    "flow": lambda: flow_plot([FlowStep("all"), FlowStep(HOSTILE, HOSTILE)], DATA),
    "calibration": lambda: calibration_plot([CalibrationGroup(0.1, 0.2, 0.1, 0.3)], [HOSTILE], DATA),
    "boxes": lambda: box_plot([Box(HOSTILE, (1, 2, 3, 4, 5)), Box("b", (None,) * 5)], DATA, label=HOSTILE),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_drawn_whatever_the_names_hold(name: str, tmp_path: Path) -> None:
    plot = PICTURES[name]()
    assert plot.save(tmp_path / "picture.png", dpi=60).read_bytes().startswith(b"\x89PNG")
    assert "<script" not in plot._repr_svg_()
    assert plot._repr_png_().startswith(b"\x89PNG")
    assert plot.data is DATA


def test_axes_that_are_given_are_drawn_on() -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots(2)
    plot = histogram_plot([0, 1, 2], [5, 10], DATA, label="x", unit="", ax=axes[1])
    assert plot.axes is axes[1]
    assert plot.figure is figure
    assert not axes[0].patches


def test_pictures_touch_no_global_state() -> None:
    code = (
        "import sys, pandas, matplotlib; before = matplotlib.rcParams.copy();"
        "from hansa.client.plots import love_plot;"
        "love_plot(['a'], [0.2], pandas.DataFrame())._repr_svg_();"
        "assert 'matplotlib.pyplot' not in sys.modules;"
        "assert before == matplotlib.rcParams.copy()"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_importing_results_loads_neither_pandas_nor_matplotlib() -> None:
    code = (
        "import sys, hansa.client.results;"
        "assert not {'pandas', 'matplotlib', 'docx'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- forest -------------------------------------------------------------------------------------------------


def squares(plot: Plot) -> dict[float, float]:
    """The sides of the squares by row."""
    return {
        float(line.get_ydata()[0]): float(line.get_markersize())  # type: ignore[index,arg-type]  # drawn as lists
        for line in plot.axes.lines
        if line.get_marker() == "s"
    }


def test_areas_of_squares_go_with_weights() -> None:
    rows = [ForestRow(str(w), 1.0, 0.9, 1.1, w) for w in (60.0, 30.0, 10.0)]
    sides = squares(forest(*rows))
    assert sides[1] ** 2 / sides[0] ** 2 == pytest.approx(0.5)
    assert sides[2] ** 2 / sides[0] ** 2 == pytest.approx(1 / 6)


def test_a_site_without_information_does_not_squeeze_the_others() -> None:
    plot = forest(
        ForestRow("a", 1.05, 1.0, 1.1, 60.0),
        ForestRow("b", 1.02, 0.97, 1.07, 39.9),
        ForestRow("c", 9.0, 1e-9, 1e9, 0.1),
    )
    low, high = plot.axes.get_xlim()
    assert high / low < 1.5
    assert [line.get_marker() for line in plot.axes.lines].count(">") == 1


def test_pooled_intervals_are_shown_whole() -> None:
    plot = forest(ForestRow("a", 1.05, 1.0, 1.1, 100.0), ForestRow("all", 1.05, 0.92, 1.2, kind="pooled"))
    low, high = plot.axes.get_xlim()
    assert low < 0.92
    assert high > 1.2


@settings(max_examples=25)
@given(
    st.lists(st.text("abcdefgh_ W", min_size=1, max_size=30), min_size=1, max_size=5),
    st.floats(-3, 3),
    st.floats(0.01, 2.0),
    st.booleans(),
)
def test_no_texts_of_a_forest_overlap(labels: list[str], middle: float, half: float, ratio: bool) -> None:
    scale = math.exp if ratio else float
    rows = [ForestRow(label, scale(middle), scale(middle - half), scale(middle + half), 50.0) for label in labels]
    plot = forest(*rows, ratio=ratio)
    renderer = plot.figure.canvas.get_renderer()  # type: ignore[attr-defined]  # the Agg canvas has one
    left = [label.get_window_extent(renderer) for label in plot.axes.get_yticklabels()]
    cells = [text.get_window_extent(renderer) for text in plot.axes.texts if text.get_text()]
    middle_box = plot.axes.get_window_extent(renderer)
    assert all(box.x1 <= middle_box.x0 for box in left)
    assert all(box.x0 >= middle_box.x1 for box in cells)
    assert not any(a.overlaps(b) for i, a in enumerate(cells) for b in cells[:i])
    assert all(box.x0 >= 0 and box.x1 <= plot.figure.bbox.x1 for box in (*left, *cells))


# --- flow, matrix, histogram --------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.text("ab cd", min_size=1, max_size=120).filter(str.strip), st.text("ab cd", max_size=120)),
        min_size=1,
        max_size=5,
    )
)
def test_boxes_of_a_flow_diagram_do_not_overlap_and_stay_inside(texts: list[tuple[str, str]]) -> None:
    plot = flow_plot([FlowStep("everybody"), *(FlowStep(kept, out) for kept, out in texts)], DATA)
    boxes = [patch.get_bbox() for patch in plot.axes.patches if isinstance(patch, Rectangle)]
    bottom, top = plot.axes.get_ylim()
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(top <= box.y0 and box.y1 <= bottom for box in boxes)


def test_areas_of_merged_bins_are_their_counts() -> None:
    plot = histogram_plot([0, 1, 3], [5, 10], DATA, label="x", unit="")
    areas = [bar.get_width() * bar.get_height() for bar in plot.axes.patches if isinstance(bar, Rectangle)]
    assert areas == [5, 10]


def test_blank_cells_are_hatched() -> None:
    cells = [patch for patch in hostile_matrix().axes.patches if isinstance(patch, Rectangle)]
    assert [bool(cell.get_hatch()) for cell in cells] == [False, True]
