"""Every format of the ledger: CBOR, tags, statements, batches, headers, genesis, receipts, refusals. Pure."""
