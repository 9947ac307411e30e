"""A folder remembers the log that it saw, and no member can show it another one without leaving evidence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from slt.client.checkpoints import Memory, NotSigned, Seen, SplitView, open_seen
from slt.client.errors import AnswerIsNo, Unreachable
from slt.client.folder import Folder
from slt.client.tiled_log import FolderSource, Log, LogFault
from slt.client.watch import Watch
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteSigner
from slt.statements.genesis import Genesis
from tests.support.blocks import World, make_world, seed
from tests.support.tiled_logs import leaves_of, signed, write_log

HONEST = leaves_of([f"entry {number}" for number in range(700)])
FORKED = [*HONEST[:300], *leaves_of([f"another {number}" for number in range(400)])]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("split views")


@pytest.fixture
def genesis(world: World) -> Genesis:
    return world.genesis


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def memory(folder: Folder, genesis: Genesis) -> Memory:
    return Memory(folder, genesis)


def seen(world: World, leaves: list[Digest]) -> Seen:
    return open_seen(signed(world.checkpoint, leaves), world.genesis)


def log(world: World, folder: Path, leaves: list[Digest], *, checkpoint: str = "") -> Log:
    return Log(FolderSource(write_log(folder, leaves, world.checkpoint, checkpoint=checkpoint)))


def test_the_first_checkpoint_is_remembered_and_a_later_one_only_with_its_proof(
    world: World, genesis: Genesis, folder: Folder, memory: Memory, tmp_path: Path
) -> None:
    small, large = seen(world, HONEST[:5]), seen(world, HONEST[:600])
    memory.take(small, None)
    assert memory.take(large, None) is None
    assert memory.last() == small
    found = memory.take(large, log(world, tmp_path / "log", HONEST))
    assert found is not None and (found.old.size, found.new.size, len(found.proof) > 0) == (5, 600, True)
    assert Memory(folder, genesis).last() == large


def test_an_older_checkpoint_is_compared_and_does_not_replace_a_newer_one(
    world: World, memory: Memory, tmp_path: Path
) -> None:
    memory.take(seen(world, HONEST[:600]), None)
    found = memory.take(seen(world, HONEST[:255]), log(world, tmp_path / "log", HONEST))
    assert found is not None and found.old.size == 255
    last = memory.last()
    assert last is not None and last.size == 600


def test_two_roots_for_one_size_are_a_split_view_without_asking_anybody(
    world: World, folder: Folder, memory: Memory
) -> None:
    honest, forked = seen(world, HONEST[:400]), seen(world, FORKED[:400])
    memory.take(honest, None)
    with pytest.raises(SplitView) as raised:
        memory.take(forked, None)
    evidence = raised.value.evidence
    assert {path.name for path in evidence.iterdir()} == {
        "old.checkpoint",
        "new.checkpoint",
        "genesis.cbor",
        "contradiction.json",
        "README.txt",
    }
    kept = {(evidence / name).read_text(encoding="utf-8") for name in ("old.checkpoint", "new.checkpoint")}
    assert kept == {honest.note, forked.note}
    assert json.loads((evidence / "contradiction.json").read_text(encoding="utf-8"))["proves"] is True
    assert memory.last() == honest


@pytest.mark.parametrize("size", [350, 512, 700])
def test_a_log_that_went_another_way_is_convicted_by_its_own_tiles(
    world: World, memory: Memory, tmp_path: Path, size: int
) -> None:
    memory.take(seen(world, HONEST[:350]), None)
    forked = seen(world, FORKED[: max(size, 351)])
    with pytest.raises(SplitView, match="at 350 entries the log that was signed since has root") as raised:
        memory.take(forked, log(world, tmp_path / "log", FORKED))
    told = json.loads((raised.value.evidence / "contradiction.json").read_text(encoding="utf-8"))
    assert (told["proves"], told["old"]["size"], told["published"]["size"]) == (True, 350, 700)
    assert (raised.value.evidence / "published.checkpoint").exists()


def test_a_checkpoint_shown_to_one_facility_alone_is_convicted_by_the_log(
    world: World, memory: Memory, tmp_path: Path
) -> None:
    memory.take(seen(world, HONEST[:256]), None)
    with pytest.raises(SplitView, match="at 512 entries the log that was signed since has root"):
        memory.take(seen(world, FORKED[:512]), log(world, tmp_path / "log", HONEST))


def test_tiles_that_do_not_fit_their_checkpoint_refuse_and_convict_nobody(
    world: World, memory: Memory, tmp_path: Path
) -> None:
    memory.take(seen(world, HONEST[:350]), None)
    lying = log(world, tmp_path / "log", FORKED, checkpoint=signed(world.checkpoint, HONEST))
    with pytest.raises(SplitView, match="which nobody signed") as raised:
        memory.take(seen(world, HONEST[:600]), lying)
    assert json.loads((raised.value.evidence / "contradiction.json").read_text(encoding="utf-8"))["proves"] is False


def test_evidence_is_kept_once_and_told_until_it_is_moved_away(
    world: World, genesis: Genesis, folder: Folder, memory: Memory
) -> None:
    memory.refuse_after_split()
    memory.take(seen(world, HONEST[:400]), None)
    for _ in range(2):
        with pytest.raises(SplitView):
            memory.take(seen(world, FORKED[:400]), None)
    (evidence,) = Memory(folder, genesis).evidence()
    with pytest.raises(SplitView, match="found earlier"):
        Memory(folder, genesis).refuse_after_split()
    evidence.rename(folder.root / "shown to the authority")
    Memory(folder, genesis).refuse_after_split()


def test_a_log_that_has_not_come_so_far_proves_nothing(world: World, memory: Memory, tmp_path: Path) -> None:
    memory.take(seen(world, HONEST[:5]), None)
    with pytest.raises(Unreachable, match="serves 300 entries, and 600 were signed"):
        memory.take(seen(world, HONEST[:600]), log(world, tmp_path / "log", HONEST[:300]))
    last = memory.last()
    assert last is not None and last.size == 5


def test_a_log_without_a_tile_that_its_checkpoint_covers_is_faulty(
    world: World, memory: Memory, tmp_path: Path
) -> None:
    memory.take(seen(world, HONEST[:5]), None)
    broken = log(world, tmp_path / "log", HONEST)
    (tmp_path / "log/tile/0/000").unlink()
    with pytest.raises(LogFault, match="lacks tile/0/000"):
        memory.take(seen(world, HONEST[:600]), broken)


def test_a_partial_tile_may_have_become_a_full_one(world: World, memory: Memory, tmp_path: Path) -> None:
    memory.take(seen(world, HONEST[:257]), None)
    write_log(tmp_path / "log", HONEST[:400], world.checkpoint)
    behind = log(world, tmp_path / "log", HONEST[:512], checkpoint=signed(world.checkpoint, HONEST[:400]))
    (tmp_path / "log/tile/0/001.p/144").unlink()
    found = memory.take(seen(world, HONEST[:300]), behind)
    assert found is not None and found.new.size == 300


def test_what_no_member_signed_is_never_remembered(world: World, genesis: Genesis) -> None:
    with pytest.raises(NotSigned, match="no member"):
        open_seen(signed(NoteSigner.of(genesis.origin, seed("mallory")), HONEST[:5]), genesis)
    with pytest.raises(NotSigned, match=r"elsewhere\.example"):
        open_seen(signed(world.checkpoint, HONEST[:5], origin="elsewhere.example/log"), genesis)


def test_a_remembered_checkpoint_that_was_changed_stops_everything(
    world: World, folder: Folder, genesis: Genesis, memory: Memory
) -> None:
    memory.take(seen(world, HONEST[:400]), None)
    (file,) = folder.checkpoints.glob("*.checkpoint")
    file.write_text(file.read_text(encoding="utf-8").replace("\n400\n", "\n401\n"), encoding="utf-8")
    with pytest.raises(AnswerIsNo, match="is not what this program wrote"):
        memory.take(seen(world, HONEST[:500]), None)


def test_each_ledger_has_its_own_memory(world: World, folder: Folder, genesis: Genesis) -> None:
    other = make_world("another ledger")
    Memory(folder, genesis).take(seen(world, HONEST[:5]), None)
    assert Memory(folder, other.genesis).last() is None


def test_the_watch_compares_what_receipts_brought_when_the_log_answers(
    world: World, genesis: Genesis, memory: Memory, tmp_path: Path
) -> None:
    logs: list[Log | None] = [None]
    watch = Watch(memory, genesis, lambda: logs[0])
    notes = [signed(world.checkpoint, HONEST[:size]) for size in (600, 5, 300)]
    for note in [*notes, *notes]:
        watch.saw(note)
    assert (watch.pending, watch.settle(), watch.pending) == (3, [], 2)
    logs[0] = log(world, tmp_path / "log", HONEST)
    assert (watch.settle(), watch.pending) == ([], 0)
    last = memory.last()
    assert last is not None and last.size == 600
    watch.saw(notes[0])
    assert watch.pending == 0


def test_the_watch_tells_a_split_view_and_remembers_nothing_after_it(
    world: World, genesis: Genesis, memory: Memory, tmp_path: Path
) -> None:
    honest = log(world, tmp_path / "log", HONEST)
    watch = Watch(memory, genesis, lambda: honest)
    for leaves in (HONEST[:300], FORKED[:500], HONEST[:600]):
        watch.saw(signed(world.checkpoint, leaves))
    faults = watch.settle()
    assert ["does not extend" in fault for fault in faults] == [True, False]
    assert all(fault.startswith("SPLIT VIEW") for fault in faults)
    last = memory.last()
    assert (watch.settle(), watch.pending, last and last.size) == ([], 0, 300)
    assert len(memory.evidence()) == 1


def test_a_genesis_with_another_key_does_not_read_our_memory(world: World, folder: Folder, genesis: Genesis) -> None:
    Memory(folder, genesis).take(seen(world, HONEST[:5]), None)
    stranger = NoteSigner.of(genesis.origin, seed("stranger")).vkey
    changed = replace(genesis, members=(replace(genesis.members[0], checkpoint_vkey=stranger),))
    assert changed.chain_id != genesis.chain_id
    assert Memory(folder, changed).last() is None
