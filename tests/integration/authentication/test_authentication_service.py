"""The authentication service between its neighbours, on the bus in memory and on the real broker."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import httpx
import pytest

from slt.bus.compression import compress
from slt.bus.messages import Parked, decode
from slt.bus.subjects import submit
from slt.statements.statement import make_body, parse_statement
from slt.statements.submission import Submission, encode_submissions
from tests.integration.authentication.member import (
    DEADLINE_S,
    NOW_S,
    Member,
    environment,
    member,
    parked,
    soon,
    submission,
    until,
)
from tests.support.buses import JetStreamWorld, MemoryWorld, small_table, world_of
from tests.unit.authentication.doors import (
    AUTHOR,
    AUTHORITY,
    EXPIRED,
    INSPECTOR,
    SECOND,
    STRANGER,
    endorsed,
    genesis,
)
from tests.unit.statements.samples import identity

ROOM_BYTES = 64 * 1024 * 1024


@pytest.fixture(params=["memory", "jetstream"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    async with (
        world_of(request.param, tmp_path / "broker", small_table(bytes_max=ROOM_BYTES)) as broker,
        member(broker, tmp_path / "member") as one,
    ):
        await one.uniqueness_answers()
        yield one


@asynccontextmanager
async def in_memory(folder: Path) -> AsyncIterator[tuple[Member, MemoryWorld]]:
    """For faults that only the bus in memory has on demand."""
    async with world_of("memory", folder, small_table(bytes_max=ROOM_BYTES)) as broker, member(broker, folder) as one:
        assert isinstance(broker, MemoryWorld)
        await one.uniqueness_answers()
        yield one, broker


def broken(number: int = 0) -> Submission:
    """A genuine statement under somebody else's body: refused once the ledger was asked."""
    return replace(submission(number), body_z=compress(make_body(bytes(16), b"something else")))


def kept(one: Submission) -> bytes:
    return parse_statement(one.statement).id


# What passes


async def test_a_good_submission_is_passed_on_with_what_the_door_found_out(home: Member) -> None:
    one = endorsed(submission(), AUTHORITY)
    async with home.service():
        await home.submits(one)
        [item] = await home.authenticated(1)
    assert (item.submission_id, item.statement_id, item.statement) == (one.id, kept(one), one.statement)
    assert (item.endorsements, item.body_z) == (list(one.endorsements), one.body_z)
    assert (item.state, item.mba, item.kid, item.iss, item.iat) == ("XL", "XLR1", AUTHOR.kid, "author", NOW_S)
    assert (item.signature, item.spki) == ("good", AUTHOR.spki)
    assert (item.endorsers, item.endorser_spkis) == ([AUTHORITY.kid], [AUTHORITY.spki])
    assert item.body_digest == parse_statement(one.statement).body_digest
    assert item.body_length > 16
    assert [timing.stage for timing in item.timings] == ["authentication"]


async def test_several_hundred_submissions_in_messages_of_any_size_all_pass(home: Member) -> None:
    items = [submission(number) for number in range(300)]
    async with home.service():
        at = 0
        for size in (1, 64, 3, 64, 64, 40, 64):
            await home.submits(*items[at : at + size])
            at += size
        passed = await home.authenticated(300)
    assert {item.submission_id for item in passed} == {one.id for one in items}


async def test_a_report_of_a_traced_facility_begins_a_trace_that_links_the_facilitys(home: Member) -> None:
    facility = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    async with home.service():
        await home.submits(submission(), traceparent=facility)
        [item] = await home.authenticated(1)
    spans = [json.loads(line) for line in (home.folder / "spans.jsonl").read_text(encoding="utf-8").splitlines()]
    own = [span for span in spans if span["name"] == "authentication"]
    assert [span["trace_id"] for span in own] == [item.traceparent[3:35]]
    assert item.traceparent[3:35] != "ab" * 16
    assert "ab" * 16 in json.dumps(own[0]["links"])
    assert own[0]["attributes"]["slt.statement_id"] == item.statement_id.hex()


# What is refused


async def test_one_bad_submission_of_a_message_does_not_hold_up_the_others(home: Member) -> None:
    good = [submission(number) for number in range(3)]
    async with home.ledger_answers(), home.service():
        await home.submits(good[0], broken(7), good[1], submission(8, by=STRANGER), good[2])
        passed = await home.authenticated(3)
        refusals = await home.refused(2)
    assert [item.submission_id for item in passed] == [one.id for one in good]
    assert {refusal.submission_id for refusal in refusals} == {broken(7).id, submission(8, by=STRANGER).id}
    assert {refusal.stage for refusal in refusals} == {"authentication"}
    assert {refusal.height for refusal in refusals} == {3}


async def test_what_nobody_has_signed_is_refused_without_asking_the_ledger(home: Member) -> None:
    """The ledger is away: neither is held up, and neither names a statement."""
    flipped = bytearray(submission(1).statement)
    flipped[-1] ^= 1
    others = [
        Submission(statement=b"garbage", body_z=b""),
        submission(2, by=STRANGER),
        submission(3, aud="other.example#" + "0" * 64),
        replace(submission(1), statement=bytes(flipped)),
    ]
    async with home.service():
        await home.submits(*others)
        refusals = await home.refused(4)
    assert [refusal.statement_id for refusal in refusals] == [None] * 4
    assert [refusal.findings[0][0] for refusal in refusals] == ["unreadable", "key-unknown", "other-ledger", "A01"]
    assert home.stubs.asked == []


async def test_a_verified_statement_that_may_not_pass_is_refused_under_its_id(home: Member) -> None:
    cases = {
        "A02": submission(1, by=EXPIRED),
        "A03": submission(2, by=INSPECTOR),
        "A05": submission(3, iat=NOW_S - 2_592_000 - 60),
        "body-wrong": broken(4),
        "body-missing": replace(submission(5), body_z=b""),
        "endorsement-bad": replace(submission(6), endorsements=(b"garbage",)),
    }
    async with home.ledger_answers(), home.service():
        await home.submits(*cases.values())
        refusals = await home.refused(len(cases))
    assert [refusal.findings[0][0] for refusal in refusals] == list(cases)
    assert [refusal.statement_id for refusal in refusals] == [kept(one) for one in cases.values()]
    assert set(home.stubs.asked) >= {kept(one) for one in cases.values()}


async def test_another_states_area_is_answered_on_that_areas_subject(home: Member) -> None:
    async with home.ledger_answers(), home.service():
        await home.submits(submission(), state="XF", mba="XFR1")
        [refusal] = await home.refused(1, state="XF", mba="XFR1")
    assert refusal.findings[0][0] == "A03"
    assert refusal.findings[0][4] == "XF/XFR1"


async def test_a_broken_copy_that_comes_first_does_not_harm_the_genuine_statement(home: Member) -> None:
    genuine = submission(1)
    malleated = bytearray(genuine.statement)
    malleated[-1] ^= 0x80  # S, far above L
    async with home.ledger_answers(), home.service():
        await home.submits(replace(genuine, statement=bytes(malleated)))
        await home.submits(broken(1))
        await home.submits(genuine)
        [item] = await home.authenticated(1)
        refusals = await home.refused(2)
    assert item.submission_id == genuine.id
    assert genuine.id not in {refusal.submission_id for refusal in refusals}


async def test_a_late_retry_of_a_decided_statement_is_answered_again_and_not_refused(home: Member) -> None:
    late, other = submission(1, iat=NOW_S - 2_592_000 - 60), broken(2)
    home.stubs.receipts[kept(late)] = b"receipt"
    async with home.ledger_answers(), home.service() as service:
        await home.submits(late, other)
        [refusal] = await home.refused(1)
        await service.counts('slt_reports_total{outcome="again",stage="authentication"} 1.0')
    assert home.stubs.again == [(kept(late), "XL", "XLR1")]
    assert refusal.submission_id == other.id


async def test_refusals_wait_for_a_silent_ledger_and_good_submissions_do_not(home: Member) -> None:
    async with home.service() as service:
        await home.submits(submission(1), broken(2))
        await service.waits_for("ledger")
        await home.submits(submission(3))
        assert len(await home.authenticated(2)) == 2
        async with home.ledger_answers():
            [refusal] = await home.refused(1)
    assert refusal.submission_id == broken(2).id


# What cannot be read


async def parked_by(home: Member) -> list[Parked]:
    """Of either broker: what stands in PARKED."""
    if isinstance(home.broker, MemoryWorld):
        stored = home.broker.broker.messages
        return await parked(home.bus, lambda: [data for _, _, data in stored("PARKED")])
    assert isinstance(home.broker, JetStreamWorld)
    return await soon(_read_parked(home.broker.server.url))


async def _read_parked(url: str) -> list[Parked]:
    import nats

    client = await nats.connect(url)
    try:
        stream = client.jetstream()
        while (await stream.stream_info("PARKED")).state.messages == 0:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.01)
        last = (await stream.stream_info("PARKED")).state.last_seq
        return [decode(Parked, (await stream.get_msg("PARKED", seq)).data or b"") for seq in range(1, last + 1)]
    finally:
        await client.close()


async def test_garbage_is_parked_and_counted_and_the_next_message_passes(home: Member) -> None:
    async with home.service() as service:
        await home.bus.publish(submit("XL", "XLR1"), b"\x00garbage\xff")
        await home.submits(submission(1))
        assert len(await home.authenticated(1)) == 1
        await service.counts('slt_parked_total{reason="unreadable",stage="authentication"} 1.0')
        [one] = await parked_by(home)
    assert (one.stage, one.subject, one.data) == ("authentication", "slt.submit.XL.XLR1", b"\x00garbage\xff")
    assert "submission message" in one.reason


@pytest.mark.parametrize("subject", ["slt.submit.xl.xlr1", "slt.submit.XL", "slt.submit.XL.XLR1.more"])
async def test_a_subject_that_is_no_area_is_parked(tmp_path: Path, subject: str) -> None:
    async with in_memory(tmp_path) as (home, broker), home.service():
        await home.bus.publish(subject, encode_submissions([submission(1)]))
        await until(lambda: bool(broker.broker.messages("PARKED")))
        assert broker.broker.messages("SUBMISSIONS") == [] or await _drained(broker)


async def _drained(broker: MemoryWorld) -> bool:
    await until(lambda: not broker.broker.messages("SUBMISSIONS"))
    return True


# Waiting, crashes, a broker that goes away


async def test_without_a_copy_of_the_registry_nothing_is_fetched(tmp_path: Path) -> None:
    async with world_of("memory", tmp_path, small_table()) as broker, member(broker, tmp_path) as home:
        assert isinstance(broker, MemoryWorld)
        async with home.service() as service:
            await home.submits(submission(1))
            await service.waits_for("registry")
            assert broker.broker.take("authentication") is not None  # It was still there for anybody to take.
            await home.uniqueness_answers()
            assert len(await home.authenticated(1)) == 1


async def test_an_identity_that_is_enrolled_while_we_run_is_known_soon(home: Member) -> None:
    newcomer = identity("newcomer", STRANGER.spki)
    async with home.service() as service:
        await soon(service.copy.wait_ready())
        home.stubs.identities = (*genesis().identities, newcomer)
        await home.state_changed()
        await until(lambda: STRANGER.kid in service.copy.identities)
        await home.submits(submission(1, by=STRANGER, iss="newcomer"))
        [item] = await home.authenticated(1)
    assert item.kid == STRANGER.kid


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("subject", ["slt.authenticated", "slt.refused.>"])
async def test_a_publish_that_fails_is_made_up_for(
    tmp_path: Path, when: Literal["before", "after"], subject: str
) -> None:
    async with in_memory(tmp_path) as (home, broker), home.ledger_answers(), home.service():
        broker.broker.fail("publish", when=when, subject=subject, times=2)
        await home.submits(submission(1), broken(2), submission(3, by=STRANGER))
        assert {item.submission_id for item in await home.authenticated(1)} == {submission(1).id}
        refusals = await home.refused(2)
        assert {one.submission_id for one in refusals} == {broken(2).id, submission(3, by=STRANGER).id}
        await _drained(broker)


async def test_what_a_killed_service_held_comes_again(tmp_path: Path) -> None:
    async with in_memory(tmp_path) as (home, broker):
        broker.broker.fail("done", when="before", times=3)  # published, and dead before it said so
        async with home.service():
            await home.submits(submission(1), submission(2))
            await home.authenticated(2)
        assert broker.broker.messages("SUBMISSIONS")
        async with home.service():
            again = await home.authenticated(2)
            await _drained(broker)
    assert {item.submission_id for item in again} == {submission(1).id, submission(2).id}


async def test_every_submission_survives_a_broker_that_goes_away(home: Member) -> None:
    items = [submission(number) for number in range(40)]
    async with home.ledger_answers(), home.service():
        for one in items:
            await home.submits(one)
        await home.broker.away()
        await home.broker.back()
        passed = await home.authenticated(40)
    assert {item.submission_id for item in passed} == {one.id for one in items}


# HTTP


async def test_a_message_posted_over_http_goes_the_same_way(home: Member) -> None:
    one = submission(1)
    data = encode_submissions([one])
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        named = {"state": "XL", "mba": "XLR1"}
        reply = await client.post(
            "/v1/submissions", params=named, content=data, headers={"content-type": "application/cbor"}
        )
        assert reply.status_code == 202
        assert reply.json() == {**named, "submissions": [one.id.hex()]}
        [item] = await home.authenticated(1)
        assert item.submission_id == one.id
        said = (await client.get(f"/v1/reports/{one.id.hex()}")).json()
        assert (said["outcome"], said["statement"], said["area"]) == ("passed", kept(one).hex(), "XL/XLR1")
        assert (await client.get(f"/v1/reports/{kept(one).hex()}")).json() == said


async def test_an_author_with_one_area_need_not_name_it(home: Member) -> None:
    only, several = submission(1, by=SECOND), submission(2)
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await soon(service.copy.wait_ready())
        reply = await client.post("/v1/submissions", content=encode_submissions([only]))
        assert (reply.status_code, reply.json()["mba"]) == (202, "XLT1")
        for one, word in ((several, "2 areas"), (submission(3, by=STRANGER), "not registered")):
            reply = await client.post("/v1/submissions", content=encode_submissions([one]))
            assert reply.status_code == 400
            assert word in reply.json()["detail"]
        [item] = await home.authenticated(1)
    assert item.mba == "XLT1"


async def test_what_cannot_be_queued_is_answered_with_the_reason(tmp_path: Path) -> None:
    good = encode_submissions([submission(1)])
    named = {"state": "XL", "mba": "XLR1"}
    async with (
        in_memory(tmp_path) as (home, broker),
        home.service() as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        post = client.post
        garbage = await post("/v1/submissions", params=named, content=b"garbage")
        assert (garbage.status_code, "submission message" in garbage.json()["detail"]) == (400, True)
        subject = await post("/v1/submissions", params={"state": "xl", "mba": "XLR1"}, content=good)
        assert (subject.status_code, "A-Z" in subject.json()["detail"]) == (400, True)
        large = await post("/v1/submissions", params=named, content=bytes(8 * 1024 * 1024 + 1))
        assert (large.status_code, "8388608" in large.json()["detail"]) == (413, True)
        typed = await post("/v1/submissions", content=good, headers={"content-type": "application/json"})
        assert typed.status_code == 415
        broker.broker.fail("publish", when="before", subject="slt.submit.>")
        away = await post("/v1/submissions", params=named, content=good)
        assert (away.status_code, away.headers["retry-after"]) == (503, "5")


async def test_the_registry_can_be_asked(home: Member) -> None:
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await soon(service.copy.wait_ready())
        page = (await client.get("/v1/identities")).json()
        assert page["height"] == 3
        assert [one["name"] for one in page["identities"]] == [one.name for one in genesis().identities]
        foreign = (await client.get("/v1/identities", params={"state": "XF", "role": "authority"})).json()
        assert [one["name"] for one in foreign["identities"]] == ["foreign authority"]
        assert (await client.get(f"/v1/reports/{'00' * 32}")).status_code == 404
        assert (await client.get("/v1/reports/short")).status_code == 422


async def test_what_was_refused_can_be_asked_with_its_findings(home: Member) -> None:
    one = submission(1, by=STRANGER)
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await home.submits(one)
        await home.refused(1)
        said = (await soon(_found(client, one.id))).json()
    assert (said["outcome"], said["statement"]) == ("refused", None)
    assert said["findings"][0]["rule"] == "key-unknown"


async def _found(client: httpx.AsyncClient, submission_id: bytes) -> httpx.Response:
    while (reply := await client.get(f"/v1/reports/{submission_id.hex()}")).status_code != 200:  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(0.01)
    return reply


# The process


@asynccontextmanager
async def process(home: Member, url: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    log = home.folder / "authentication.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, **environment(home.folder, url)}
    with log.open("ab") as out:
        running = subprocess.Popen([sys.executable, "-m", "services.authentication"], env=env, stdout=out, stderr=out)
        try:
            yield running
        finally:
            running.kill()
            await asyncio.to_thread(running.wait, DEADLINE_S)


async def test_the_process_killed_at_work_loses_nothing_and_stops_cleanly_when_asked(tmp_path: Path) -> None:
    async with (
        world_of("jetstream", tmp_path / "broker", small_table(bytes_max=ROOM_BYTES)) as broker,
        member(broker, tmp_path / "member") as home,
    ):
        assert isinstance(broker, JetStreamWorld)
        await home.uniqueness_answers()
        items = [submission(number) for number in range(200)]
        async with home.ledger_answers():
            async with process(home, broker.server.url) as first:
                for one in items[:100]:
                    await home.submits(one)
                seen = {item.submission_id for item in await home.authenticated(1)}
                first.send_signal(signal.SIGKILL)
            async with process(home, broker.server.url) as second:
                for one in items[100:]:
                    await home.submits(one)
                await home.submits(broken(1000))
                await home.refused(1)
                while len(seen) < len(items):
                    seen |= {item.submission_id for item in await home.authenticated(1)}
                await soon(_empty(broker.server.url))  # what the first held comes again after ack_wait
                second.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(second.wait, DEADLINE_S) == 0
    assert seen == {one.id for one in items}


async def _empty(url: str) -> None:
    """Return once SUBMISSIONS holds nothing."""
    import nats

    client = await nats.connect(url)
    try:
        while (await client.jetstream().stream_info("SUBMISSIONS")).state.messages:  # noqa: ASYNC110 - a broker counts
            await asyncio.sleep(0.1)
    finally:
        await client.close()
