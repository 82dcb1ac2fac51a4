"""From a custodian's folder to a node that answers."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyroaring import BitMap

from hansa.engine.link import Link, LinkSettings
from hansa.errors import DataError
from hansa.governance import ConsentRegister, everyone_consents, grant
from hansa.harmonise import encode_persons, open_source, read_chunks
from hansa.model import Dictionary
from hansa.node.config import NodeConfig, NodeFolder
from hansa.node.context import NodeContext, NodeSettings
from hansa.node.rows import Work
from hansa.node.service import Node
from hansa.node.work import codes_kept_in, open_work
from hansa.privacy.thresholds import Thresholds
from hansa.stats.catalogue import catalogue
from hansa.store import NodeStore
from hansa.wire.charter import KnownCharter
from hansa.wire.folder import authority_file

__all__ = ["Checked", "check_data", "open_link", "open_node"]


@dataclass(frozen=True)
class Checked:
    """What a look at the data found: rows, people, and how many of the dictionary's variables are there."""

    rows: int
    people: int
    columns: int


def check_data(source: str, charter: KnownCharter) -> Checked:
    """Read the data once, against the league's dictionary, and keep nothing.

    Raises
    ------
    DataError
        If the data cannot be read, or do not fit.
    """
    dictionary = Dictionary.model_validate_json(charter.charter.dictionary)
    opened = open_source(source)
    found = [variable.name for variable in dictionary.variables if variable.name in opened.columns]
    people = [chunk.person for chunk in read_chunks(opened, dictionary, found)]
    codes, _ = encode_persons(people, {}, one_row_per_person=dictionary.one_row_per_person)
    rows = sum(len(part) for part in codes)
    return Checked(rows, len({int(code) for part in codes for code in part}), len(found))


def open_link(folder: NodeFolder, charter: KnownCharter, *, seconds: float = 10.0) -> Link:
    """The connection of a node to the messaging server.

    Raises
    ------
    Unreachable
        If no server lets it in within ``seconds``; of which class says why (see :class:`hansa.engine.link.Link`).
    """
    return Link(
        LinkSettings(
            servers=folder.config.servers or charter.charter.servers,
            name=folder.config.name,
            seed=folder.keys.nkey("messaging")[0],
            authority=authority_file(folder.path, charter),
            credentials=folder.credentials,
            connect_seconds=seconds,
        )
    )


def open_node(folder: NodeFolder, charter: KnownCharter, *, clock: Callable[[], dt.datetime]) -> Node:
    """The node of a folder, its data read once to know its people.

    Raises
    ------
    DataError
        If the data cannot be read, or do not fit the league's dictionary.
    StoreError
        If the store cannot be opened.
    """
    config, keys = folder.config, folder.keys
    dictionary = Dictionary.model_validate_json(charter.charter.dictionary)
    store = NodeStore(folder.store)
    settings = NodeSettings(
        name=config.name,
        policy=folder.policy,
        methods=catalogue(),
        epoch_secret=keys.secret("epoch"),
        limits=Thresholds(min_nodes=charter.charter.min_nodes),
        facts=config.facts,
    )
    signer = keys.signer("sign", config.name)
    work = _work(config, folder.data, dictionary, store)
    try:
        register = _consent(folder, store, work.people)
    except DataError:
        work.close()
        raise
    context = NodeContext(settings, work, register, signer, charter.directory, store, clock)
    return Node(context, keys.signing_key("witness"))


def _work(config: NodeConfig, source: str, dictionary: Dictionary, store: NodeStore) -> Work:
    work = open_work(
        source,
        dictionary,
        codes_kept_in(store, dictionary),
        isolate=config.isolate,
        memory=config.limits.memory_mb << 20,
        seconds=config.limits.seconds,
        dask=config.compute.dask,
    )
    for word in work.weaker:
        store.note_event("weaker isolation", "", word)
    return work


def _consent(folder: NodeFolder, store: NodeStore, everyone: BitMap) -> ConsentRegister:
    said = folder.config.consent
    if said == "everyone":
        return everyone_consents(everyone)
    return _register(folder.path / said, store.persons())


def _register(path: Path, codes: dict[str, int]) -> ConsentRegister:
    """Consent as it stands in a CSV file; people who are not in it have not consented."""
    by_purpose: dict[str | None, list[int]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["person"] in codes:
                    by_purpose.setdefault(row["purpose"] or None, []).append(codes[row["person"]])
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        raise DataError(
            "the consent register cannot be read",
            fix="give a CSV file in UTF-8 with the columns person and purpose",
            field="consent",
        ) from None
    register = ConsentRegister()
    for purpose, people in by_purpose.items():
        register = grant(register, people, purpose)
    return register
