"""The append-only log on a real folder: groups, torn ends, damage, segments."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consensus.disk import OsDisk
from services.consensus.segments import Draft, LogCorrupt, SegmentedLog


def open_log(folder: Path, *, segment_bytes_max: int = 1 << 20) -> tuple[SegmentedLog, list[bytes]]:
    """The log and the payloads that it holds."""
    log = SegmentedLog(OsDisk(folder), segment_bytes_max=segment_bytes_max)
    return log, [entry.payload for _, entry in log.take_entries()]


def write(folder: Path, *groups: list[bytes], segment_bytes_max: int = 1 << 20) -> None:
    log, _ = open_log(folder, segment_bytes_max=segment_bytes_max)
    for group in groups:
        for payload in group:
            log.append(Draft(kind=7, height=1, payload=payload))
        assert log.flush() is bool(group)
    log.close()


def only_file(folder: Path) -> Path:
    (path,) = (path for path in folder.iterdir())
    return path


def test_what_was_flushed_is_there_and_what_was_not_is_gone(tmp_path: Path) -> None:
    log, held = open_log(tmp_path)
    assert held == []
    log.append(Draft(kind=1, height=5, payload=b"one"))
    log.append(Draft(kind=2, height=6, payload=b""))
    assert log.flush()
    log.append(Draft(kind=3, height=7, payload=b"lost"))
    log.close()
    reread = SegmentedLog(OsDisk(tmp_path), segment_bytes_max=1000)
    entries = [entry for _, entry in reread.take_entries()]
    assert [(entry.sequence, entry.kind, entry.height, entry.payload) for entry in entries] == [
        (1, 1, 5, b"one"),
        (2, 2, 6, b""),
    ]


@given(groups=st.lists(st.lists(st.binary(max_size=50), max_size=4), max_size=6), size=st.integers(1, 300))
def test_records_come_back_over_any_division_into_groups_and_segments(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[bytes]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    write(folder, *groups, segment_bytes_max=size)
    assert open_log(folder)[1] == [payload for group in groups for payload in group]


def test_a_torn_end_is_cut_wherever_it_is_torn(tmp_path: Path) -> None:
    write(tmp_path, [b"first", b"second"])
    path = only_file(tmp_path)
    safe = path.read_bytes()
    write(tmp_path, [b"third", b"fourth"])
    whole = path.read_bytes()
    for size in range(len(safe), len(whole)):
        path.write_bytes(whole[:size])
        held = open_log(tmp_path)[1]
        assert held[:2] == [b"first", b"second"] and len(held) < 4
        log, again = open_log(tmp_path)
        assert again == held, "the cut is not durable"
        log.append(Draft(kind=1, height=1, payload=b"next"))
        log.flush()
        log.close()
        assert open_log(tmp_path)[1] == [*held, b"next"]


def test_a_hole_in_the_last_flush_is_a_torn_end_even_if_its_later_records_are_whole(tmp_path: Path) -> None:
    write(tmp_path, [b"first"])
    path = only_file(tmp_path)
    safe = len(path.read_bytes())
    write(tmp_path, [b"x" * 100, b"whole", b"whole too"])
    data = bytearray(path.read_bytes())
    data[safe + 20 : safe + 60] = bytes(40)
    path.write_bytes(data)
    assert open_log(tmp_path)[1] == [b"first"]


def test_33_damage_that_a_later_flush_follows_is_reported_at_every_byte(tmp_path: Path) -> None:
    write(tmp_path, [b"first"])
    path = only_file(tmp_path)
    begin = 20  # the head of the segment
    end = len(path.read_bytes())
    write(tmp_path, [b"second"])
    whole = path.read_bytes()
    for at in range(begin, end):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt, match="record 1"):
            open_log(tmp_path)
        assert path.read_bytes() == damaged, "a damaged log must be left as it is"


def test_33_a_damaged_head_of_a_segment_is_reported(tmp_path: Path) -> None:
    write(tmp_path, [b"first"], [b"second"])
    path = only_file(tmp_path)
    whole = path.read_bytes()
    for at in range(20):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt):
            open_log(tmp_path)


def test_33_damage_in_a_segment_that_is_not_the_last_is_never_a_torn_end(tmp_path: Path) -> None:
    write(tmp_path, [b"first"], [b"second"], segment_bytes_max=1)
    first, _ = sorted(tmp_path.iterdir())
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(LogCorrupt, match="record 1"):
        open_log(tmp_path)


def test_a_missing_segment_is_reported(tmp_path: Path) -> None:
    write(tmp_path, [b"a"], [b"b"], [b"c"], segment_bytes_max=1)
    sorted(tmp_path.iterdir())[1].unlink()
    with pytest.raises(LogCorrupt, match="begins with record 3"):
        open_log(tmp_path)


def test_a_foreign_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.log").write_text("hello")
    with pytest.raises(LogCorrupt, match="not a segment"):
        open_log(tmp_path)


def test_a_length_that_cannot_be_is_damage_and_is_not_allocated(tmp_path: Path) -> None:
    write(tmp_path, [b"first"], [b"second"])
    path = only_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[24:28] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(LogCorrupt):
        open_log(tmp_path)


def test_the_oldest_segments_can_be_dropped_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path, [b"a"], [b"b"], [b"c"], segment_bytes_max=1)
    log, _ = open_log(tmp_path, segment_bytes_max=1)
    log.drop_first()
    log.drop_first()
    log.close()
    log, held = open_log(tmp_path)
    assert held == [b"c"]
    log.append(Draft(kind=1, height=1, payload=b"d"))
    log.flush()
    log.close()
    assert open_log(tmp_path)[1] == [b"c", b"d"]


def test_an_empty_new_segment_is_what_a_crash_left_and_is_removed(tmp_path: Path) -> None:
    write(tmp_path, [b"a"])
    (tmp_path / f"{2:020d}.log").write_bytes(b"")
    assert open_log(tmp_path)[1] == [b"a"]
    assert len(list(tmp_path.iterdir())) == 1
