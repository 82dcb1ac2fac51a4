"""``hansa doctor``: does this installation work?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version

import click

from hansa.cli.output import as_json, json_option, show

__all__ = ["doctor"]


@click.command()
@json_option
def doctor(as_json_flag: bool) -> None:
    """Check Python, packages, arithmetic, encryption, and a secure sum; each failure says how to fix it."""
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "packages": _packages,
        "exact sums": _sums,
        "masks": _masks,
        "example data": _examples,
    }
    found = {name: _outcome(check) for name, check in checks.items()}
    if as_json_flag:
        as_json(found)
    else:
        for name, (good, text) in found.items():
            show(f"{'ok  ' if good else 'FAIL'}  {name}: {text}")
    if not all(good for good, _ in found.values()):
        raise click.exceptions.Exit(1)


def _outcome(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except Exception as fault:
        return False, f"{type(fault).__name__}: {fault}"


def _python() -> str:
    return sys.version.split()[0]


def _packages() -> str:
    wanted = [
        line.split(";")[0].split(">=")[0].split("[")[0].strip()
        for line in requires("hansa") or []
        if "extra ==" not in line
    ]
    try:
        return f"{len([version(name) for name in wanted])} packages"
    except PackageNotFoundError as missing:
        raise RuntimeError(f"{missing.name} is missing; run `make setup-run`") from None


def _sums() -> str:
    import numpy as np  # loaded late: --help must stay instant

    from hansa.privacy.fixed_point import add_into, decode, encode

    values = np.array([1e-12, -3.25, 1e9])
    total = encode(values, nodes=2)
    add_into(total, encode(-values, nodes=2))
    if not np.array_equal(decode(total), np.zeros(3)):
        raise RuntimeError("a sum of a number and its negative is not zero; reinstall numpy")
    return "fixed-point sums are exact"


def _masks() -> str:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # loaded late, as above

    # NIST SP 800-38A, F.5.5, CTR-AES256.Encrypt, its first block.
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    counter = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    plain, secret = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"), bytes.fromhex("601ec313775789a5b7a7f504bbf3d228")
    if Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(plain) != secret:
        raise RuntimeError("AES gives wrong bytes; reinstall cryptography")
    return "AES-256-CTR gives the known answer"


def _examples() -> str:
    from hansa.examples import heart  # loaded late, as above

    missing = [name for name, path in heart().items() if not path.exists()]
    if missing:
        raise RuntimeError(f"files of {', '.join(missing)} are missing; reinstall hansa")
    return f"{len(heart())} hospitals"
