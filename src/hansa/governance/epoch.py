"""Epochs: the frozen sets of people that analyses are run on.

Why people are frozen: two totals over nearly the same people give the difference away. If one person
withdrew and everything were asked again, the difference of the two answers would be that person's data. So
a new set opens only when it differs from every earlier one in at least k people.

Why decoys: a withdrawal must count at once and not when k people have withdrawn. The epoch that contains a
withdrawn person is over (`still_consented` says so), and the next one leaves out so many others, drawn at
random from a secret of the node, that at least k people go together. Then

- nobody who withdrew is in a new epoch, since it is drawn from those who consent now;
- totals over any two epochs differ by a signed sum over no fewer than k people (or are the same total);
- where people withdrew, at least k left the last epoch together, and who else left depends on a secret. The
  difference of the two totals is a sum over k people of whom an outsider knows at most those who told;
- the draw is a function of the secret, the epoch's number and the sets. Asking again draws the same people,
  so that repetition averages nothing away;
- decoys stay out as long as their epoch lasts. They return with a later epoch, which differs by k again.

What this does not cover: combinations of three or more epochs, and additions by an attacker who controls
them. The query history compares questions across epochs, each direction separately and by rank (DESIGN,
Disclosure in rules). The number of decoys tells how many withdrew, k minus that number, never who.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from hansa.errors import PolicyError

__all__ = ["Epoch", "open_epoch", "still_consented"]

_SEED_BYTES = 16
_WORD = 2**64


@dataclass(frozen=True)
class Epoch:
    """A frozen set of people, and who of the consenting was left out to protect those who withdrew."""

    number: int
    opened: dt.date
    people: FrozenBitMap
    decoys: FrozenBitMap = FrozenBitMap()  # noqa: RUF009  # immutable


def still_consented(epoch: Epoch, consented: AbstractBitMap) -> bool:
    """Whether everybody in the epoch still consents; if not, no further round may run on it."""
    return epoch.people <= FrozenBitMap(consented)


def open_epoch(
    previous: Sequence[Epoch], consented: BitMap, k: int, rng_seed: bytes, *, opened: dt.date
) -> Epoch | None:
    """The next epoch, or ``None`` where none may open.

    The first epoch is everybody who consents. A later one opens where its people differ from those of every
    earlier epoch in at least k (removed and added counted together; a return to exactly the people of an
    epoch before the last is allowed, for it tells nothing new). Where people of the last epoch withdrew,
    at least k leave it, filled up with decoys. People who newly consent wait until the next opening.

    ``None`` leaves the last epoch as it is: it may be used only where `still_consented`.

    Parameters
    ----------
    previous : sequence of Epoch
        All earlier epochs, oldest first.
    consented : pyroaring.BitMap
        Everybody who consents now.
    k : int
        The least number of people in which epochs differ.
    rng_seed : bytes
        The node's secret, at least 16 bytes, the same for all epochs.
    opened : datetime.date
        The day that the epoch carries.

    Raises
    ------
    PolicyError
        If k is below 1 or the secret is too short.

    Examples
    --------
    >>> day, secret = dt.date(2027, 1, 1), bytes(16)
    >>> first = open_epoch([], BitMap(range(100)), 10, secret, opened=day)
    >>> second = open_epoch([first], BitMap(range(1, 100)), 10, secret, opened=day)  # person 0 withdrew
    >>> 0 in second.people, len(second.decoys), len(first.people - second.people)
    (False, 9, 10)
    """
    _check(k, rng_seed)
    now, number = FrozenBitMap(consented), len(previous) + 1
    needed = _decoys_needed(previous, now, k)
    pool = FrozenBitMap.intersection(now, *(epoch.people for epoch in previous))
    if needed is None or needed > len(pool) or (previous and needed == len(now)):
        return None
    decoys = _draw(pool, needed, rng_seed, number)
    return Epoch(number, opened, now - decoys, decoys)


def _decoys_needed(previous: Sequence[Epoch], now: FrozenBitMap, k: int) -> int | None:
    # Each decoy comes from people who are in all earlier epochs, so it adds one to every difference.
    if not previous:
        return 0
    *earlier, last = previous
    withdrawn = len(last.people - now)
    distances = [last.people.symmetric_difference_cardinality(now)]
    distances += [distance for epoch in earlier if (distance := _distance(epoch, now)) or withdrawn]
    short = max(k - min(distances), k - withdrawn if withdrawn else 0, 0)
    return short if withdrawn or not short else None


def _distance(epoch: Epoch, now: FrozenBitMap) -> int:
    return int(epoch.people.symmetric_difference_cardinality(now))


def _draw(pool: FrozenBitMap, size: int, seed: bytes, number: int) -> FrozenBitMap:
    ranks: set[int] = set()
    words = _words(seed, number)
    fair = _WORD - _WORD % max(len(pool), 1)  # words beyond would favour the first ranks
    while len(ranks) < size:
        word = next(words)
        if word < fair:
            ranks.add(word % len(pool))
    return FrozenBitMap(pool[rank] for rank in ranks)


def _words(seed: bytes, number: int) -> Iterator[int]:
    for counter in count():
        message = b"hansa/epoch-decoys/1" + number.to_bytes(8, "big") + counter.to_bytes(8, "big")
        digest = hmac.digest(seed, message, hashlib.sha256)
        yield from (int.from_bytes(digest[start : start + 8], "big") for start in range(0, 32, 8))


def _check(k: int, seed: bytes) -> None:
    if k < 1:
        raise PolicyError("k is too small", why="epochs differ by at least one person", fix="set k to 1 or more")
    if len(seed) < _SEED_BYTES:
        raise PolicyError(
            "the epoch's secret is too short",
            why="decoys could be guessed",
            fix=f"use at least {_SEED_BYTES} random bytes",
        )
