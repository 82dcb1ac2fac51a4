"""Synthetic control arms: a single-arm trial against external controls."""

from hansa.stats.control_arm.plan import METHOD

__all__ = ["METHOD"]
