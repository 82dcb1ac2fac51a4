"""Hansa: health-data cohorts answer questions together without a record leaving home."""
