"""A snapshot carries the certified state to a new database of either kind, and nothing but the certified state."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from services.uniqueness.snapshot.flow import NotYet, RottenState, restore, write
from services.uniqueness.snapshot.format import BadSnapshot, First, framed
from services.uniqueness.store import SecondWriter, Store
from slt.inventory.keys import Kind, key
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.runtime.database import upgrade
from slt.statements import cbor
from slt.statements.genesis import Genesis
from slt.statements.headers import parse_header
from slt.statements.verdicts import Code
from tests.integration.uniqueness.member import LEDGER, MIGRATIONS, Member, member
from tests.integration.uniqueness.stored_state import HEIGHT, at, change, filled, numbered, opened, whole
from tests.support.blocks import certify, make_world, signer
from tests.support.buses import small_table, world_of
from tests.support.services import service_env

Part = Any  # the CBOR of one part
Forge = Callable[[list[Part]], Sequence[Part | bytes]]  # bytes are put as they are


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    here: Member
    path: Path


async def written(where: str | Path, path: Path) -> First:
    async with opened(where) as engine:
        return await write(Store(engine), LEDGER.genesis, path, lambda _: None)


async def restored(where: str | Path, path: Path, genesis: Genesis = LEDGER.genesis) -> First:
    async with opened(where) as engine:
        await upgrade(engine, MIGRATIONS)
        return await restore(Store(engine), genesis, path, lambda _: None)


@pytest.fixture
async def snapshot(tmp_path: Path) -> AsyncIterator[Snapshot]:
    """Of a service on SQLite that was stopped."""
    async with filled(tmp_path) as here:
        await written(here.database, tmp_path / "state.slt")
        yield Snapshot(here=here, path=tmp_path / "state.slt")


async def test_a_restored_state_is_the_same_record_for_record_on_either_database(
    snapshot: Snapshot, tmp_path: Path, database_url: str | None
) -> None:
    where = database_url or tmp_path / "new"
    first = await restored(where, snapshot.path)
    assert await whole(where) == await whole(snapshot.here.database)
    assert first.head.height == HEIGHT
    await written(where, tmp_path / "again.slt")
    assert (tmp_path / "again.slt").read_bytes() == snapshot.path.read_bytes(), "and its snapshot has the same bytes"


async def test_the_service_goes_on_from_a_restored_state(
    tmp_path: Path, database_url: str | None, snapshot: Snapshot
) -> None:
    here = snapshot.here
    here.folder, here.database_url = tmp_path / "other machine", database_url
    await restored(here.database, snapshot.path)
    async with here.service():
        assert (await here.state()).height == HEIGHT
        assert await here.sequencer.order(numbered(4), numbered(2)) == [Code.ACCEPTED, Code.DUPLICATE], (
            "what was accepted before is known"
        )
        await at(here, HEIGHT + 1)
    head, records = await whole(here.database)
    assert updated(EMPTY_LANES, added=[(key, value) for key, value, _ in records]) == head.lanes


async def test_it_is_written_while_the_service_goes_on(tmp_path: Path, database_url: str | None) -> None:
    async with filled(tmp_path, database_url) as here, here.service():
        async with opened(here.database) as engine, Store(engine).frozen() as frozen:
            assert await here.sequencer.order(numbered(4)) == [Code.ACCEPTED]
            await at(here, HEIGHT + 1)
            assert frozen.head.height == HEIGHT
            records = [(key, value) async for some in frozen.records() for key, value, _ in some]
            assert updated(EMPTY_LANES, added=records) == frozen.head.lanes, "one moment, whatever is committed since"
        await written(here.database, tmp_path / "state.slt")
        assert (await restored(tmp_path / "new", tmp_path / "state.slt")).head.height == HEIGHT + 1


async def test_a_used_database_is_not_restored_into(snapshot: Snapshot) -> None:
    before = await whole(snapshot.here.database)
    with pytest.raises(SecondWriter, match="restore into a new one"):
        await restored(snapshot.here.database, snapshot.path)
    assert await whole(snapshot.here.database) == before


async def test_before_the_first_block_there_is_nothing_to_prove(tmp_path: Path) -> None:
    async with (
        world_of("memory", tmp_path / "bus", small_table(bytes_max=1 << 25)) as broker,
        member(broker, tmp_path) as here,
    ):
        async with here.service():
            pass
        with pytest.raises(NotYet, match="no certified block"):
            await written(here.database, tmp_path / "state.slt")
    assert not (tmp_path / "state.slt").exists()


@pytest.mark.parametrize(
    "rot",
    [
        "UPDATE records SET value = CAST(value || x'00' AS BLOB) WHERE key = (SELECT max(key) FROM records)",
        "DELETE FROM records WHERE key = (SELECT min(key) FROM records)",
        "INSERT INTO records (key, value) VALUES (x'fefe', x'80')",
    ],
)
async def test_a_rotten_state_is_not_written(snapshot: Snapshot, tmp_path: Path, rot: str) -> None:
    await change(snapshot.here.database, rot)
    with pytest.raises(RottenState, match="do not hash to the certified state root"):
        await written(snapshot.here.database, tmp_path / "rotten.slt")
    assert not list(tmp_path.glob("*rotten*")), "nor is a half of it left"


# Forgeries


def parts_of(data: bytes) -> list[Part]:
    found: list[Part] = []
    while data:
        size = 4 + int.from_bytes(data[:4], "big")
        found.append(cbor.decode(data[4:size], items_max=10_000))
        data = data[size:]
    return found


def _first(**changed: object) -> Forge:
    names = ("name", "version", "chain_id", "height", "log_size", "lanes", "header", "certificate")

    def forge(parts: list[Part]) -> Sequence[Part | bytes]:
        return [[changed.get(name, value) for name, value in zip(names, parts[0], strict=True)], *parts[1:]]

    return forge


def _rows(change_rows: Callable[[list[Any]], list[Any]]) -> Forge:
    return lambda parts: [parts[0], change_rows(list(parts[1])), *parts[2:]]


def _mended(change_rows: Callable[[list[Any]], list[Any]]) -> Forge:
    """Records changed, and lanes that go with them: only the certified root is against it."""

    def forge(parts: list[Part]) -> Sequence[Part | bytes]:
        rows = change_rows(list(parts[1]))
        lanes = updated(EMPTY_LANES, added=[(key, value) for key, value in rows])
        return [[*parts[0][:5], lanes, *parts[0][6:]], rows, ["end", len(rows)]]

    return forge


def _uncertified(parts: list[Part]) -> Sequence[Part | bytes]:
    """A header that says what the forger wants, signed by a key of his own."""
    from dataclasses import replace

    header = replace(parse_header(parts[0][6]), time_ms=1)
    certificate = certify(header, signer("nobody"), LEDGER.term)
    return [[*parts[0][:6], header.encoded, certificate], *parts[1:]]


SPENT: Final = key(Kind.SPENT, bytes(32))
FORGERIES: Final[dict[str, tuple[Forge, str]]] = {
    "no snapshot": (_first(name="slt-stat"), "this program reads 'slt-state' version 1"),
    "a later version": (_first(version=2), "version 2; this program reads"),
    "another ledger": (_first(chain_id=make_world("another").genesis.chain_id), "the genesis file is"),
    "another height": (_first(height=1), "its certified header says"),
    "another log": (_first(log_size=1), "its certified header says"),
    "other lanes": (_first(lanes=bytes(2048)), "lanes are not those of the certified state root"),
    "short lanes": (_first(lanes=b""), "lanes are not those of the certified state root"),
    "no header": (_first(header=b""), "its block is not final"),
    "no certificate": (_first(certificate=b"\x80"), "its block is not final"),
    "an uncertified header": (_uncertified, "its block is not final"),
    "a value": (_rows(lambda rows: [*rows[:-1], [rows[-1][0], rows[-1][1] + b"\0"]]), "do not hash"),
    "a key": (_rows(lambda rows: [*rows[:-1], [rows[-1][0] + b"\0", rows[-1][1]]]), "do not hash"),
    "a record less": (_rows(lambda rows: rows[:-1]), "records and says that it has"),
    "a record more": (_rows(lambda rows: [*rows, [rows[-1][0] + b"\0", b"\x80"]]), "records and says that it has"),
    "a record of no kind": (_rows(lambda rows: [*rows, [b"\xfe\xfe", b"\x80"]]), "is none"),
    "half a record of a kind": (_rows(lambda rows: [[b"\x82\x18", b"\x80"], *rows]), "is none"),
    "a spent record without its iat": (_rows(lambda _: [[SPENT, b"\x80"]]), "is none"),
    "half a spent record": (_rows(lambda _: [[SPENT, b"\x83\x1a"]]), "is none"),
    "a spent record at no time": (_rows(lambda _: [[SPENT, cbor.encode([2**63])]]), "is none"),
    "another order": (_rows(lambda rows: [rows[1], rows[0], *rows[2:]]), "stands in no order"),
    "a record twice": (_rows(lambda rows: [rows[0], rows[0], *rows[1:]]), "stands in no order"),
    "no record": (_rows(lambda rows: [*rows[:-1], 7]), "is none"),
    "a value, and lanes": (_mended(lambda rows: [*rows[:-1], [rows[-1][0], b"\x80"]]), "lanes are not those"),
    "a record less, and lanes": (_mended(lambda rows: rows[:-1]), "lanes are not those"),
    "another count": (lambda parts: [*parts[:-1], ["end", parts[-1][1] + 1]], "says that it has"),
    "a part twice": (lambda parts: [parts[0], parts[1], *parts[1:]], "stands in no order"),
    "an empty part": (lambda parts: [parts[0], [], *parts[1:]], "neither records nor the end"),
    "a part of something": (lambda parts: [parts[0], {1: 2}, *parts[1:]], "neither records nor the end"),
    "something behind the end": (lambda parts: [*parts, parts[1]], "behind its end"),
    "two ends": (lambda parts: [*parts, parts[-1]], "behind its end"),
    "no end": (lambda parts: parts[:-1], "it was cut"),
    "no first part": (lambda parts: parts[1:], "its first part is not that of a snapshot"),
    "nothing": (lambda _: [], "cannot be read"),
    "half a length": (lambda parts: [*parts, b"\0"], "it was cut, or it is no snapshot"),
    "a length beyond measure": (lambda parts: [*parts[:1], b"\xff\xff\xff\xff", *parts[1:]], "it was cut, or it is no"),
    "half a part": (lambda parts: [*parts, b"\0\0\0\x09abc"], "the file was cut"),
    "bytes that are no CBOR": (lambda parts: [parts[0], framed(b"\xff"), *parts[1:]], "cannot be read"),
}


async def _refused(where: str | Path, path: Path, match: str | None = None) -> None:
    with pytest.raises(BadSnapshot, match=match):
        await restored(where, path)
    async with opened(where) as engine, engine.connect() as connection:
        for table in ("head", "records"):
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, "the database stays new"


async def test_every_forgery_is_refused_by_name_and_leaves_the_database_new(snapshot: Snapshot, tmp_path: Path) -> None:
    parts = parts_of(snapshot.path.read_bytes())
    assert len(parts) == 3, "first, records, end"
    path = tmp_path / "forged.slt"
    for name, (forge, match) in FORGERIES.items():
        forged = [part if isinstance(part, bytes) else framed(cbor.encode(part)) for part in forge(list(parts))]
        path.write_bytes(b"".join(forged))
        try:
            await _refused(tmp_path / "into", path, match)
        except (AssertionError, pytest.fail.Exception) as error:
            raise AssertionError(f"{name}: {error}") from error
    assert (await restored(tmp_path / "into", snapshot.path)).head.height == HEIGHT, "the genuine one, into the same"


async def test_no_cut_and_no_flipped_bit_is_taken(snapshot: Snapshot, tmp_path: Path, database_url: str | None) -> None:
    data, path, where = snapshot.path.read_bytes(), tmp_path / "forged.slt", database_url or tmp_path / "into"
    for size in range(0, len(data), len(data) // 23):
        path.write_bytes(data[:size])
        await _refused(where, path)
    for place in range(0, len(data), len(data) // 61):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        await _refused(where, path)
    with pytest.raises(BadSnapshot, match="the genesis file is"):
        await restored(where, snapshot.path, make_world("another").genesis)


def test_the_program_writes_and_restores_and_says_what_it_did(snapshot: Snapshot, tmp_path: Path) -> None:
    def run(folder: Path, what: str, path: Path) -> tuple[int, str]:
        env = os.environ | service_env(folder, LEDGER, "uniqueness")
        command = [sys.executable, "-m", "services.uniqueness.snapshot", what, str(path)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    code, said = run(tmp_path, "write", tmp_path / "second.slt")
    assert (code, said.startswith(f"Written: the state after height {HEIGHT}, ")) == (0, True), said
    assert run(tmp_path, "write", tmp_path / "second.slt") == (
        2, f"{tmp_path / 'second.slt'} is there already, and a snapshot is not overwritten\n",
    )  # fmt: skip
    assert run(tmp_path / "new", "restore", tmp_path / "second.slt")[0] == 0
    code, said = run(tmp_path / "new", "restore", tmp_path / "second.slt")
    assert (code, "restore into a new one" in said) == (2, True)
    (tmp_path / "second.slt").write_bytes(snapshot.path.read_bytes()[:-1])
    code, said = run(tmp_path / "newer", "restore", tmp_path / "second.slt")
    assert (code, "the file was cut" in said) == (1, True), said
