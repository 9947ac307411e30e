"""How the private driver paces itself. Liveness only, except `block_*_max`, which genesis sets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    block_bytes_max: int  # genesis parameter: sum of `size_bytes` over the batches of a block
    block_entries_max: int  # genesis parameter: sum of `report_entries`
    linger_ms: int = 20  # a block waits so long after its first batch: a fuller block costs less for each report
    idle_ms: int = 1_000  # between blocks without batches, while a governance change waits (architecture section 6)
    heartbeat_ms: int = 3_600_000  # between blocks without batches, otherwise
    unstored_max: int = 32  # blocks that the ledger may be behind before no new one is made
    retry_ms: int = 1_000  # after an evaluation that failed; doubles with each further one
    retry_max_ms: int = 60_000  # what fails for an hour is not mended by asking every second
    vetted_again_max: int = 4  # in a row, for one block: an activation, a new key, and both once more; then it failed
