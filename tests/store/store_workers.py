"""What another process does to a hub's store: ``store_workers.py ROLE URL NAME``, see ``store_cases.Process``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event
from store_cases import DIED, KEY, LEASE, NOW

from hansa.store import HubStore


def gate() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def open_it(url: str, _name: str) -> object:
    gate()
    store = HubStore.at(url, KEY)
    return store.log_size


def claim_all(url: str, name: str) -> object:
    store = HubStore.at(url, KEY)
    gate()
    claimed = []
    while (job := store.claim(name, now=NOW, lease=LEASE)) is not None:
        claimed.append(job.id)
        time.sleep(0.001)  # a worker has something to do, and the other gets its turn
    return claimed


def append_50(url: str, name: str) -> object:
    store = HubStore.at(url, KEY)
    gate()
    return [store.append("event", f"{name} {number}".encode(), name) for number in range(50)]


def same_run(url: str, name: str) -> object:
    """A run that was taken over while its first worker still lives."""
    store = HubStore.at(url, KEY)
    gate()
    for position in range(30):
        store.record_total("run", position, bytes([position]), f"{position} of {name}".encode())
    store.save_result(f"run of {name}", "s", b"question", name)
    return name


def enqueue_same(url: str, name: str) -> object:
    store = HubStore.at(url, KEY)
    gate()
    return [store.enqueue(f"{name} {i}", f"s{i}", "model", name, now=NOW).id for i in range(20)]


def note_20(url: str, name: str) -> object:
    store = HubStore.at(url, KEY)
    gate()
    for number in range(20):
        store.note("job", f"{name} {number}", now=NOW)
    return name


def use_20(url: str, name: str) -> object:
    store = HubStore.at(url, KEY)
    gate()
    return [store.use_assertion(bytes([number]) * 48, NOW + LEASE, now=NOW) for number in range(20)]


def die_at(marker: str) -> None:
    """Leave no time for anything when a statement has run that begins so."""

    def look(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(marker):
            os._exit(DIED)

    event.listen(Engine, "after_cursor_execute", look)


DEADLY: dict[str, Callable[[HubStore], object]] = {
    "append": lambda store: store.append("event", b"lost", "s"),
    "claim": lambda store: store.claim("dead", now=NOW, lease=LEASE),
    "save_study": lambda store: store.save_study("s", b"sealed", "researcher"),
    "save_result": lambda store: store.save_result("r", "s", b"q", "{}"),
    "record_total": lambda store: store.record_total("r", 0, b"q", b"total"),
}


def die(url: str, name: str) -> object:
    """``name``: a method and, after a slash, how the statement begins after which the process dies."""
    method, marker = name.split("/")
    store = HubStore.at(url, KEY)
    gate()
    die_at(marker)
    return DEADLY[method](store)


def die_opening(url: str, name: str) -> object:
    gate()
    die_at(name)
    return HubStore.at(url, KEY).log_size


ROLES = {
    role.__name__: role
    for role in (open_it, claim_all, append_50, same_run, enqueue_same, note_20, use_20, die, die_opening)
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(ROLES[sys.argv[1]](sys.argv[2], sys.argv[3])))
