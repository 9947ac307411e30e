"""The write-ahead log: what a restart finds, what is dropped, and what it refuses to go on with."""

from pathlib import Path

import msgspec
import pytest

from services.consensus import core
from services.consensus.disk import OsDisk
from services.consensus.segments import Draft, LogCorrupt, SegmentedLog
from services.consensus.wal import BATCH, CERTIFIED, PROPOSED, Held, Wal
from slt.bus.messages import Item
from slt.consensus.authority import genesis_head
from slt.consensus.events import Admitted, Stored
from slt.consensus.records import BatchFormed, Head
from tests.unit.consensus.world import GENESIS, NOW_MS, evaluated, make_driver, make_item, signed

GENESIS_HEAD = genesis_head(GENESIS)


class Chain:
    """Blocks of one item each, written as the node writes them."""

    def __init__(self, folder: Path, *, segment_bytes_max: int = 1 << 20) -> None:
        self.folder = folder
        self.size = segment_bytes_max
        self.driver = make_driver()
        self.wal = self.open()
        self.wal.recover()

    def open(self) -> Wal:
        return Wal(OsDisk(self.folder), GENESIS_HEAD, segment_bytes_max=self.size)

    def block(self) -> Head:
        """One more certified block."""
        item = make_item(f"report {self.driver.head.height}")
        question = self.driver.step(Admitted(now_ms=NOW_MS, batches=(core.admission([item]),)))
        (formed,) = question.save
        self.wal.append(formed, [item])
        self.wal.flush()
        proposal = self.driver.step(evaluated(self.driver, question))
        self.wal.append(proposal.save[0])
        self.wal.flush()
        for note in self.driver.step(signed(proposal)).note:
            self.wal.append(note)
        self.wal.advance(self.driver.head)
        self.driver.step(Stored(now_ms=NOW_MS, height=self.driver.head.height))  # so that it goes on
        return self.driver.head

    def pending(self, name: str) -> tuple[BatchFormed, Item]:
        item = make_item(name)
        (formed,) = self.driver.step(Admitted(now_ms=NOW_MS, batches=(core.admission([item]),))).save
        assert isinstance(formed, BatchFormed)
        self.wal.append(formed, [item])
        return formed, item

    def reopened(self) -> Held:
        self.wal.close()
        self.wal = self.open()
        return self.wal.recover()


def test_a_new_log_stands_at_genesis(tmp_path: Path) -> None:
    held = Wal(OsDisk(tmp_path), GENESIS_HEAD).recover()
    assert held.recovered.head == GENESIS_HEAD
    assert (held.recovered.stored, held.recovered.pending, held.recovered.proposed, held.blocks) == (0, (), None, ())


def test_batches_come_back_with_their_items(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    one, other = chain.pending("a"), chain.pending("b")
    chain.wal.flush()
    held = chain.reopened()
    assert held.recovered.pending == (one[0], other[0])
    assert held.items == {1: [one[1]], 2: [other[1]]}


def test_items_that_were_vetted_again_come_back_in_place_of_the_first_ones(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    formed, item = chain.pending("a")
    other = chain.pending("b")
    again = msgspec.structs.replace(item, facts_z=b"under other rules", rules_version=2)
    chain.wal.append_vetted(1, [again])
    chain.wal.flush()
    held = chain.reopened()
    assert held.recovered.pending == (formed, other[0])
    assert held.items == {1: [again], 2: [other[1]]}


def test_items_vetted_again_that_are_not_those_of_their_batch_are_damage(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    _, item = chain.pending("a")
    chain.wal.append_vetted(1, [item, item])
    chain.wal.flush()
    with pytest.raises(LogCorrupt, match="was vetted as 2"):
        chain.reopened()


def test_a_proposal_without_its_certificate_comes_back_as_proposed(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    head = chain.block()
    held = chain.reopened()  # the certificate waits for the next flush
    assert held.recovered.head == GENESIS_HEAD
    assert held.recovered.proposed is not None and held.recovered.proposed.block_id == head.block_id


def test_certified_blocks_come_back_until_they_are_stored(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    heads = [chain.block() for _ in range(3)]
    chain.pending("x")
    chain.wal.flush()
    held = chain.reopened()
    assert held.recovered.head == heads[2]
    assert [block.proposed.height for block in held.blocks] == [1, 2, 3]
    assert [len(block.certified.batch_signatures) for block in held.blocks] == [1, 1, 1]
    assert held.blocks[1].items == ([make_item("report 1")],)


def test_segments_are_dropped_when_all_in_them_is_stored_and_no_sooner(tmp_path: Path) -> None:
    chain = Chain(tmp_path, segment_bytes_max=1)
    heads = [chain.block() for _ in range(4)]
    formed, _ = chain.pending("waits")
    chain.wal.flush()
    many = len(list(tmp_path.iterdir()))
    chain.wal.note_stored(2)
    fewer = len(list(tmp_path.iterdir()))
    assert fewer < many
    held = chain.reopened()
    assert held.recovered.head == heads[3] and held.recovered.stored == 2
    assert [block.proposed.height for block in held.blocks] == [3, 4]
    assert held.recovered.pending == (formed,)
    chain.wal.note_stored(4)
    assert len(list(tmp_path.iterdir())) < fewer
    held = chain.reopened()
    assert held.blocks == () and held.recovered.pending == (formed,), "what is in no block is never dropped"
    assert held.recovered.head == heads[3]


def test_the_log_of_a_long_run_stays_small(tmp_path: Path) -> None:
    chain = Chain(tmp_path, segment_bytes_max=2_000)
    for _ in range(40):
        chain.wal.note_stored(chain.block().height - 1)
    assert len(list(tmp_path.iterdir())) <= 5


def records(folder: Path) -> list[tuple[int, int, bytes]]:
    log = SegmentedLog(OsDisk(folder), segment_bytes_max=1 << 20)
    return [(entry.kind, entry.height, entry.payload) for _, entry in log.take_entries()]


def rewritten(folder: Path, kept: list[tuple[int, int, bytes]]) -> Wal:
    """A log in `folder` with these records."""
    log = SegmentedLog(OsDisk(folder), segment_bytes_max=1 << 20)
    for kind, height, payload in kept:
        log.append(Draft(kind=kind, height=height, payload=payload))
    log.flush()
    log.close()
    return Wal(OsDisk(folder), GENESIS_HEAD)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (1, "does not say where the chain stood"),
        (BATCH, "batches are not in the log|batch 1 is not in the log"),
        (PROPOSED, "its content is not in the log"),
    ],
)
def test_a_log_that_lacks_what_it_builds_on_is_not_gone_on_with(tmp_path: Path, kind: int, sentence: str) -> None:
    chain = Chain(tmp_path / "whole")
    chain.block()
    chain.block()
    chain.wal.flush()
    chain.wal.close()
    kept = [record for record in records(tmp_path / "whole") if record[0] != kind]
    with pytest.raises(LogCorrupt, match=sentence):
        rewritten(tmp_path / "less", kept).recover()


def test_a_gap_in_the_batch_chain_is_not_gone_on_with(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "whole")
    for name in "abc":
        chain.pending(name)
    chain.wal.flush()
    kept = records(tmp_path / "whole")
    with pytest.raises(LogCorrupt, match="batch 2 is not in the log, and batch 3 is"):
        rewritten(tmp_path / "less", kept[:2] + kept[3:]).recover()


@pytest.mark.parametrize("kind", [1, BATCH, PROPOSED, CERTIFIED, 99])
def test_records_that_cannot_be_read_are_reported(tmp_path: Path, kind: int) -> None:
    Chain(tmp_path).wal.close()
    log = SegmentedLog(OsDisk(tmp_path), segment_bytes_max=1 << 20)
    log.append(Draft(kind=kind, height=1, payload=b"\xc1"))
    log.flush()
    with pytest.raises(LogCorrupt):
        Wal(OsDisk(tmp_path), GENESIS_HEAD).recover()


def test_records_read_twice_change_nothing(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "whole")
    chain.block()
    chain.pending("a")
    chain.wal.flush()
    chain.wal.close()
    kept = records(tmp_path / "whole")
    one = Wal(OsDisk(tmp_path / "whole"), GENESIS_HEAD).recover()
    two = rewritten(tmp_path / "twice", kept * 2).recover()
    assert one.recovered == two.recovered and one.items == two.items
    assert [block.certified for block in one.blocks] == [block.certified for block in two.blocks]
