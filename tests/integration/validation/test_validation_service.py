"""The validation service between its neighbours, on the bus in memory and on the real broker."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from slt.bus.compression import inflate
from slt.bus.messages import Item
from slt.reports import parse_facts
from slt.reports.answer import answer
from slt.reports.judgement import judge
from slt.statements.verdicts import Code
from tests.integration.validation.member import LEDGER, Member, item, member, service_signer, soon, until
from tests.support.buses import MemoryWorld, small_table, world_of
from tests.unit.reports.samples import REFERENCE, changed, document
from tests.unit.reports.test_judgement import listing


@pytest.fixture(params=["memory", "jetstream"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    table = small_table(bytes_max=64 * 1024 * 1024)
    async with (
        world_of(request.param, tmp_path / "broker", table) as broker,
        member(broker, tmp_path / "member") as one,
    ):
        await one.uniqueness_answers()
        yield one


def good(number: int = 41) -> Item:
    return item(number, document("XLR1-41").replace(b"XL;41#", b"XL;%d#" % number))


def broken() -> Item:
    return item(42, changed("XLR1-42", 0, _447=None, _630="460.120K"))


async def test_a_good_report_is_passed_on_with_its_facts(home: Member) -> None:
    async with home.service():
        await home.authenticated(good())
        [passed] = await home.validated(1)
    facts = parse_facts(inflate(passed.facts_z, bytes_max=1_000_000))
    assert (facts.mba, facts.number, len(facts.entries)) == ("XLR1", 41, 4)
    assert (passed.no_facts, passed.findings, passed.rules_version) == (0, [], 1)
    assert [timing.stage for timing in passed.timings] == ["authentication", "validation"]
    assert passed.timings[1].received_ms <= passed.timings[1].done_ms


async def test_a_broken_report_is_refused_with_every_finding(home: Member) -> None:
    submitted = broken()
    async with home.ledger_answers(), home.service():
        await home.authenticated(submitted)
        [refusal] = await home.refused(1)
    assert refusal.submission_id == submitted.submission_id
    assert refusal.statement_id == submitted.statement_id
    assert (refusal.stage, refusal.height, refusal.rules_version) == ("validation", 3, 1)
    assert {row[0] for row in refusal.findings} == {"V11", "V20"}
    assert all(row[6] for row in refusal.findings)


async def test_good_and_broken_reports_of_one_message_part(home: Member) -> None:
    async with home.ledger_answers(), home.service():
        await home.authenticated(good(43), broken(), good(44))
        passed = await home.validated(2)
        [refusal] = await home.refused(1)
    assert {one.state + one.mba for one in passed} == {"XLXLR1"}
    assert refusal.submission_id == broken().submission_id


async def test_a_report_of_another_area_is_refused_as_not_as_stated(home: Member) -> None:
    async with home.ledger_answers(), home.service():
        await home.authenticated(item(41, document("XLR1-41"), mba="XLF1"))
        [refusal] = await home.refused(1, mba="XLF1")
    assert [row[0] for row in refusal.findings] == ["A06"]


async def test_a_statement_with_a_final_verdict_is_answered_by_its_receipt(home: Member) -> None:
    submitted = broken()
    home.stubs.receipts[submitted.statement_id] = b"receipt"
    other = item(45, b"nonsense")
    async with home.ledger_answers(), home.service():
        await home.authenticated(submitted, other)
        [refusal] = await home.refused(1)
    assert home.stubs.again == [submitted.statement_id]
    assert refusal.submission_id == other.submission_id


async def test_a_refusal_waits_for_the_ledger_and_good_reports_do_not(home: Member) -> None:
    async with home.service() as service:
        await home.authenticated(good(46), broken())
        await service.waits_for("ledger")
        await home.authenticated(good(47))
        assert len(await home.validated(2)) == 2
        async with home.ledger_answers():
            [refusal] = await home.refused(1)
    assert refusal.submission_id == broken().submission_id


async def test_nothing_is_judged_under_rules_that_this_program_does_not_have(home: Member) -> None:
    home.stubs.rules_version = 9
    async with home.service() as service:
        await home.authenticated(good())
        await service.waits_for("rule set 9")
        home.stubs.rules_version = 1
        assert len(await home.validated(1)) == 1


async def test_a_size_above_its_limit_is_refused_by_name(home: Member) -> None:
    home.stubs.parameters["facts_bytes_max"] = 100
    async with home.ledger_answers(), home.service():
        await home.authenticated(good())
        [refusal] = await home.refused(1)
    assert refusal.findings[0][0] == "LIMIT"
    assert "facts_bytes_max = 100" in refusal.findings[0][5]


async def test_a_forged_stage_is_parked_and_harms_nobody(home: Member) -> None:
    async with home.service() as service:
        await home.authenticated(good(48), sealer=service_signer("authentication", key="somebody else"))
        await home.bus.publish("slt.authenticated", b"garbage")
        await home.authenticated(good(49))
        [passed] = await home.validated(1)
        assert passed.submission_id == good(49).submission_id

        def parked() -> float:
            lines = re.findall(rb"^slt_parked_total.* ([0-9.]+)$", service.runtime.telemetry.exposition(), re.MULTILINE)
            return sum(map(float, lines))

        await until(lambda: parked() == 2)


async def test_every_report_survives_a_broker_that_goes_away(home: Member) -> None:
    async with home.ledger_answers(), home.service():
        for number in range(50, 60):
            await home.authenticated(good(number))
        await home.broker.away()
        await home.broker.back()
        assert len(await home.validated(10)) == 10


async def test_what_a_killed_service_held_comes_again(tmp_path: Path) -> None:
    async with world_of("memory", tmp_path, small_table()) as broker, member(broker, tmp_path / "member") as home:
        await home.uniqueness_answers()
        assert isinstance(broker, MemoryWorld)
        broker.broker.fail("done", when="before", times=3)  # published, and dead before it said so
        async with home.service():
            await home.authenticated(good(61), good(62))
            assert len(await home.validated(2)) == 2
        async with home.service():
            await home.authenticated(good(63))
            assert {one.submission_id for one in await home.validated(1)} <= {
                good(n).submission_id for n in (61, 62, 63)
            }


async def test_check_over_http_gives_the_object_of_the_command(home: Member) -> None:
    data = changed("XLR1-42", 0, _447=None)
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await soon(service.copy.wait_ready())
        reply = await client.post("/v1/check", content=data, params={"file": "a.code10"})
        assert reply.json() == json.loads(json.dumps(answer("a.code10", judge(data, REFERENCE))))
        assert (await client.post("/v1/check", content=document("XLR1-41"))).json()["verdict"] == "ok"
        page = (await client.get("/openapi.json")).json()["components"]["schemas"]
        assert list(page["AnswerModel"]["properties"]) == list(reply.json())
        assert list(page["FindingModel"]["properties"]) == list(reply.json()["findings"][0])
        assert (await client.post("/v1/check", content=b"\xff" * 100)).json()["verdict"] == "reject"


async def test_a_check_of_more_than_the_ledger_takes_is_cut_off(home: Member) -> None:
    home.stubs.parameters["body_bytes_max"] = 1000
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await soon(service.copy.wait_ready())
        reply = await client.post("/v1/check", content=b"0" * 2000)
    assert reply.status_code == 413
    assert "1000" in reply.json()["detail"]


async def test_what_became_of_a_report_can_be_asked(home: Member) -> None:
    submitted = broken()
    async with home.ledger_answers(), home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await home.authenticated(submitted, good(64))
        await home.refused(1)
        said = (await client.get(f"/v1/reports/{submitted.statement_id.hex()}")).json()
        assert (await client.get(f"/v1/reports/{submitted.submission_id.hex()}")).json() == said
        assert (await client.get(f"/v1/reports/{good(64).submission_id.hex()}")).json()["outcome"] == "passed"
        assert (await client.get(f"/v1/reports/{'00' * 32}")).status_code == 404
        assert (await client.get("/v1/reports/short")).status_code == 422
    assert said["outcome"] == "refused"
    assert {"rule": "V20", "severity": "error", "entry": "OI/1", "label": "447"} in said["findings"]
    assert "FB25" not in json.dumps(said)


async def test_a_large_report_does_not_stop_the_loop(tmp_path: Path) -> None:
    data = listing(20_000)
    async with world_of("memory", tmp_path, small_table(bytes_max=1 << 26)) as broker, member(broker, tmp_path) as home:
        await home.uniqueness_answers()
        async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
            await home.authenticated(item(108, data, mba="XLF1"))
            slowest_s = 0.0

            async def ask() -> None:
                nonlocal slowest_s
                while True:
                    began = time.monotonic()
                    assert (await client.get("/livez")).status_code == 200
                    slowest_s = max(slowest_s, time.monotonic() - began)

            asking = asyncio.create_task(ask())
            [passed] = await home.validated(1)
            asking.cancel()
    assert passed.no_facts == Code.ACCEPTED
    assert len(parse_facts(inflate(passed.facts_z, bytes_max=1 << 26)).entries) == 20_000
    judged_s = (passed.timings[-1].done_ms - passed.timings[-1].received_ms) / 1000
    assert slowest_s < judged_s, "no answer came while the report was judged"


def test_the_stand_in_ledger_is_the_one_of_the_items() -> None:
    assert good().iss == LEDGER.genesis.identities[1].name
