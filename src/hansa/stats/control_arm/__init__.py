"""Synthetic control arms: a single-arm trial against external controls."""
