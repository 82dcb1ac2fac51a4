"""Studies at a node: received, decided, permitted, approved by people, stopped."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from functools import lru_cache

from hansa.errors import ProtocolError, Refused, StudyError
from hansa.governance import Policy, decide, policy_label
from hansa.model import Decision, Finding, Permit, Study, strictest
from hansa.node.context import NodeContext
from hansa.stats.question import Question
from hansa.store import StoredStudy
from hansa.version import __version__, works_with
from hansa.wire import decode, open_message, peek
from hansa.wire.messages import DecisionMade, StudySubmitted

__all__ = ["approve", "decide_study", "permit_for", "permitted", "stop", "study_of"]


def decide_study(node: NodeContext, data: bytes) -> DecisionMade:
    """Verify who asks, check every question of the study, evaluate the policy, and keep both.

    The same study again gets the stored decision.

    Raises
    ------
    SignatureInvalid
        If no certified researcher signed these bytes.
    StudyError
        Naming the field of the study that is wrong.
    """
    researcher, message = open_message(data, StudySubmitted, node.directory.of("researcher"))
    study = message.read()
    _check_requester(node, researcher, study)
    known = node.store.study(study.id)
    if known is not None:
        if known.envelope != data:
            raise ProtocolError("another study was submitted under this id", fix="give it an id of its own")
        return _made(known)
    for analysis in study.analyses:
        _check_variables(node.question(study, analysis), analysis)
    decision = _decided(node, study)
    today, name, policy = node.clock().date(), node.name, node.settings.policy
    permit = permit_for(name, policy, study, data, today=today) if decision.verdict == "permit" else None
    node.store.save_study(data, decision, permit)
    return _made(StoredStudy(data, decision, permit, 0))


def approve(node: NodeContext, study: str, *, by: str) -> None:
    """A committee's yes to a referred study.

    Raises
    ------
    Refused
        If the policy denied the study, or permits it already.
    """
    stored = _stored(node, study)
    if stored.decision.verdict != "refer":
        raise Refused("only a referred study can be approved", fix="submit a study that meets the policy")
    today, policy = node.clock().date(), node.settings.policy
    node.store.grant(study, permit_for(node.name, policy, study_of(stored), stored.envelope, today=today), by=by)


def stop(node: NodeContext, study: str, *, by: str) -> None:
    """Withdraw the permit: no round of this study is answered from now on."""
    _stored(node, study)
    node.store.withdraw_permit(study, by=by)


def permitted(node: NodeContext, study: str, *, roster: Sequence[str] = ()) -> Study:
    """A study whose permit holds now; checked again at every use.

    Raises
    ------
    Refused
        If there is no permit, it is not valid today, or its rounds are used up.
    ProtocolError
        If the study was never submitted here, or the roster names cohorts that it does not.
    """
    stored = _stored(node, study)
    permit = stored.permit
    if permit is None:
        raise Refused("this node has given no permit for the study", fix="see its decision")
    if not permit.valid_from <= node.clock().date() <= permit.valid_until:
        raise Refused("the permit is not valid today", fix="ask the custodian to renew it")
    if permit.study_hash != hashlib.sha256(stored.envelope).hexdigest():
        raise ProtocolError("the permit is for another version of the study")
    if stored.rounds_used >= permit.rounds:
        raise Refused("the permit's rounds are used up", fix="ask the custodian for more", reason="budget")
    found = study_of(stored)
    if set(roster) - set(found.cohorts):
        raise ProtocolError("the roster names a cohort that the study does not")
    return found


def check_version(hub: str) -> None:
    """Refuse a run of a hub that works differently.

    Raises
    ------
    ProtocolError
        With both versions.
    """
    if not works_with(hub):
        raise ProtocolError(
            "the hub runs another version of the methods",
            why=f"this node runs {__version__}, which answers releases of the same major.minor",
            fix="update hub or node",
        )


def alone_ok(node: NodeContext, study: str) -> bool:
    """Whether totals may give this node's share of the study away."""
    permit = _stored(node, study).permit
    return permit is not None and permit.alone_ok


def study_of(stored: StoredStudy) -> Study:
    """The study inside its envelope, which was verified when it was stored."""
    return _study_in(stored.envelope)


@lru_cache(maxsize=64)
def _study_in(envelope: bytes) -> Study:
    return Study.model_validate_json(decode(peek(envelope).payload)["study"])


def _decided(node: NodeContext, study: Study) -> Decision:
    """The policy's decision, and the one rule that looks at the requester's past."""
    found = decide(node.settings.policy, study, node.clock().date(), node.settings.facts)
    findings = (*found.findings, _earlier_refusals(node, study))
    verdict = strictest((found.verdict, findings[-1].verdict))
    changes = {"findings": findings, "verdict": verdict, "node": node.name}
    return found.model_copy(update={**changes, "policy": policy_label(node.settings.policy)})


def _earlier_refusals(node: NodeContext, study: Study) -> Finding:
    """Who is refused again and again may be looking for a way around the rules: people decide."""
    refused = {(at, name) for at, event, name, _ in node.store.events() if event == "refused"}
    count = sum(_requester(node, name) == study.requester.name for _, name in refused)
    few = count < node.settings.refusals
    return Finding(
        rule="earlier_refusals",
        verdict="permit" if few else "refer",
        facts_used={"requester.name": study.requester.name},
        sentence="Few questions of this requester were refused so far."
        if few
        else "Many questions of this requester were refused, so people decide about the next one.",
        change="" if few else "ask the committee",
    )


def _check_requester(node: NodeContext, researcher: str, study: Study) -> None:
    """Who asks is not theirs to say where the charter knows it: policies decide on it."""
    parties = node.directory.parties
    if parties and parties.get(researcher) != study.requester:
        raise StudyError(
            "the study names another requester than the charter does for the researcher who signed it",
            fix="ask as the organisation that you were admitted for",
            field="requester",
        )


def _requester(node: NodeContext, study: str) -> str:
    stored = node.store.study(study)
    return "" if stored is None else study_of(stored).requester.name


def _check_variables(question: Question, analysis: str) -> None:
    """A permit is for the variables that the study declares: an analysis may not reach beyond them."""
    beyond = (question.touched | question.raw) - set(question.study.variables)
    if beyond:
        raise StudyError(
            "an analysis names variables that the study does not declare",
            why="a permit covers the declared variables only",
            fix=f"add {', '.join(sorted(beyond))} to the study's variables",
            field=f"analyses.{analysis}",
        )


def _stored(node: NodeContext, study: str) -> StoredStudy:
    stored = node.store.study(study)
    if stored is None:
        raise ProtocolError("this study was never submitted here")
    return stored


def permit_for(node: str, policy: Policy, study: Study, envelope: bytes, *, today: dt.date) -> Permit:
    """A node's permit for a study, as its policy limits permits."""
    latest = today + dt.timedelta(days=policy.permit_days)
    return Permit(
        node=node,
        study=study.id,
        study_hash=hashlib.sha256(envelope).hexdigest(),
        variables=study.variables,
        rounds=policy.rounds,
        alone_ok=policy.alone_ok,
        valid_from=max(study.valid_from or today, today),
        valid_until=min(study.valid_until or latest, latest),
    )


def _made(stored: StoredStudy) -> DecisionMade:
    permit = stored.permit.model_dump_json().encode() if stored.permit else None
    return DecisionMade(study=stored.decision.study, decision=stored.decision.model_dump_json().encode(), permit=permit)
