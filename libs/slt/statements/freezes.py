"""The last word on a ledger that is shut down: one member says where it ended, and that it adds nothing any more.

record     [1, chain_id, member, height, block id, log size, log root, time_ms, reason]
freeze     that record, signed by the ledger service (service_records, "FREEZE")
"""

from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.genesis import Genesis
from slt.statements.service_records import RECORD_BYTES_MAX, BadRecord, parse_record, sign_record, verify_record
from slt.statements.signatures import Signer

REASON_CHARS_MAX: Final = 1_000
FREEZER: Final = "ledger"


class BadFreeze(ValueError):
    """A freeze that does not hold under this genesis. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Where the ledger ended, by whose word, when (milliseconds, the member's clock) and why."""

    chain_id: Digest
    member: int
    height: int
    block_id: Digest
    log_size: int
    log_root: Digest
    time_ms: int
    reason: str

    def to_value(self) -> list[Value]:
        return [
            1,
            self.chain_id,
            self.member,
            self.height,
            self.block_id,
            self.log_size,
            self.log_root,
            self.time_ms,
            self.reason,
        ]


def sign_freeze(freeze: Freeze, signer: Signer, certificate: bytes) -> bytes:
    """The freeze as it is kept and shown. `certificate` is that of the ledger service whose key `signer` holds."""
    return sign_record("FREEZE", encode(freeze.to_value()), signer, certificate)


def verify_freeze(data: bytes, genesis: Genesis) -> Freeze:
    """The freeze, if the ledger service of the member that it names signed it. Raises BadFreeze."""
    try:
        fields = shapes.opened(parse_record(data).record, "freeze", 9, bytes_max=RECORD_BYTES_MAX)
        shapes.version(fields[0], "freeze")
        freeze = Freeze(
            chain_id=shapes.digest(fields[1], "freeze: chain_id"),
            member=shapes.integer(fields[2], "freeze: member", high=2**32 - 1),
            height=shapes.integer(fields[3], "freeze: height", high=shapes.HEIGHT_MAX),
            block_id=shapes.digest(fields[4], "freeze: block id"),
            log_size=shapes.integer(fields[5], "freeze: log size", low=1, high=shapes.HEIGHT_MAX),
            log_root=shapes.digest(fields[6], "freeze: log root"),
            time_ms=shapes.integer(fields[7], "freeze: time_ms", high=shapes.TIME_MS_MAX),
            reason=shapes.text(fields[8], "freeze: reason", high=REASON_CHARS_MAX),
        )
        verify_record("FREEZE", data, genesis, member=freeze.member, service=FREEZER, at_ms=freeze.time_ms)
    except (DecodeError, BadRecord) as error:
        raise BadFreeze(f"the freeze does not hold: {error}") from None
    if freeze.chain_id != genesis.chain_id:
        raise BadFreeze(f"the freeze is of ledger {freeze.chain_id.hex()}, not {genesis.chain_id.hex()}")
    return freeze
