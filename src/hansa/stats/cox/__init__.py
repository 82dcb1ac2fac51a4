"""Cox models, with a baseline hazard for each node or one for all."""
