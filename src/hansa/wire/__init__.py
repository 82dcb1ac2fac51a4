"""Message schemas, signatures, codecs, versions: what crosses between parties, byte by byte."""

from hansa.wire.codec import decode, encode
from hansa.wire.envelope import Keys, Message, open_message, peek, seal
from hansa.wire.keys import Certificate, Signer, certify, key_id, verify_chain, verify_signature

__all__ = [
    "Certificate",
    "Keys",
    "Message",
    "Signer",
    "certify",
    "decode",
    "encode",
    "key_id",
    "open_message",
    "peek",
    "seal",
    "verify_chain",
    "verify_signature",
]
