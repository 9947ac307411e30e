"""The ledger's durable state. `append` is the commit point of the whole member: only after it may anybody be answered.

One writer: the service holds a process lock on its folder, and the height is a key without gaps, so a second writer's
transaction fails. Readers see committed blocks only. Whatever the database raises travels up: the process stops, and
starts anew from what was committed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, Table, delete, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ledger.checks import Row, sealed
from services.ledger.core import ChainHead
from services.ledger.joined import BESIDE, Rotten, compare, compare_all, with_all
from services.ledger.rows import StoredBlock, StoredEntry, entry_of, key_rows, lookup_key, submission_id_of
from services.ledger.tables import BATCHES, BLOCKS, BODIES, ENTRIES, ERASURES, KEYS, MARKS
from slt.merkle.tree import Frontier
from slt.statements.genesis import Genesis
from slt.statements.verdicts import is_final, parse_verdict

ASKED_AT_ONCE: Final = 500  # parameters of one IN (...): below the limits of both databases
PUBLISHED: Final = "published"
FROZEN: Final = "frozen"  # the mark of a ledger that was shut down: nothing is added behind its height


class ForeignLedger(Exception):
    """The database holds the ledger of another genesis file. Nobody may write there: the operator has mixed folders."""


class Frozen(Exception):
    """This ledger was shut down: it is read, and nothing is added to it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBatch:
    """One row of `batches`."""

    author: int
    seq: int
    digest: bytes
    signature: bytes
    entries: int


class Store:
    """Reads and appends blocks. Safe to use from several tasks; `append` from one at a time.

    Whatever block, batch or entry is read is compared with its checksum, and Rotten is raised where it differs; only a
    check of the rows themselves reads without (`checked` False).
    """

    def __init__(self, engine: AsyncEngine, *, checked: bool = True) -> None:
        self._engine = engine
        self._checked = checked
        self.rotten: str | None = None  # the first row that was found to be; a person must look
        self._keys: dict[bytes, bytes] = {}  # kid -> SPKI: a mirror of `keys`, which only grows
        self._writing = asyncio.Lock()

    async def begin(self, genesis: Genesis, first: Row) -> None:
        """Make `first` the row of height 0 if the database is new.

        Raises ForeignLedger if it is another genesis's, and Frozen if this ledger was shut down.
        """
        async with self._engine.begin() as connection:
            block_id = await connection.scalar(select(BLOCKS.c.block_id).where(BLOCKS.c.height == 0))
            if block_id is None:
                await connection.execute(insert(BLOCKS), first)
                await connection.execute(insert(MARKS), _mark_row(PUBLISHED, 0))
            elif bytes(block_id) != genesis.chain_id:
                raise ForeignLedger(_foreign(bytes(block_id), genesis))
            frozen = await connection.scalar(select(MARKS.c.value).where(MARKS.c.name == FROZEN))
            if frozen is not None:
                raise Frozen(f"this ledger was shut down at height {frozen} (slt freeze): nothing is added any more")
            await self._read_keys(connection)

    async def freeze(self, height: int) -> None:
        """Shut this ledger down at its last height: no service adds a block from now on. Durable on return."""
        async with self._writing, self._engine.begin() as connection:
            await connection.execute(insert(MARKS), _mark_row(FROZEN, height))

    async def attach(self, genesis: Genesis) -> None:
        """Read a database that a ledger has filled, and write nothing. Raises ForeignLedger, also when it is empty."""
        async with self._engine.connect() as connection:
            block_id = await connection.scalar(select(BLOCKS.c.block_id).where(BLOCKS.c.height == 0))
            if block_id is None:
                raise ForeignLedger("this database holds no ledger; is it the folder or the URL of the ledger service?")
            if bytes(block_id) != genesis.chain_id:
                raise ForeignLedger(_foreign(bytes(block_id), genesis))
            await self._read_keys(connection)

    async def _read_keys(self, connection: AsyncConnection) -> None:
        found = [dict(row) for row in (await connection.execute(select(KEYS))).mappings()]
        for row in self._compared(found, partial(compare, KEYS)):
            self._keys[bytes(row["kid"])] = bytes(row["spki"])

    async def append(
        self, block: Row, tables: Mapping[str, list[Row]], keys: Mapping[bytes, bytes], *, published: int
    ) -> None:
        """Store a block with everything beside it, in one transaction; durable on return.

        `published` is the mark: the receipts of every block up to that height are known to be published. A crash
        before the commit leaves nothing of the block; the bus or consensus brings it again. A crash after it leaves
        the block without published receipts: the start publishes those above the mark.
        """
        new = {kid: spki for kid, spki in keys.items() if kid not in self._keys}
        async with self._writing, self._engine.begin() as connection:
            await connection.execute(insert(BLOCKS), block)
            for table in (BATCHES, ENTRIES, *BESIDE):
                if rows := tables.get(table.name):
                    await connection.execute(insert(table), rows)
            if new:
                await connection.execute(insert(KEYS), key_rows(new))
            await _mark(connection, published)
        self._keys.update(new)

    async def mark_published(self, height: int) -> None:
        async with self._writing, self._engine.begin() as connection:
            await _mark(connection, height)

    async def published(self) -> int:
        async with self._engine.connect() as connection:
            value = await connection.scalar(select(MARKS.c.value).where(MARKS.c.name == PUBLISHED))
        return int(value or 0)

    @property
    def keys(self) -> Mapping[bytes, bytes]:
        """Kid -> SubjectPublicKeyInfo of everybody who signed what has a final verdict."""
        return self._keys

    # The chain

    async def last_block(self) -> StoredBlock:
        block = await self.block(await self.height())
        assert block is not None, "begin() stores height 0"
        return block

    async def block(self, height: int) -> StoredBlock | None:
        found = await self.blocks(height, 1)
        return found[0] if found else None

    async def blocks(self, from_height: int, count: int) -> list[StoredBlock]:
        """The blocks of heights [from_height, from_height + count) that are there, in order."""
        wanted = (
            select(BLOCKS)
            .where(BLOCKS.c.height >= from_height - 1, BLOCKS.c.height < from_height + count)
            .order_by(BLOCKS.c.height)
        )
        found = await self._whole(BLOCKS, wanted)
        blocks: list[StoredBlock] = []
        before = Frontier.EMPTY
        for row in found:
            after = Frontier.decoded(row["log_size"], bytes(row["frontier"]))
            if row["height"] >= from_height:
                blocks.append(_stored_block(row, before, after))
            before = after
        return blocks

    async def chain_heads(self, height: int) -> dict[int, ChainHead]:
        """The last batch of every author in the blocks up to `height`."""
        last = (
            select(BATCHES.c.author, func.max(BATCHES.c.seq).label("seq"))
            .where(BATCHES.c.height <= height)
            .group_by(BATCHES.c.author)
            .subquery()
        )
        rows = await self._rows(
            select(BATCHES.c.author, BATCHES.c.seq, BATCHES.c.digest).join(
                last, (BATCHES.c.author == last.c.author) & (BATCHES.c.seq == last.c.seq)
            )
        )
        return {row["author"]: ChainHead(seq=row["seq"], digest=bytes(row["digest"])) for row in rows}

    async def changes(self, height: int) -> list[bytes]:
        """The accepted governance statements of the blocks up to `height`, in their order.

        They are those without a body; the literal 0 lets both databases use the index of these few rows.
        """
        rows = await self._whole(
            ENTRIES,
            select(ENTRIES)
            .where(ENTRIES.c.body_length == literal_column("0"), ENTRIES.c.code == 0, ENTRIES.c.height <= height)
            .order_by(ENTRIES.c.entry),
        )
        return [bytes(row["statement"]) for row in rows]

    async def batches(self, height: int) -> list[StoredBatch]:
        wanted = select(BATCHES).where(BATCHES.c.height == height).order_by(BATCHES.c.position)
        rows = await self._whole(BATCHES, wanted)
        return [
            StoredBatch(
                author=row["author"],
                seq=row["seq"],
                digest=bytes(row["digest"]),
                signature=bytes(row["signature"]),
                entries=row["entries"],
            )
            for row in rows
        ]

    async def batch_digest(self, author: int, seq: int) -> bytes | None:
        wanted = select(BATCHES).where(BATCHES.c.author == author, BATCHES.c.seq == seq)
        rows = await self._whole(BATCHES, wanted)
        return bytes(rows[0]["digest"]) if rows else None

    # Erasing bodies

    async def with_body(self, *, before_ms: int, after: int, limit: int) -> list[StoredEntry]:
        """Entries numbered above `after` whose body is held, of blocks with a time below `before_ms`; in order."""
        old = select(BLOCKS.c.height).where(BLOCKS.c.time_ms < before_ms)
        rows = await self._joined(
            with_all()
            .where(ENTRIES.c.entry > after, ENTRIES.c.height.in_(old), BODIES.c.body_z.is_not(None))
            .order_by(ENTRIES.c.entry)
            .limit(limit)
        )
        return [entry_of(row) for row in rows]

    async def erase(self, erasures: Mapping[int, bytes]) -> None:
        """Put each erasure in the place of the body of its entry, in one transaction; durable on return.

        SQLite overwrites what it deletes (secure_delete); `compact` then empties its journal.
        """
        async with self._writing, self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("PRAGMA secure_delete=ON")
            rows = [sealed({"entry": entry, "erasure": erasure}) for entry, erasure in erasures.items()]
            await connection.execute(insert(ERASURES), rows)
            await connection.execute(delete(BODIES).where(BODIES.c.entry.in_(list(erasures))))

    async def compact(self) -> None:
        """Let no copy of what was erased stay in the database's own files.

        PostgreSQL writes the table anew (a plain VACUUM leaves bytes in the room that it frees); appending waits.
        """
        async with self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                return
            _ = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql("VACUUM FULL bodies")

    # Rows as they are, for who checks them

    async def rows_of(self, height: int) -> dict[str, list[Row]]:
        """By table: every row of the block at `height`, in order of its key, and nothing read out of it."""
        found = {
            table.name: await self._rows(select(table).where(table.c.height == height).order_by(*table.primary_key))
            for table in (BLOCKS, BATCHES, ENTRIES)
        }
        entries = [row["entry"] for row in found[ENTRIES.name]] or [-1]
        for table in BESIDE:
            inside = table.c.entry.between(entries[0], entries[-1])
            found[table.name] = await self._rows(select(table).where(inside).order_by(table.c.entry))
        return found

    async def height(self) -> int:
        """The highest height that is stored, -1 for none: read from its key alone."""
        async with self._engine.connect() as connection:
            height = await connection.scalar(select(func.max(BLOCKS.c.height)))
        return -1 if height is None else int(height)

    async def rows_of_none(self, last: int) -> dict[str, list[Row]]:
        """By table: rows beside the blocks up to `last` that belong to none of them. There should be none."""
        async with self._engine.connect() as connection:
            entry = await connection.scalar(select(func.max(ENTRIES.c.entry)).where(ENTRIES.c.height <= last))
        found = {
            table.name: await self._rows(select(table).where(sa.or_(table.c.height > last, table.c.height < 1)))
            for table in (BATCHES, ENTRIES)
        }
        for table in BESIDE:
            beyond = sa.or_(table.c.entry > (-1 if entry is None else entry), table.c.entry < 0)
            found[table.name] = await self._rows(select(table).where(beyond))
        return found

    async def rows_beside(self) -> dict[str, list[Row]]:
        """All rows of `keys` and `marks`."""
        return {table.name: await self._rows(select(table).order_by(*table.primary_key)) for table in (KEYS, MARKS)}

    # Statements

    async def entries(self, block: StoredBlock) -> list[StoredEntry]:
        """Every statement of `block` with all that stands beside it, in order."""
        inside = ENTRIES.c.entry.between(block.first_entry, block.first_entry + block.entries - 1)
        return [entry_of(row) for row in await self._joined(with_all().where(inside).order_by(ENTRIES.c.entry))]

    async def verdicts(self, block: StoredBlock) -> list[tuple[bytes, bytes | None]]:
        """The verdict of every statement of `block`, in order, with the statement's bytes where it was accepted."""
        rows = await self._whole(
            ENTRIES,
            select(ENTRIES)
            .where(ENTRIES.c.entry.between(block.first_entry, block.first_entry + block.entries - 1))
            .order_by(ENTRIES.c.entry),
        )
        return [(bytes(row["verdict"]), bytes(row["statement"]) if row["code"] == 0 else None) for row in rows]

    async def accepted(self, block: StoredBlock) -> list[bytes]:
        """The statements of `block` that were accepted, in order: what it appended to the log."""
        inside = ENTRIES.c.entry.between(block.first_entry, block.first_entry + block.entries - 1)
        wanted = select(ENTRIES.c.statement).where(inside, ENTRIES.c.code == 0).order_by(ENTRIES.c.entry)
        async with self._engine.connect() as connection:
            return [bytes(statement) for statement in await connection.scalars(wanted)]

    async def finals(self, statement_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Statement id -> entry number, for those that have their final verdict."""
        found: dict[bytes, int] = {}
        wanted = set(statement_ids)
        for at in range(0, len(statement_ids), ASKED_AT_ONCE):
            some = statement_ids[at : at + ASKED_AT_ONCE]
            keys = [lookup_key(statement_id) for statement_id in some]
            rows = await self._whole(ENTRIES, select(ENTRIES).where(ENTRIES.c.statement_key.in_(keys)))
            for row in rows:
                if is_final(row["code"]) and (name := parse_verdict(bytes(row["verdict"])).statement_id) in wanted:
                    found[name] = row["entry"]
        return found

    async def entries_numbered(self, numbers: Sequence[int]) -> list[StoredEntry]:
        """The entries with these numbers, with all that stands beside them, in order of number."""
        found: list[StoredEntry] = []
        for at in range(0, len(numbers), ASKED_AT_ONCE):
            some = sorted(numbers)[at : at + ASKED_AT_ONCE]
            rows = await self._joined(with_all().where(ENTRIES.c.entry.in_(some)).order_by(ENTRIES.c.entry))
            found += map(entry_of, rows)
        return found

    async def by_statement(self, statement_id: bytes) -> list[StoredEntry]:
        """Every time this statement was ordered, in order; at most one of them has a final verdict."""
        return await self._found(
            ENTRIES.c.statement_key == lookup_key(statement_id),
            lambda one: one.verdict.statement_id == statement_id,
        )

    async def by_submission(self, submission_id: bytes) -> list[StoredEntry]:
        """Every time a statement was ordered out of this submission."""
        return await self._found(
            ENTRIES.c.submission_key == lookup_key(submission_id),
            lambda one: submission_id_of(one) == submission_id,
        )

    async def _found(self, key: ColumnElement[bool], genuine: Callable[[StoredEntry], bool]) -> list[StoredEntry]:
        """The entries that a lookup key finds, without those that only share its 8 bytes."""
        rows = await self._joined(with_all().where(key).order_by(ENTRIES.c.entry))
        return [one for one in map(entry_of, rows) if genuine(one)]

    async def _whole(self, table: Table, query: Select[Any]) -> list[Row]:
        """Rows with every column of `table`. Raises Rotten."""
        return self._compared(await self._rows(query), partial(compare, table))

    async def _joined(self, query: Select[Any]) -> list[Row]:
        """Rows of `with_all`. Raises Rotten."""
        return self._compared(await self._rows(query), compare_all)

    def _compared(self, rows: list[Row], compares: Callable[[Row], None]) -> list[Row]:
        try:
            for row in rows if self._checked else ():
                compares(row)
        except Rotten as error:
            self.rotten = str(error)
            raise
        return rows

    async def _rows(self, query: Select[Any]) -> list[Row]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _foreign(chain_id: bytes, genesis: Genesis) -> str:
    return f"this database holds ledger {chain_id.hex()}; the genesis file is {genesis.chain_id.hex()}"


async def _mark(connection: AsyncConnection, height: int) -> None:
    await connection.execute(
        update(MARKS).where(MARKS.c.name == PUBLISHED, MARKS.c.value < height).values(_mark_row(PUBLISHED, height))
    )


def _mark_row(name: str, height: int) -> Row:
    return sealed({"name": name, "value": height})


def _stored_block(row: Row, before: Frontier, after: Frontier) -> StoredBlock:
    return StoredBlock(
        height=row["height"],
        block_id=bytes(row["block_id"]),
        time_ms=row["time_ms"],
        first_entry=row["first_entry"],
        entries=row["entries"],
        before=before,
        after=after,
        header=bytes(row["header"]),
        certificate=bytes(row["certificate"]),
        checkpoint=row["checkpoint"],
        received_ms=row["received_ms"],
        stored_ms=row["stored_ms"],
    )
