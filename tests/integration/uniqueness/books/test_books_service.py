"""The books follow the chain: hints, gaps, bad copies, rebuild, crashes, other ledgers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.uniqueness.books.first import first_books
from services.uniqueness.books.queries import reading
from services.uniqueness.books.rows import Gathered
from services.uniqueness.books.store import ForeignLedger, Head, LostEntry, SecondWriter, Store
from slt.bus.streams import TABLE
from slt.inventory.questions.rows import EntryQuery
from slt.runtime.database import AlreadyRunning, ProcessLock
from slt.statements.governance import (
    Announcement,
    Change,
    SetArea,
    SetParameter,
    SetReference,
    make_governance,
    parse_governance,
)
from slt.statements.verdicts import Code
from tests.integration.uniqueness.books.member import LEDGER, Member, item, member
from tests.support.blocks import BEGIN_MS, Decision, make_world, rejected, with_header
from tests.support.buses import world_of
from tests.unit.inventory.building import entry, report


@pytest.fixture(params=["memory", "jetstream"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    async with world_of(request.param, tmp_path / "nats", TABLE) as broker, member(broker, tmp_path) as made:
        yield made


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[Member]:
    """On the bus in memory: what is tested does not depend on it."""
    async with world_of("memory", tmp_path / "nats", TABLE) as broker, member(broker, tmp_path) as made:
        yield made


def correction(number: int, *targets: tuple[int, int]) -> Any:
    return report(number, *(entry(status="C", target=target, weights={630: 700}) for target in targets))


async def kilograms(running: Any, **asked: Any) -> list[tuple[str, int, int]]:
    question = "&".join(f"{name}={value}" for name, value in asked.items())
    said = await running.said(f"/v1/inventory?{question}")
    return [(line["mba"], line["label"], line["mg"]) for one in said["result"] for line in one["lines"]]


async def test_blocks_of_the_ledger_become_books_and_every_answer_names_its_height(here: Member) -> None:
    here.block(report(1), report(1, mba="XLF1"))
    async with here.books() as running:
        await running.at(1)
        assert await kilograms(running, mba="XLR1") == [("XLR1", 630, 1000), ("XLR1", 670, 40)]
        here.block(report(2))
        here.block(correction(3, (1, 1)))
        await running.at(3)
        said = await running.said("/v1/inventory?mba=XLR1")
        assert (said["height"], said["as_of_height"]) == (3, 3)
        assert await kilograms(running, mba="XLR1") == [("XLR1", 630, 1700), ("XLR1", 670, 40)]
        assert await kilograms(running, mba="XLR1", as_of_height=2) == [("XLR1", 630, 2000), ("XLR1", 670, 80)]


async def test_only_accepted_reports_are_in_the_books(quiet: Member) -> None:
    quiet.block(report(1), rejected(item(report(2)), Code.C01), rejected(item(report(3)), Code.DUPLICATE))
    async with quiet.books() as running:
        await running.at(1)
        said = await running.said("/v1/reports")
        assert [one["number"] for one in said["result"]] == [1]


async def test_a_hint_is_taken_before_the_ledger_has_the_block(tmp_path: Path) -> None:
    async with (
        world_of("jetstream", tmp_path / "nats", TABLE) as broker,
        member(broker, tmp_path) as here,
        here.books() as running,
    ):
        await here.hint(here.block(report(1), stored=False))
        await running.at(1)
        # A hint that nobody signed is nothing, and what a hint leaves out is asked for.
        await here.bus.publish("slt.block", b"forged")
        here.block(report(2))
        await here.hint(here.block(report(3), stored=False))
        here.stored = 3
        await running.at(3)


async def test_a_bad_copy_alarms_and_a_good_one_is_taken(quiet: Member) -> None:
    quiet.block(report(1))
    good = quiet.block(report(2))
    batch = good.batches[0]
    other = msgspec.structs.replace(batch.items[0], facts_z=item(report(2, entry(code="LD"))).facts_z)
    quiet.chain.blocks[1] = msgspec.structs.replace(good, batches=[msgspec.structs.replace(batch, items=[other])])
    async with quiet.books() as running:
        await running.at(1)  # the good block before it is taken
        answer = await running.get("/readyz")
        while answer.status_code == 200:
            answer = await running.get("/readyz")
        assert "facts in it are not those that a verdict binds" in answer.json()["reasons"]["chain"]
        quiet.chain.blocks[1] = good
        await running.at(2)
        assert (await running.get("/readyz")).status_code == 200


@pytest.mark.parametrize("field", ["findings", "fewer findings", "verdicts", "certificate", "header"])
async def test_a_block_that_is_not_what_its_certificate_says_is_not_taken(quiet: Member, field: str) -> None:
    good = quiet.block(report(1))
    (finding,) = rejected(item(report(1)), Code.C01).findings
    forged: dict[str, Any] = {
        "findings": msgspec.structs.replace(good, findings=[[finding]]),
        "fewer findings": msgspec.structs.replace(good, findings=[]),
        "verdicts": msgspec.structs.replace(good, verdicts=[bytes(reversed(good.verdicts[0]))]),
        "certificate": msgspec.structs.replace(good, certificate=good.certificate[:-1] + b"\0"),
        "header": with_header(good, make_world("another ledger"), log_size=9),
    }
    quiet.chain.blocks[0] = forged[field]
    async with quiet.books() as running:
        answer = await running.get("/readyz")
        while answer.status_code == 200:
            answer = await running.get("/readyz")
        assert (await running.said("/v1/reports"))["height"] == 0
        quiet.chain.blocks[0] = good
        await running.at(1)


async def test_a_lost_database_is_rebuilt_to_the_same_rows(quiet: Member, where: str | Path, tmp_path: Path) -> None:
    for number in range(1, 8):
        quiet.block(report(number), report(number, mba="XLF1"))
    quiet.block(correction(8, (2, 1), (3, 1)))
    async with quiet.books(where) as running:
        await running.at(8)
        async with reading(running.engine) as books:
            first = await books.entries(EntryQuery(as_of=8, every_version=True))
    quiet.count_max = 3  # several answers, several transactions
    quiet.asked.clear()
    async with quiet.books(tmp_path / "anew") as running:
        await running.at(8)
        async with reading(running.engine) as books:
            assert await books.entries(EntryQuery(as_of=8, every_version=True)) == first
    assert quiet.asked[0] == 1


class Crash(Exception):
    """The process ends here."""


class DiesBefore(Store):
    """Ends when one kind of row is written for the second block."""

    table = ""

    async def _insert(self, connection: AsyncConnection, table: Any, rows: Any) -> None:
        if table.name == self.table and rows and self.armed:
            raise Crash(self.table)
        await super()._insert(connection, table, rows)

    async def commit(self, before: int, head: Head, gathered: Gathered) -> None:
        self.armed = head.height == 2
        await super().commit(before, head, gathered)
        if self.armed and self.table == "after":
            raise Crash("after the commit")

    armed = False


@pytest.mark.parametrize("table", ["reports", "entries", "flows", "after"])
async def test_rows_and_height_change_together_wherever_it_dies(quiet: Member, where: str | Path, table: str) -> None:
    quiet.block(report(1))

    class Dies(DiesBefore):
        pass

    Dies.table = table
    async with quiet.books(where, store=Dies) as running:
        await running.at(1)
        quiet.block(report(2), correction(3, (1, 1)))
        with pytest.raises(Crash):
            await running.serving
    async with quiet.books(where) as running:
        await running.at(2)
        assert await kilograms(running, mba="XLR1") == [("XLR1", 630, 1700), ("XLR1", 670, 40)]
        said = await running.said("/v1/reports")
        assert [one["number"] for one in said["result"]] == [1, 2, 3]


async def test_a_second_process_on_the_folder_is_refused(quiet: Member, tmp_path: Path) -> None:
    async with quiet.books() as running:
        folder = running.runtime.config.data_dir
        with pytest.raises(AlreadyRunning, match="the books: another process"):
            ProcessLock(folder / "books.lock", what="the books").__enter__()


async def test_a_second_writer_in_the_database_is_refused(engine: Any) -> None:
    store = Store(engine)
    head, is_new = await store.begin(LEDGER.genesis.chain_id, lambda: first_books(LEDGER.genesis, []))
    assert is_new
    after = replace(head, height=1, block_id=b"1" * 32)
    await store.commit(0, after, Gathered())
    with pytest.raises(SecondWriter):
        await Store(engine).commit(0, after, Gathered())
    assert await store.begin(LEDGER.genesis.chain_id, lambda: pytest.fail("it is there")) == (after, False)


async def test_the_books_of_another_ledger_are_left_alone(engine: Any) -> None:
    store = Store(engine)
    await store.begin(LEDGER.genesis.chain_id, lambda: first_books(LEDGER.genesis, []))
    with pytest.raises(ForeignLedger):
        await store.begin(b"x" * 32, lambda: pytest.fail("it is there"))


async def test_a_correction_of_what_is_not_there_stops_the_books(quiet: Member) -> None:
    quiet.block(report(1))
    async with quiet.books() as running:
        await running.at(1)
        quiet.block(correction(2, (1, 7)))
        with pytest.raises(LostEntry, match="entry 7 of report 1"):
            await running.serving


async def test_governance_changes_areas_from_its_height_on(quiet: Member, where: str | Path) -> None:
    (other, area) = LEDGER.genesis.mbas
    closed = replace(area, closed="20251231")
    new = replace(other, mba="XLN1", opened="20260101", last_pit="20260101")
    quiet.block(report(1), governance(SetReference(mbas=(closed, new)), effective_height=3))
    quiet.block(governance(SetParameter(name="skew_s", value=60), effective_height=5))
    quiet.block(report(1, mba="XLN1"))
    async with quiet.books(where) as running:
        await running.at(3)
        before = await running.said("/v1/areas?as_of_height=2")
        assert [(one["mba"], one["closed"]) for one in before["result"]] == [("XLF1", ""), ("XLR1", "")]
        now = await running.said("/v1/areas")
        assert [(one["mba"], one["closed"]) for one in now["result"]] == [
            ("XLF1", ""),
            ("XLN1", ""),
            ("XLR1", "20251231"),
        ]
        assert await kilograms(running, mba="XLN1", date="20251231") == [("XLN1", 630, 1000), ("XLN1", 670, 40)]
        assert (await running.get("/v1/inventory?mba=XLN1&as_of_height=2")).status_code == 404
        async with reading(running.engine) as books:
            (pit,) = await books.physicals(state="XL", mba="XLN1", as_of=3)
            assert (pit.pit, pit.listed, pit.lines) == ("20260101", True, 0)
        quiet.block(governance(SetArea(mba=area), effective_height=5))
        quiet.block()
        await running.at(5)
        again = await running.said("/v1/areas?mba=XLR1")
        assert [one["closed"] for one in again["result"]] == [""]
        assert (await running.said("/v1/areas?mba=XLR1&as_of_height=4"))["result"][0]["closed"] == "20251231"


async def test_a_change_that_is_not_the_one_that_was_signed_is_not_taken(quiet: Member) -> None:
    (other, area) = LEDGER.genesis.mbas
    signed = governance(SetArea(mba=replace(area, closed="20251231")), effective_height=3)
    forged = governance(SetArea(mba=replace(other, closed="20251231")), effective_height=3).item.change
    good = quiet.block(signed)
    batch = good.batches[0]
    swapped = msgspec.structs.replace(batch, items=[msgspec.structs.replace(batch.items[0], change=forged)])
    quiet.chain.blocks[0] = msgspec.structs.replace(good, batches=[swapped])
    async with quiet.books() as running:
        answer = await running.get("/readyz")
        while answer.status_code == 200:
            answer = await running.get("/readyz")
        assert "a change in it is not the one that was signed" in answer.json()["reasons"]["chain"]
        quiet.chain.blocks[0] = good
        await running.at(1)


def governance(change: Change, *, effective_height: int) -> Decision:
    """An accepted governance statement."""
    announcement = Announcement(change=change, effective_height=effective_height, nonce=bytes(16))
    statement = make_governance(
        LEDGER.governance, iss="Agency", aud=LEDGER.genesis.audience, iat=BEGIN_MS // 1000, announcement=announcement
    )
    made = msgspec.structs.replace(
        item(report(1)),
        statement=statement,
        statement_id=parse_governance(statement).id,
        change=announcement.encoded,
        body_z=b"",
        facts_z=b"",
        facts_salt=b"",
        findings_salt=b"",
        no_facts=0,
    )
    return Decision(item=made, code=Code.ACCEPTED, with_body=False)
