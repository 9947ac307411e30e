"""What the ledger tells over HTTP."""

from services.ledger.config import Config
from slt.bus.memory import MemoryBroker
from slt.consensus.receipts import verify_receipt
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import everything, stored
from tests.support.blocks import BEGIN_MS, MBA, REPORTER, World, accepted, rejected


async def test_the_http_face_tells_a_reports_whole_story(config: Config, world: World) -> None:
    good, bad, early = world.item(1, endorsed=True), world.item(2), world.item(4)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(good), rejected(bad, Code.C01, evidence=good.statement_id)])
        await sequencing.order([rejected(early, Code.C02)])
        await stored(running, sequencing, 2)
        get = running.get

        status = (await get("/v1/status")).json()
        assert (status["height"], status["log_size"], status["statements"]) == (2, 2, 3)
        assert status["checkpoint"].startswith("ledger.example/test\n2\n")

        blocks = (await get("/v1/blocks")).json()
        assert [block["height"] for block in blocks] == [0, 1, 2]
        assert [block["height"] for block in (await get("/v1/blocks?from=1&count=1")).json()] == [1]
        block = (await get("/v1/blocks/1")).json()
        assert [verdict["verdict"] for verdict in block["verdicts"]] == ["accepted", "C01"]
        assert bytes.fromhex(block["header"]) == sequencing.chain.blocks[0].header

        statement = (await get(f"/v1/statements/{good.statement_id.hex()}")).json()
        assert (statement["iss"], statement["mba"], len(statement["endorsements"])) == (REPORTER, MBA, 1)
        assert bytes.fromhex(statement["statement"]) == good.statement

        for name in (good.statement_id, good.submission_id):
            receipt = await get(f"/v1/receipts/{name.hex()}")
            assert (receipt.status_code, receipt.headers["content-type"]) == (200, "application/cbor")
            assert verify_receipt(receipt.content, world.genesis, body=world.body(good)).accepted

        timeline = (await get(f"/v1/timeline/{good.statement_id.hex()}")).json()
        assert [stage["stage"] for stage in timeline["stages"]] == [
            "authentication",
            "validation",
            "uniqueness",
            "consensus",
            "ledger",
        ]
        assert timeline["stages"][1] == {"stage": "validation", "received_ms": BEGIN_MS + 10, "done_ms": BEGIN_MS + 14}

        report = (await get(f"/v1/reports/{bad.submission_id.hex()}")).json()
        assert (report["verdict"]["verdict"], report["verdict"]["evidence"]) == ("C01", good.statement_id.hex())
        assert report["findings"][0]["text"] == "There is no such code."
        assert report["holds"] == ["statement", "body", "facts"]


async def test_what_is_not_there_is_said_in_a_sentence(config: Config, world: World) -> None:
    early = world.item(4)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([rejected(early, Code.C02)])
        await stored(running, sequencing, 1)
        void = await running.get(f"/v1/receipts/{early.statement_id.hex()}")
        assert (void.status_code, void.json()["detail"]) == (404, "its verdict (C02) is void: it gives no receipt")
        unknown = await running.get(f"/v1/reports/{'ab' * 32}")
        assert (unknown.status_code, "was ordered" in unknown.json()["detail"]) == (404, True)
        beyond = await running.get("/v1/blocks/7")
        assert (beyond.status_code, "ends at 1" in beyond.json()["detail"]) == (404, True)
        for wrong in ("/v1/receipts/zz", "/v1/blocks/-1", "/v1/blocks?count=0", f"/v1/blocks?from={2**70}"):
            assert (await running.get(wrong)).status_code == 422
