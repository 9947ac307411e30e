"""The log as static files: what is served, what lies in the folder, and what happens when somebody damages it."""

import gzip
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.ledger.rows import StoredBlock
from slt.bus.memory import MemoryBroker
from slt.merkle.cosignatures import open_checkpoint
from slt.merkle.notes import NoteVerifier
from slt.statements.headers import genesis_log_entry
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import Running, Sequencer, ledger, sequencer, stored, until
from tests.integration.ledger.log_harness import StaticReader, cosigner_of, fill, log_config, published
from tests.support.blocks import World, accepted, rejected

Both = tuple[Running, Sequencer]


@pytest.fixture
async def both(tmp_path: Path, world: World) -> AsyncIterator[Both]:
    """A ledger with a published log of 600 entries, and its consensus."""
    bus = MemoryBroker().bus("ledger")
    async with sequencer(world, bus) as sequencing, ledger(log_config(tmp_path, world), bus) as running:
        await fill(sequencing, world, 599, blocks=3)
        await published(running, 600)
        await until(lambda: partials(running) == {"002.p", "000.p"}, "partial tiles that are full now are dropped")
        yield running, sequencing


def folder_of(running: Running) -> Path:
    return running.runtime.config.data_dir / "log"


def partials(running: Running) -> set[str]:
    """The names of the folders of partial tiles: of level 0 and the bundles, and of level 1."""
    return {path.name for path in folder_of(running).rglob("*.p")}


async def whole(running: Running) -> StaticReader:
    """The reader of the folder, once it is whole."""
    reader = StaticReader(folder_of(running))

    def is_whole() -> bool:
        try:
            return reader.verify() > 0
        except (FileNotFoundError, AssertionError, IndexError, ValueError):
            return False

    await until(is_whole, "the folder is whole")
    return reader


async def test_the_folder_is_a_log_that_a_static_server_could_serve(both: Both, world: World) -> None:
    running, sequencing = both
    reader = StaticReader(folder_of(running))
    assert reader.verify() == 600
    assert reader.entries[0] == genesis_log_entry(world.genesis.origin, world.genesis.chain_id)
    block = sequencing.chain.blocks[0]
    assert reader.entries[1] == block.batches[0].items[0].statement


async def test_every_file_is_served_as_it_lies_there_and_nothing_else(both: Both) -> None:
    running, _ = both
    files = [path for path in folder_of(running).rglob("*") if path.is_file()]
    assert len(files) > 5
    async with httpx.AsyncClient(base_url=running.url, headers={"Accept-Encoding": "identity"}) as client:
        for path in files:
            answer = await client.get(f"/log/{path.relative_to(folder_of(running))}")
            # Partial files of smaller sizes stay in the folder until the tile is full; they are served as well.
            assert (answer.status_code, answer.content) == (200, path.read_bytes()), path
        for nothing in (
            "tile/0/002.p/89", "tile/0/002", "tile/0/003.p/1", "tile/entries/002", "tile/1/000", "tile/2/000.p/1",
            "tile/0/0", "tile/0/x000/001", "tile/0/001.p/256", "tile/0/..%2f..%2fcheckpoint", "tile/", "tile/9/000",
        ):  # fmt: skip
            assert (await client.get(f"/log/{nothing}")).status_code == 404, nothing


async def test_a_partial_tile_of_every_size_up_to_the_published_one_is_served(both: Both) -> None:
    running, _ = both
    full = (await running.get("/log/tile/0/002.p/88")).content
    for width in (1, 17, 87):
        assert (await running.get(f"/log/tile/0/002.p/{width}")).content == full[: 32 * width]
    first = (await running.get("/log/tile/0/000")).content
    assert (await running.get("/log/tile/0/000.p/255")).content == first[: 32 * 255]
    bundle = (await running.get("/log/tile/entries/000")).content
    assert bundle.startswith((await running.get("/log/tile/entries/000.p/3")).content)


async def test_headers_let_caches_keep_tiles_and_never_the_checkpoint(both: Both) -> None:
    running, _ = both
    async with httpx.AsyncClient(base_url=running.url, headers={"Accept-Encoding": "identity"}) as client:
        checkpoint = await client.get("/log/checkpoint")
        assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
        assert checkpoint.headers["cache-control"] == "no-cache"
        again = await client.get("/log/checkpoint", headers={"If-None-Match": checkpoint.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

        for path in ("/log/tile/0/000", "/log/tile/0/002.p/88", "/log/tile/entries/001"):
            tile = await client.get(path)
            assert tile.headers["content-type"] == "application/octet-stream"
            assert "immutable" in tile.headers["cache-control"] and "max-age=31536000" in tile.headers["cache-control"]
            same = await client.get(path, headers={"If-None-Match": tile.headers["etag"]})
            assert same.status_code == 304
            other = await client.get(path, headers={"If-None-Match": '"another"'})
            assert other.status_code == 200

        plain = await client.get("/log/tile/entries/001")
        packed = await client.get("/log/tile/entries/001", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip" and packed.headers["vary"] == "Accept-Encoding"
        assert packed.content == plain.content
        assert packed.headers["etag"] != plain.headers["etag"]
        assert gzip.compress(plain.content) != plain.content


async def test_the_checkpoint_is_signed_by_the_log_and_cosigned_by_the_member(both: Both, world: World) -> None:
    running, _ = both
    opened = open_checkpoint(
        await published(running, 600),
        [NoteVerifier.from_vkey(world.genesis.members[0].checkpoint_vkey)],
        [cosigner_of(world).cosigner],
    )
    assert opened.checkpoint.size == 600
    (cosignature,) = opened.cosignatures
    assert abs(cosignature.time_s - running.runtime.now_ms() // 1000) < 600


async def test_rejected_reports_are_no_entries(both: Both, world: World) -> None:
    running, sequencing = both
    await sequencing.order([rejected(world.item(9001), Code.V07), accepted(world.item(9002))])
    await published(running, 601)
    assert (await whole(running)).verify() == 601


async def test_partial_tiles_are_dropped_once_the_full_one_is_published(both: Both, world: World) -> None:
    running, sequencing = both
    for count in (10, 158, 5):
        await fill(sequencing, world, count)
        await published(running, sequencing.chain.frontier.size)
    assert (await whole(running)).verify() == 773
    await until(lambda: partials(running) == {"003.p", "000.p"}, "partial tiles that are full now are dropped")
    assert not (folder_of(running) / "tile/0/002.p").exists()
    assert (await running.get("/log/tile/0/002.p/88")).status_code == 200  # cut from the full one


# Damage


@pytest.mark.parametrize("what", ["tile/0/001", "tile/entries/001", "tile/1/000.p/2", "tile/entries/002.p/88"])
async def test_a_damaged_file_is_never_served_and_made_again(both: Both, what: str) -> None:
    running, _ = both
    path = folder_of(running) / what
    good = path.read_bytes()
    for damage in (good[:60] + bytes([good[60] ^ 1]) + good[61:], good[:-1], good + b"x", b"", None):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        assert (await running.get(f"/log/{what}")).content == good
        await until(lambda: path.exists() and path.read_bytes() == good, "made again")
    assert "slt_ledger_tiles_rebuilt_total" in (await running.get("/metrics")).text


async def test_a_removed_folder_is_made_again_while_the_service_runs(both: Both) -> None:
    running, _ = both
    before = {path: path.read_bytes() for path in folder_of(running).rglob("*") if path.is_file()}
    shutil.rmtree(folder_of(running))
    assert (await running.get("/log/tile/0/001")).status_code == 200
    assert (await whole(running)).verify() == 600
    for path in (folder_of(running) / "tile/0/000", folder_of(running) / "tile/entries/001"):
        assert path.read_bytes() == before[path]


async def test_a_database_that_contradicts_the_log_is_said_and_nothing_wrong_is_served(
    both: Both, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, _ = both
    (folder_of(running) / "tile/entries/001").unlink()
    genuine = running.store.accepted

    async def rotten(block: StoredBlock) -> list[bytes]:
        return [leaf[:-1] + bytes([leaf[-1] ^ 1]) for leaf in await genuine(block)]

    monkeypatch.setattr(running.store, "accepted", rotten)
    answer = await running.get("/log/tile/entries/001")
    assert (answer.status_code, "are not those of" in answer.text) == (500, True)
    await until(lambda: not (folder_of(running) / "tile/entries/001").exists(), "nothing wrong is written")
    assert (await running.get("/log/tile/entries/000")).status_code == 200  # what is good is served


# Starts


@pytest.mark.parametrize("loss", ["nothing", "folder", "checkpoint", "edge", "junk"])
async def test_a_start_goes_on_from_what_is_there_or_from_nothing(tmp_path: Path, world: World, loss: str) -> None:
    config, bus = log_config(tmp_path, world), MemoryBroker().bus("ledger")
    log = config.data_dir / "log"
    async with sequencer(world, bus) as sequencing:
        async with ledger(config, bus) as running:
            await fill(sequencing, world, 299, blocks=3)
            first = await published(running, 300)
        match loss:
            case "folder":
                shutil.rmtree(log)
            case "checkpoint":
                (log / "checkpoint").unlink()
            case "edge":
                (log / "tile/0/001.p/44").write_bytes(bytes(44 * 32))
            case "junk":
                (log / "checkpoint").write_bytes(b"\xff\xfe nonsense\n\n")
            case _:
                pass
        async with ledger(config, bus) as running:
            assert (await published(running, 300)).split("\n\n")[0] == first.split("\n\n")[0]
            await fill(sequencing, world, 300)
            await stored(running, sequencing, sequencing.chain.height)
            await published(running, 600)
            assert (await whole(running)).verify() == 600


async def test_another_machine_makes_the_same_files_from_the_database_alone(tmp_path: Path, world: World) -> None:
    config, bus = log_config(tmp_path / "one", world), MemoryBroker().bus("ledger")
    async with sequencer(world, bus) as sequencing, ledger(config, bus) as running:
        await fill(sequencing, world, 520)
        await published(running, 521)
    other = log_config(tmp_path / "other", world)
    other.data_dir.mkdir(parents=True)
    for path in config.data_dir.glob("ledger.sqlite*"):
        shutil.copy(path, other.data_dir / path.name)
    async with ledger(other, MemoryBroker().bus("ledger")) as running:
        await published(running, 521)
    one, two = ({p.relative_to(c.data_dir): p.read_bytes() for p in c.data_dir.glob("log/tile/**/*") if p.is_file()}
                for c in (config, other))  # fmt: skip
    assert {path: data for path, data in one.items() if ".p" not in str(path)} == {
        path: data for path, data in two.items() if ".p" not in str(path)
    }
    assert StaticReader(other.data_dir / "log").verify() == 521
