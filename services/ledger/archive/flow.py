"""Write the ledger into an archive; rebuild a ledger out of one, through the same checks as when its blocks came."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from services.ledger.archive.bundle import ArchiveWriter, BadArchive, read_archive
from services.ledger.archive.records import Archived, block_record, read_record
from services.ledger.core import BadBlock
from services.ledger.keeper import Keeper, open_keeper
from services.ledger.store import Store
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.notes import NoteError, NoteVerifier, open_note
from slt.merkle.tree import Frontier
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis
from slt.statements.openings import parse_opening

INSIDE: Final = ("README.md", "verify.py")
GENESIS: Final = "genesis.cbor"
LEDGER: Final = "ledger.json"
CHECKPOINT: Final = "checkpoint"
BLOCKS: Final = "blocks/"
OPENINGS: Final = "openings/"
STATE: Final = "state.slt"
FROZEN: Final = "frozen.cbor"
PIECE_BYTES: Final = 32 * 1024 * 1024  # blocks of one file: what a writer or reader holds, but for one large block
LENGTH_BYTES: Final = 4

Tell = Callable[[int, int], None]  # the height reached, and the last one


class WrongLedger(Exception):
    """The archive is of another ledger, or the database that it should rebuild is not new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an archive ends with."""

    origin: str
    chain_id: str
    height: int
    block_id: str
    statements: int
    log_size: int
    log_root: str

    def encoded(self) -> bytes:
        values = {name: getattr(self, name) for name in self.__slots__}
        return (json.dumps(values, indent=2) + "\n").encode()


async def write(
    store: Store,
    genesis: Genesis,
    path: Path,
    *,
    beside: Mapping[str, bytes],
    tell: Tell,
) -> Summary:
    """Write every stored block up to the last one now into `path`, durable on return. The service may go on meanwhile.

    `beside`: further files to put inside, by name.
    """
    last = await store.last_block()
    summary = Summary(
        origin=genesis.origin,
        chain_id=genesis.chain_id.hex(),
        height=last.height,
        block_id=last.block_id.hex(),
        statements=last.first_entry + last.entries,
        log_size=last.after.size,
        log_root=last.after.root().hex(),
    )
    with ArchiveWriter(path) as archive:
        for name in INSIDE:
            archive.add(name, resources.files(__package__).joinpath("inside", name).read_bytes())
        archive.add(LEDGER, summary.encoded())
        archive.add(GENESIS, genesis.encoded)
        for name, data in beside.items():
            archive.add(name, data)
        piece, first = bytearray(), 0
        for height in range(last.height + 1):
            piece += await _record(store, height)
            if len(piece) >= PIECE_BYTES or height == last.height:
                archive.add(f"{BLOCKS}{first:012}-{height:012}.cborseq", bytes(piece))
                piece, first = bytearray(), height + 1
            tell(height, last.height)
        archive.add(CHECKPOINT, last.checkpoint.encode())
    return summary


async def _record(store: Store, height: int) -> bytes:
    block = await store.block(height)
    assert block is not None, "heights have no gap"
    record = block_record(block, await store.batches(height), await store.entries(block), store.keys)
    return len(record).to_bytes(LENGTH_BYTES, "big") + record


async def rebuild(
    store: Store, genesis: Genesis, verifier: NoteVerifier, path: Path, *, pool: Executor, tell: Tell
) -> Summary:
    """Fill a new database with the ledger of `path`: every block is verified as when it came, and kept as it was kept.

    `verifier`: the checkpoint key of the member that wrote the archive; the checkpoints are kept as it signed them, so
    no key is needed. Raises BadArchive, WrongLedger; what was rebuilt up to there is a good ledger, only shorter.
    """
    notes = _Notes(genesis, verifier)
    keeper: Keeper | None = None
    summary: Summary | None = None
    checkpoint = ""
    for name, data in read_archive(path):
        if name == LEDGER:
            summary = _summary(data, genesis)
        elif name == GENESIS and data != genesis.encoded:
            raise WrongLedger("the genesis file inside is not the one that is configured")
        elif name.startswith(OPENINGS):
            _check_opening(name, data, genesis)
        elif name.startswith(BLOCKS):
            if summary is None:
                raise BadArchive(f"{name} stands before {LEDGER}")
            for record in _records(data):
                if keeper is None:
                    keeper = await _begun(record, store, genesis, notes, pool)
                else:
                    await _take(keeper, notes, record)
                tell(keeper.head.height, summary.height)
        elif name == CHECKPOINT:
            checkpoint = data.decode(errors="replace")
    if summary is None or keeper is None:
        raise BadArchive(f"it has no {LEDGER}, or no blocks")
    head = keeper.head
    if (head.height, head.block_id.hex(), head.frontier.root().hex()) != (
        summary.height, summary.block_id, summary.log_root,
    ):  # fmt: skip
        raise BadArchive(
            f"its blocks end at height {head.height}, and it says that the ledger ends at {summary.height}"
        )
    if checkpoint != keeper.checkpoint:
        raise BadArchive("its checkpoint is not that of its last block")
    return summary


class _Notes:
    """Gives the checkpoints that an archive holds, in place of a key; each must be signed, and of the very log."""

    def __init__(self, genesis: Genesis, verifier: NoteVerifier) -> None:
        self._genesis = genesis
        self._verifier = verifier
        self.next: Archived | None = None

    def sign(self, frontier: Frontier) -> str:
        text = Checkpoint(origin=self._genesis.origin, size=frontier.size, root=frontier.root()).text()
        assert self.next is not None, "a block was read"
        try:
            signed = open_note(self.next.checkpoint, [self._verifier], exact=True)
        except NoteError as error:
            raise BadArchive(f"the checkpoint of height {self.next.block.height} does not hold: {error}") from error
        if signed != text:
            raise BadArchive(f"the checkpoint of height {self.next.block.height} is of another log")
        return self.next.checkpoint

    def now_ms(self) -> int:
        assert self.next is not None, "a block was read"
        return self.next.stored_ms


async def _begun(record: bytes, store: Store, genesis: Genesis, notes: _Notes, pool: Executor) -> Keeper:
    """Height 0: what genesis makes, with the checkpoint that was signed when the ledger began."""
    if await store.height() >= 0:
        raise WrongLedger("this database holds a ledger already; rebuild into a new one")
    try:
        notes.next = read_record(record, first_entry=0, previous={}, chain_id=genesis.chain_id)
    except DecodeError as error:
        raise BadArchive(f"its first block cannot be read: {error}") from error
    if notes.next.block.height != 0:
        raise BadArchive(f"its blocks begin with height {notes.next.block.height}")
    return await open_keeper(store, genesis, notes.sign, pool=pool, now_ms=notes.now_ms)


async def _take(keeper: Keeper, notes: _Notes, record: bytes) -> None:
    height = keeper.head.height + 1
    previous = {author: head.digest for author, head in keeper.head.chains.items()}
    try:
        archived = notes.next = read_record(
            record, first_entry=keeper.head.entries, previous=previous, chain_id=keeper.chain_id
        )
        await keeper.take(
            archived.block,
            received_ms=archived.received_ms,
            published=archived.block.height,
            erasures=archived.erasures,
        )
    except (DecodeError, BadBlock) as error:
        raise BadArchive(f"block {height} does not hold: {error}") from error


def _records(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        record = data[at + LENGTH_BYTES : at + LENGTH_BYTES + length]
        if len(record) < length:
            raise BadArchive("a block inside was cut")
        yield record
        at += LENGTH_BYTES + length


def _summary(data: bytes, genesis: Genesis) -> Summary:
    try:
        said: dict[str, Any] = json.loads(data)
        summary = Summary(**said)
    except (ValueError, TypeError) as error:
        raise BadArchive(f"its {LEDGER} cannot be read: {error}") from error
    if summary.chain_id != genesis.chain_id.hex():
        raise WrongLedger(
            f"it is the archive of ledger {summary.chain_id}; the genesis file is {genesis.chain_id.hex()}"
        )
    return summary


def _check_opening(name: str, data: bytes, genesis: Genesis) -> None:
    try:
        digest = parse_opening(data).digest
    except DecodeError as error:
        raise BadArchive(f"{name} is no opening inventory: {error}") from error
    if digest not in {mba.opening for mba in genesis.mbas}:
        raise BadArchive(f"{name} is no opening inventory of this ledger")
