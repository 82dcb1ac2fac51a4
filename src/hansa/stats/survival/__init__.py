"""Survival curves, tests between them, restricted means."""
