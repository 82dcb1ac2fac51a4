"""C2SP signed notes (c2sp.org/signed-note): text, a blank line, and signature lines.

The text of a note is to be ignored until a known key's signature over it is verified; :func:`open_note` does
both. This reader is stricter than the specification in one point: a key that signs twice is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hansa.errors import LogError
from hansa.log.canonical import decode_base64, encode_base64

__all__ = [
    "COSIGNATURE_V1",
    "ED25519",
    "Note",
    "NoteSignature",
    "OpenedNote",
    "VerifierKey",
    "add_signatures",
    "format_note",
    "format_signature",
    "format_verifier_key",
    "open_note",
    "parse_note",
    "parse_verifier_key",
    "sign_note",
    "signature_by",
    "verifier_key",
    "verify_ed25519",
]

ED25519 = 0x01
"""Signature type: Ed25519 over the note's text (signed-note, "Signature types")."""

COSIGNATURE_V1 = 0x04
"""Signature type: a witness's timestamped Ed25519 cosignature (c2sp.org/tlog-cosignature)."""

_PUBLIC_KEY_SIZE = 32
_KEY_ID_SIZE = 4
_MAX_SIGNATURES = 100
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VERIFIER_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under.

    Parameters
    ----------
    name : str
        Not empty, without white space, control characters and ``+``.
    public_key : bytes
        The Ed25519 key (RFC 8032), 32 bytes.
    algorithm : int
        :data:`ED25519` for notes, :data:`COSIGNATURE_V1` for witnesses.

    Raises
    ------
    LogError
        When one of them is none of these.
    """

    name: str
    public_key: bytes
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public_key) != _PUBLIC_KEY_SIZE:
            raise LogError(
                "the public key has the wrong length",
                why=f"Ed25519 has {_PUBLIC_KEY_SIZE} bytes",
                field="public_key",
            )
        if self.algorithm not in (ED25519, COSIGNATURE_V1):
            raise LogError("the signature type is not known", why="1 and 4 are read here", field="algorithm")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart; an identifier, not a fingerprint to trust."""
        material = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public_key
        return hashlib.sha256(material).digest()[:_KEY_ID_SIZE]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its 4-byte identifier, and the signature's bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was read and whose signatures are **not** verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note's text and the keys whose signatures over it were verified, in the order of the lines."""

    text: str
    signers: tuple[VerifierKey, ...]


def verifier_key(name: str, key: Ed25519PrivateKey, *, algorithm: int = ED25519) -> VerifierKey:
    """The verifier key that belongs to a private key."""
    return VerifierKey(name, key.public_key().public_bytes_raw(), algorithm)


def format_verifier_key(key: VerifierKey) -> str:
    """The key as ``name+id+base64`` (golang.org/x/mod/sumdb/note; C2SP "vkey").

    Examples
    --------
    >>> text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    >>> format_verifier_key(parse_verifier_key(text)) == text
    True
    """
    return f"{key.name}+{key.key_id.hex()}+{encode_base64(bytes([key.algorithm]) + key.public_key)}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Read ``name+id+base64``.

    Raises
    ------
    LogError
        When the text has another form, or the identifier is not that of this name and key.
    """
    parts = _VERIFIER_KEY.fullmatch(text)
    if parts is None:
        raise LogError(
            "this is not a verifier key",
            why="its form is name+id+base64",
            fix="copy the whole line",
            field="key",
        )
    name, key_id, material = parts.groups()
    data = decode_base64(material, field="key", length=1 + _PUBLIC_KEY_SIZE)
    key = VerifierKey(name, data[1:], data[0])
    if key.key_id.hex() != key_id:
        raise LogError("the verifier key contradicts itself", why="its id belongs to another key", field="key")
    return key


def format_signature(signature: NoteSignature) -> str:
    """A signature as a line, without the newline."""
    return f"— {signature.name} {encode_base64(signature.key_id + signature.signature)}"


def format_note(note: Note) -> str:
    """A note as it is stored and sent; as bytes it is UTF-8."""
    return note.text + "\n" + "".join(format_signature(line) + "\n" for line in note.signatures)


def parse_note(note: str) -> Note:
    """Split a note into text and signatures, verifying none of them.

    Raises
    ------
    LogError
        When the note is malformed in any way, or one key signs twice.
    """
    _check_characters(note)
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise _malformed("text, a blank line and signature lines are required, each line ended by a newline")
    lines = block[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise _malformed(f"there are more than {_MAX_SIGNATURES} signatures")
    signatures = tuple(_parse_signature(line, position) for position, line in enumerate(lines))
    if len({(line.name, line.key_id) for line in signatures}) != len(signatures):
        raise _malformed("one key signs twice")
    return Note(text + "\n", signatures)


def sign_note(text: str, *, name: str, key: Ed25519PrivateKey) -> str:
    r"""Sign a text; the result is a whole note with one signature.

    Parameters
    ----------
    text : str
        Ends in a newline; contains no other control character.
    name : str
        The key's name.
    key : Ed25519PrivateKey
        The key.

    Raises
    ------
    LogError
        When text or name cannot stand in a note.

    Examples
    --------
    >>> key = Ed25519PrivateKey.generate()
    >>> note = sign_note("a text\n", name="example.org/log", key=key)
    >>> open_note(note, [verifier_key("example.org/log", key)]).text
    'a text\n'
    """
    _check_characters(text)
    if not text.endswith("\n"):
        raise _malformed("the text does not end in a newline")
    signature = NoteSignature(name, verifier_key(name, key).key_id, key.sign(text.encode()))
    return format_note(Note(text, (signature,)))


def add_signatures(note: str, lines: Iterable[str]) -> str:
    """A note with further signature lines, given without their newlines.

    Raises
    ------
    LogError
        When note or lines are malformed, or one key signs twice.
    """
    known = parse_note(note)
    added = tuple(_parse_signature(line, position) for position, line in enumerate(lines))
    extended = format_note(Note(known.text, known.signatures + added))
    parse_note(extended)
    return extended


def signature_by(note: Note, key: VerifierKey) -> bytes | None:
    """The signature whose line carries this key's name and identifier, not verified; None without one."""
    for line in note.signatures:
        if (line.name, line.key_id) == (key.name, key.key_id):
            return line.signature
    return None


def open_note(note: str, keys: Sequence[VerifierKey]) -> OpenedNote:
    """Verify a note with the keys one knows.

    Signatures by other keys are passed over, as the specification requires.

    Raises
    ------
    LogError
        When the note is malformed, a known key's signature does not verify, or no known key signed.
    """
    if any(key.algorithm != ED25519 for key in keys):
        raise LogError("a note is opened with note keys", why="one key is of another type", field="keys")
    parsed = parse_note(note)
    signed = [(key, signature_by(parsed, key)) for key in dict.fromkeys(keys)]
    signers = [(key, signature) for key, signature in signed if signature is not None]
    if not signers:
        raise LogError(
            "no known key signed the note",
            why="name and id of no signature belong to a key given here",
            fix="check that the note and the key come from the same log",
            field="signatures",
        )
    for key, signature in signers:
        verify_ed25519(key, signature, parsed.text.encode())
    return OpenedNote(parsed.text, tuple(key for key, _ in signers))


def verify_ed25519(key: VerifierKey, signature: bytes, message: bytes) -> None:
    """Verify one Ed25519 signature (RFC 8032).

    Raises
    ------
    LogError
        When it does not verify; the error names the key.
    """
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except InvalidSignature:
        raise LogError(
            f"the signature of {key.name} does not verify",
            why="text, signature or key were altered",
            fix="fetch the note again from its source",
            field="signatures",
        ) from None


def _parse_signature(line: str, position: int) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise _malformed(f"signature line {position + 1} is not: em dash, name, base64")
    _, name, encoded = parts
    _check_name(name)
    data = decode_base64(encoded, field=f"signatures.{position}")
    if len(data) <= _KEY_ID_SIZE:
        raise _malformed(f"signature line {position + 1} is too short")
    return NoteSignature(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _malformed("it is not valid Unicode") from None
    if _FORBIDDEN.search(text):
        raise _malformed("it contains a control character")


def _check_name(name: str) -> None:
    _check_characters(name)
    if not name or "+" in name or any(character.isspace() for character in name):
        raise LogError("a key's name cannot be used", why="it is empty or contains white space or a plus", field="name")


def _malformed(why: str) -> LogError:
    return LogError("this is not a signed note", why=why, fix="fetch it again from its source", field="note")
