"""The secure sum, disclosure rules and the history of questions."""

from hansa.privacy.counts import Tally
from hansa.privacy.history import Population
from hansa.privacy.people import People
from hansa.privacy.rules import ADVICE, Breach
from hansa.privacy.secure_sum import RoundContext
from hansa.privacy.thresholds import Thresholds, tighten

__all__ = ["ADVICE", "Breach", "People", "Population", "RoundContext", "Tally", "Thresholds", "tighten"]
