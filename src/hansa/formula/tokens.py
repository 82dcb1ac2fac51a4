"""Text to tokens, for expressions and formulas alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hansa.errors import FormulaError
from hansa.formula.faults import fault
from hansa.formula.tree import Place

__all__ = ["MAX_LENGTH", "RESERVED", "Token", "Tokens", "tokenise"]

MAX_LENGTH = 10_000
"""Characters a formula or expression may have."""

RESERVED = frozenset(("and", "or", "not", "in", "true", "false", "else"))
"""Words that cannot be variables."""

Kind = Literal["number", "text", "name", "operator", "end"]

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<text>'[^'\n]*'|"[^"\n]*")
    |(?P<name>[A-Za-z][A-Za-z0-9_]*)
    |(?P<operator>\*\*|&&|\|\||<=|>=|==|!=|[-+*/^<>(),:~=|])""",
    re.VERBOSE,
)

_FIXES = {
    "**": "write ^ for a power",
    "&": "write and",
    "&&": "write and",
    "||": "write or; random effects are correlated, as in (1 + x | group)",
    "!": "write not, or != for unequal",
    "%": "there is no remainder, and a:b stands for %in%",
    "[": "use parentheses; there is no subscript",
    "{": "use parentheses",
    "'": "close the quotation on the same line",
    '"': "close the quotation on the same line",
    "_": "names begin with a letter",
    ".": "name the variables; names have letters, digits and underscores",
    "$": "name the variable alone",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, quotation or sign, and its place."""

    kind: Kind
    text: str
    place: Place


def tokenise(text: str, field: str) -> tuple[Token, ...]:
    """The tokens of a text, the last of kind ``end``.

    Raises
    ------
    FormulaError
        At the first character that begins no token, or when the text is too long.
    """
    if len(text) > MAX_LENGTH:
        raise fault("the text is too long", at=Place(text, 0, 1, field), fix=f"stay within {MAX_LENGTH} characters")
    tokens = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.group() in _FIXES:
            raise _meaningless(text, position, field)
        place = Place(text, position, found.end(), field)
        position = found.end()
        match found.lastgroup:
            case "number" | "text" | "name" | "operator" as kind:
                tokens.append(Token(kind, found.group(), place))
    return (*tokens, Token("end", "", Place(text, len(text), len(text) + 1, field)))


def _meaningless(text: str, position: int, field: str) -> FormulaError:
    sign = text[position : position + 2]
    sign = sign if sign in _FIXES else sign[:1]
    return fault(
        "this character has no meaning here" if len(sign) == 1 else "this sign has no meaning here",
        at=Place(text, position, position + len(sign), field),
        fix=_FIXES.get(sign, "see the grammar of expressions"),
    )


class Tokens:
    """A cursor over tokens."""

    def __init__(self, text: str, field: str) -> None:
        self._tokens = tokenise(text, field)
        self._next = 0

    def peek(self, ahead: int = 0) -> Token:
        """The token that comes, without taking it."""
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def take(self) -> Token:
        """The token that comes; the end can be taken again and again."""
        token = self.peek()
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def at(self, *words: str) -> bool:
        """Whether one of these signs or reserved words comes."""
        token = self.peek()
        return token.kind in ("operator", "name") and token.text in words

    def accept(self, *words: str) -> Token | None:
        """Take the coming token if it is one of these."""
        return self.take() if self.at(*words) else None

    def expect(self, word: str) -> Token:
        """Take this sign, or refuse what stands in its place."""
        if not self.at(word):
            raise self.unexpected(f"{word} is expected here")
        return self.take()

    def unexpected(self, what: str, fix: str = "") -> FormulaError:
        """The error for the coming token."""
        token = self.peek()
        if token.text == "=" and not fix:
            fix = "for a comparison write =="
        if token.text == "|" and not fix:
            fix = "write or; a random effect stands in parentheses, as in (1 | group)"
        why = "the text ends" if token.kind == "end" else ""
        return fault(what, at=token.place, why=why, fix=fix)

    def since(self, start: Place) -> Place:
        """The place from ``start`` to the token taken last."""
        return Place(start.text, start.start, self._tokens[max(self._next - 1, 0)].place.end, start.field)
