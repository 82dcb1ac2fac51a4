"""The revisions of a hub's store."""

__all__: list[str] = []
