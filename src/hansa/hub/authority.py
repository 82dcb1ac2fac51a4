"""The league's certificate authority for TLS (X.509, RFC 5280): one root, and a certificate for each server."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["ServerFiles", "certificate_end", "make_authority", "server_files"]

_DAYS = 3650
_SERVER_DAYS = 365
_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class ServerFiles:
    """PEM files of a server: its certificate and key, and the authority that vouches for it."""

    certificate: Path
    key: Path
    authority: Path


def make_authority(folder: Path, league: str, *, now: dt.datetime) -> Path:
    """The authority's certificate; made, with its key beside it, where there is none yet."""
    file = folder / "authority.pem"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{league}, Hansa league")])
    certificate = (
        _builder(name, name, key.public_key(), now=now, days=_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "authority.key", _private(key))
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    return file


def server_files(folder: Path, hosts: Sequence[str], *, now: dt.datetime, out: Path | None = None) -> ServerFiles:
    """A server's certificate for these host names and addresses, signed by the folder's authority; made anew.

    In a folder of its own, ``out``, it is a messaging server's, which also shows it to the others of its cluster.
    """
    authority = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
    issuer_key = load_pem_private_key((folder / "authority.key").read_bytes(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, *([] if out is None else [ExtendedKeyUsageOID.CLIENT_AUTH])]
    certificate = (
        _builder(subject, authority.subject, key.public_key(), now=now, days=_SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    place = out or folder
    files = ServerFiles(place / "server.pem", place / "server.key", folder / "authority.pem")
    _write(files.key, _private(key))
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    return files


def certificate_end(file: Path) -> dt.datetime:
    """When a PEM certificate ends."""
    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, *, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """A file that only its owner reads, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
