"""Pictures of results; each comes with the numbers it shows."""

from hansa.client.plots.bars import histogram_plot
from hansa.client.plots.boxes import Box, box_plot
from hansa.client.plots.calibration import CalibrationGroup, calibration_plot
from hansa.client.plots.flow import FlowStep, flow_plot
from hansa.client.plots.forest import Forest, ForestRow, forest_plot
from hansa.client.plots.funnel import FunnelPlot, funnel_plot
from hansa.client.plots.love import love_plot
from hansa.client.plots.matrix import Matrix, matrix_plot
from hansa.client.plots.plot import Plot

__all__ = [
    "Box",
    "CalibrationGroup",
    "FlowStep",
    "Forest",
    "ForestRow",
    "FunnelPlot",
    "Matrix",
    "Plot",
    "box_plot",
    "calibration_plot",
    "flow_plot",
    "forest_plot",
    "funnel_plot",
    "histogram_plot",
    "love_plot",
    "matrix_plot",
]
