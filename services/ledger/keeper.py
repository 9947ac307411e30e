"""The one writer: takes final blocks in order of height, checks them, stores them, and says what to answer."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

from services.ledger.checks import Row, sealed
from services.ledger.core import BadBlock, Examined, Head, examine, one_final_verdict_each
from services.ledger.receipts import Issued, decided_of_examined, proofs_of_examined
from services.ledger.rows import NO_ERASURES, StoredBlock, block_row, keys_of, tables_of
from services.ledger.store import Store
from services.ledger.vetting import Kept, vet_some
from slt.bus.messages import Block
from slt.consensus.certificates import CertificateError, verify_certificate
from slt.consensus.charter import Charter
from slt.consensus.terms import Terms
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.tree import Frontier
from slt.statements import cbor
from slt.statements.erasures import BadErasure, verify_erasure
from slt.statements.genesis import Genesis
from slt.statements.governance import parse_governance
from slt.statements.headers import genesis_log_entry, parse_header
from slt.statements.terms import PrivateCertificate

Sign: TypeAlias = Callable[[Frontier], str]  # the signed checkpoint over a log

VETTED_AT_ONCE: Final = 32  # statements for one turn of a thread: some milliseconds


class SplitLedger(Exception):
    """Two certified blocks for one height: whoever signs final blocks has betrayed its users. Both are the evidence."""

    def __init__(self, height: int, stored: bytes, other: bytes) -> None:
        super().__init__(
            f"height {height} has two certified blocks: {stored.hex()}, which is stored, and {other.hex()}. "
            "Nothing more is stored; keep both as evidence and call the other members"
        )
        self.height = height
        self.stored = stored
        self.other = other


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A block that is durable, and the receipts that may now be published."""

    examined: Examined
    kept: tuple[Kept, ...]
    issued: list[Issued]


class Keeper:
    """Owns where the stored chain ends. Its methods are called by one task."""

    def __init__(
        self,
        store: Store,
        genesis: Genesis,
        sign: Sign,
        head: Head,
        *,
        pool: Executor,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._genesis = genesis
        self._sign = sign
        self._pool = pool
        self._now_ms = now_ms
        self.head = head
        self.checkpoint = ""  # the latest signed one

    @property
    def chain_id(self) -> bytes:
        return self._genesis.chain_id

    async def take(
        self, block: Block, *, received_ms: int, published: int, erasures: Mapping[bytes, bytes] = NO_ERASURES
    ) -> Stored:
        """Check and store the block after the head; durable on return. `published` goes with it, see Store.append.

        `erasures`, by statement id, stand in the place of bodies that a member has erased: an archive has them, a
        block that arrives has none. Raises BadBlock if it does not verify; then nothing of it is stored and the head
        stays.
        """
        loop = asyncio.get_running_loop()
        examined = await loop.run_in_executor(self._pool, examine, block, self.head, self._genesis)
        ids = [one.statement.id for one in examined.ordered if one.verdict.final]
        one_final_verdict_each(examined, await self._store.finals(ids))
        kept = await self._vet(examined, erasures)
        checkpoint = self._sign(examined.head.frontier)
        tables = await loop.run_in_executor(self._pool, _tables, examined, kept, self.head.entries, erasures)
        row = self._row(examined, checkpoint, received_ms)
        await self._store.append(row, tables, keys_of(examined.ordered), published=published)
        self.head, self.checkpoint = examined.head, checkpoint
        issued = await loop.run_in_executor(self._pool, self._issue, examined, kept, checkpoint)
        return Stored(examined=examined, kept=tuple(kept), issued=issued)

    async def check_again(self, block: Block) -> None:
        """Compare a block of a height that is stored with what is stored. Raises SplitLedger, or BadBlock for junk.

        The first certificate that came is kept: only the block_id counts (formats.md).
        """
        stored = await self._store.block(block.height)
        assert stored is not None, "heights up to the head are stored"
        try:
            header = parse_header(block.header)
            if header.height == block.height and header.block_id == stored.block_id:
                return
            verify_certificate(header, cbor.decode(block.certificate), self._genesis)
        except (cbor.DecodeError, CertificateError) as error:
            raise BadBlock(block.height, "certificate", f"another one came, and is not final: {error}") from error
        raise SplitLedger(block.height, stored.block_id, header.block_id)

    async def _vet(self, examined: Examined, erasures: Mapping[bytes, bytes]) -> list[Kept]:
        loop = asyncio.get_running_loop()
        try:
            gone = {statement_id: verify_erasure(raw, self._genesis) for statement_id, raw in erasures.items()}
        except BadErasure as error:
            raise BadBlock(examined.header.height, "erasure", str(error)) from error
        some = [
            loop.run_in_executor(self._pool, vet_some, examined, begin, begin + VETTED_AT_ONCE, gone)
            for begin in range(0, len(examined.ordered), VETTED_AT_ONCE)
        ]
        return list(chain.from_iterable(await asyncio.gather(*some)))

    def _row(self, examined: Examined, checkpoint: str, received_ms: int) -> Row:
        return block_row(
            examined,
            first_entry=self.head.entries,
            checkpoint=checkpoint,
            received_ms=received_ms,
            stored_ms=self._now_ms(),
        )

    def _issue(self, examined: Examined, kept: list[Kept], checkpoint: str) -> list[Issued]:
        proofs = proofs_of_examined(examined, checkpoint)
        return proofs.issued(decided_of_examined(examined, kept), self._store.keys)


async def open_keeper(
    store: Store, genesis: Genesis, sign: Sign, *, pool: Executor, now_ms: Callable[[], int]
) -> Keeper:
    """Go on where the stored chain ends; in a new database that is genesis. Raises store.ForeignLedger."""
    await store.begin(genesis, genesis_row(genesis, sign, now_ms()))
    last = await store.last_block()
    head = await head_after(last, store, genesis)
    keeper = Keeper(store, genesis, sign, head, pool=pool, now_ms=now_ms)
    keeper.checkpoint = last.checkpoint
    return keeper


async def head_after(block: StoredBlock, store: Store, genesis: Genesis) -> Head:
    """Where the chain stands after a stored block: all that the next one is checked against."""
    terms, time_ms = Terms(), 0
    if block.height:
        header = parse_header(block.header)
        time_ms = header.time_ms
        terms = terms.with_term(PrivateCertificate.from_value(cbor.decode(block.certificate)).term, genesis)
    changes = [parse_governance(statement).announcement for statement in await store.changes(block.height)]
    charter = Charter.of(genesis).announced(changes)
    return Head(
        height=block.height,
        block_id=block.block_id,
        time_ms=time_ms,
        entries=block.first_entry + block.entries,
        frontier=block.after,
        charter=charter.at(block.height),
        chains=await store.chain_heads(block.height),
        terms=terms,
    )


def genesis_row(genesis: Genesis, sign: Sign, now_ms: int) -> Row:
    """Height 0: the log has its entry 0, and nobody gets a receipt for it."""
    frontier = Frontier.EMPTY.extended([leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))])
    row: Row = {
        "height": 0,
        "block_id": genesis.chain_id,
        "time_ms": 0,
        "first_entry": 0,
        "entries": 0,
        "log_size": frontier.size,
        "frontier": frontier.encoded,
        "header": genesis.encoded,
        "certificate": b"",
        "checkpoint": sign(frontier),
        "received_ms": now_ms,
        "stored_ms": now_ms,
    }
    return sealed(row)


def signing(genesis: Genesis, signer: NoteSigner) -> Sign:
    """Signs checkpoints with our key. Ed25519 is deterministic: signed twice, it is the same note."""

    def sign(frontier: Frontier) -> str:
        checkpoint = Checkpoint(origin=genesis.origin, size=frontier.size, root=frontier.root())
        return sign_note(checkpoint.text(), signer)

    return sign


def _tables(
    examined: Examined, kept: list[Kept], first_entry: int, erasures: Mapping[bytes, bytes]
) -> dict[str, list[Row]]:
    return dict(tables_of(examined, kept, first_entry=first_entry, erasures=erasures))
