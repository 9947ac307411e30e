"""The ledger gives one receipt in three forms, over HTTP."""

from services.ledger.config import Config
from slt.bus.memory import MemoryBroker
from slt.consensus.forms import verify_any
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import everything, stored
from tests.support.blocks import World, accepted, rejected


async def test_one_receipt_comes_in_the_form_that_is_asked_for(config: Config, world: World) -> None:
    good = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(good), accepted(world.item(2))])
        await stored(running, sequencing, 1)
        url = f"/v1/receipts/{good.statement_id.hex()}"
        for query, accept, media_type, suffix in (
            ("", "*/*", "application/cbor", "receipt"),
            ("?format=v1", "text/plain", "application/cbor", "receipt"),
            ("", "text/plain", "text/plain; charset=utf-8", "tlog-proof"),
            ("?format=tlog-proof", "*/*", "text/plain; charset=utf-8", "tlog-proof"),
            ("", "application/cose", "application/scitt-statement+cose", "cose"),
            ("?format=cose", "*/*", "application/scitt-statement+cose", "cose"),
        ):
            answer = await running.get(url + query, headers={"Accept": accept})
            assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
            assert answer.headers["content-disposition"].endswith(f'{good.statement_id.hex()}.{suffix}"')
            assert answer.headers["vary"] == "Accept"
            found = verify_any(answer.content, world.genesis, body=world.body(good), entry=good.statement)
            assert (found.standing, found.bare) == ("accepted", False)
            assert (await running.get(url + query, headers={"Accept": accept})).content == answer.content


async def test_a_bare_form_proves_the_place_in_the_log_only(config: Config, world: World) -> None:
    good = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(good)])
        await stored(running, sequencing, 1)
        for form in ("tlog-proof", "cose"):
            answer = await running.get(f"/v1/receipts/{good.statement_id.hex()}?format={form}&bare=true")
            found = verify_any(answer.content, world.genesis, entry=good.statement)
            assert (found.standing, found.bare, found.place and found.place.index) == ("logged", True, 1)


async def test_a_rejection_has_a_cose_form_and_no_place_in_the_log(config: Config, world: World) -> None:
    bad = world.item(2)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1)), rejected(bad, Code.V02)])
        await stored(running, sequencing, 1)
        url = f"/v1/receipts/{bad.statement_id.hex()}"
        found = verify_any((await running.get(f"{url}?format=cose")).content, world.genesis, body=world.body(bad))
        assert (found.standing, found.place) == ("rejected", None)
        for query in ("?format=tlog-proof", "?format=cose&bare=true"):
            answer = await running.get(url + query)
            assert (answer.status_code, "not in the log" in answer.json()["detail"]) == (404, True)


async def test_a_form_that_nobody_makes_is_refused(config: Config, world: World) -> None:
    good = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(good)])
        await stored(running, sequencing, 1)
        url = f"/v1/receipts/{good.statement_id.hex()}"
        unknown = await running.get(url, headers={"Accept": "image/png"})
        assert (unknown.status_code, "application/cbor" in unknown.json()["detail"]) == (406, True)
        assert (await running.get(f"{url}?format=pdf")).status_code == 422
