"""The hub: studies, runs, plans over sums, and the log."""
