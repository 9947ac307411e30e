"""The store on either real database: what a commit promises, what a reader sees, and who is kept out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.core import Held
from services.uniqueness.service import first_state
from services.uniqueness.store import (
    RECENT_BYTES_MAX,
    RECENT_MAX,
    Certified,
    ForeignLedger,
    SecondWriter,
    Store,
)
from services.uniqueness.tables import METADATA
from slt.inventory.keys import Kind, key, prefix
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.state import StateHead
from slt.runtime.database import open_engine, upgrade
from tests.integration.uniqueness.member import LEDGER, MIGRATIONS, item

SPENT = [key(Kind.SPENT, bytes([n]) * 32) for n in range(10)]
HEAD = key(Kind.HEAD, "XL", "XLR1")


def spent(iat: int) -> bytes:
    return cbor2.dumps([iat, 0, None])


CERTIFIED = Certified(b"header", b"certificate")


@pytest.fixture
async def engine(tmp_path: Path, database_url: str | None) -> AsyncIterator[AsyncEngine]:
    made = open_engine(database_url or tmp_path, "uniqueness")
    await upgrade(made, MIGRATIONS)
    yield made
    await made.dispose()


async def begun(engine: AsyncEngine) -> tuple[Store, StateHead]:
    store = Store(engine)
    head, _ = await store.begin(LEDGER.genesis.chain_id, lambda: first_state(LEDGER.genesis, None))
    return store, head


def after(head: StateHead) -> StateHead:
    return replace(head, height=head.height + 1, block_id=bytes([head.height + 1]) * 32)


async def test_a_new_database_holds_genesis_and_an_old_one_stays_as_it_is(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    async with store.frozen() as frozen:
        records = [(record_key, value) async for some in frozen.records() for record_key, value, _ in some]
    assert updated(EMPTY_LANES, added=records) == head.lanes
    await store.commit(after(head), {SPENT[0]: spent(5)}, certified=CERTIFIED)

    again, moved = await begun(engine)

    assert moved == after(head)
    assert (await again.load([SPENT[0]])) == {SPENT[0]: spent(5)}


async def test_the_database_of_another_ledger_is_refused(engine: AsyncEngine) -> None:
    await begun(engine)
    with pytest.raises(ForeignLedger):
        await Store(engine).begin(b"?" * 32, lambda: first_state(LEDGER.genesis, None))


async def test_a_second_writer_is_found_out_and_changes_nothing(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    other, _ = await begun(engine)
    await store.commit(after(head), {SPENT[0]: spent(5)}, certified=CERTIFIED)
    with pytest.raises(SecondWriter):
        await other.commit(after(head), {SPENT[1]: spent(5)}, certified=CERTIFIED)
    assert (await store.load([SPENT[1]])) == {SPENT[1]: None}


async def test_changes_are_written_replaced_and_removed_and_readers_see_them(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    assert await store.load([HEAD, SPENT[0]]) == {HEAD: cbor2.dumps([0, "", []]), SPENT[0]: None}
    await store.commit(
        first := after(head), {HEAD: cbor2.dumps([1]), SPENT[0]: spent(5), SPENT[1]: spent(6)}, certified=CERTIFIED
    )
    assert await store.load([HEAD, SPENT[0]]) == {HEAD: cbor2.dumps([1]), SPENT[0]: spent(5)}
    await store.commit(after(first), {HEAD: cbor2.dumps([2]), SPENT[0]: None}, certified=CERTIFIED)
    assert await store.load([HEAD, *SPENT[:2]]) == {HEAD: cbor2.dumps([2]), SPENT[0]: None, SPENT[1]: spent(6)}
    assert await (await begun(engine))[0].load([HEAD]) == {HEAD: cbor2.dumps([2])}


async def test_what_was_read_a_moment_ago_is_not_read_again_and_is_what_the_last_commit_made_of_it(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, head = await begun(engine)
    await store.commit(after(head), {SPENT[0]: spent(5), SPENT[1]: spent(6)}, certified=CERTIFIED)
    assert await store.load(SPENT[:4]) == {SPENT[0]: spent(5), SPENT[1]: spent(6), SPENT[2]: None, SPENT[3]: None}
    changes = {SPENT[0]: None, SPENT[1]: spent(7), SPENT[2]: spent(8)}
    await store.commit(after(after(head)), changes, certified=CERTIFIED)
    expected = {**changes, SPENT[3]: None}
    with monkeypatch.context() as patch:
        patch.setattr(engine.sync_engine.pool, "connect", lambda: pytest.fail("the database is asked"))
        assert await store.load(SPENT[:4]) == expected
    assert await Store(engine).load(SPENT[:4]) == expected


async def test_a_long_value_is_read_each_time(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    long = key(Kind.REPORT, "XL", "XLR1", 1)
    value = cbor2.dumps([b"x" * (RECENT_BYTES_MAX + 1)])
    await store.commit(after(head), {long: value}, certified=CERTIFIED)
    assert await store.load([long]) == {long: value}
    assert long not in store._recent


async def test_only_so_much_is_kept_of_what_was_read(engine: AsyncEngine) -> None:
    store, _ = await begun(engine)
    keys = [key(Kind.SPENT, number.to_bytes(32, "big")) for number in range(RECENT_MAX + 10)]
    await store.load(keys[:10])
    await store.load(keys[10:])
    assert await store.load(keys[:10]) == dict.fromkeys(keys[:10])
    assert len(store._recent) == 10


async def test_spent_records_are_found_by_iat(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    await store.commit(after(head), {record_key: spent(n) for n, record_key in enumerate(SPENT)}, certified=CERTIFIED)
    assert await store.spent_before(3) == {record_key: spent(n) for n, record_key in enumerate(SPENT[:3])}
    assert await store.spent_before(0) == {}


async def test_records_of_a_kind_come_in_pages(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    keys = sorted(key(Kind.REPORT, "XL", "XLR1", n) for n in range(1, 301))
    other = key(Kind.REPORT, "XL", "XLR2", 1)
    await store.commit(after(head), {**dict.fromkeys(keys, b"\x80"), other: b"\x80"}, certified=CERTIFIED)
    found: list[bytes] = []
    while page := await store.under(prefix(Kind.REPORT, "XL", "XLR1"), after=found[-1] if found else b"", limit=70):
        found += [record_key for record_key, _ in page]
    assert found == keys


async def test_more_keys_than_one_statement_takes_are_loaded(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    keys = [key(Kind.REPORT, "XL", "XLR1", n) for n in range(5_000)]
    await store.commit(after(head), dict.fromkeys(keys[::2], b"\x80"), certified=CERTIFIED)
    found = await store.load(keys)
    assert [found[record_key] for record_key in keys] == [b"\x80", None] * 2_500


async def test_every_answer_of_load_is_of_one_moment(engine: AsyncEngine) -> None:
    """A reader that sees one key of a commit sees the other."""
    store, head = await begun(engine)
    report = key(Kind.REPORT, "XL", "XLR1", 1)
    torn: list[dict[bytes, bytes | None]] = []

    async def read() -> None:
        for _ in range(100):
            found = await store.load([HEAD, report])
            if cbor2.loads(found[HEAD] or b"\x81\x00")[0] != cbor2.loads(found[report] or b"\x81\x00")[0]:
                torn.append(found)

    async def write() -> None:
        at = head
        for number in range(1, 21):
            at = after(at)
            await store.commit(at, {HEAD: cbor2.dumps([number]), report: cbor2.dumps([number])}, certified=CERTIFIED)

    await asyncio.gather(read(), read(), write())
    assert torn == []


async def test_what_is_held_stays_as_it_came_first(engine: AsyncEngine) -> None:
    store, _ = await begun(engine)
    held = Held(submission_id=b"s" * 32, statement_id=b"t" * 32, number=("XL", "XLR1", 3), held_ms=1, until_ms=2)
    waiting, other = item(3), item(4)
    await store.hold([(held, waiting)])
    await store.hold([(replace(held, until_ms=99), other)])
    assert await store.held() == [held]
    assert await store.held_items([b"?" * 32, b"s" * 32]) == [waiting]
    await store.let_go([b"s" * 32, b"?" * 32])
    assert await store.held() == []


async def test_the_migrated_schema_is_the_one_that_the_code_reads(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), METADATA)
        )
    assert differences == []


async def test_of_two_that_commit_the_same_height_at_once_one_succeeds(engine: AsyncEngine) -> None:
    store, head = await begun(engine)
    other, _ = await begun(engine)
    outcomes = await asyncio.gather(
        store.commit(after(head), {SPENT[0]: spent(5)}, certified=CERTIFIED),
        other.commit(after(head), {SPENT[1]: spent(5)}, certified=CERTIFIED),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["NoneType", "SecondWriter"]
    loaded = (await (await begun(engine))[0].load(SPENT[:2])).values()
    assert sorted(map(str, loaded)) == sorted([str(spent(5)), "None"])


@pytest.mark.parametrize(
    "database_url", ["sqlite"], indirect=True
)  # PostgreSQL does so unless its own settings say not
async def test_every_commit_is_synced_to_the_disk(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert (await connection.scalar(text("PRAGMA journal_mode"))) == "wal"
        assert (await connection.scalar(text("PRAGMA synchronous"))) == 2
