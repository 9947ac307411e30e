"""slt.vet.validation: reports are judged again for consensus, also while the pipeline is full."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from slt.bus.messages import Item, VetValidation, VetValidationReply, decode, encode
from slt.bus.requests import Declined
from slt.bus.subjects import VET_VALIDATION
from slt.reports import RULES_VERSION
from slt.statements.governance import ActivateRules, Announcement, SetArea
from slt.statements.verdicts import Code
from tests.integration.validation.member import DEADLINE_S, Member, Running, item, member, soon, speaking, until
from tests.integration.validation.test_validation_service import good
from tests.support.buses import small_table, world_of
from tests.unit.reports.samples import REFERENCE
from tests.unit.reports.test_judgement import listing
from tests.unit.validation.test_terms import BOTH, NEW_RULES

LARGE = 4  # listings of 20,000 entries, each a second of judging
CLOSED = replace(REFERENCE.mbas["XL/XLR1"], closed="20250101")


@pytest.fixture(params=["memory", "jetstream"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Member]:
    async with (
        world_of(request.param, tmp_path / "broker", small_table(bytes_max=64 * 1024 * 1024)) as broker,
        member(broker, tmp_path / "member") as one,
    ):
        await one.uniqueness_answers()
        yield one


async def again(home: Member, *items: Item, rules: int = RULES_VERSION, reference: int = 1) -> VetValidationReply:
    """What consensus gets; it asks again while the copy of the registry is still on its way."""
    asking = speaking(home.bus, "consensus")
    question = encode(VetValidation(rules_version=rules, reference_version=reference, items=list(items)))
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return decode(VetValidationReply, await asking.request(VET_VALIDATION, question, timeout_s=DEADLINE_S))
            except Declined as declined:
                if "no copy of the registry" not in declined.reason:
                    raise


async def test_reports_are_judged_again_under_the_versions_that_are_named(home: Member) -> None:
    home.stubs.announced = [Announcement(change=SetArea(mba=CLOSED), effective_height=9, nonce=bytes(16))]
    async with home.service():
        [now] = (await again(home, good())).found
        [later] = (await again(home, good(), reference=2)).found
    assert now.facts_z and (now.rules_version, now.reference_version, now.no_facts) == (RULES_VERSION, 1, 0)
    assert (later.facts_z, later.reference_version, later.no_facts) == (b"", 2, Code.V15)
    assert later.findings_salt == now.findings_salt and later.findings[0][0] == "V15"


async def test_versions_that_nobody_announced_are_declined_by_name_and_the_copy_is_renewed(home: Member) -> None:
    async with home.service() as service:
        with pytest.raises(Declined, match="asked for rule set 1 with reference data 2; known at height 3: 1 with 1"):
            await again(home, good(), reference=2)
        home.stubs.announced = [Announcement(change=SetArea(mba=CLOSED), effective_height=9, nonce=bytes(16))]
        await until(lambda: bool(service.copy.current.announced))
        assert (await again(home, good(), reference=2)).found


async def test_an_announced_rule_set_that_is_missing_makes_the_service_unready_and_reports_go_on(home: Member) -> None:
    home.stubs.announced = [Announcement(change=ActivateRules(version=NEW_RULES), effective_height=9, nonce=bytes(16))]
    async with home.service() as service, httpx.AsyncClient(base_url=service.url) as client:
        await home.authenticated(good())
        assert len(await home.validated(1)) == 1
        answer = await client.get("/readyz")
        assert answer.status_code == 503 and f"rule set {NEW_RULES} counts from height 9 on" in answer.text
        with pytest.raises(Declined, match="known at height 3: 1 with 1"):
            await again(home, good(), rules=NEW_RULES)
        home.stubs.announced = []
        await until(lambda: not service.runtime.health.not_ready())


async def test_while_a_rule_set_is_announced_reports_travel_judged_under_both(home: Member) -> None:
    home.stubs.announced = [Announcement(change=ActivateRules(version=NEW_RULES), effective_height=9, nonce=bytes(16))]
    async with home.service(rule_sets=BOTH):
        await home.authenticated(good())
        [passed] = await home.validated(1)
    assert passed.rules_version == RULES_VERSION
    assert [ahead.rules_version for ahead in passed.ahead] == [NEW_RULES]


async def test_only_consensus_may_ask(home: Member) -> None:
    async with home.service():
        question = encode(VetValidation(rules_version=1, reference_version=1, items=[good()]))
        await again(home, good())
        bus = await home.broker.bus("stranger")
        assert await bus.request(VET_VALIDATION, question, timeout_s=DEADLINE_S) == b""


async def test_a_full_pipeline_does_not_hold_up_what_consensus_asks(tmp_path: Path) -> None:
    large = listing(20_000)
    async with world_of("memory", tmp_path, small_table(bytes_max=1 << 26)) as broker, member(broker, tmp_path) as home:
        await home.uniqueness_answers()
        async with home.service(gather=1) as service:
            await again(home, good())
            for _ in range(LARGE):
                await home.authenticated(item(108, large, mba="XLF1"))
            await soon(again(home, good()))
            assert _passed(service) < LARGE, "the pipeline was done before consensus was answered"
            await until(lambda: _passed(service) == LARGE)


def _passed(service: Running) -> int:
    """Reports that the pipeline has passed on."""
    found = re.search(rb'slt_reports_total{outcome="passed",stage="validation"} ([0-9.]+)', _metrics(service))
    return 0 if found is None else int(float(found[1]))


def _metrics(service: Running) -> bytes:
    return service.runtime.telemetry.exposition()
