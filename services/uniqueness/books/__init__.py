"""The books: what people ask about inventories, batches, balances and transits, answered beside the writer."""
