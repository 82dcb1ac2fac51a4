"""How well a model predicts elsewhere."""
