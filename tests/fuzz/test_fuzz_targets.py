"""Every decoder, from honest bytes that were changed by chance, and from bytes that once were too much for it.

The same targets run for as long as one likes, led by what the code does with the bytes: ``make fuzz``.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator, Sequence

import cbor2
import fuzz_seeds as seeds
import pytest
from fuzz_targets import TARGETS

from hansa.wire import encode

SECONDS = 0.5
"""How long each target is played at most; none of it is a matter of speed."""

_TAGS = (0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 54, 100, 258, 261, 1004, 43000)
FOUND: dict[str, Sequence[bytes]] = {
    "codec": [
        *(cbor2.dumps(cbor2.CBORTag(tag, content)) for tag in _TAGS for content in ("(a+)+", 1, [1, 0], [[1, 2]])),
        b"\x81" * 5000 + b"\x00",
        b"\xd8\x23" * 3000 + b"\x61a",
        b"\xa2\x01\x02\xf9\x3c\x00\x03",  # the keys 1 and 1.0
        b"\xa1\xa1\x01\x02\x03",
    ],
    "study": [
        seeds.STUDIES["study"].replace(b'"family": "binomial"', b'"family": NaN'),
        seeds.STUDIES["study"].replace(b'"bins": 10', b'"bins": 1e999'),
        seeds.STUDIES["study"].replace(b'"bins": 10', b'"bins": ' + b"9" * 5000),
        seeds.STUDIES["study"].replace(b'"variables": ["age"]', b'"variables": {"x": []}'),
        b"[" * 20_000,
    ],
    "study-file": [b"valid_until: 2026-13-45", b"[" * 3000, b"{a: !!float x}", b"? {a: 1}\n: 2", b"\xff\xfe"],
    "dictionary": [b"name: 2026-13-45", b"[" * 3000, b"variables: [{name: !!int x}]"],
    "policy": [b"policy: 2026-13-45", b"[" * 3000, b"rules: [{1: 2, 1: 3}]"],
    "arguments": [encode(value) for value in ({}, [1], {"formula": 1}, {"variables": {"a": 1}}, 2**70)],
    "outcome": [b"", b"[", b'{"result": NaN}'],
}
"""What targets could not bear when they were first fuzzed, or stands for it."""


def changed(honest: Sequence[bytes], chance: random.Random) -> Iterator[bytes]:
    """Honest bytes with pieces replaced, doubled, cut out, or taken from another, without end."""
    while True:
        data = bytearray(chance.choice(honest))
        for _ in range(chance.randint(1, 4)):
            _change(data, chance.choice(honest), chance)
        yield bytes(data)


def _change(data: bytearray, other: bytes, chance: random.Random) -> None:
    at, size = chance.randint(0, len(data)), chance.choice((1, 1, 2, 4, 16, 64))
    what = chance.randint(0, 4)
    if what == 0:
        data[at : at + size] = chance.randbytes(size)
    elif what == 1:
        data[at:at] = data[at : at + size] * chance.choice((1, 2, 50))
    elif what == 2:
        del data[at : at + size]
    elif what == 3:
        start = chance.randint(0, len(other))
        data[at : at + size] = other[start : start + size]
    elif data:
        data[at % len(data)] ^= 1 << chance.randint(0, 7)


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_reads_anything_or_refuses_it_by_name(name: str) -> None:
    target = TARGETS[name]
    for data in (b"", *target.seeds.values(), *FOUND.get(name, ())):
        target.run(data)
    # The machine's speed says how many are tried, the target's name which: a failure is there again the next time.
    ends, tried = time.monotonic() + SECONDS, 0
    for data in changed(list(target.seeds.values()), random.Random(zlib.crc32(name.encode()))):
        target.run(data)
        tried += 1
        if time.monotonic() > ends:
            break
    assert tried > 20
