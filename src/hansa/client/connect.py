"""``hansa.connect``: a league on other machines, used as ``hansa.local`` is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from hansa.client.identity import Identity, open_identity
from hansa.client.league import League, Submitted
from hansa.client.remote import RemoteHub
from hansa.client.results import View, read_outcome, read_sites
from hansa.errors import Refused, StudyError, Unreachable
from hansa.wire.charter import KnownCharter, read_charter
from hansa.wire.folder import keep_charter

__all__ = ["RemoteLeague", "connect"]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class RemoteLeague(League):
    """A league behind its hub's interface. ``remote`` is that interface, for runs that are left and picked up.

    In a ``with`` statement it is closed at the end.
    """

    def __init__(self, remote: RemoteHub, who: Identity) -> None:
        super().__init__(remote, signer=who.signer, requester=who.party, clock=_now)
        self.remote = remote

    def submitted(self, study: str) -> Submitted:
        """A study that was submitted before, from wherever."""
        return Submitted(self.remote, self.remote.study(study), self.remote.decisions(study), self)

    def results(self, run: str) -> View:
        """What came of a run, from wherever it was started.

        Raises
        ------
        HansaError
            Of a failed run its own error; a :class:`hansa.errors.StudyError` of one that is not over.
        """
        state = self.remote.state(run)
        study, outcome = self.submitted(state.study), self.remote.results(run)
        if study.study.analyses[state.analysis].sites:
            return read_sites(outcome.result, study, state.analysis, outcome=outcome)
        return read_outcome(outcome, study, state.analysis)

    def close(self) -> None:
        """Let go of the connections; runs go on at the hub."""
        self.remote.close()

    def __enter__(self) -> RemoteLeague:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(url: str = "", identity: str | Path = "identity") -> RemoteLeague:
    """The league of an identity, by the newest charter: a newer one of the hub's is kept in the identity's folder.

    Parameters
    ----------
    url : str
        The hub's address; as the charter has it, where none is given.
    identity : path
        A folder that ``hansa identity init`` made, whose request the league's members have admitted.

    Raises
    ------
    StoreError
        If there is no identity in the folder.
    SignatureInvalid
        If the charter in it, or that of the hub, is not by the root that was agreed first.
    """
    home = Path(identity)
    who = open_identity(home, now=_now())
    remote = _remote(url, who)
    try:
        newer = _newer_charter(remote, who)
        if newer is not None:
            keep_charter(home, newer)
            remote.close()
            who = open_identity(home, now=_now())
            remote = _remote(url, who)
    except BaseException:
        remote.close()
        raise
    return RemoteLeague(remote, who)


def _remote(url: str, who: Identity) -> RemoteHub:
    charter = who.charter.charter
    return RemoteHub(url or charter.api, who.signer, audience=charter.league, authority=who.authority)


def _newer_charter(remote: RemoteHub, who: Identity) -> KnownCharter | None:
    """The hub's charter, if it is newer than ours.

    A hub that is away, does not know us, or is of a release that gives no charter changes nothing here: what is asked
    of it next will say so.
    """
    try:
        sealed = remote.charter()
    except (Unreachable, Refused, StudyError):
        return None
    ours = who.charter.charter
    known = read_charter(sealed, now=_now(), root=ours.root)
    return known if known.charter.charter_version > ours.charter_version else None
