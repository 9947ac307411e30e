"""Governance statements at the door, over the bus and HTTP; and signatures looked at again for consensus."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from slt.bus.messages import Authenticity, Item, VetAuthentication, VetAuthenticationReply, decode, encode
from slt.bus.requests import Declined
from slt.bus.subjects import VET_AUTHENTICATION
from slt.statements.governance import NO_BODY, parse_governance
from slt.statements.submission import Submission, encode_submissions
from tests.integration.authentication.member import DEADLINE_S, NOW_S, Member, member, speaking, submission, until
from tests.support.buses import small_table, world_of
from tests.unit.authentication.doors import AUTHOR, AUTHORITY, STRANGER, endorsed, genesis
from tests.unit.authentication.test_changes import ANNOUNCEMENT, approved, change
from tests.unit.statements.samples import GOVERNANCE, identity


@pytest.fixture(params=["memory", "jetstream"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    async with (
        world_of(request.param, tmp_path / "broker", small_table(bytes_max=1 << 26)) as broker,
        member(broker, tmp_path / "member") as one,
    ):
        await one.uniqueness_answers()
        yield one


def now(*approvers: Any, **changes: Any) -> Submission:
    return approved(change(iat=NOW_S, **changes), *approvers, iat=NOW_S)


async def test_a_change_is_passed_on_with_what_was_found_about_it(home: Member) -> None:
    one = now(AUTHORITY)
    async with home.service():
        await home.submits(one, state="", mba="")
        [item] = await home.authenticated(1)
    assert item.submission_id == one.id and item.statement_id == parse_governance(one.statement).id
    assert (item.state, item.mba, item.body_z, item.body_length, item.body_digest) == ("", "", b"", 0, NO_BODY)
    assert (item.kid, item.spki, item.iss, item.iat) == (GOVERNANCE.kid, GOVERNANCE.spki, "IAEA", NOW_S)
    assert (item.endorsers, item.endorser_spkis) == ([AUTHORITY.kid], [AUTHORITY.spki])
    assert item.change == ANNOUNCEMENT.encoded


async def test_a_change_that_does_not_hold_is_refused_on_the_subject_of_changes(home: Member) -> None:
    wrong = now(STRANGER)
    unknown = Submission(statement=change(STRANGER, iat=NOW_S), body_z=b"")
    async with home.ledger_answers(), home.service():
        await home.submits(wrong, unknown, state="", mba="")
        refusals = {one.submission_id: one for one in await home.refused(2, state="", mba="")}
    assert refusals[wrong.id].statement_id == parse_governance(wrong.statement).id
    assert [row[0] for row in refusals[wrong.id].findings] == ["approval-bad"]
    assert refusals[unknown.id].statement_id is None
    assert [row[0] for row in refusals[unknown.id].findings] == ["key-unknown"]


async def test_a_change_with_its_final_verdict_is_answered_with_its_receipt(home: Member) -> None:
    wrong = now(STRANGER)
    id_ = parse_governance(wrong.statement).id
    home.stubs.receipts[id_] = b"receipt"
    async with home.ledger_answers(), home.service():
        await home.submits(wrong, state="", mba="")
        await until(lambda: home.stubs.again == [(id_, "", "")])


async def test_a_change_over_http_needs_no_area(home: Member) -> None:
    one = now()
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await service.copy.wait_ready()
        answer = await client.post(
            "/v1/submissions", content=encode_submissions([one]), headers={"content-type": "application/cbor"}
        )
        assert (answer.status_code, answer.json()["submissions"]) == (202, [one.id.hex()])
        [item] = await home.authenticated(1)
    assert item.change == ANNOUNCEMENT.encoded


# slt.vet.authentication


def item_of(one: Submission) -> Item:
    return Item(
        submission_id=one.id,
        statement_id=bytes(32),
        statement=one.statement,
        endorsements=list(one.endorsements),
        state="XL",
        mba="XLR1",
    )


async def look(home: Member, *items: Item) -> list[Authenticity]:
    asking = speaking(home.bus, "consensus")
    question = encode(VetAuthentication(items=list(items)))
    while True:
        try:
            data = await asking.request(VET_AUTHENTICATION, question, timeout_s=DEADLINE_S)
            return decode(VetAuthenticationReply, data).found
        except Declined as declined:
            if "no copy of the registry" not in declined.reason:
                raise


async def test_consensus_has_signatures_looked_at_again_by_the_registry_of_now(home: Member) -> None:
    late = endorsed(submission(by=STRANGER, iss="late"), AUTHORITY)
    async with home.service():
        before, good = await look(home, item_of(late), item_of(submission(by=AUTHOR)))
        assert (before.signature, before.spki, good.signature) == ("no key", b"", "good")
        home.stubs.identities = (*genesis().identities, identity("late", STRANGER.spki))
        home.stubs.height += 1
        found = before
        async with asyncio.timeout(DEADLINE_S):
            while found.signature != "good":  # each answer that lacks a key has the copy asked for anew
                [found] = await look(home, item_of(late))
        assert (found.spki, found.endorsers) == (STRANGER.spki, [AUTHORITY.kid])
