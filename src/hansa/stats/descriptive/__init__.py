"""Counts, tables and summaries."""
