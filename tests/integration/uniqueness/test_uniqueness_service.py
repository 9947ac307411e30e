"""The uniqueness service on a bus: admission, hold, evaluation, following the chain, rebuild."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.uniqueness.blocks import StateDiverged
from slt.bus.compression import compress
from slt.bus.requests import Declined
from slt.bus.subjects import EVALUATE
from slt.inventory.books import book_lines
from slt.inventory.keys import Kind, prefix
from slt.inventory.lthash import EMPTY_LANES, state_root, updated
from slt.statements.headers import parse_header
from slt.statements.verdicts import Code
from tests.integration.uniqueness.member import (
    LEDGER,
    Member,
    Running,
    copy_of,
    item,
    member,
    soon,
    until,
)
from tests.support.buses import small_table, world_of
from tests.unit.inventory.building import entry, report


@pytest.fixture(params=["memory", "nats"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    table = small_table(bytes_max=32 * 1024 * 1024)
    async with world_of(request.param, tmp_path / "nats", table) as broker, member(broker, tmp_path) as made:
        yield made


async def _root(running: Running) -> str:
    """The state root of everything that is stored, recomputed."""
    return state_root(
        updated(
            EMPTY_LANES,
            added=[record for kind in Kind for record in await running.store.under(prefix(kind))],
        )
    ).hex()


async def test_good_reports_are_passed_on_in_order_with_their_times(here: Member) -> None:
    async with here.service():
        await here.validated(item(1), item(2))
        await here.validated(item(1, mba="XLF1"))
        assert sorted(await here.admitted(3)) == [1, 1, 2]
    numbers = [one.timings[-1] for one in here.admitted_items]
    assert {timing.stage for timing in numbers} == {"uniqueness"}
    assert all(0 < timing.received_ms <= timing.done_ms for timing in numbers)


async def test_a_conflict_with_final_state_is_refused_with_its_evidence(here: Member) -> None:
    async with here.service():
        first = item(1)
        assert await here.sequencer.order(first) == [Code.ACCEPTED]
        await until_height(here, 1)
        late = item(1, facts=report(1, entry(weights={630: 7})), salt=b"x" * 16)
        await here.validated(late, item(2))
        (refusal,) = await here.refused(1)
        assert await here.admitted(1) == [2]
    assert refusal.statement_id == late.statement_id
    assert refusal.submission_id == late.submission_id
    assert refusal.findings[0][0] == "C01"
    assert first.statement_id.hex() in refusal.findings[0][6]


async def test_a_statement_with_its_final_verdict_is_answered_by_its_receipt(here: Member) -> None:
    async with here.service():
        first = item(1)
        await here.sequencer.order(first)
        await until_height(here, 1)
        here.ledger.receipts.add(first.statement_id)
        await here.validated(copy_of(first, 9))
        await until(lambda: here.ledger.again == [first.statement_id])
    assert here.refusals == []
    assert here.admitted_items == []


async def test_what_would_be_refused_and_has_a_receipt_is_answered_by_it(here: Member) -> None:
    """Its id has left the state, the ledger remembers: a refusal would contradict the receipt."""
    async with here.service():
        await here.sequencer.order(item(1))
        await until_height(here, 1)
        forgotten = item(1, facts=report(1, entry(weights={630: 7})), salt=b"x" * 16)
        here.ledger.receipts.add(forgotten.statement_id)
        await here.validated(forgotten)
        await until(lambda: here.ledger.again == [forgotten.statement_id])
    assert here.refusals == []


async def test_while_the_ledger_is_silent_refusals_wait_and_good_reports_do_not(here: Member) -> None:
    async with here.service() as running:
        here.ledger.silent = True
        await here.validated(item(1, iat=1_000_000_000), item(1, mba="XLF1"))
        assert await here.admitted(1) == [1]
        await until(lambda: "ledger" in running.runtime.health.waiting.get("uniqueness", ""))
        assert here.refusals == []
        here.ledger.silent = False
        (refusal,) = await here.refused(1)
    assert refusal.findings[0][0] == "A05"
    assert len(here.admitted_items) == 1


async def test_a_report_after_a_gap_is_held_until_the_one_before_it_passes(here: Member) -> None:
    async with here.service() as running:
        await here.validated(item(3))
        await here.validated(item(2))
        await until(lambda: _held(running) == 2)
        assert here.admitted_items == []
        await here.validated(item(1))
        assert await here.admitted(3) == [1, 2, 3]
        await until(lambda: _held(running) == 0)
        assert await running.store.held() == []


async def test_a_report_after_a_gap_is_released_when_the_one_before_it_becomes_final(here: Member) -> None:
    """Another member passed on report 1: here it only appears in a block."""
    async with here.service() as running:
        await here.validated(item(2))
        await until(lambda: _held(running) == 1)
        await here.sequencer.order(item(1))
        assert await here.admitted(1) == [2]


async def test_reports_of_one_message_in_the_wrong_order_all_pass_in_the_right_one(here: Member) -> None:
    async with here.service():
        await here.validated(item(3), item(1), item(2))
        assert await here.admitted(3) == [1, 2, 3]


async def test_a_held_report_is_refused_after_hold_s_under_every_submission_id(here: Member) -> None:
    async with here.service(hold_s=0.6) as running:
        waiting = item(2)
        await here.validated(waiting)
        await until(lambda: _held(running) == 1)
        (first,) = await running.store.held()
        await here.validated(copy_of(waiting, 7))
        await until(lambda: _held(running) == 2)
        assert {one.until_ms for one in await running.store.held()} == {first.until_ms}
        refusals = await here.refused(2)
        await until(lambda: _held(running) == 0)
    assert {one.submission_id for one in refusals} == {waiting.submission_id, bytes([7]) * 32}
    assert {one.findings[0][0] for one in refusals} == {"C02"}
    assert "neither its number nor the statement is used up" in refusals[0].findings[0][6]


async def test_what_is_held_survives_a_restart_and_its_time_goes_on(here: Member) -> None:
    async with here.service(hold_s=1.0) as running:
        await here.validated(item(2))
        await until(lambda: _held(running) == 1)
        (before,) = await running.store.held()
    async with here.service(hold_s=1000.0) as running:
        assert await running.store.held() == [before]
        (refusal,) = await here.refused(1)
    assert refusal.time_ms >= before.until_ms


async def test_a_block_that_was_evaluated_is_stored_when_it_comes_and_changes_the_books(here: Member) -> None:
    async with here.service() as running:
        assert await here.sequencer.order(item(1), item(2)) == [Code.ACCEPTED] * 2
        await until_height(here, 1)
        assert await here.sequencer.order(item(3)) == [Code.ACCEPTED]
        await until_height(here, 2)
        header = parse_header(here.sequencer.young[-1].header)
        assert await _root(running) == header.state_root.hex()
        books = list(book_lines(await running.store.under(prefix(Kind.BOOK, "XL", "XLR1"))))
    assert [(one.category, one.label, one.mg) for one in books] == [(630, 630, 3000), (630, 670, 120)]


async def test_an_unknown_parent_is_needed_and_evaluated_on_once_its_block_is_there(here: Member) -> None:
    async with here.service():
        request, batches = here.sequencer.propose([item(1)])
        block = here.sequencer.finish(request, batches, await here.sequencer.evaluate(request))
        here.sequencer.young.clear()
        following, _ = here.sequencer.propose([item(2)])
        reply = await here.sequencer.evaluate(following)
        assert (reply.kind, reply.height) == ("need_parent", 0)
        await here.sequencer.hint(block)
        assert (await here.sequencer.evaluate(following)).kind == "evaluated"


async def test_the_same_proposal_gives_the_same_bytes_again(here: Member) -> None:
    async with here.service():
        request, _ = here.sequencer.propose([item(1)])
        assert await here.sequencer.evaluate(request) == await here.sequencer.evaluate(request)


async def test_a_key_that_vetting_did_not_know_is_reported_back(here: Member) -> None:
    async with here.service():
        request, _ = here.sequencer.propose([msgspec.structs.replace(item(1), signature="no key")])
        reply = await here.sequencer.evaluate(request)
    assert (reply.kind, reply.kids) == ("need_vetting", [LEDGER.reporter.kid])


async def test_a_proposal_that_cannot_be_is_answered_with_the_reason(here: Member) -> None:
    async with here.service():
        request, _ = here.sequencer.propose([item(1)])
        skipped = msgspec.structs.replace(request, batches=[msgspec.structs.replace(request.batches[0], seq=7)])
        reply = await here.sequencer.evaluate(skipped)
        assert (reply.kind, reply.text) == ("failed", "batch 7 of member 0: the last ordered batch is 0")
        with pytest.raises(Declined, match="not a EvaluateRequest"):
            await here.sequencer.signed.request(EVALUATE, b"garbage", timeout_s=5.0)
        broken = msgspec.structs.replace(request.batches[0].items[0], facts_z=compress(b"\x01"))
        batch = msgspec.structs.replace(request.batches[0], items=[broken])
        reply = await here.sequencer.evaluate(msgspec.structs.replace(request, batches=[batch]))
        assert reply.kind == "failed"


async def test_blocks_whose_hints_were_lost_are_asked_for_from_consensus_and_from_the_ledger(here: Member) -> None:
    async with here.service():
        for number in (1, 2, 3):
            assert await here.sequencer.order(item(number), hint=False) == [Code.ACCEPTED]
            if number == 2:  # The ledger has said stored: consensus drops them.
                await until_height(here, 2)
                here.ledger.blocks = list(here.sequencer.young)
                here.sequencer.young.clear()
        await until_height(here, 3)


async def test_a_new_database_is_rebuilt_from_the_ledgers_blocks_to_the_same_root(here: Member) -> None:
    async with here.service() as running:
        for number in range(1, 21):
            await here.sequencer.order(item(number), item(number, salt=b"y" * 16))
        await until_height(here, 20)
        root = await _root(running)
    here.ledger.blocks = list(here.sequencer.young)
    here.sequencer.young.clear()
    data = here.folder / "uniqueness" / "data"
    for file in data.glob("uniqueness.sqlite*"):
        file.unlink()

    async with here.service() as running:
        await until_height(here, 20)
        assert await _root(running) == root == parse_header(here.ledger.blocks[-1].header).state_root.hex()
        assert await here.sequencer.order(item(21)) == [Code.ACCEPTED]


async def test_a_certified_block_with_another_state_root_stops_the_service_loudly(here: Member) -> None:
    async with here.service(stays=False) as running:
        request, batches = here.sequencer.propose([item(1)])
        reply = await here.sequencer.evaluate(request)
        here.sequencer.finish(request, batches, reply, state_root=b"?" * 32)
        with pytest.raises(StateDiverged, match="state root"):
            await soon(running.serving)


async def test_a_block_of_a_bad_copy_is_not_taken_and_a_good_one_is(here: Member) -> None:
    async with here.service() as running:
        request, batches = here.sequencer.propose([item(1)])
        block = here.sequencer.finish(request, batches, await here.sequencer.evaluate(request))
    other = compress(report(1, entry(weights={630: 9})).encoded)
    forged = [msgspec.structs.replace(one, facts_z=other) for one in block.batches[0].items]
    here.sequencer.young[:] = [
        msgspec.structs.replace(block, batches=[msgspec.structs.replace(block.batches[0], items=forged)])
    ]
    async with here.service() as running:
        await until(lambda: "facts" in str(running.runtime.health.not_ready().get("chain")))
        assert (await here.state()).height == 0
        here.sequencer.young[:] = [block]
        await until_height(here, 1)
        assert "chain" not in running.runtime.health.not_ready()


async def test_a_block_that_nobody_certified_is_not_taken(here: Member) -> None:
    async with here.service() as running:
        request, batches = here.sequencer.propose([item(1)])
        block = here.sequencer.finish(request, batches, await here.sequencer.evaluate(request))
        here.sequencer.young[:] = [msgspec.structs.replace(block, certificate=b"\x80")]
        await until(lambda: "chain" in running.runtime.health.not_ready())
        assert (await here.state()).height == 0


async def test_the_registry_copy_names_who_and_where(here: Member) -> None:
    async with here.service():
        state = await here.state()
    assert state.block_id == LEDGER.genesis.chain_id
    assert len(state.identities) == len(LEDGER.genesis.identities)
    assert state.parameters["skew_s"] == 300
    assert (state.rules_version, state.reference_version) == (1, 1)


async def test_http_tells_what_is_held_on_its_way_and_final(here: Member) -> None:
    async with here.service() as running:
        held, passed, final = item(3), item(1, mba="XLF1"), item(1)
        await here.sequencer.order(final)
        await until_height(here, 1)
        await here.validated(held, passed)
        await here.admitted(1)
        await until(lambda: _held(running) == 1)
        waiting = await _get(running, f"/v1/reports/{held.submission_id.hex()}")
        assert waiting["held"][0]["waits_for"] == 2
        assert waiting["statement_id"] == held.statement_id.hex()
        on_its_way = await _get(running, f"/v1/reports/{passed.statement_id.hex()}")
        assert on_its_way["passed_ms"] > 0
        decided = await _get(running, f"/v1/reports/{final.statement_id.hex()}")
        assert decided["verdict"]["verdict"] == "accepted"
        assert decided["verdict"]["log_index"] == 1
        index = await _get(running, "/v1/reports?mba=XL/XLR1")
        assert [(one["number"], one["statement_id"]) for one in index["reports"]] == [(1, final.statement_id.hex())]
        async with httpx.AsyncClient() as client:
            url = _url(running)
            assert (await client.get(f"{url}/v1/reports/{'00' * 32}")).status_code == 404
            assert (await client.get(f"{url}/v1/reports?mba=NONE")).status_code == 404
            assert (await client.get(f"{url}/readyz")).status_code == 200


async def until_height(here: Member, height: int) -> None:
    """Return once the service says that the state stands there."""

    async def look() -> None:
        while (await here.state()).height < height:  # noqa: ASYNC110 - it is another process, for all we know
            await asyncio.sleep(0.01)

    await soon(look())


def _held(running: Running) -> int:
    for line in running.runtime.telemetry.exposition().decode().splitlines():
        if line.startswith("slt_uniqueness_held "):
            return int(float(line.split()[1]))
    return 0


def _url(running: Running) -> str:
    address = running.runtime.config.address_file
    assert address is not None
    url: str = json.loads(address.read_text())["http"]
    return url


async def _get(running: Running, path: str) -> Any:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{_url(running)}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()
