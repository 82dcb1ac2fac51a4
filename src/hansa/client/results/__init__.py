"""Results as the researcher holds them."""

from hansa.client.results.reading import read_outcome, read_sites
from hansa.client.results.view import View

__all__ = ["View", "read_outcome", "read_sites"]
