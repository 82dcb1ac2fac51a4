from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.errors import LogError
from hansa.log import (
    Checkpoint,
    LogEntry,
    MemoryTree,
    ProofBundle,
    bundle_from_json,
    bundle_to_json,
    commit,
    cosign,
    make_bundle,
    root_hash,
    sign_checkpoint,
    verifier_key,
    verify_bundle,
    witness_key,
)

ORIGIN = "hub.example.org/log"
LOG = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
LOG_KEY = verifier_key(ORIGIN, LOG)
WITNESSES = {
    f"{city}.example.org/witness": Ed25519PrivateKey.from_private_bytes(bytes([2 + i]) * 32)
    for i, city in enumerate(("budapest", "cleveland", "zurich"))
}
WITNESS_KEYS = tuple(witness_key(name, key) for name, key in WITNESSES.items())
ENTRIES = tuple(LogEntry("release", b"entry %d" % i, bytes([i]) * 32, i) for i in range(11))
TIME = 1_700_000_000


def build() -> ProofBundle:
    tree = MemoryTree()
    for entry in ENTRIES:
        tree.append(commit(entry.kind, entry.payload, entry.salt))
    note = sign_checkpoint(Checkpoint(ORIGIN, tree.size, root_hash(tree, tree.size)), LOG)
    lines = [
        cosign(None, note, (), log_key=LOG_KEY, name=name, key=key, time=TIME).line for name, key in WITNESSES.items()
    ]
    chosen = (ENTRIES[7], ENTRIES[0], ENTRIES[10])
    return make_bundle(chosen, nodes=tree, checkpoint=note, log_key=LOG_KEY, witnesses=lines)


BUNDLE = build()


def with_entry(position: int, **changes: Any) -> ProofBundle:
    entries = list(BUNDLE.entries)
    entries[position] = replace(entries[position], entry=replace(entries[position].entry, **changes))
    return replace(BUNDLE, entries=tuple(entries))


def with_proof(position: int, proof: tuple[bytes, ...]) -> ProofBundle:
    entries = list(BUNDLE.entries)
    entries[position] = replace(entries[position], proof=proof)
    return replace(BUNDLE, entries=tuple(entries))


def test_a_bundle_verifies_offline_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_text(bundle_to_json(BUNDLE), encoding="utf-8")
    verified = verify_bundle(
        bundle_from_json(file.read_text(encoding="utf-8")), LOG_KEY, WITNESS_KEYS, witnesses_needed=3
    )
    assert verified.entries == (ENTRIES[7], ENTRIES[0], ENTRIES[10])
    assert (verified.checkpoint.origin, verified.checkpoint.size) == (ORIGIN, 11)
    assert [(witness.name, witness.time) for witness in verified.witnesses] == [(n, TIME) for n in WITNESSES]


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"payload": b"forged"}, id="payload"),
        pytest.param({"salt": bytes([99]) * 32}, id="salt"),
        pytest.param({"salt": b"short"}, id="salt length"),
        pytest.param({"kind": "permit"}, id="kind"),
        pytest.param({"kind": "Not a kind"}, id="malformed kind"),
        pytest.param({"index": 5}, id="index"),
        pytest.param({"index": 11}, id="index beyond the log"),
        pytest.param({"index": -1}, id="negative index"),
    ],
)
def test_a_tampered_entry_is_named(position: int, changes: dict[str, Any]) -> None:
    with pytest.raises(LogError, match=f"entry {position} is not proved") as caught:
        verify_bundle(with_entry(position, **changes), LOG_KEY, WITNESS_KEYS, 3)
    assert caught.value.field == f"entries.{position}"


@given(st.integers(0, 2), st.data())
@settings(max_examples=60)
def test_a_tampered_proof_is_named(position: int, data: st.DataObject) -> None:
    proof = list(BUNDLE.entries[position].proof)
    which = data.draw(st.integers(0, len(proof) - 1))
    digest = bytearray(proof[which])
    digest[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    proof[which] = bytes(digest)
    with pytest.raises(LogError, match=f"entry {position} is not proved"):
        verify_bundle(with_proof(position, tuple(proof)), LOG_KEY, WITNESS_KEYS, 3)


def test_swapped_proofs_are_refused() -> None:
    with pytest.raises(LogError, match="entry 1 is not proved"):
        verify_bundle(with_proof(1, BUNDLE.entries[0].proof), LOG_KEY, WITNESS_KEYS, 3)


def test_a_tampered_checkpoint_is_refused_by_the_logs_name() -> None:
    bundle = replace(BUNDLE, checkpoint=BUNDLE.checkpoint.replace("\n11\n", "\n12\n"))
    with pytest.raises(LogError, match=f"signature of {ORIGIN} does not verify"):
        verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 3)


def test_another_key_name_on_the_checkpoint_is_refused() -> None:
    bundle = replace(BUNDLE, checkpoint=BUNDLE.checkpoint.replace(f"— {ORIGIN}", "— evil.example.org/log"))
    with pytest.raises(LogError, match="no known key"):
        verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 3)


def test_a_checkpoint_by_an_impostor_of_the_same_name_is_refused() -> None:
    impostor = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
    bundle = replace(BUNDLE, checkpoint=sign_checkpoint(Checkpoint(ORIGIN, 11, bytes(32)), impostor))
    with pytest.raises(LogError, match="no known key"):
        verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 0)


def test_cosignatures_of_another_checkpoint_are_refused_by_name() -> None:
    other = sign_checkpoint(Checkpoint(ORIGIN, 11, bytes(32)), LOG)
    name, key = next(iter(WITNESSES.items()))
    line = cosign(None, other, (), log_key=LOG_KEY, name=name, key=key, time=TIME).line
    with pytest.raises(LogError, match=f"signature of {name} does not verify"):
        verify_bundle(replace(BUNDLE, witnesses=(line,)), LOG_KEY, WITNESS_KEYS, 1)


def test_too_few_witnesses_are_refused() -> None:
    bundle = replace(BUNDLE, witnesses=BUNDLE.witnesses[:1])
    assert len(verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 1).witnesses) == 1
    with pytest.raises(LogError, match="2 are needed, 1 of those known signed"):
        verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 2)


def test_one_witness_line_given_twice_does_not_count_twice() -> None:
    bundle = replace(BUNDLE, witnesses=(BUNDLE.witnesses[0], BUNDLE.witnesses[0]))
    with pytest.raises(LogError, match="signs twice"):
        verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 2)


def test_two_cosignatures_of_one_witness_do_not_count_twice() -> None:
    name, key = next(iter(WITNESSES.items()))
    again = cosign(None, BUNDLE.checkpoint, (), log_key=LOG_KEY, name=name, key=key, time=TIME + 1).line
    with pytest.raises(LogError, match="signs twice"):
        verify_bundle(replace(BUNDLE, witnesses=(BUNDLE.witnesses[0], again)), LOG_KEY, WITNESS_KEYS, 2)


def test_unknown_witnesses_do_not_count() -> None:
    with pytest.raises(LogError, match="too few witnesses"):
        verify_bundle(replace(BUNDLE, witnesses=BUNDLE.witnesses[1:]), LOG_KEY, WITNESS_KEYS[:1], 1)


def test_the_log_does_not_witness_itself() -> None:
    with pytest.raises(LogError, match="cannot witness itself"):
        verify_bundle(BUNDLE, LOG_KEY, (*WITNESS_KEYS, witness_key("front.example", LOG)), 3)


def test_a_key_that_serves_two_witnesses_is_refused() -> None:
    double = witness_key("double.example", next(iter(WITNESSES.values())))
    with pytest.raises(LogError, match="listed twice"):
        verify_bundle(BUNDLE, LOG_KEY, (*WITNESS_KEYS, double), 3)


@pytest.mark.parametrize("needed", [-1, 4])
def test_a_number_of_witnesses_that_cannot_be_met_is_refused(needed: int) -> None:
    with pytest.raises(LogError, match="cannot be met"):
        verify_bundle(BUNDLE, LOG_KEY, WITNESS_KEYS, needed)


def test_a_bundle_without_entries_proves_nothing() -> None:
    with pytest.raises(LogError, match="proves nothing"):
        verify_bundle(replace(BUNDLE, entries=()), LOG_KEY, WITNESS_KEYS, 3)


def test_a_leaf_listed_twice_is_refused() -> None:
    bundle = replace(BUNDLE, entries=(BUNDLE.entries[0], BUNDLE.entries[0]))
    with pytest.raises(LogError, match="listed twice"):
        verify_bundle(bundle, LOG_KEY, WITNESS_KEYS, 3)


def test_an_entry_newer_than_the_checkpoint_is_not_proved() -> None:
    tree = MemoryTree()
    for entry in ENTRIES:
        tree.append(commit(entry.kind, entry.payload, entry.salt))
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, root_hash(tree, 5)), LOG)
    with pytest.raises(LogError, match="no such leaf"):
        make_bundle([ENTRIES[5]], nodes=tree, checkpoint=note, log_key=LOG_KEY)


def test_errors_show_neither_payload_nor_salt() -> None:
    with pytest.raises(LogError) as caught:
        verify_bundle(with_entry(0, payload=b"diagnosis"), LOG_KEY, WITNESS_KEYS, 3)
    shown = json.dumps(caught.value.to_dict())
    assert "diagnosis" not in shown
    assert ENTRIES[7].salt.hex() not in shown


def test_json_returns_the_same_bundle() -> None:
    assert bundle_from_json(bundle_to_json(BUNDLE)) == BUNDLE


def test_the_file_names_its_entries_plainly() -> None:
    first = json.loads(bundle_to_json(BUNDLE))["entries"][0]
    assert (first["kind"], first["index"], first["payload"]) == ("release", 7, "ZW50cnkgNw==")


def set_entry(field: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    def change(data: dict[str, Any]) -> None:
        data["entries"][0][field] = value

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param(lambda data: data.pop("checkpoint"), "bundle", id="a missing field"),
        pytest.param(lambda data: data.update(more=1), "bundle", id="a further field"),
        pytest.param(lambda data: data.update(format="hansa/proof-bundle/2"), "format", id="another format"),
        pytest.param(lambda data: data.update(checkpoint=7), "checkpoint", id="a number for text"),
        pytest.param(lambda data: data.update(witnesses="— w"), "witnesses", id="text for a list"),
        pytest.param(lambda data: data.update(witnesses=[None]), "witnesses.0", id="null for a line"),
        pytest.param(lambda data: data.update(entries={}), "entries", id="an object for a list"),
        pytest.param(lambda data: data["entries"][1].pop("salt"), "entries.1", id="an entry without salt"),
        pytest.param(lambda data: data["entries"][2].update(x=1), "entries.2", id="an entry with more"),
        pytest.param(set_entry("index", True), "entries.0.index", id="true for a number"),
        pytest.param(set_entry("index", 7.0), "entries.0.index", id="a fraction for a number"),
        pytest.param(set_entry("index", "7"), "entries.0.index", id="text for a number"),
        pytest.param(set_entry("payload", "ZW50cnkgNx=="), "entries.0.payload", id="unused bits set"),
        pytest.param(set_entry("payload", "ZW50 cnkg"), "entries.0.payload", id="white space in base64"),
        pytest.param(set_entry("salt", "ÄÖÜ="), "entries.0.salt", id="not ASCII"),
        pytest.param(set_entry("proof", ["-_-_"]), "entries.0.proof.0", id="the URL alphabet"),
    ],
)
def test_a_malformed_file_is_refused_at_its_field(change: Callable[[Any], Any], field: str) -> None:
    data = json.loads(bundle_to_json(BUNDLE))
    change(data)
    with pytest.raises(LogError) as caught:
        bundle_from_json(json.dumps(data))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("[]", id="a list"),
        pytest.param(bundle_to_json(BUNDLE) + "x", id="trailing garbage"),
        pytest.param(bundle_to_json(BUNDLE)[:-1], id="cut off"),
        pytest.param("[" * 100_000, id="deeply nested"),
        pytest.param("9" * 10_000, id="a very long number"),
        pytest.param(
            bundle_to_json(BUNDLE).replace('"witnesses"', '"witnesses": [], "witnesses"'), id="a repeated field"
        ),
    ],
)
def test_a_text_that_is_no_bundle_is_refused(text: str) -> None:
    with pytest.raises(LogError):
        bundle_from_json(text)
