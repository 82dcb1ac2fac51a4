"""Meta-analysis of sites' releases."""
