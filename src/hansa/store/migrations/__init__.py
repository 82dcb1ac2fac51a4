"""How the tables of stores came to be what they are: one folder a kind of store, one file a revision."""

__all__: list[str] = []
