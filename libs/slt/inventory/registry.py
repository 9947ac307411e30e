"""The registry, the reference data and the ledger's own record, as the state has them."""

from dataclasses import dataclass

from slt.inventory.keys import Kind, key
from slt.inventory.periods import CLOSED, LISTED, Head, opening_pit
from slt.inventory.state import Draft, Value
from slt.statements.genesis import Identity, Mba


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """What evaluation knows of the ledger that it is a part of."""

    chain_id: bytes
    model: str
    oldest_iat: int = 0
    """Seconds. Of statements older than this no verdicts are remembered, however long the window is now."""

    @classmethod
    def of(cls, value: Value) -> "LedgerRecord":
        chain_id, model, oldest_iat = value
        return cls(chain_id=chain_id, model=model, oldest_iat=oldest_iat)

    def to_value(self) -> Value:
        return [self.chain_id, self.model, self.oldest_iat]


def find_ledger(draft: Draft) -> LedgerRecord:
    """Raises NeedRecords."""
    ledger = draft.read(key(Kind.LEDGER), LedgerRecord.of)
    assert ledger is not None, "the state has this record from genesis on"
    return ledger


def find_identity(draft: Draft, kid: bytes) -> Identity | None:
    """Raises NeedRecords."""
    return draft.read(key(Kind.IDENTITY, kid), Identity.from_value)


def find_mba(draft: Draft, state: str, mba: str) -> Mba | None:
    """Raises NeedRecords."""
    return draft.read(key(Kind.MBA, state, mba), Mba.from_value)


def area_records(mba: Mba) -> dict[bytes, Value]:
    """What the state has of an area that begins, its opening inventory aside."""
    pits = ((mba.last_pit, LISTED | CLOSED),) if mba.last_pit else ()
    records: dict[bytes, Value] = {
        key(Kind.MBA, mba.state, mba.mba): mba.to_value(),
        key(Kind.HEAD, mba.state, mba.mba): Head(mba.last_report_number, pits=pits).to_value(),
    }
    if mba.last_pit and mba.opening is None:
        records[key(Kind.PIT, mba.state, mba.mba, mba.last_pit)] = opening_pit({})
    return records
