"""Tables, queries and migrations of nodes and the hub."""

from hansa.store.hub_store import HubStore
from hansa.store.node_store import LedgerEntry, NodeStore, StoredEpoch, StoredStudy

__all__ = ["HubStore", "LedgerEntry", "NodeStore", "StoredEpoch", "StoredStudy"]
