"""The revisions of a node's store."""

__all__: list[str] = []
