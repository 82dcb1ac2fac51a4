"""A node as a witness of the hub's log: it cosigns a checkpoint only if the log has grown and nothing else."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hansa.errors import LogError
from hansa.log import cosign, open_checkpoint, parse_verifier_key
from hansa.node.context import NodeContext
from hansa.wire import open_message
from hansa.wire.messages import CheckpointBefore, CheckpointCosigned, CheckpointShown

__all__ = ["witness_checkpoint"]


def witness_checkpoint(node: NodeContext, data: bytes, key: Ed25519PrivateKey) -> CheckpointCosigned | CheckpointBefore:
    """Cosign a checkpoint that extends the last one this node has seen, and remember it.

    A hub that lost this node's last answer proves from an older one: it is told the size to begin at (as in
    c2sp.org/tlog-witness, "409 Conflict").
    """
    _, shown = open_message(data, CheckpointShown, node.directory.of("hub"))
    log_key = parse_verifier_key(shown.log_key)
    if log_key.public_key != node.directory.public_key("log", log_key.name):
        raise LogError("the checkpoint is signed with a key that nobody certified for a log")
    last = node.store.checkpoint(log_key.name)
    seen = None if last is None else open_checkpoint(last, log_key)
    size = 0 if seen is None else seen.size
    if shown.since != size:
        return CheckpointBefore(size=size)
    time = int(node.clock().timestamp())
    signed = cosign(seen, shown.checkpoint, shown.proof, log_key=log_key, name=node.name, key=key, time=time)
    node.store.save_checkpoint(log_key.name, shown.checkpoint)
    return CheckpointCosigned(signature=signed.line)
