"""The masking protocol: each node hides its share so that only the sum over the roster can be read.

After Bonawitz et al. (2017), "Practical secure aggregation for privacy-preserving machine learning", section
4.0.1, with the lessons of DESIGN, section 3: node i sends

    y_i = x_i + sum over j after i of PRG(s_ij) - sum over j before i of PRG(s_ij)   (mod 2^128)

where s_ij comes from an X25519 agreement of keys that both nodes made for this run only. Study, run, round, attempt,
step, version, roster and the hash of the round's inputs enter every s_ij: nodes that were shown different things
produce masks that do not cancel, hence garbage and not a leak. No seed is ever revealed, so that there is nothing
for self masks to guard (ADR 10).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hansa.errors import ProtocolError
from hansa.privacy.fixed_point import Lanes, add_into, subtract_from

__all__ = ["RoundContext", "mask", "pair_key", "pair_seed", "total_of"]

_SEED_BYTES = 32
_RUN = 16_384


@dataclass(frozen=True)
class RoundContext:
    """All that a mask is bound to.

    ``phase`` is ``counts`` or ``values``; ``roster`` lists the node ids in order; ``inputs`` is the SHA-256
    of the round's request as it was received.
    """

    study: str
    run: str
    round: int
    attempt: int
    step: str
    version: int
    phase: str
    roster: tuple[str, ...]
    inputs: bytes

    def digest(self) -> bytes:
        """SHA-256 over the fields, each with its length, so that no two contexts share a digest."""
        parts = [self.study, self.run, str(self.round), str(self.attempt), self.step, str(self.version)]
        parts += [self.phase, str(len(self.roster)), *self.roster]
        encoded = [part.encode() for part in parts] + [self.inputs]
        total = hashlib.sha256(b"hansa/round-context/1")
        for part in encoded:
            total.update(len(part).to_bytes(8, "big") + part)
        return total.digest()


def pair_key(own: X25519PrivateKey, peer: X25519PublicKey, *, binding: bytes) -> bytes:
    """The secret that two nodes share for one run; ``binding`` is the hash of the run's signed roster.

    Raises
    ------
    ProtocolError
        If the peer's key is a point of small order, which would make the secret known to everyone.
    """
    try:
        agreed = own.exchange(peer)
    except ValueError:
        raise ProtocolError(
            "a peer's agreement key is degenerate",
            why="the shared secret would be known to everyone",
            fix="stop the run and ask that member for its certificate",
        ) from None
    return HKDF(hashes.SHA256(), _SEED_BYTES, salt=binding, info=b"hansa/pair/1").derive(agreed)


def pair_seed(key: bytes, context: RoundContext) -> bytes:
    """The seed of one pair's mask in one phase of one round."""
    return hmac.digest(key, context.digest(), "sha256")


def _runs(length: int) -> Iterator[slice]:
    """Runs of a vector whose lanes stay in a core's cache."""
    return (slice(first, first + _RUN) for first in range(0, length, _RUN))


def _apply(masked: Lanes, seed: bytes, *, minus: bool) -> None:
    """Add the stream of a seed to lanes in place, or take it away, run by run; each seed has one stream only."""
    length = masked.shape[1]
    # The low lane's numbers are the first half of the stream, the high lane's the second.
    low, high = _encryptor(seed, 0), _encryptor(seed, 8 * length)
    change = subtract_from if minus else add_into
    for run in _runs(length):
        part = masked[:, run]
        zeros = bytes(8 * part.shape[1])
        change(part, (np.frombuffer(low.update(zeros), dtype="<u8"), np.frombuffer(high.update(zeros), dtype="<u8")))


def _encryptor(seed: bytes, start: int) -> CipherContext:
    """AES-256-CTR under a seed, from byte ``start`` of its stream on."""
    encryptor = Cipher(algorithms.AES(seed), modes.CTR((start // 16).to_bytes(16, "big"))).encryptor()
    encryptor.update(bytes(start % 16))
    return encryptor


def mask(share: Lanes, *, own: str, pair_keys: Mapping[str, bytes], context: RoundContext) -> Lanes:
    """The share with its masks on.

    Parameters
    ----------
    share : uint64, shape (2, n)
    own : str
        This node's id, one of ``context.roster``.
    pair_keys : mapping from each other node of the roster to the secret shared with it for this run

    Raises
    ------
    ProtocolError
        If the keys are not those of the roster's other nodes, or there is no other: such a share has no mask.
    """
    if set(pair_keys) | {own} != set(context.roster) or own in pair_keys or not pair_keys:
        raise ProtocolError("the masks' keys are not the roster's", why="a pair without a key has no mask")
    masked = share.copy()
    position = context.roster.index(own)
    for other, node in enumerate(context.roster):
        if other != position:
            _apply(masked, pair_seed(pair_keys[node], context), minus=position > other)
    return masked


def total_of(masked: Sequence[Lanes]) -> Lanes:
    """The sum of the masked shares of a whole roster: its pair masks have cancelled."""
    total = masked[0].copy()
    for share in masked[1:]:
        for run in _runs(total.shape[1]):
            add_into(total[:, run], share[:, run])
    return total
