"""How rounds travel, and the journal by which a plan is resumed and replayed."""

from hansa.engine.journal import Journal, JournalEntry, replay, request_digest
from hansa.engine.outcome import HubGateway, Outcome, Progress, SiteAnswer
from hansa.engine.transport import InProcess, Transport

__all__ = [
    "HubGateway",
    "InProcess",
    "Journal",
    "JournalEntry",
    "Outcome",
    "Progress",
    "SiteAnswer",
    "Transport",
    "replay",
    "request_digest",
]
