"""The bytes of a snapshot, and the check of one. Pure: bytes in, records out.

A snapshot is a sequence of parts, each a length (4 bytes, big-endian) and so many bytes of deterministic CBOR:

    ["slt-state", 1, chain_id, height, log size, lanes, header, certificate]   lanes: formats.md, "state root"
    [[key, value]...]      records in bytewise order of their keys, at most RECORDS_PER_PART; as many parts as needed
    ["end", count]         how many records there were

It proves itself: the certificate makes the header final, the header names the state root, and the records hash to it.
Nothing of it may be used before its end was read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import cbor2

from slt.consensus.certificates import CertificateError, verify_certificate
from slt.inventory.keys import Kind, kind_of
from slt.inventory.lthash import EMPTY_LANES, LANES_BYTES, state_root, updated
from slt.inventory.state import StateHead, iat_of
from slt.statements import cbor
from slt.statements.cbor import Value
from slt.statements.genesis import Genesis
from slt.statements.headers import Header, parse_header

NAME: Final = "slt-state"
VERSION: Final = 1
LENGTH_BYTES: Final = 4
RECORDS_PER_PART: Final = 1_000  # a megabyte at most times; what a reader holds at once
IAT_MAX: Final = 2**63  # what a column of a database holds
PART_BYTES_MAX: Final = 256 * 1024 * 1024  # a record has at most some 100 kB


class BadSnapshot(ValueError):
    """A file that is not a snapshot of this ledger's certified state. The sentence says what does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """The first part, verified by itself: a certified header, and where the state stands after its block."""

    head: StateHead
    header: Header
    certificate: bytes


def first_part(*, chain_id: bytes, head: StateHead, header: bytes, certificate: bytes) -> bytes:
    value: list[Value] = [
        NAME, VERSION, chain_id, head.height, head.log_size, head.lanes, header, certificate,
    ]  # fmt: skip
    return framed(cbor.encode(value))


def record_parts(records: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The parts for `records`, which come in order."""
    some: list[Value] = []
    for key, value in records:
        some.append([key, value])
        if len(some) == RECORDS_PER_PART:
            yield framed(cbor.encode(some))
            some = []
    if some:
        yield framed(cbor.encode(some))


def end_part(count: int) -> bytes:
    return framed(cbor.encode(["end", count]))


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def read_first(data: bytes, genesis: Genesis) -> First:
    """Read and verify the first part: everything but that the records are those of the state root."""
    match _decoded(data):
        case [str(name), int(version), bytes(chain_id), int(height), int(log_size), bytes(lanes), bytes(raw), bytes(c)]:
            pass
        case _:
            raise BadSnapshot("its first part is not that of a snapshot")
    if name != NAME or version != VERSION:
        raise BadSnapshot(f"it is {name!r} version {version}; this program reads {NAME!r} version {VERSION}")
    if chain_id != genesis.chain_id:
        raise BadSnapshot(f"it is of ledger {chain_id.hex()}; the genesis file is {genesis.chain_id.hex()}")
    try:
        header = parse_header(raw)
        verify_certificate(header, cbor.decode(c), genesis)
    except (cbor.DecodeError, CertificateError) as error:
        raise BadSnapshot(f"its block is not final: {error}") from error
    if (header.height, header.log_size) != (height, log_size):
        raise BadSnapshot(
            f"it says height {height} and {log_size} log entries, and its certified header says "
            f"{header.height} and {header.log_size}"
        )
    if len(lanes) != LANES_BYTES or state_root(lanes) != header.state_root:
        raise BadSnapshot("its lanes are not those of the certified state root")
    head = StateHead(height=height, block_id=header.block_id, lanes=lanes, log_size=log_size, time_ms=header.time_ms)
    return First(head=head, header=header, certificate=c)


class Records:
    """Reads the parts behind the first one, in order. `complete` is true once the end was read and everything held."""

    def __init__(self, first: First) -> None:
        self._expected = first.head.lanes
        self._lanes = EMPTY_LANES
        self._last = b""
        self.count = 0
        self.complete = False

    def part(self, data: bytes) -> Mapping[bytes, bytes]:
        """The records of one part; the end has none. Raises BadSnapshot."""
        if self.complete:
            raise BadSnapshot("something stands behind its end")
        match _decoded(data):
            case ["end", int(count)]:
                return self._end(count)
            case list(rows) if rows and len(rows) <= RECORDS_PER_PART:
                return self._records(rows)
            case _:
                raise BadSnapshot(f"the part behind record {self.count} is neither records nor the end")

    def _records(self, rows: list[Value]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for row in rows:
            match row:
                case [bytes(key), bytes(value)] if key > self._last and _storable(key, value):
                    found[key] = value
                    self._last = key
                case _:
                    raise BadSnapshot(f"record {self.count + len(found)} is none, or stands in no order")
        self._lanes = updated(self._lanes, added=found.items())
        self.count += len(found)
        return found

    def _end(self, count: int) -> Mapping[bytes, bytes]:
        if count != self.count:
            raise BadSnapshot(f"it has {self.count} records and says that it has {count}")
        if self._lanes != self._expected:
            raise BadSnapshot("its records do not hash to the certified state root: some were changed, added or lost")
        self.complete = True
        return {}


def _storable(key: bytes, value: bytes) -> bool:
    """Whether a store can hold it before the hash was compared: of a known kind, and a SPENT one with its iat."""
    try:
        return kind_of(key) is not Kind.SPENT or 0 <= iat_of(value) < IAT_MAX
    except (ValueError, IndexError, TypeError, KeyError, cbor2.CBORDecodeError):
        return False


def _decoded(data: bytes) -> Value:
    try:
        return cbor.decode(data, items_max=3 * RECORDS_PER_PART + 16)
    except cbor.DecodeError as error:
        raise BadSnapshot(f"a part cannot be read: {error}") from error
