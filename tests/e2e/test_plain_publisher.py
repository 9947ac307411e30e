"""A facility system without our library: the README's code, a bare NATS client, and a running ledger."""

import asyncio
import time
from pathlib import Path
from typing import Any

import cbor2
import nats
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from nats.js.api import ConsumerConfig, DeliverPolicy

from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.client.local.network import running
from tests.unit.client.test_plain_publisher import publisher

ANSWER_WITHIN_S = 30.0


@pytest.mark.timeout(180)
async def test_a_plain_publisher_gets_a_receipt_and_a_refusal(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "ledger")
    genesis = init(folder.root, world_file=None, model="private", members=1, now=now_utc())
    key = load_pem_private_key(folder.key_file("xlf1").read_bytes(), None)
    document = (folder.reports / "XLF1-101.code10").read_bytes()
    audience = f"{genesis.origin}#{genesis.chain_id.hex()}"
    now = int(time.time())
    good = publisher()(key, "xlf1", audience, "XL/XLF1/101", document, b"0123456789abcdef", now)
    wrong = publisher()(key, "xlf1", audience, "XL/XLF1/102", document, b"0123456789abcdeg", now)  # says another number
    async with running(folder) as network:
        connection = await nats.connect(network.addresses.nats)
        stream = connection.jetstream()
        for _statement_id, _submission_id, message, message_id in (good, wrong):
            await stream.publish("slt.submit.XL.XLF1", message, headers={"Nats-Msg-Id": message_id.hex()})
        from_the_first = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        answers = await stream.subscribe(
            "slt.*.XL.XLF1", stream="ANSWERS", config=from_the_first, ordered_consumer=True
        )
        said: dict[str, Any] = {}
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while len(said) < 2:
                answer = await answers.next_msg(timeout=ANSWER_WITHIN_S)
                said[answer.subject] = cbor2.loads(answer.data)
        await connection.close()

    version, chain_id, height, (receipt,) = said["slt.receipt.XL.XLF1"]
    assert (version, chain_id, height) == (1, genesis.chain_id, 1)
    verdict = cbor2.loads(receipt)[5]
    assert verdict[:3] == [good[0], 0, 1]  # accepted, the first entry after the one that names the ledger
    ((refusal, _signature, _certificate),) = said["slt.refused.XL.XLF1"][1]
    fields = cbor2.loads(refusal)
    assert fields[2] == wrong[1]
    assert fields[5] == "validation"
    assert [finding[0] for finding in fields[9] if finding[1] == "error"] == ["A06"]
