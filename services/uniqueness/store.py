"""The durable state of uniqueness. `commit` is its commit point: changes of a final block and the new head together.

One writer: the service holds a process lock on its folder, and `commit` fails when the head is not where it should be.
What the database raises travels up: the process stops, and starts anew from what was committed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import any_, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.uniqueness.core import Held
from services.uniqueness.tables import HEAD, HELD, RECORDS
from slt.bus.messages import Item, decode, encode
from slt.inventory.keys import Kind, kind_of
from slt.inventory.state import Changes, StateHead, iat_of

ASKED_AT_ONCE: Final = 2_000  # parameters of one statement: below the limits of both databases
READ_AT_ONCE: Final = 5_000  # records of a whole state: a megabyte or two
WRITTEN_AT_ONCE: Final = 5_000  # rows of one call to the driver

# Records that few areas have and every statement reads: kept in memory once they were read.
CACHED_KINDS: Final = frozenset(
    {
        Kind.CHAIN,
        Kind.IDENTITY,
        Kind.REVOKED,
        Kind.MBA,
        Kind.PARAMETER,
        Kind.HEAD,
        Kind.BOOK,
        Kind.FLOWS,
        Kind.LEDGER,
        Kind.MEMBERS,
    }
)
CACHED_MAX: Final = 200_000  # records; about 100 MB
# Of the other kinds what was read last, absent ones too: admission has just asked for most of what evaluation asks for.
RECENT_MAX: Final = 32_768  # records, or those of one load: of a few seconds at full load; about 10 MB
RECENT_BYTES_MAX: Final = 2_048  # of one value; longer ones are few, and read again

_ONE: Final = 1


class ForeignLedger(Exception):
    """The database holds the state of another genesis file. Nobody may write there: the operator has mixed folders."""


class SecondWriter(Exception):
    """The head moved under us: another process writes into this database. The process stops."""


class Certified(NamedTuple):
    """What makes a block final, as it came: CBOR of its header and of its certificate."""

    header: bytes
    certificate: bytes


class Frozen:
    """The stored state at one moment, while the service may go on: everything read here is of one transaction."""

    def __init__(
        self, connection: AsyncConnection, head: StateHead, chain_id: bytes, certified: Certified | None
    ) -> None:
        self._connection = connection
        self.head = head
        self.chain_id = chain_id
        self.certified = certified  # None at height 0

    async def records(self) -> AsyncIterator[list[tuple[bytes, bytes, int | None]]]:
        """Every record in order of keys, READ_AT_ONCE at a time: key, value, and the column `spent_iat` as it is."""
        after = b""
        while True:
            query = select(RECORDS).where(RECORDS.c.key > after).order_by(RECORDS.c.key).limit(READ_AT_ONCE)
            found = [(bytes(row.key), bytes(row.value), row.spent_iat) for row in await self._connection.execute(query)]
            if not found:
                return
            yield found
            after = found[-1][0]


class Store:
    """Safe to use from several tasks; `commit` from one at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = postgresql_insert if engine.dialect.name == "postgresql" else sqlite_insert
        self._upsert = _upsert_of(engine.dialect)
        self._cache: dict[bytes, bytes | None] = {}
        self._recent: dict[bytes, bytes | None] = {}
        self._changes = 0  # goes up when a commit begins and when it has ended: odd while one is under way
        self._writing = asyncio.Lock()

    # The state

    async def begin(
        self, chain_id: bytes, make: Callable[[], tuple[StateHead, Mapping[bytes, bytes]]]
    ) -> tuple[StateHead, bool]:
        """The head of the stored state, and whether it was made now. A new database gets head and records of `make`.

        All of it is one transaction: a crash leaves a new database new. Raises ForeignLedger.
        """
        async with self._writing, self._engine.begin() as connection:
            row = (await connection.execute(select(HEAD))).mappings().one_or_none()
            if row is not None:
                if bytes(row["chain_id"]) != chain_id:
                    raise ForeignLedger(
                        f"this database holds ledger {bytes(row['chain_id']).hex()}; the genesis is {chain_id.hex()}"
                    )
                return _head_of(row), False
            head, records = make()
            await self._write(connection, records)
            await connection.execute(self._insert(HEAD), {"id": _ONE, "chain_id": chain_id, **_head_row(head, None)})
        return head, True

    async def load(self, keys: Collection[bytes]) -> dict[bytes, bytes | None]:
        """The values of `keys`, all of one moment; None for a record that the state does not have."""
        while True:
            changes = self._changes
            if changes % 2:
                return await self._read(list(keys))  # The cache may be of the moment before the commit.
            found: dict[bytes, bytes | None] = {}
            wanted: list[bytes] = []
            for key in keys:
                for remembered in (self._cache, self._recent):
                    if key in remembered:
                        found[key] = remembered[key]
                        break
                else:
                    wanted.append(key)
            if wanted:
                read = await self._read(wanted)
                if changes != self._changes:
                    continue  # What was cached and what was read may be of two moments.
                self._remember(read)
                found |= read
            return found

    async def spent_before(self, limit_s: int) -> dict[bytes, bytes]:
        """All SPENT records with an iat below `limit_s`."""
        query = select(RECORDS.c.key, RECORDS.c.value).where(RECORDS.c.spent_iat < limit_s)
        async with self._engine.connect() as connection:
            return {bytes(key): bytes(value) for key, value in await connection.execute(query)}

    async def under(self, prefix: bytes, *, after: bytes = b"", limit: int = -1) -> list[tuple[bytes, bytes]]:
        """The records whose keys begin with `prefix`, in order of keys, those behind `after`; -1: all."""
        query = (
            select(RECORDS.c.key, RECORDS.c.value)
            .where(RECORDS.c.key >= prefix, RECORDS.c.key < _end_of(prefix), RECORDS.c.key > after)
            .order_by(RECORDS.c.key)
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.limit(limit) if limit >= 0 else query)
            return [(bytes(key), bytes(value)) for key, value in rows]

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[Frozen]:
        """The stored state as it is now, while the context is open. Raises ForeignLedger when there is none."""
        async with self._engine.connect() as connection:
            if self._engine.dialect.name == "postgresql":  # On SQLite every transaction reads one moment.
                _ = await connection.execution_options(isolation_level="REPEATABLE READ")
            row = (await connection.execute(select(HEAD))).mappings().one_or_none()
            if row is None:
                raise ForeignLedger("this database holds no state; is it that of the uniqueness service?")
            certified = None if row["header"] is None else Certified(bytes(row["header"]), bytes(row["certificate"]))
            yield Frozen(connection, _head_of(row), bytes(row["chain_id"]), certified)

    async def install(
        self, chain_id: bytes, head: StateHead, certified: Certified | None, records: AsyncIterator[Changes]
    ) -> None:
        """Make a verified state the stored one, in one transaction. Raises SecondWriter unless the database is new."""
        async with self._writing, self._engine.begin() as connection:
            if (await connection.execute(select(HEAD))).first() is not None:
                raise SecondWriter("this database holds a state already; restore into a new one")
            async for some in records:
                await self._write(connection, {key: value for key, value in some.items() if value is not None})
            row = {"id": _ONE, "chain_id": chain_id, **_head_row(head, certified)}
            await connection.execute(self._insert(HEAD), row)

    async def commit(self, head: StateHead, changes: Changes, *, certified: Certified) -> None:
        """Make the state after `head` the stored one, in one transaction; durable on return. Raises SecondWriter.

        A crash before the commit leaves the state before it; the block comes again and is evaluated again.
        """
        self._changes += 1
        try:
            async with self._writing, self._engine.begin() as connection:
                moved = await connection.execute(
                    update(HEAD).where(HEAD.c.id == _ONE, HEAD.c.height == head.height - 1), _head_row(head, certified)
                )
                if moved.rowcount != 1:
                    raise SecondWriter(f"the stored state does not stand at height {head.height - 1}")
                await self._write(connection, {key: value for key, value in changes.items() if value is not None})
                gone = [key for key, value in changes.items() if value is None]
                for some in _cut(gone, ASKED_AT_ONCE):
                    await connection.execute(delete(RECORDS).where(RECORDS.c.key.in_(some)))
            for key, value in changes.items():
                if kind_of(key) in CACHED_KINDS:
                    self._cache[key] = value
                elif key in self._recent:
                    self._recent[key] = value
        finally:
            self._changes += 1

    async def _read(self, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
        found: dict[bytes, bytes | None] = dict.fromkeys(keys)
        async with self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite" and len(keys) <= ASKED_AT_ONCE:
                # One statement is of one moment without a transaction, whose words cost as much as the reading.
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None, "a connection that is open has its driver's"
                return found | dict(await driver.execute_fetchall(_any_of(len(keys)), keys))
            for some in _cut(keys, ASKED_AT_ONCE):
                if self._engine.dialect.name == "postgresql":
                    rows = await connection.execute(_ANY, {"keys": some})
                else:
                    rows = await connection.exec_driver_sql(_any_of(len(some)), tuple(some))
                found.update((key, value) for key, value in rows)
        return found

    def _remember(self, read: Mapping[bytes, bytes | None]) -> None:
        if len(self._cache) > CACHED_MAX:
            self._cache.clear()
        if len(self._recent) + len(read) > RECENT_MAX:
            self._recent.clear()
        for key, value in read.items():
            if kind_of(key) in CACHED_KINDS:
                self._cache[key] = value
            elif value is None or len(value) <= RECENT_BYTES_MAX:
                self._recent[key] = value

    async def _write(self, connection: AsyncConnection, records: Mapping[bytes, bytes]) -> None:
        rows = [(key, value, iat_of(value) if kind_of(key) is Kind.SPENT else None) for key, value in records.items()]
        for some in _cut(rows, WRITTEN_AT_ONCE):
            await connection.exec_driver_sql(self._upsert, some)

    # Held submissions

    async def hold(self, held: Iterable[tuple[Held, Item]]) -> None:
        """Keep these submissions; durable on return. One that is held already stays as it was."""
        rows = [_held_row(one, item) for one, item in held]
        if not rows:
            return
        async with self._writing, self._engine.begin() as connection:
            await connection.execute(self._insert(HELD).on_conflict_do_nothing(), rows)

    async def held(self) -> list[Held]:
        """Every held submission, in the order in which they came."""
        columns = [column for column in HELD.c if column.name != "item"]
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(*columns).order_by(HELD.c.held_ms))).mappings()
            return [_held_of(row) for row in rows]

    async def held_items(self, submission_ids: Sequence[bytes]) -> list[Item]:
        """The submissions themselves, in the order asked; what is not held is left out."""
        found: dict[bytes, Item] = {}
        async with self._engine.connect() as connection:
            for some in _cut(submission_ids, ASKED_AT_ONCE):
                query = select(HELD.c.submission_id, HELD.c.item).where(HELD.c.submission_id.in_(some))
                for submission_id, data in await connection.execute(query):
                    found[bytes(submission_id)] = decode(Item, bytes(data))
        return [found[submission_id] for submission_id in submission_ids if submission_id in found]

    async def let_go(self, submission_ids: Sequence[bytes]) -> None:
        """Forget held submissions: they were passed on, or answered."""
        if not submission_ids:
            return
        async with self._writing, self._engine.begin() as connection:
            for some in _cut(submission_ids, ASKED_AT_ONCE):
                await connection.execute(delete(HELD).where(HELD.c.submission_id.in_(some)))


def _head_of(row: sa.RowMapping) -> StateHead:
    return StateHead(
        height=row["height"],
        block_id=bytes(row["block_id"]),
        lanes=bytes(row["lanes"]),
        log_size=row["log_size"],
        time_ms=row["time_ms"],
    )


def _head_row(head: StateHead, certified: Certified | None) -> dict[str, Any]:
    return {
        "height": head.height,
        "block_id": head.block_id,
        "lanes": head.lanes,
        "log_size": head.log_size,
        "time_ms": head.time_ms,
        "header": None if certified is None else certified.header,
        "certificate": None if certified is None else certified.certificate,
    }


def _held_row(held: Held, item: Item) -> dict[str, Any]:
    return {
        "submission_id": held.submission_id,
        "statement_id": held.statement_id,
        "state": held.number[0],
        "mba": held.number[1],
        "number": held.number[2],
        "held_ms": held.held_ms,
        "until_ms": held.until_ms,
        "item": encode(item),
    }


def _held_of(row: sa.RowMapping) -> Held:
    return Held(
        submission_id=bytes(row["submission_id"]),
        statement_id=bytes(row["statement_id"]),
        number=(row["state"], row["mba"], row["number"]),
        held_ms=row["held_ms"],
        until_ms=row["until_ms"],
    )


def _upsert_of(dialect: sa.Dialect) -> str:
    """The statement that writes rows (key, value, spent_iat), for the driver: SQLAlchemy would look at each of them."""
    insert = postgresql_insert if dialect.name == "postgresql" else sqlite_insert
    statement = insert(RECORDS)
    return str(
        statement.on_conflict_do_update(
            index_elements=[RECORDS.c.key],
            set_={"value": statement.excluded.value, "spent_iat": statement.excluded.spent_iat},
        ).compile(dialect=dialect)
    )


_ANY: Final = select(RECORDS.c.key, RECORDS.c.value).where(RECORDS.c.key == any_(bindparam("keys", type_=ARRAY(BYTEA))))


@lru_cache(maxsize=8)
def _any_of(count: int) -> str:
    """The same on SQLite, which takes no array: a parameter for each of `count` keys."""
    return f"SELECT key, value FROM records WHERE key IN ({','.join('?' * count)})"  # noqa: S608  # only question marks


def _cut(things: Sequence[Any], at_once: int) -> Iterable[Sequence[Any]]:
    return (things[start : start + at_once] for start in range(0, len(things), at_once))


def _end_of(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix`. A prefix of ours does not consist of 0xFF only."""
    return (int.from_bytes(prefix, "big") + 1).to_bytes(len(prefix), "big")
