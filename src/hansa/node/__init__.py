"""The custodian's node: decisions, gate, steps, ledger."""
