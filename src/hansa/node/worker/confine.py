"""What a worker process takes from itself before it reads any data. Only what Linux offers every process is used.

- A user and network namespace of its own, in which there is no network, not even loopback.
- Landlock (Linux 5.13; :manpage:`landlock(7)`): it reads Python's libraries and the files that it is given, writes
  nothing, runs no other program, signals nobody outside and looks into no other process.
- Limits: no core dump, no file written, address space (:func:`limit_memory`).
- An audit hook that refuses sockets, programs and writing in Python; alone, where the machine allows no more, it is
  weaker: code that calls the system by itself gets past it.

This file imports nothing but the standard library: namespaces must be made before any thread is.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["confine", "limit_memory", "refuse_in_python"]

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # sched.h: CLONE_NEWUSER, CLONE_NEWNET
_NO_NEW_PRIVILEGES = 38  # sys/prctl.h
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # system calls of Landlock, the same on every architecture
_ASK_VERSION = 1
_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights on files each version of Landlock knows; 16 since
_NETWORK, _SCOPES = 0b11, 0b11  # bind and connect (since version 4); abstract sockets and signals (since 6)

_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/proc/self")
_MACHINE = ("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/sys/devices/system", "/sys/fs/cgroup")

_NO_NETWORK = "no network namespace: sockets are refused in Python only"
_NO_LANDLOCK = "no Landlock: files and programs are refused in Python only"

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = ("socket.", "subprocess.", "shutil.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.kill")
_REFUSED_WRITES = ("os.ch", "os.link", "os.mkdir", "os.re", "os.rmdir", "os.symlink", "os.truncate", "os.utime")


def confine(files: Sequence[str]) -> tuple[str, ...]:
    """Take all but the reading of these files (and of Python's own) from this process.

    Returns
    -------
    tuple of str
        In words, each protection that this machine does not allow.
    """
    # One byte, not none: a limit of none still lets Linux hand the memory to a program that collects dumps.
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    found = ((_leave_network(libc), _NO_NETWORK), (_leave_files(libc, files), _NO_LANDLOCK))
    return tuple(word for done, word in found if not done)


def limit_memory(extra: int) -> None:
    """Bound the address space to what is taken now and so many bytes more."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def refuse_in_python() -> None:
    """Refuse sockets, programs and writing in Python, from now on; it cannot be undone."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(_REFUSED) or event.startswith(_REFUSED_WRITES):
        raise PermissionError("a step may not do this")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        raise PermissionError("a step may not write")


def _leave_network(libc: ctypes.CDLL) -> bool:
    try:
        return any(libc.unshare(flags) == 0 for flags in (_NEW_USER | _NEW_NETWORK, _NEW_NETWORK))
    except AttributeError:  # not Linux
        return False


def _leave_files(libc: ctypes.CDLL, files: Iterable[str]) -> bool:
    version = _call(libc, _CREATE, None, 0, _ASK_VERSION)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    wanted = struct.pack("=QQQ", rights, _NETWORK if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _call(libc, _CREATE, wanted, size, 0)
    if rules < 0:
        return False
    for path in _readable(files):
        _allow(libc, rules, path)
    libc.prctl(_NO_NEW_PRIVILEGES, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0)))
    done = _call(libc, _RESTRICT, rules, 0) == 0
    os.close(rules)
    return done


def _readable(files: Iterable[str]) -> list[Path]:
    own = (*sys.path, sys.prefix, sys.base_prefix, *_SYSTEM, *_MACHINE, *files)
    return [path for path in map(Path, dict.fromkeys(own)) if path.is_absolute() and path.exists()]


def _allow(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    rights = _READ_FILE | (_READ_FOLDER if path.is_dir() else 0)
    if path == Path(os.devnull):
        rights |= _WRITE_FILE
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _call(libc, _ADD, rules, _BENEATH, struct.pack("=Qi", rights, place), 0)
    os.close(place)


def _call(libc: ctypes.CDLL, number: int, *arguments: int | bytes | None) -> int:
    """A system call; the result is negative where it failed."""
    plain = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    found: int = libc.syscall(ctypes.c_long(number), *plain)
    return found
