"""What was vetted under other terms than the parent state's is vetted again before it stands in a block."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from slt.bus.compression import compress
from slt.bus.messages import (
    Authenticity,
    EvaluateReply,
    EvaluateRequest,
    Item,
    Validity,
    VetAuthentication,
    VetAuthenticationReply,
    VetValidation,
    VetValidationReply,
    decode,
    encode,
)
from slt.bus.subjects import VET_AUTHENTICATION, VET_VALIDATION
from tests.integration.consensus.standins import Uniqueness
from tests.integration.consensus.test_consensus_service import WORLD, around, items, running, until
from tests.support.buses import World as Buses
from tests.support.buses import small_table, world_of
from tests.support.signed import signed

NEW_RULES, NEW_REFERENCE = 2, 7
NEW_FACTS = compress(b"facts under the new rules")


@pytest.fixture(params=["memory", "nats"])
async def buses(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Buses]:
    async with world_of(request.param, tmp_path / "nats", small_table(bytes_max=64 * 1024 * 1024)) as opened:
        yield opened


class Particular(Uniqueness):
    """Wants every report vetted under the new versions, and by a key that it knows."""

    async def answer(self, data: bytes) -> bytes:
        request = decode(EvaluateRequest, data)
        asked = [item for batch in request.batches for item in batch.items]
        stale = [one.statement_id for one in asked if (one.rules_version, one.reference_version) != (2, 7)]
        kids = sorted({one.kid for one in asked if one.signature == "no key"})
        if stale or kids:
            self.particular += 1
            reply = EvaluateReply(
                kind="need_vetting", stale=stale, kids=kids, rules_version=NEW_RULES, reference_version=NEW_REFERENCE
            )
            return encode(reply)
        return await super().answer(data)

    particular = 0


@dataclass(slots=True)
class Vetting:
    """Authentication and validation, as far as they vet again."""

    validated: list[Item] = field(default_factory=list)
    authenticated: list[Item] = field(default_factory=list)
    versions: tuple[int, int] = (NEW_RULES, NEW_REFERENCE)

    async def validate(self, data: bytes) -> bytes:
        question = decode(VetValidation, data)
        assert (question.rules_version, question.reference_version) == (NEW_RULES, NEW_REFERENCE)
        self.validated += question.items
        return encode(VetValidationReply(found=[self.validity(item) for item in question.items]))

    def validity(self, item: Item) -> Validity:
        return msgspec.structs.replace(
            Validity.of(item), facts_z=NEW_FACTS, rules_version=self.versions[0], reference_version=self.versions[1]
        )

    async def authenticate(self, data: bytes) -> bytes:
        question = decode(VetAuthentication, data)
        self.authenticated += question.items
        found = Authenticity(
            signature="good",
            endorsers=[],
            unknown_endorsers=[],
            bad_endorsement=False,
            spki=WORLD.reporter.spki,
            endorser_spkis=[],
        )
        return encode(VetAuthenticationReply(found=[found for _ in question.items]))


@pytest.fixture
def particular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.integration.consensus.standins.Uniqueness", Particular)


pytestmark = pytest.mark.usefixtures("particular")


def in_block(block_items: list[Item], statement_id: bytes) -> Item:
    return next(item for item in block_items if item.statement_id == statement_id)


async def test_reports_judged_under_old_versions_are_judged_again_and_stand_so_in_the_block(
    buses: Buses, tmp_path: Path
) -> None:
    reports, vetting = items(WORLD, 1, 2, 3), Vetting()
    bus = await buses.bus("validation")
    async with (
        around(buses) as both,
        signed(bus, WORLD, "validation").serving(VET_VALIDATION, vetting.validate, concurrency=1),
        running(await buses.bus("consensus"), tmp_path) as service,
    ):
        await both.uniqueness.admit(reports)
        await both.ledger.until([report.statement_id for report in reports])
        stood = [item for block in both.ledger.messages() for batch in block.batches for item in batch.items]
        assert {item.facts_z for item in stood} == {NEW_FACTS}
        assert {(item.rules_version, item.reference_version) for item in stood} == {(NEW_RULES, NEW_REFERENCE)}
        assert [item.body_z for item in vetting.validated] == [item.body_z for item in reports]
        assert b"slt_consensus_vetted_again_total 3.0" in service.runtime.telemetry.exposition()
        assert b"slt_consensus_alarms_total 0.0" in service.runtime.telemetry.exposition()


async def test_while_validation_is_away_reports_wait_through_a_restart_and_none_is_lost(
    buses: Buses, tmp_path: Path
) -> None:
    reports, vetting = items(WORLD, 1, 2), Vetting()
    bus = await buses.bus("validation")
    async with around(buses) as both:
        async with running(await buses.bus("consensus"), tmp_path) as service:
            await both.uniqueness.admit(reports)
            await until(lambda: "slt.vet.validation" in service.runtime.health.waiting.get("vetting", ""))
            assert service.standing.height == 0
        async with (
            signed(bus, WORLD, "validation").serving(VET_VALIDATION, vetting.validate, concurrency=1),
            running(await buses.bus("consensus again"), tmp_path) as service,
        ):
            await both.ledger.until([report.statement_id for report in reports])
            await until(lambda: "vetting" not in service.runtime.health.waiting)


async def test_what_validation_found_ahead_is_used_and_nobody_is_asked(buses: Buses, tmp_path: Path) -> None:
    vetting = Vetting()
    reports = [msgspec.structs.replace(item, ahead=[vetting.validity(item)]) for item in items(WORLD, 1, 2)]
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path):
        await both.uniqueness.admit(reports)
        await both.ledger.until([report.statement_id for report in reports])
        stood = [item for block in both.ledger.messages() for batch in block.batches for item in batch.items]
        assert {item.facts_z for item in stood} == {NEW_FACTS}
        assert all(not item.ahead for item in stood)
    assert vetting.validated == []


async def test_a_statement_whose_key_came_later_is_authenticated_again(buses: Buses, tmp_path: Path) -> None:
    vetting = Vetting()
    (report,) = items(WORLD, 1)
    stranger = msgspec.structs.replace(report, signature="no key", spki=b"")
    bus = await buses.bus("door")
    async with (
        around(buses) as both,
        signed(bus, WORLD, "validation").serving(VET_VALIDATION, vetting.validate, concurrency=1),
        signed(bus, WORLD, "authentication").serving(VET_AUTHENTICATION, vetting.authenticate, concurrency=1),
        running(await buses.bus("consensus"), tmp_path),
    ):
        await both.uniqueness.admit([stranger])
        await both.ledger.until([report.statement_id])
        (item,) = both.ledger.messages()[0].batches[0].items
        assert (item.signature, item.spki, item.body_z) == ("good", WORLD.reporter.spki, report.body_z)
    assert [one.body_z for one in vetting.authenticated] == [b""]


async def test_an_answer_under_other_versions_than_asked_is_not_taken(buses: Buses, tmp_path: Path) -> None:
    vetting = Vetting(versions=(1, 1))
    (report,) = items(WORLD, 1)
    bus = await buses.bus("validation")
    async with (
        around(buses) as both,
        signed(bus, WORLD, "validation").serving(VET_VALIDATION, vetting.validate, concurrency=1),
        running(await buses.bus("consensus"), tmp_path) as service,
    ):
        await both.uniqueness.admit([report])
        await until(lambda: "under the versions that were named" in service.runtime.health.waiting.get("vetting", ""))
        assert service.standing.height == 0
        vetting.versions = (NEW_RULES, NEW_REFERENCE)
        await both.ledger.until([report.statement_id])


async def test_an_evaluation_that_fails_for_ever_makes_the_service_unready_until_it_succeeds(
    buses: Buses, tmp_path: Path
) -> None:
    vetting = Vetting()
    bus = await buses.bus("validation")
    async with (
        around(buses) as both,
        signed(bus, WORLD, "validation").serving(VET_VALIDATION, vetting.validate, concurrency=1),
        running(await buses.bus("consensus"), tmp_path) as service,
    ):
        await until(lambda: service.standing.ledger_spoke)
        both.uniqueness.replies += [EvaluateReply(kind="failed", text="no room")]
        await both.uniqueness.admit(items(WORLD, 1))
        await until(lambda: "no room" in service.runtime.health.not_ready().get("evaluation", ""))
        await both.ledger.until_height(1)
        await until(lambda: "evaluation" not in service.runtime.health.not_ready())
