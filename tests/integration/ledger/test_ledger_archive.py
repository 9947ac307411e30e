"""One file holds a ledger: it rebuilds it row for row, proves itself without us, and whatever is changed is found."""

import io
import sqlite3
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from services.ledger.archive.bundle import SUMS, BadArchive
from services.ledger.archive.flow import FROZEN, Summary, WrongLedger, rebuild, write
from services.ledger.config import Config
from services.ledger.store import Frozen, Store
from services.ledger.tables import METADATA
from slt.bus.memory import MemoryBroker
from slt.runtime.database import open_engine, upgrade
from slt.statements.freezes import BadFreeze, verify_freeze
from slt.statements.verdicts import Code
from tests.integration.ledger.erasing import erased
from tests.integration.ledger.harness import everything, ledger, ledger_env, stored
from tests.integration.ledger.test_ledger_fsck import fsck
from tests.support.blocks import World, accepted, make_world, rejected

FINDING = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")


@pytest.fixture
async def filled(config: Config, world: World) -> Path:
    """The folder of a stopped ledger of four blocks, one of them empty, with one body erased."""
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1, endorsed=True, findings=[FINDING])), accepted(world.item(2))])
        await sequencing.order([rejected(world.item(3), Code.C01), rejected(world.item(4), Code.BAD_SIGNATURE)])
        await sequencing.order([])
        await sequencing.order([accepted(world.item(5))])
        await stored(running, sequencing, 4)
    assert await erased(config.data_dir, world, [world.item(2).statement_id]) == 1
    return config.data_dir


async def exported(where: str | Path, world: World, path: Path) -> Summary:
    engine = open_engine(where, "ledger")
    try:
        store = Store(engine)
        await store.attach(world.genesis)
        return await write(store, world.genesis, path, beside={}, tell=lambda _height, _last: None)
    finally:
        await engine.dispose()


async def imported(where: str | Path, world: World, path: Path) -> Summary:
    engine = open_engine(where, "ledger")
    try:
        await upgrade(engine, "services.ledger.migrations")
        with ThreadPoolExecutor(2) as pool:
            verifier = world.checkpoint.verifier
            return await rebuild(
                Store(engine), world.genesis, verifier, path, pool=pool, tell=lambda _height, _last: None
            )
    finally:
        await engine.dispose()


def rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        return {
            table.name: connection.execute(
                f"SELECT * FROM {table.name} ORDER BY {', '.join(table.primary_key.columns.keys())}"
            ).fetchall()
            for table in METADATA.sorted_tables
        }


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: stream.read() for one in tar if (stream := tar.extractfile(one)) is not None}


def packed(path: Path, files: dict[str, bytes], *, sums: bool) -> Path:
    """The files as an archive again; `sums`: with the digests that they have now."""
    if sums:
        lines = (f"{sha256(data).hexdigest()}  {name}\n" for name, data in files.items() if name != SUMS)
        files = files | {SUMS: "".join(lines).encode()}
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            one = tarfile.TarInfo(name)
            one.size = len(data)
            tar.addfile(one, io.BytesIO(data))
    return path


async def test_a_rebuilt_ledger_is_the_same_row_for_row(filled: Path, world: World, tmp_path: Path) -> None:
    summary = await exported(filled, world, tmp_path / "ledger.tar")
    assert (summary.height, summary.statements) == (4, 5)
    assert await imported(tmp_path / "rebuilt", world, tmp_path / "ledger.tar") == summary
    assert rows(tmp_path / "rebuilt") == rows(filled)
    assert (await fsck(tmp_path / "rebuilt", world)).faults == []


async def test_the_same_ledger_gives_the_same_bytes(filled: Path, world: World, tmp_path: Path) -> None:
    await exported(filled, world, tmp_path / "one.tar")
    await imported(tmp_path / "rebuilt", world, tmp_path / "one.tar")
    await exported(tmp_path / "rebuilt", world, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


async def test_outsiders_check_it_with_tar_sha256sum_and_python_alone(
    filled: Path, world: World, tmp_path: Path
) -> None:
    await exported(filled, world, tmp_path / "ledger.tar")
    inside = tmp_path / "inside"
    inside.mkdir()

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=inside, capture_output=True, text=True, timeout=60, check=False)

    assert run("tar", "xf", "../ledger.tar").returncode == 0
    assert run("sha256sum", "-c", "SHA256SUMS").returncode == 0
    alone = run(sys.executable, "-I", "-S", "verify.py")
    assert alone.returncode == 0, alone.stderr
    assert "4 blocks, 5 statements, 4 log entries, 0 bodies: all of it hangs together" in alone.stdout
    with_zstandard = run(sys.executable, "verify.py")
    assert " 4 bodies: all of it hangs together" in with_zstandard.stdout, with_zstandard.stderr

    (blocks,) = inside.glob("blocks/*.cborseq")
    whole = blocks.read_bytes()
    found = 0
    offsets = range(len(whole) // 3, len(whole), len(whole) // 23)
    for at in offsets:
        blocks.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert run("sha256sum", "-c", "SHA256SUMS").returncode == 1
        found += run(sys.executable, "verify.py").returncode != 0
    assert found >= len(offsets) // 2, "most bytes of a block are bound by its header; times and texts are not"


async def test_a_byte_that_changed_anywhere_in_the_file_is_found(filled: Path, world: World, tmp_path: Path) -> None:
    await exported(filled, world, tmp_path / "ledger.tar")
    files = members(tmp_path / "ledger.tar")
    for number, (name, data) in enumerate(files.items()):
        changed = files | {
            name: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
        }
        path = packed(tmp_path / f"{number}.tar", changed, sums=False)
        with pytest.raises((BadArchive, WrongLedger)):
            await imported(tmp_path / f"into-{number}", world, path)


async def test_who_mends_the_sums_too_is_found_out_by_the_ledger_itself(
    filled: Path, world: World, tmp_path: Path
) -> None:
    await exported(filled, world, tmp_path / "ledger.tar")
    files = members(tmp_path / "ledger.tar")
    (name,) = (one for one in files if one.startswith("blocks/"))
    statement = world.item(1).statement
    at = files[name].index(statement) + len(statement) - 3
    attacks = {
        "a signature": files | {name: files[name][:at] + bytes([files[name][at] ^ 1]) + files[name][at + 1 :]},
        "the end": files | {"ledger.json": files["ledger.json"].replace(b'"height": 4', b'"height": 3')},
        "the checkpoint": files | {"checkpoint": files["checkpoint"].replace(b"\n4\n", b"\n3\n")},
        "the blocks": {one: data for one, data in files.items() if one != name},
    }
    for number, (what, changed) in enumerate(attacks.items()):
        path = packed(tmp_path / f"{number}.tar", changed, sums=True)
        with pytest.raises(BadArchive):
            await imported(tmp_path / f"into-{number}", world, path)
        assert what


async def test_a_cut_file_another_ledger_and_a_used_database_are_refused(
    filled: Path, world: World, tmp_path: Path
) -> None:
    await exported(filled, world, tmp_path / "ledger.tar")
    whole = (tmp_path / "ledger.tar").read_bytes()
    for number, length in enumerate((0, 700, len(whole) // 2, len(whole) - 4096)):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        with pytest.raises(BadArchive):
            await imported(tmp_path / f"cut-{number}", world, tmp_path / "cut.tar")
    with pytest.raises(WrongLedger, match="the genesis file"):
        await imported(tmp_path / "other", make_world("another"), tmp_path / "ledger.tar")
    with pytest.raises(WrongLedger, match="holds a ledger already"):
        await imported(filled, world, tmp_path / "ledger.tar")


async def test_a_frozen_ledger_is_read_and_never_added_to(
    config: Config, filled: Path, world: World, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "services.ledger.archive", "freeze", str(tmp_path / "final.tar")]
    env = ledger_env(tmp_path, world)
    done = subprocess.run(
        [*command, "--reason", "THE AGREEMENT ENDED"],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    freeze = verify_freeze(members(tmp_path / "final.tar")[FROZEN], world.genesis)
    assert (freeze.height, freeze.reason) == (4, "THE AGREEMENT ENDED")
    with pytest.raises(BadFreeze):
        verify_freeze(members(tmp_path / "final.tar")[FROZEN], make_world("another").genesis)
    assert (await fsck(filled, world)).faults == []
    with pytest.raises(Frozen, match="shut down at height 4"):
        async with ledger(config, MemoryBroker().bus("ledger")):
            pass
    await imported(tmp_path / "rebuilt", world, tmp_path / "final.tar")
