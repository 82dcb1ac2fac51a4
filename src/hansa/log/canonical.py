"""Base64 with one spelling for each value, so that two readers never disagree about what was signed."""

from __future__ import annotations

import base64
import binascii

from hansa.errors import LogError

__all__ = ["decode_base64", "encode_base64"]


def encode_base64(data: bytes) -> str:
    """The standard alphabet with padding (RFC 4648, section 4).

    Examples
    --------
    >>> encode_base64(b"hansa")
    'aGFuc2E='
    """
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, *, field: str, length: int | None = None) -> bytes:
    """Decode what :func:`encode_base64` writes, and nothing else.

    Parameters
    ----------
    text : str
        Base64; unused bits must be zero, padding present, no white space (RFC 4648, section 3.5).
    field : str
        Where the text stands, for the error.
    length : int, optional
        The number of bytes it must decode to.

    Raises
    ------
    LogError
        When the text is not canonical base64 or has another length.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        data = None
    if data is None or encode_base64(data) != text:
        raise LogError("this is not canonical base64", why="RFC 4648, section 4, allows one form", field=field)
    if length is not None and len(data) != length:
        raise LogError("a value has the wrong length", why=f"{length} bytes are required", field=field)
    return data
