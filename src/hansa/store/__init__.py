"""Tables, queries and migrations of nodes and the hub."""

from hansa.store.hub_store import HubStore
from hansa.store.jobs import Job
from hansa.store.node_store import LedgerEntry, NodeStore, StoredStudy

__all__ = ["HubStore", "Job", "LedgerEntry", "NodeStore", "StoredStudy"]
