"""Changes of the ledger in the uniqueness service: admitted, evaluated, told to the others; missing rules alarm."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from slt.bus.messages import Block, EvaluateBatch, Item
from slt.statements.governance import ActivateRules, Change, Enrol, SetParameter, parse_announcement
from slt.statements.verdicts import Code
from tests.integration.uniqueness.member import LEDGER, Member, item, member, until
from tests.integration.uniqueness.test_uniqueness_service import _get, until_height
from tests.support.blocks import signer
from tests.support.buses import small_table, world_of
from tests.unit.statements.samples import identity

SKEW = SetParameter(name="skew_s", value=60)


@pytest.fixture(params=["memory", "nats"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    async with (
        world_of(request.param, tmp_path / "broker", small_table(bytes_max=1 << 26)) as broker,
        member(broker, tmp_path) as one,
    ):
        yield one


def change(what: Change, *, height: int) -> Item:
    return LEDGER.change(what, effective_height=height, approved=False, iat=int(time.time()))


async def test_a_change_is_admitted_waits_for_its_height_and_is_told_to_the_others(here: Member) -> None:
    item = change(SKEW, height=3)
    async with here.service() as running:
        await here.validated(item)
        await until(lambda: [one.submission_id for one in here.admitted_items] == [item.submission_id])
        assert await here.sequencer.order(item) == [Code.ACCEPTED]
        await until_height(here, 1)
        waiting = await here.state()
        assert [parse_announcement(one).change for one in waiting.announced] == [SKEW]
        assert waiting.parameters["skew_s"] != 60
        shown = await _get(running, "/v1/registry")
        assert [(one["effective_height"], one["change"]) for one in shown["announced"]] == [
            (3, "parameter skew_s = 60")
        ]
        await here.sequencer.order()
        await here.sequencer.order()
        await until_height(here, 3)
        now = await here.state()
        assert (now.announced, now.parameters["skew_s"]) == ([], 60)
        shown = await _get(running, "/v1/registry")
        assert (shown["height"], shown["parameters"]["skew_s"], shown["announced"]) == (3, 60, [])
        assert {one["name"] for one in shown["identities"]} == {one.name for one in LEDGER.genesis.identities}
        await here.validated(item)  # once more: it has its final verdict
        await until(lambda: here.ledger.again == [item.statement_id])


async def test_a_change_that_its_author_may_not_make_is_refused_on_the_subject_of_changes(here: Member) -> None:
    reporter = LEDGER.reporter
    wrong = msgspec.structs.replace(change(SKEW, height=3), kid=reporter.kid, iss=LEDGER.genesis.identities[0].name)
    async with here.service():
        await here.validated(wrong)
        (refusal,) = await here.refused(1)
    assert refusal.submission_id == wrong.submission_id
    assert "may-not-govern" in {row[0] for row in refusal.findings}


async def test_a_report_by_a_key_that_came_since_is_to_be_vetted_again(here: Member) -> None:
    """A member's identity decides about reporters only through its State; so an inspector is enrolled here."""
    late = signer("late inspector")
    enrolled = replace(identity("late", late.spki), state="XL", mbas=(), role="inspector")
    unseen = msgspec.structs.replace(item(1), kid=late.kid, signature="no key")
    async with here.service():
        assert await here.sequencer.order(change(Enrol(identity=enrolled), height=2)) == [Code.ACCEPTED]
        request, _ = here.sequencer.propose([unseen])
        reply = await here.sequencer.evaluate(request)
        assert (reply.kind, reply.kids, reply.stale) == ("need_vetting", [late.kid], [])
        old = msgspec.structs.replace(request, batches=[_vetted_under(request.batches[0], reference_version=0)])
        reply = await here.sequencer.evaluate(old)
        assert (reply.kind, reply.kids, reply.stale) == ("need_vetting", [late.kid], [unseen.statement_id])
        assert (reply.rules_version, reply.reference_version) == (1, 1)


def _vetted_under(batch: EvaluateBatch, *, reference_version: int) -> EvaluateBatch:
    items = [
        msgspec.structs.replace(one, reference_version=reference_version, facts_z=b"", no_facts=int(Code.V15))
        for one in batch.items
    ]
    return msgspec.structs.replace(batch, digest=bytes(32), items=items)


async def test_a_rule_set_that_is_announced_and_missing_makes_the_service_unready_at_once(here: Member) -> None:
    async with here.service() as running:
        assert await here.sequencer.order(change(ActivateRules(version=9), height=101)) == [Code.ACCEPTED]
        await until_height(here, 1)
        await here.state()
        await until(
            lambda: "rule set 9 counts from height 101" in running.runtime.health.not_ready().get("rule set", "")
        )
        assert await here.sequencer.order() == [], "until then blocks are evaluated"


async def test_a_block_whose_change_is_not_the_one_that_was_signed_is_not_taken_and_a_good_copy_is(
    here: Member,
) -> None:
    """Evaluated anew from a copy: a process that has forgotten the evaluation must not believe what hangs beside it."""
    item = change(SKEW, height=9)
    async with here.service():
        await here.sequencer.order(item, hint=False)
    here.ledger.blocks = []
    good = here.sequencer.young[0]
    data = here.folder / "uniqueness" / "data"
    for file in data.glob("uniqueness.sqlite*"):
        file.unlink()
    here.sequencer.young[:] = [_with_change(good, change(replace(SKEW, value=61), height=9).change)]
    async with here.service() as running:
        await until(lambda: "not the one that was signed" in running.runtime.health.not_ready().get("chain", ""))
        here.sequencer.young[:] = [good]
        await until_height(here, 1)
        await until(lambda: not running.runtime.health.not_ready())


def _with_change(block: Block, other: bytes) -> Block:
    (batch,) = block.batches
    items = [msgspec.structs.replace(batch.items[0], change=other)]
    return msgspec.structs.replace(block, batches=[msgspec.structs.replace(batch, items=items)])
