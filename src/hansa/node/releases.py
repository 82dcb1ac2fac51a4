"""What a node gives away of itself alone: its own estimate as a release, or its share between two totals."""

from __future__ import annotations

import hashlib
import json

from hansa.errors import ProtocolError, Refused
from hansa.model import Study
from hansa.node.context import NodeContext, purpose_key
from hansa.node.run import disclosure_refused
from hansa.node.site import CHECKS, SiteEstimate, estimate
from hansa.node.studies import alone_ok, check_version, permitted
from hansa.privacy.history import given_away
from hansa.privacy.rules import Breach
from hansa.store import LedgerEntry
from hansa.wire import open_message, seal
from hansa.wire.messages import AloneAsked, AloneGranted, SiteAsked, SiteReleased

__all__ = ["grant_alone", "release"]


def release(node: NodeContext, data: bytes) -> bytes:
    """The node's own estimate, signed. An identical question of the same epoch gets the stored answer."""
    _, asked = open_message(data, SiteAsked, node.directory.of("hub"))
    study = permitted(node, asked.study)
    if asked.analysis not in study.analyses or not study.analyses[asked.analysis].sites:
        raise ProtocolError("the study declares no release of sites under this name")
    epoch = node.epoch(study).number
    question = hashlib.sha256(node.question(study, asked.analysis).digest + study.id.encode()).digest()
    stored = node.store.release(question, epoch)
    if stored is not None:
        return stored
    _check_others(node, study, asked)
    leaves = ("estimate of this site", "researcher, signed")
    found = _checked(node, study, asked.analysis, asked.code, run=asked.run, leaves=leaves)
    result = json.dumps(found.result, sort_keys=True).encode()
    message = SiteReleased(node=node.name, study=asked.study, analysis=asked.analysis, result=result, checks=CHECKS)
    envelope = seal(message, node.signer)
    node.store.save_release(question, epoch, asked.study, envelope)
    return envelope


def grant_alone(node: NodeContext, data: bytes) -> AloneGranted:
    """Permission that a run's totals give this node's share away, where the share passes the release rules."""
    _, asked = open_message(data, AloneAsked, node.directory.of("hub"))
    study = permitted(node, asked.study)
    if not alone_ok(node, asked.study):
        raise Refused("this node's share is not given away alone", fix="keep the same nodes in all questions")
    leaves = ("this node's share, between two totals", "hub")
    _checked(node, study, asked.analysis, asked.code, run=asked.run, leaves=leaves)
    question = node.question(study, asked.analysis).digest
    return AloneGranted(node=node.name, study=asked.study, run=asked.run, roster=asked.roster, question=question)


def _check_others(node: NodeContext, study: Study, asked: SiteAsked) -> None:
    """The releases of all that are asked, taken from an earlier total, must not leave few other nodes' share."""
    touched = node.question(study, asked.analysis).touched
    known = [past.roster for past in node.store.populations(release=False) if past.variables & touched]
    alone = (frozenset({name}) for name in asked.roster)
    apart = given_away(known, *alone, limits=node.limits(study))
    if node.name not in asked.roster or apart - set(asked.roster):
        sentence = "the releases asked for and an earlier total would give another node's share away"
        node.note_breaches(study.id, (Breach("node sets", "history", sentence),))
        raise disclosure_refused()


def _checked(
    node: NodeContext, study: Study, analysis: str, code: str, *, run: str, leaves: tuple[str, str]
) -> SiteEstimate:
    """The estimate that passes the release rules; ``leaves`` are what the ledger says leaves, and to whom."""
    check_version(code)
    epoch = node.epoch(study)
    rows = node.select(study, analysis, epoch.people)
    past = node.store.populations(release=True)
    with node.at_work(study.id):
        found = estimate(node.name, rows, past, node.limits(study), epoch=f"{purpose_key(study)} {epoch.number}")
    if found.breaches:
        node.note_breaches(study.id, found.breaches)
        raise disclosure_refused()
    entry = LedgerEntry(
        at=node.now(),
        study=study.id,
        run=run,
        round=None,
        step=rows.question.method.name,
        array=leaves[0],
        shape="",
        disclosure="releasable",
        bytes=len(json.dumps(found.result)),
        receiver=leaves[1],
        checks=" ".join(CHECKS),
    )
    digest = hashlib.sha256(rows.question.digest + run.encode()).digest()
    node.store.record_answer([entry], found.populations, epoch=epoch.number, digest=digest, release=True)
    return found
