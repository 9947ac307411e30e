"""fsck of the state: silent on what is whole, and names each row that is not what the ledger's blocks make."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import pytest

from services.uniqueness.fsck.flow import Faults, Replay, blocks_of, check_held, check_records
from services.uniqueness.store import Store
from slt.bus.messages import Block, Malformed, encode
from slt.inventory.keys import Kind, key
from slt.runtime.database import upgrade
from tests.integration.uniqueness.member import LEDGER, MIGRATIONS, Member
from tests.integration.uniqueness.stored_state import HEIGHT, change, filled, numbered, opened
from tests.support.services import service_env

HEAD_RECORD: Final = key(Kind.HEAD, "XL", "XLR1")


@dataclass
class Told:
    """What a check said, and what it counted."""

    lines: list[str] = field(default_factory=list)
    records: int = 0
    held: int = 0
    whole: bool = False  # the replay came to its end


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Member]:
    """A member whose service was stopped, its state on SQLite."""
    async with filled(tmp_path) as stopped:
        yield stopped


@pytest.fixture
async def either(tmp_path: Path, database_url: str | None) -> AsyncIterator[Member]:
    """The same, once on each database."""
    async with filled(tmp_path, database_url) as stopped:
        yield stopped


async def fsck(here: Member, *, blocks: Iterable[Block] | None = None) -> Told:
    """Check the state of `here`; with `blocks`, also by evaluating them anew."""
    told = Told()
    faults = Faults(told.lines.append)
    async with opened(here.database) as engine, Store(engine).frozen() as frozen:
        told.records = await check_records(frozen, LEDGER.genesis, faults)
        told.held = await check_held(Store(engine), faults)
        if blocks is not None:
            async with opened(here.folder / "replay") as scratch:
                await upgrade(scratch, MIGRATIONS)
                replay = Replay(Store(scratch), LEDGER.genesis, None, faults)
                told.whole = await replay.run(iter(blocks), frozen.head.height, lambda _: None)
                if told.whole:
                    async for difference in replay.differences(frozen):
                        faults.add(difference)
    assert faults.count == len(told.lines)
    return told


async def test_a_whole_state_has_no_fault(either: Member) -> None:
    told = await fsck(either, blocks=either.sequencer.young)
    assert (told.lines, told.held, told.whole) == ([], 1, True)
    assert told.records > 20


HASH: Final = "FAULT records: they do not hash to the lanes of the head"


@pytest.mark.parametrize(
    ("rot", "named"),
    [
        ("UPDATE records SET value = :bytes WHERE key = :key", "it is 80, the blocks make 8"),
        ("DELETE FROM records WHERE key = :key", "missing"),
    ],
)
async def test_a_record_that_changed_or_is_gone_is_named_by_the_replay(either: Member, rot: str, named: str) -> None:
    await change(either.database, rot, key=HEAD_RECORD, **({"bytes": b"\x80"} if ":bytes" in rot else {}))
    told = await fsck(either, blocks=either.sequencer.young)
    assert told.lines[0].startswith(HASH)
    (line,) = told.lines[1:]
    assert line.startswith("FAULT records head state XL, mba XLR1: "), line
    assert named in line


@pytest.mark.parametrize("more", [key(Kind.REPORT, "XL", "XLR1", 77), b"\xfe\xfe", b"\x01"])
async def test_a_record_too_many_is_named(here: Member, more: bytes) -> None:
    await change(here.database, "INSERT INTO records (key, value) VALUES (:key, :value)", key=more, value=b"\x80")
    told = await fsck(here, blocks=here.sequencer.young)
    assert told.lines[0].startswith(HASH)
    (line,) = told.lines[1:]
    assert line.endswith(": the blocks make no such record")
    assert more.hex() in line or "77" in line


@pytest.mark.parametrize("value", [7, None])
async def test_a_column_beside_a_spent_record_is_compared_with_it(here: Member, value: int | None) -> None:
    await change(
        here.database,
        "UPDATE records SET spent_iat = :value WHERE key = (SELECT min(key) FROM records WHERE spent_iat IS NOT NULL)",
        value=value,
    )
    told = await fsck(here)
    (line,) = told.lines
    assert line.startswith("FAULT records spent statement id ")
    assert line.endswith("the column spent_iat is not what the record says")


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("lanes", bytes(2048), "its lanes are not those of the certified state root"),
        ("height", 1, "it says height 1 and"),
        ("log_size", 99, "it says height 2 and 99 log entries"),
        ("block_id", bytes(32), "block or time are not those of its certified header"),
        ("time_ms", 7, "block or time are not those of its certified header"),
        ("header", b"\x80", "its block is not final"),
        ("certificate", b"\x80", "its block is not final"),
        ("certificate", None, "it has no certified header"),
        ("chain_id", bytes(32), "it is of ledger 0000"),
    ],
)
async def test_each_column_of_the_head_is_compared_with_what_is_certified(
    here: Member, column: str, value: object, named: str
) -> None:
    also = ", header = NULL" if value is None else ""
    await change(here.database, f"UPDATE head SET {column} = :value{also}", value=value)
    told = await fsck(here)
    assert any(line.startswith("FAULT head: ") and named in line for line in told.lines), told.lines


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("item", b"\x80", "its item cannot be read"),
        ("item", encode(numbered(10)), "its item is of another submission"),
        ("statement_id", bytes(32), "its item is of another submission"),
        ("submission_id", bytes(32), "its item is of another submission"),
    ],
)
async def test_a_held_report_that_is_not_what_its_row_says_is_named(
    here: Member, column: str, value: bytes, named: str
) -> None:
    await change(here.database, f"UPDATE held SET {column} = :value", value=value)
    (line,) = (await fsck(here)).lines
    assert line.startswith("FAULT held ")
    assert named in line


def _other_verdict(block: Block) -> Block:
    return msgspec.structs.replace(block, verdicts=[*block.verdicts[:-1], block.verdicts[0]])


def _other_facts(block: Block) -> Block:
    batch = block.batches[0]
    items = [msgspec.structs.replace(batch.items[0], facts_z=batch.items[1].facts_z), *batch.items[1:]]
    return msgspec.structs.replace(block, batches=[msgspec.structs.replace(batch, items=items)])


@pytest.mark.parametrize(
    ("forge", "named"),
    [
        (lambda blocks: blocks[:1], "replay: the ledger's blocks end at height 1; the state is of 2"),
        (lambda blocks: blocks[1:], "replay of height 1: "),
        (lambda blocks: [blocks[0], blocks[0]], "replay of height 2: "),
        (lambda blocks: [_other_verdict(blocks[0]), blocks[1]], "replay of height 1: "),
        (lambda blocks: [_other_facts(blocks[0]), blocks[1]], "replay of height 1: "),
        (lambda blocks: [msgspec.structs.replace(blocks[0], certificate=b"\x80"), blocks[1]], "replay of height 1: "),
    ],
)
async def test_blocks_that_do_not_make_the_state_are_named(
    here: Member, forge: Callable[[list[Block]], list[Block]], named: str
) -> None:
    told = await fsck(here, blocks=forge(here.sequencer.young))
    assert not told.whole
    (line,) = told.lines
    assert line.startswith(f"FAULT {named}"), line


def test_a_stream_of_blocks_that_was_cut_is_no_stream(tmp_path: Path) -> None:
    for data in (b"\0\0", b"\0\0\0\x05abc", b"\xff\xff\xff\xff"):
        (tmp_path / "blocks").write_bytes(data)
        with (tmp_path / "blocks").open("rb") as stream, pytest.raises(Malformed):
            list(blocks_of(stream))


async def test_the_program_names_faults_and_exits_with_them(
    either: Member, tmp_path: Path, database_url: str | None
) -> None:
    env = os.environ | service_env(tmp_path, LEDGER, "uniqueness")
    env |= {} if database_url is None else {"SLT_DATABASE_URL": database_url}
    blocks = b"".join(len(data).to_bytes(4, "big") + data for data in map(encode, either.sequencer.young))

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "services.uniqueness.fsck", *words]
        done = subprocess.run(command, input=blocks, env=env, capture_output=True, timeout=120, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()

    code, said = run("--blocks", "-")
    assert code == 0, said
    assert f"uniqueness: height {HEIGHT}, " in said
    assert "evaluated anew from genesis, 1 held reports: all is well" in said
    await change(either.database, "DELETE FROM records WHERE key = :key", key=HEAD_RECORD)
    code, said = run("--blocks", "-")
    assert (code, "records head state XL, mba XLR1: missing" in said, "2 faults" in said) == (1, True, True), said
    (tmp_path / "uniqueness" / "genesis.cbor").write_bytes(b"\x80")
    assert run()[0] == 2
