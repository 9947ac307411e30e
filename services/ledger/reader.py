"""What the ledger gives again: receipts and blocks, made out of the stored rows, byte for byte as the first time."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final

from services.ledger.receipts import BlockProofs, Issued, decided_of_stored, proofs_of_stored
from services.ledger.rows import StoredBlock, StoredEntry, item_of
from services.ledger.store import Store, StoredBatch
from slt.bus.messages import Block, BlockBatch, encode
from slt.merkle.hashing import leaf_hash
from slt.statements import cbor
from slt.statements.genesis import Genesis

PROOFS_HELD: Final = 8  # blocks whose trees stay in memory: late questions come for the same few
BLOCKS_AT_ONCE_MAX: Final = 64
BLOCKS_BYTES: Final = 4 * 1024 * 1024  # of a reply with several blocks; one alone may be larger and still fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A receipt that was asked for, and the height that its message names."""

    height: int
    issued: Issued


class Reader:
    """Reads the store for everybody who asks. Several tasks may use it."""

    def __init__(self, store: Store, genesis: Genesis, pool: Executor) -> None:
        self._store = store
        self._genesis = genesis
        self._pool = pool
        self._proofs: OrderedDict[int, tuple[StoredBlock, BlockProofs]] = OrderedDict()

    async def receipts(self, statement_ids: Sequence[bytes]) -> dict[bytes, Found]:
        """By statement id, for those that have their final verdict."""
        numbers = await self._store.finals(statement_ids)
        entries = await self._store.entries_numbered(sorted(numbers.values()))
        return {found.issued.statement_id: found for found in await self._issue(entries)}

    async def issued_in(self, height: int) -> list[Issued]:
        """Every receipt of the block at `height`."""
        block = await self._store.block(height)
        if block is None:
            return []
        entries = [entry for entry in await self._store.entries(block) if entry.verdict.final]
        return [found.issued for found in await self._issue(entries)]

    async def receipt_of(self, entry: StoredEntry) -> bytes:
        """The receipt of one entry, whose verdict is final."""
        (found,) = await self._issue([entry])
        return found.issued.receipt

    async def blocks(self, from_height: int, count: int) -> list[bytes]:
        """Encoded blocks from `from_height` on: at least one if it is there, and no more than fit into one message."""
        blocks: list[bytes] = []
        room = BLOCKS_BYTES
        for height in range(max(1, from_height), max(1, from_height) + min(count, BLOCKS_AT_ONCE_MAX)):
            encoded = await self.encoded(height)
            if encoded is None or (blocks and len(encoded) > room):
                break
            blocks.append(encoded)
            room -= len(encoded)
        return blocks

    async def encoded(self, height: int) -> bytes | None:
        """`block`, as it is sent."""
        block = await self.block(height)
        return None if block is None else await asyncio.get_running_loop().run_in_executor(self._pool, encode, block)

    async def block(self, height: int) -> Block | None:
        """The block as it came, but for traces and for bodies that were not their statements'."""
        block = await self._store.block(height) if height else None
        if block is None:
            return None
        batches, entries = await self._store.batches(height), await self._store.entries(block)
        previous = [await self._previous(batch) for batch in batches]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, _block_of, block, list(zip(batches, previous, strict=True)), entries, self._store.keys
        )

    async def _previous(self, batch: StoredBatch) -> bytes:
        if batch.seq == 1:
            return self._genesis.chain_id
        digest = await self._store.batch_digest(batch.author, batch.seq - 1)
        assert digest is not None, "an author's batches have no gap"
        return digest

    async def _issue(self, entries: Sequence[StoredEntry]) -> list[Found]:
        found: list[Found] = []
        for height, some in groupby(entries, key=lambda entry: entry.height):
            block, proofs = await self._proofs_of(height)
            decided = [decided_of_stored(block, entry) for entry in some]
            found += [Found(height=height, issued=issued) for issued in proofs.issued(decided, self._store.keys)]
        return found

    async def _proofs_of(self, height: int) -> tuple[StoredBlock, BlockProofs]:
        if (known := self._proofs.get(height)) is not None:
            self._proofs.move_to_end(height)
            return known
        block = await self._store.block(height)
        assert block is not None, "an entry's block is stored"
        verdicts = await self._store.verdicts(block)
        loop = asyncio.get_running_loop()
        proofs = await loop.run_in_executor(self._pool, _proofs, block, self._genesis.chain_id, verdicts)
        self._proofs[height] = (block, proofs)
        while len(self._proofs) > PROOFS_HELD:
            self._proofs.popitem(last=False)
        return block, proofs


def _proofs(block: StoredBlock, chain_id: bytes, verdicts: Sequence[tuple[bytes, bytes | None]]) -> BlockProofs:
    leaves = [leaf_hash(statement) for _, statement in verdicts if statement is not None]
    return proofs_of_stored(block, chain_id, [verdict for verdict, _ in verdicts], leaves)


def _block_of(
    block: StoredBlock,
    batches: Sequence[tuple[StoredBatch, bytes]],
    entries: Sequence[StoredEntry],
    keys: Mapping[bytes, bytes],
) -> Block:
    """The block that its rows make. `batches`: each with the digest of its author's batch before."""
    rest = iter(entries)
    return Block(
        height=block.height,
        header=block.header,
        certificate=block.certificate,
        batches=[_block_batch(batch, previous, list(islice(rest, batch.entries)), keys) for batch, previous in batches],
        verdicts=[entry.verdict_cbor for entry in entries],
        findings=[entry.findings.all for entry in entries],
    )


def _block_batch(
    batch: StoredBatch, previous: bytes, entries: Sequence[StoredEntry], keys: Mapping[bytes, bytes]
) -> BlockBatch:
    items = [item_of(entry, keys) for entry in entries]
    submitted: list[cbor.Value] = [
        [item.statement, item.endorsements, item.body_length, item.body_digest] for item in items
    ]
    encoded = cbor.encode([batch.author, batch.seq, previous, submitted])
    return BlockBatch(batch=encoded, signature=batch.signature, items=items)
