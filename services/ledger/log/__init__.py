"""The public log: tiles, checkpoints, cosignatures and witnesses, made from what the ledger has stored."""
