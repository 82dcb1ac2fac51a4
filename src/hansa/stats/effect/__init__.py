"""Causal contrasts, and the propensity scores behind them."""
