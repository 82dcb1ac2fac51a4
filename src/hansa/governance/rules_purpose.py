"""Rules about what the data are used for: purposes in DUO's terms, and uses forbidden by name."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hansa.governance import duo
from hansa.governance.facts import Facts
from hansa.governance.rule import Answer, RuleBase
from hansa.model import Identifier

__all__ = ["ForbiddenUses", "Purpose", "PurposeCode"]

_PERMISSIONS = frozenset(code for code, term in duo.DUO.items() if term.kind == "permission")
_HELD = _PERMISSIONS | {duo.NMDS, duo.GSO, duo.CC, duo.NPOA}
_PROHIBITED = {duo.NMDS: frozenset({duo.METHODS}), duo.NPOA: frozenset({duo.POA, duo.ANCESTRY})}


def _is_held_code(code: str) -> str:
    if code not in _HELD:
        raise ValueError(f"a purpose is one of the DUO codes {', '.join(sorted(_HELD))}")
    return code


PurposeCode = Annotated[str, AfterValidator(_is_held_code)]
"""A DUO permission, or a modifier that narrows or widens the purpose (NMDS, GSO, CC, NPOA)."""


class Purpose(RuleBase):
    """What the data may be used for.

    ``terms`` are the data's DUO codes: permissions, of which one must cover each purpose that the study
    claims, and the modifiers NMDS (no methods research), GSO (genetic studies only), NPOA (no ancestry
    research) and CC (clinical care too). ``diseases`` go with DS (disease specific research).

    Source: Lawson et al. (2021), The Data Use Ontology to streamline responsible access to human biomedical
    datasets, Cell Genomics 1, 100028.
    """

    rule: Literal["purpose"] = "purpose"
    terms: tuple[PurposeCode, ...] = Field(min_length=1)
    diseases: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not _PERMISSIONS & set(self.terms):
            raise ValueError("terms name at least one permission, such as DUO:0000006")
        if (duo.DS in self.terms) != bool(self.diseases):
            raise ValueError("diseases go with DUO:0000007 (disease specific research), and it needs them")
        return self

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where each claimed purpose is covered by what the data are held for."""
        claimed = facts.purpose_terms
        if claimed is None:
            sentence = "The study does not say in Data Use Ontology terms what it is for."
            return Answer("refer", ("purpose_terms",), sentence, f"claim a purpose within {self._in_words}")
        fields = ("purpose_terms", "disease") if self._disease_matters(claimed) else ("purpose_terms",)
        same_disease = None if facts.disease is None else facts.disease in self.diseases
        answers = {code: self._allows(code, same_disease) for code in claimed}
        refused = [code for code, allowed in answers.items() if allowed is False]
        if refused:
            sentence = f"The data may not be used for {_labels(refused)}, which the study claims."
            return Answer("deny", fields, sentence, f"limit the study's purpose to {self._in_words}")
        unclear = [code for code, allowed in answers.items() if allowed is None]
        if unclear:
            return self._unclear(fields, unclear, facts)
        return self._genetic(fields, claimed)

    def _allows(self, claimed: str, same_disease: bool | None) -> bool | None:
        if claimed not in duo.PURPOSES:
            return None
        if any(claimed in _PROHIBITED.get(held, frozenset()) for held in self.terms):
            return False
        answers = {duo.covers(held, claimed, same_disease=same_disease) for held in self.terms}
        if True not in answers:
            return None if None in answers else False
        return None if claimed == duo.POPULATION and duo.NPOA in self.terms else True

    def _disease_matters(self, claimed: tuple[str, ...]) -> bool:
        return any(self._allows(code, True) != self._allows(code, None) for code in claimed)

    def _unclear(self, fields: tuple[str, ...], unclear: list[str], facts: Facts) -> Answer:
        if "disease" in fields and facts.disease is None:
            sentence = "The data may be used for certain diseases only, and the study names none."
            return Answer("refer", fields, sentence, f"name the disease: one of {', '.join(self.diseases)}")
        sentence = f"People must judge whether {_labels(unclear)} is a use that the data are held for."
        return Answer("refer", fields, sentence, f"limit the study's purpose to {self._in_words}")

    def _genetic(self, fields: tuple[str, ...], claimed: tuple[str, ...]) -> Answer:
        if duo.GSO in self.terms and duo.GENETIC not in claimed:
            sentence = "The data are for genetic studies only, and the study does not say that it is one."
            return Answer("refer", fields, sentence, "claim DUO:0000038 (genetic research) if it is one")
        return Answer("permit", fields, f"The data may be used for {_labels(claimed)}.")

    @property
    def _in_words(self) -> str:
        words = " or ".join(f"{duo.term(code).label} ({code})" for code in self.terms if code in _PERMISSIONS)
        return f"{words} for {', '.join(self.diseases)}" if self.diseases else words


class ForbiddenUses(RuleBase):
    """Uses that get no answer, by name: ``underwriting``, ``reidentification`` and the like.

    A study that lists no uses (``uses: []``) declares that it has none of them; one that says nothing has not.
    """

    rule: Literal["forbidden_uses"] = "forbidden_uses"
    uses: tuple[Identifier, ...] = Field(min_length=1)

    def answer(self, facts: Facts, today: dt.date) -> Answer:  # noqa: ARG002  # one signature for all rules
        """Permit where the uses are declared and none is forbidden."""
        excluded = " or ".join(_plain(use) for use in self.uses)
        if facts.uses is None:
            sentence = f"The study does not rule out {excluded}: it does not say its uses."
            return Answer("refer", ("uses",), sentence, "list the uses under purpose.uses, or say `uses: []`")
        named = [_plain(use) for use in facts.uses if use in self.uses]
        if named:
            sentence = f"The study would use the data for {' and '.join(named)}, which this policy forbids."
            return Answer("deny", ("uses",), sentence, f"give up {' and '.join(named)}")
        return Answer("permit", ("uses",), f"The study declares no use for {excluded}.")


def _labels(codes: list[str] | tuple[str, ...]) -> str:
    return " and ".join(duo.DUO[code].label if code in duo.DUO else code for code in codes)


def _plain(use: str) -> str:
    return use.replace("_", " ")
