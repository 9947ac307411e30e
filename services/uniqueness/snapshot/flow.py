"""Write the stored state into a file; put a file's state into a new database, once all of it has verified."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from services.uniqueness.snapshot.format import (
    LENGTH_BYTES,
    PART_BYTES_MAX,
    BadSnapshot,
    First,
    Records,
    end_part,
    first_part,
    read_first,
    record_parts,
)
from services.uniqueness.store import Certified, Store
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.state import Changes
from slt.runtime.files import sync_folder
from slt.statements.genesis import Genesis

Tell = Callable[[int], None]  # how many records were written or read so far


class NotYet(Exception):
    """There is nothing that a snapshot could prove: no block is final yet, or none since the database was upgraded."""


class RottenState(Exception):
    """The stored records do not hash to their own lanes: the disk has changed them. `slt fsck` says which."""


async def write(store: Store, genesis: Genesis, path: Path, tell: Tell) -> First:
    """Write the state as it is now to `path`; durable on return. The service may go on meanwhile.

    Everything is checked as a reader will check it, so a snapshot that was written can be restored.
    """
    temporary = path.with_name(f".{path.name}.new")
    async with store.frozen() as frozen:
        if frozen.certified is None:
            raise NotYet("no certified block is stored with the state yet; try again after the next block")
        begin = first_part(
            chain_id=frozen.chain_id,
            head=frozen.head,
            header=frozen.certified.header,
            certificate=frozen.certified.certificate,
        )
        first = read_first(begin[LENGTH_BYTES:], genesis)
        lanes, count = EMPTY_LANES, 0
        with temporary.open("wb") as out:
            out.write(begin)
            async for some in frozen.records():
                records = [(key, value) for key, value, _ in some]
                lanes = updated(lanes, added=records)
                count += len(records)
                out.writelines(record_parts(records))
                tell(count)
            if lanes != first.head.lanes:
                temporary.unlink()
                raise RottenState("the stored records do not hash to the certified state root; run fsck")
            out.write(end_part(count))
            out.flush()
            os.fsync(out.fileno())
    temporary.rename(path)
    sync_folder(path.parent)
    return first


async def restore(store: Store, genesis: Genesis, path: Path, tell: Tell) -> First:
    """Put the state of `path` into the new database of `store`. Raises BadSnapshot; then the database stays new."""
    with path.open("rb") as data:
        parts = _parts(data)
        first = read_first(next(parts, b""), genesis)
        certified = Certified(first.header.encoded, first.certificate)
        await store.install(genesis.chain_id, first.head, certified, _verified(Records(first), parts, tell))
    return first


async def _verified(records: Records, parts: Iterator[bytes], tell: Tell) -> AsyncIterator[Changes]:
    """The records, part by part. Raises BadSnapshot at the end too, which takes back all that was written."""
    for part in parts:
        yield records.part(part)
        tell(records.count)
    if not records.complete:
        raise BadSnapshot(f"it ends after {records.count} records without its end: it was cut")


def _parts(data: BinaryIO) -> Iterator[bytes]:
    while length := data.read(LENGTH_BYTES):
        size = int.from_bytes(length, "big")
        if len(length) < LENGTH_BYTES or size > PART_BYTES_MAX:
            raise BadSnapshot("a part has no length that can be: it was cut, or it is no snapshot")
        part = data.read(size)
        if len(part) < size:
            raise BadSnapshot("a part is shorter than it says: the file was cut")
        yield part
