"""Pictures of results; each comes with the numbers it shows."""

from hansa.client.plots.plot import Plot

__all__ = ["Plot"]
