"""The state at height 0: what genesis and the opening inventories say."""

from collections import defaultdict
from collections.abc import Iterable

import cbor2

from slt.inventory.batches import opening_value
from slt.inventory.effects import book_value
from slt.inventory.keys import ENTRIES_PER_RECORD, Kind, key
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.members import first_members
from slt.inventory.periods import opening_pit, weights_value
from slt.inventory.registry import LedgerRecord, area_records
from slt.inventory.state import StateHead, Value
from slt.merkle.hashing import Digest
from slt.reports.signs import category_of
from slt.statements.genesis import Genesis, Mba
from slt.statements.openings import Opening


class OpeningFault(ValueError):
    """An opening inventory is missing, or is not the one that genesis names. The sentence says which and what to do."""


def genesis_state(genesis: Genesis, openings: Iterable[Opening]) -> dict[bytes, bytes]:
    """All records at height 0. `openings` are the files that genesis names by digest, in any order, and no others.

    Raises OpeningFault.
    """
    ledger = LedgerRecord(chain_id=genesis.chain_id, model=genesis.model)
    records: dict[bytes, Value] = {
        key(Kind.LEDGER): ledger.to_value(),
        key(Kind.MEMBERS): first_members(genesis.members).to_value(),
    }
    for member in genesis.members:
        records[key(Kind.MEMBER, member.id)] = member.to_value()
        records[key(Kind.CHAIN, member.id)] = [0, genesis.chain_id]
    for identity in genesis.identities:
        records[key(Kind.IDENTITY, identity.kid)] = identity.to_value()
    versions = (("rules_version", genesis.rules_version), ("reference_version", genesis.reference_version))
    for name, value in (*genesis.parameters.items(), *versions):
        records[key(Kind.PARAMETER, name)] = [value]
    by_digest = {opening.digest: opening for opening in openings}
    for mba in genesis.mbas:
        records |= area_records(mba)
        if mba.opening is not None:
            records |= _opening_records(mba, opening_of(mba, by_digest))
    if strangers := by_digest.keys() - {mba.opening for mba in genesis.mbas}:
        names = ", ".join(sorted(f"{by_digest[digest].mba} ({digest.hex()})" for digest in strangers))
        raise OpeningFault(f"genesis does not name these opening inventories: {names}. Remove them.")
    return {record_key: cbor2.dumps(value) for record_key, value in records.items()}


def genesis_head(genesis: Genesis, records: dict[bytes, bytes]) -> StateHead:
    """Where the state stands at height 0. The log has one entry then, which names the ledger."""
    return StateHead(
        height=0,
        block_id=genesis.chain_id,
        lanes=updated(EMPTY_LANES, added=records.items()),
        log_size=1,
        time_ms=0,
    )


def opening_of(mba: Mba, by_digest: dict[Digest, Opening]) -> Opening:
    """The opening inventory that genesis names for `mba`, out of those that are there. Raises OpeningFault."""
    assert mba.opening is not None, "asked for areas with an opening inventory only"
    opening = by_digest.get(Digest(mba.opening))
    what = f"{mba.state}/{mba.mba}"
    if opening is None:
        raise OpeningFault(f"the opening inventory of {what} is missing: add the file with digest {mba.opening.hex()}")
    if opening.mba != mba.mba or opening.pit != mba.last_pit:
        raise OpeningFault(
            f"genesis names an opening inventory for {what} at {mba.last_pit}, and that file is of {opening.mba} at "
            f"{opening.pit}: correct the digest in genesis"
        )
    return opening


def _opening_records(mba: Mba, opening: Opening) -> dict[bytes, Value]:
    """Its entries, its batches, and their sum: the book, and the physical ending that the first balance begins with."""
    records: dict[bytes, Value] = {}
    books: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    sums: dict[int, int] = defaultdict(int)
    obligations: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    batches: dict[str, list[tuple[int, tuple[tuple[int, int], ...]]]] = defaultdict(list)
    entries = [entry.to_value() for entry in opening.entries]
    for start in range(0, len(entries), ENTRIES_PER_RECORD):
        record_key = key(Kind.OPENING, mba.state, mba.mba, start // ENTRIES_PER_RECORD)
        records[record_key] = [opening.pit, entries[start : start + ENTRIES_PER_RECORD]]
    for entry in opening.entries:
        batches[entry.batch].append((entry.items, entry.weights))
        present = {label for label, _ in entry.weights}
        for label, mg in entry.weights:
            books[category_of(label, present)][label] += mg
            sums[label] += mg
            if entry.obligation:
                obligations[entry.obligation][label] += mg
    for obligation, held in obligations.items():
        if value := weights_value(held):
            records[key(Kind.OBLIGATION, mba.state, mba.mba, obligation)] = value
    for name, lines in batches.items():
        records[key(Kind.BATCH, mba.state, mba.mba, name)] = opening_value(lines)
    for category, book in books.items():
        if value := book_value(book):
            records[key(Kind.BOOK, mba.state, mba.mba, category)] = value
    records[key(Kind.PIT, mba.state, mba.mba, opening.pit)] = opening_pit(sums)
    return records
