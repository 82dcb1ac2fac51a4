"""What a steward decides beside a running node: it takes effect at the node's next message."""

from __future__ import annotations

import datetime as dt

from hansa.errors import Refused
from hansa.node.config import NodeFolder
from hansa.node.studies import permit_for, study_of
from hansa.store import NodeStore, StoredStudy

__all__ = ["approve_study", "deny_study", "stop_study"]


def approve_study(folder: NodeFolder, study: str, *, by: str, now: dt.datetime) -> None:
    """A committee's yes to a referred study.

    Raises
    ------
    Refused
        If the study is not known, or was not referred.
    """
    store = NodeStore(folder.store)
    stored = _known(store, study)
    if stored.decision.verdict != "refer":
        raise Refused("only a referred study can be approved", fix="see `hansa node inbox`")
    permit = permit_for(folder.config.name, folder.policy, study_of(stored), stored.envelope, today=now.date())
    store.grant(study, permit, by=by)


def deny_study(folder: NodeFolder, study: str, *, reason: str, by: str) -> None:
    """A no, with its reason, whatever the policy said."""
    store = NodeStore(folder.store)
    _known(store, study)
    store.withdraw_permit(study, by=by)
    store.note_event("denied", study, f"{by}: {reason}")


def stop_study(folder: NodeFolder, study: str, *, by: str) -> None:
    """Withdraw a permit."""
    store = NodeStore(folder.store)
    _known(store, study)
    store.withdraw_permit(study, by=by)


def _known(store: NodeStore, study: str) -> StoredStudy:
    stored = store.study(study)
    if stored is None:
        raise Refused("this study was never submitted here", fix="see `hansa node inbox`")
    return stored
