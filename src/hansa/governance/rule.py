"""What a rule is: a typed condition that answers permit, refer or deny from facts alone.

The law that every rule keeps: **deny** only on a known adverse fact (or where the policy itself says that
not knowing is adverse), **refer** where a fact is missing, **permit** only on known good facts.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from hansa.governance.facts import Facts, in_words
from hansa.model import Finding, Identifier, Value, Verdict

__all__ = ["Answer", "RuleBase"]


class Answer(NamedTuple):
    """A rule's answer before it is written up; ``facts`` are the fields of `Facts` it rests on."""

    verdict: Verdict
    facts: tuple[str, ...]
    sentence: str
    change: str = ""


class RuleBase(Value):
    """A rule of a policy. ``name`` tells two rules of one kind apart."""

    rule: str
    name: Identifier | None = None

    @property
    def label(self) -> str:
        """What decisions call the rule: its name, or its kind."""
        return self.name or self.rule

    def answer(self, facts: Facts, today: dt.date) -> Answer:
        """The rule's answer; a pure function of the facts and the day."""
        raise NotImplementedError

    def finding(self, facts: Facts, today: dt.date) -> Finding:
        """The answer, with the facts that it used and those that were missing, by their dotted names."""
        answer = self.answer(facts, today)
        values = {_dotted(field): getattr(facts, field) for field in answer.facts}
        return Finding(
            rule=self.label,
            verdict=answer.verdict,
            facts_used={name: in_words(value) for name, value in values.items() if value is not None},
            facts_missing=tuple(name for name, value in values.items() if value is None),
            sentence=answer.sentence,
            change=answer.change,
        )


def _dotted(field: str) -> str:
    return Facts.model_fields[field].alias or field
