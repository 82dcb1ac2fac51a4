"""Hansa: health-data cohorts answer questions together without a record leaving home."""

__version__ = "0.1.0"
