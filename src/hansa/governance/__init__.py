"""Policy, decision, consent and explanation: typed, three-valued rules in which a missing fact never permits."""

from hansa.governance.consent import (
    ConsentRegister,
    People,
    consent_codes,
    consented,
    everyone_consents,
    grant,
    withdraw,
)
from hansa.governance.countries import COUNTRY_LISTS, CountryList, CountryName, country_name, standing
from hansa.governance.decide import decide
from hansa.governance.duo import DUO, Term, covers, term
from hansa.governance.epoch import Epoch, open_epoch, still_consented
from hansa.governance.explain import WhatIf, explain, what_if
from hansa.governance.facts import NODE_FACTS, Facts, gather_facts
from hansa.governance.policy import Policy, owner_policy, policy_hash, policy_label, read_policy
from hansa.governance.rules import Rule

__all__ = [
    "COUNTRY_LISTS",
    "DUO",
    "NODE_FACTS",
    "ConsentRegister",
    "CountryList",
    "CountryName",
    "Epoch",
    "Facts",
    "People",
    "Policy",
    "Rule",
    "Term",
    "WhatIf",
    "consent_codes",
    "consented",
    "country_name",
    "covers",
    "decide",
    "everyone_consents",
    "explain",
    "gather_facts",
    "grant",
    "open_epoch",
    "owner_policy",
    "policy_hash",
    "policy_label",
    "read_policy",
    "standing",
    "still_consented",
    "term",
    "what_if",
    "withdraw",
]
