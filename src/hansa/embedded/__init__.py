"""Hub, nodes and researcher in one process."""
