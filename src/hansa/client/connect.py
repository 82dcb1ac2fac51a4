"""``hansa.connect``: a league on other machines, used as ``hansa.local`` is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from hansa.client.identity import open_identity
from hansa.client.league import League, Submitted
from hansa.client.remote import RemoteHub
from hansa.client.results import View, read_outcome, read_sites

__all__ = ["RemoteLeague", "connect"]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class RemoteLeague(League):
    """A league behind its hub's interface. ``remote`` is that interface, for runs that are left and picked up."""

    def __init__(self, remote: RemoteHub, identity: str | Path) -> None:
        who = open_identity(identity, now=_now())
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


def connect(url: str = "", identity: str | Path = "identity") -> RemoteLeague:
    """The league of an identity.

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
        If the charter in it is not by the root that was agreed first.
    """
    who = open_identity(identity, now=_now())
    charter = who.charter.charter
    remote = RemoteHub(url or charter.api, who.signer, audience=charter.league, authority=who.authority)
    return RemoteLeague(remote, identity)
