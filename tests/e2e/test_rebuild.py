"""The ledger's blocks are enough: uniqueness finds its state again from them alone, void verdicts included."""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from slt.bus import Bus
from slt.bus.jetstream import connect
from slt.bus.messages import Block
from slt.bus.subjects import submit
from slt.client.client import open_client
from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.client.local.network import running
from slt.client.local.settings import service_folder
from slt.client.submission import Signed, check, choose_identity, sign, submission_of
from slt.statements.signatures import signer_from_pem
from slt.statements.statement import make_endorsement
from slt.statements.submission import Submission, encode_submissions
from slt.statements.verdicts import Code, parse_verdict
from tests.e2e.audit import audit_folder, fetch_blocks
from tests.e2e.workload import documents, write_world

ANSWER_WITHIN_S = 30.0
AUTHORITY = '[[identity]]\nname = "authority"\nrole = "authority"\nstate = "XL"\nmbas = ["XW01"]'


@pytest.mark.timeout(180)
async def test_uniqueness_is_rebuilt_from_blocks_with_a_void_verdict_among_them(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "ledger")
    world = write_world(tmp_path / "world.toml", 1, more=AUTHORITY)
    init(folder.root, world_file=world, model="private", members=1, now=now_utc())
    first, second = _signed(folder, 1), _signed(folder, 2)

    async with running(folder) as network, connect(network.addresses.nats, name="test") as bus:
        # Two copies of one statement that consensus cannot take for one: the later one becomes a void verdict.
        plain = submission_of(first.entry)
        await bus.publish(submit("XL", "XW01"), encode_submissions([plain, _endorsed(folder, plain, first)]))
        async with open_client(folder, bus) as client:
            await client.submit([first])
            (row,) = await client.answers([first.entry.statement_id], within_s=ANSWER_WITHIN_S)
        assert row.standing == "accepted"
        blocks = await _blocks_with(bus, folder, Code.DUPLICATE)
        codes = _codes(blocks)
        assert codes.count(Code.ACCEPTED) == 1
        assert audit_folder(folder, blocks).log_size == 2

    shutil.rmtree(service_folder(folder, "uniqueness"))

    async with (
        running(folder) as network,
        connect(network.addresses.nats, name="test") as bus,
        open_client(folder, bus) as client,
    ):
        await client.submit([second])
        (row,) = await client.answers([second.entry.statement_id], within_s=ANSWER_WITHIN_S)
    assert (row.standing, row.log_index) == ("accepted", 2)


async def _blocks_with(bus: Bus, folder: Folder, code: Code) -> list[Block]:
    """The ledger's blocks, once one of them has a verdict with `code`."""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        while True:
            blocks = await fetch_blocks(bus, folder)
            if code in _codes(blocks):
                return blocks
            await asyncio.sleep(0.1)


def _codes(blocks: list[Block]) -> list[int]:
    return [parse_verdict(verdict).code for block in blocks for verdict in block.verdicts]


def _signed(folder: Folder, number: int) -> Signed:
    genesis = folder.genesis()
    name, document = list(documents("XW01", number))[-1]
    now_ms = time.time_ns() // 1_000_000
    checked = check(name, document, genesis)
    identity, signer = choose_identity(genesis, folder, state="XL", mba="XW01", called="", now_s=now_ms // 1000)
    salt = bytes([number]) * 16
    return sign(checked, signer, identity=identity.name, genesis=genesis, salt=salt, now_ms=now_ms)


def _endorsed(folder: Folder, submission: Submission, signed: Signed) -> Submission:
    endorsement = make_endorsement(
        signer_from_pem(folder.key_file("authority").read_bytes()),
        iss="authority",
        aud=folder.genesis().audience,
        iat=int(time.time()),
        statement_id=signed.entry.statement_id,
    )
    return Submission(statement=submission.statement, endorsements=(endorsement,), body_z=submission.body_z)
