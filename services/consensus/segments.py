"""An append-only log in segments: what the write-ahead log and the height register are made of.

A segment is a file named after the sequence number of its first record. It begins with "SLTLOG01", that number (u64)
and the CRC-32 of both. Records follow:

    magic "SLTR" | length u32 | crc u32 | sequence u64 | group u64 | height u64 | kind u8 | payload (length bytes)

Integers are big-endian. crc is CRC-32 as in zlib, gzip and Ethernet (ISO-HDLC, polynomial 0x04C11DB7 reflected), over
everything of the record but the magic and itself. A group is what one flush writes; `group` is the sequence number of
its first record, so that a reader can tell two kinds of damage apart (consensus.md W4):

- damage that only records of the same group follow is a flush that a crash interrupted: nothing was promised on it yet,
  and the log is cut there;
- damage that a later group follows was durable once and is broken now: LogCorrupt, and nobody may sign on such a log.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.consensus.disk import Appending, Disk

_SEGMENT: Final = struct.Struct(">8sQI")
_SEGMENT_MAGIC: Final = b"SLTLOG01"
_RECORD: Final = struct.Struct(">4sIIQQQB")
_RECORD_MAGIC: Final = b"SLTR"
_CHECKED_FROM: Final = 12  # behind magic, length and crc; the length is checked too, as the first part of the crc
PAYLOAD_BYTES_MAX: Final = 256 * 1024 * 1024  # a length above it is damage, and is not allocated


class LogCorrupt(Exception):
    """Something that was durable is not as it was written. Do not sign; restore the folder, or ask the other stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record: `sequence` counts from 1 without gaps over all segments."""

    sequence: int
    height: int
    kind: int
    payload: bytes


@dataclass(slots=True, kw_only=True)
class Segment:
    name: str
    first: int  # sequence of its first record
    size_bytes: int
    entries: list[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record that waits for the next flush."""

    kind: int
    height: int
    payload: bytes


class SegmentedLog:
    """Append, flush, drop old segments. One owner; every method may block on the disk."""

    def __init__(self, disk: Disk, *, segment_bytes_max: int, preface: Callable[[], Sequence[Draft]] = tuple) -> None:
        """Open the log on `disk`: read it all, cut a torn end. Raises LogCorrupt.

        `preface` gives records that every new segment begins with, so that it can be read without the ones before it.
        """
        self._disk = disk
        self._segment_bytes_max = segment_bytes_max
        self._preface = preface
        self._drafts: list[Draft] = []
        self._file: Appending | None = None
        self.segments = _read(disk)
        if self.segments:  # A killed process may have written it and not synced it: we are about to build on it.
            disk.sync(self.segments[-1].name)
            disk.sync_folder()
        last = self.segments[-1] if self.segments else None
        self._next = 1 if last is None else last.first + len(last.entries)

    def take_entries(self) -> list[tuple[str, Entry]]:
        """The records that were there at the start, each with the name of its segment, once; frees their memory."""
        entries = [(segment.name, entry) for segment in self.segments for entry in segment.entries]
        for segment in self.segments:
            segment.entries = []
        return entries

    @property
    def active(self) -> str:
        """The segment that the last flush wrote to, "" before the first."""
        return self.segments[-1].name if self.segments else ""

    def append(self, draft: Draft) -> None:
        """Keep a record for the next flush. Nothing is written yet: a crash loses it."""
        self._drafts.append(draft)

    def flush(self) -> bool:
        """Make every appended record durable, as one group with one write and one sync. False if there was none.

        Raises FatalStorage: then what is on the disk is unknown, and this process must end.
        """
        if not self._drafts:
            return False
        rolls = not self.segments or self.segments[-1].size_bytes >= self._segment_bytes_max
        if rolls:
            self._drafts = [*self._preface(), *self._drafts]
            self._begin_segment()
        segment = self.segments[-1]
        group = self._next
        pieces = [_segment_header(segment.first)] if rolls else []
        for index, draft in enumerate(self._drafts):
            pieces += (_record_head(draft, group + index, group), draft.payload)
        data = b"".join(pieces)
        if self._file is None:
            self._file = self._disk.appending(segment.name)
        self._file.append(data)
        self._file.sync()
        if rolls:
            self._disk.sync_folder()  # A crash before it may leave no such file: then this flush never was.
        segment.size_bytes += len(data)
        self._next += len(self._drafts)
        self._drafts = []
        return True

    def drop_first(self) -> None:
        """Remove the oldest segment, never the last. A crash before the folder is synced brings it back: harmless."""
        assert len(self.segments) > 1
        self._disk.remove(self.segments.pop(0).name)
        self._disk.sync_folder()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin_segment(self) -> None:
        self.close()
        name = f"{self._next:020d}.log"
        self.segments.append(Segment(name=name, first=self._next, size_bytes=0, entries=[]))


def _record_head(draft: Draft, sequence: int, group: int) -> bytes:
    """The bytes of a record before its payload."""
    length = len(draft.payload)
    head = _RECORD.pack(_RECORD_MAGIC, length, 0, sequence, group, draft.height, draft.kind)
    crc = _crc(length, head[_CHECKED_FROM:], draft.payload)
    return head[:8] + crc.to_bytes(4, "big") + head[_CHECKED_FROM:]


def _crc(length: int, numbers: bytes, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(numbers, zlib.crc32(length.to_bytes(4, "big"))))


def _segment_header(first: int) -> bytes:
    start = _SEGMENT_MAGIC + first.to_bytes(8, "big")
    return start + zlib.crc32(start).to_bytes(4, "big")


def _read(disk: Disk) -> list[Segment]:
    """Every segment, each following the one before it. Cuts the torn end of the last one."""
    names = [name for name in disk.names() if name.endswith(".log")]
    segments: list[Segment] = []
    for name in names:
        data = disk.read(name)
        last = name == names[-1]
        first = _first_sequence(name, data)
        if first is None:
            if last and not _later_group_follows(data, -1, _named_sequence(name)):  # the flush that made it was torn
                disk.remove(name)
                disk.sync_folder()
                break
            raise LogCorrupt(f"{name}: the head of the segment is damaged")
        expected = segments[-1].first + len(segments[-1].entries) if segments else first
        if first != expected:
            raise LogCorrupt(f"{name}: begins with record {first}, and the segment before it ends before {expected}")
        segment = _read_segment(disk, name, data, first, last=last)
        if last and not segment.entries:
            disk.remove(name)
            disk.sync_folder()
            break
        segments.append(segment)
    return segments


def _first_sequence(name: str, data: bytes) -> int | None:
    if len(data) < _SEGMENT.size:
        return None
    magic, first, crc = _SEGMENT.unpack_from(data)
    if magic != _SEGMENT_MAGIC or zlib.crc32(data[: _SEGMENT.size - 4]) != crc or first != _named_sequence(name):
        return None
    return int(first)


def _named_sequence(name: str) -> int:
    try:
        return int(name.removesuffix(".log"))
    except ValueError:
        raise LogCorrupt(f"{name}: not a segment; a segment is named after a sequence number") from None


def _read_segment(disk: Disk, name: str, data: bytes, first: int, *, last: bool) -> Segment:
    entries: list[Entry] = []
    at = _SEGMENT.size
    while at < len(data):
        found = _record_at(data, at)
        expected = first + len(entries)
        if found is None or found[0].sequence != expected:
            if not last or _later_group_follows(data, at, expected):
                raise LogCorrupt(
                    f"{name}: record {expected} at byte {at} is damaged, and was durable: what came after it is there"
                )
            disk.truncate(name, at)  # The end of a flush that a crash interrupted.
            break
        entries.append(found[0])
        at = found[2]
    return Segment(name=name, first=first, size_bytes=at, entries=entries)


def _record_at(data: bytes, at: int) -> tuple[Entry, int, int] | None:
    """The record that begins at byte `at`, its group, and where it ends. None if there is no good one."""
    if at + _RECORD.size > len(data):
        return None
    magic, length, crc, sequence, group, height, kind = _RECORD.unpack_from(data, at)
    start, end = at + _RECORD.size, at + _RECORD.size + length
    if magic != _RECORD_MAGIC or length > PAYLOAD_BYTES_MAX or end > len(data):
        return None
    payload = data[start:end]
    if _crc(length, data[at + _CHECKED_FROM : start], payload) != crc:
        return None
    return Entry(sequence=sequence, height=height, kind=kind, payload=payload), group, end


def _later_group_follows(data: bytes, at: int, expected: int) -> bool:
    """Whether a good record of a group after the one that record `expected` is in stands anywhere behind byte `at`."""
    while (at := data.find(_RECORD_MAGIC, at + 1)) >= 0:
        found = _record_at(data, at)
        if found is not None and found[1] > expected:
            return True
    return False
