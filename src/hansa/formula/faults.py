"""Errors that show where in a text the fault is, with a caret, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hansa.errors import FormulaError
from hansa.formula.tree import NOWHERE, Expr, Place

__all__ = ["FormulaFault", "fault", "nearest"]

_MARGIN = 70


class FormulaFault(FormulaError):
    """A formula error with its place; ``str()`` ends in the text's line and a caret line under the place."""

    def __init__(self, what: str, *, place: Place, why: str = "", fix: str = "") -> None:
        super().__init__(what, why=why, fix=fix, field=place.field)
        self.place = place

    def __str__(self) -> str:
        return f"{super().__str__()}\n{_picture(self.place)}"


def fault(what: str, *, at: Expr | Place, why: str = "", fix: str = "") -> FormulaFault:
    """The error for a place, or for an expression (one that was built by hand is shown as its own text)."""
    if isinstance(at, Place):
        place = at
    elif at.place == NOWHERE:
        place = Place(str(at), 0, len(str(at)))
    else:
        place = at.place
    return FormulaFault(what, place=place, why=why, fix=fix)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The known word most like the given one, whatever its case; None where none is near.

    Examples
    --------
    >>> nearest("Agee", ["age", "sex"])
    'age'
    """
    by_folded = {known.casefold(): known for known in words}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[found[0]] if found else None


def _picture(place: Place) -> str:
    """The faulty line, cut to the fault's surroundings, over a caret line."""
    first = place.text.rfind("\n", 0, place.start) + 1
    after = place.text.find("\n", place.start)
    last = len(place.text) if after < 0 else after
    left, right = max(first, place.start - _MARGIN), min(last, place.start + _MARGIN)
    shown = "".join(character if character.isprintable() else " " for character in place.text[left:right])
    carets = "^" * max(1, min(place.end, right) - place.start)
    return f"    {shown}\n    {' ' * (place.start - left)}{carets}"
