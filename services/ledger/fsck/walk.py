"""Goes through a ledger's database, block by block in order of height, and says what is wrong with which row.

Memory does not grow with the ledger: one block at a time. Reading only; the service may run meanwhile, and what it
stores after the start is not looked at.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from msgspec import DecodeError as BadMessagePack
from sqlalchemy.exc import DatabaseError

from services.ledger.core import Head
from services.ledger.fsck.faults import (
    Fault,
    Rows,
    check_block,
    check_genesis,
    check_keys,
    kids_of,
    name_of,
    rotten,
)
from services.ledger.keeper import genesis_row, head_after
from services.ledger.reader import Reader
from services.ledger.store import FROZEN, PUBLISHED, Store
from slt.bus.messages import Block, Malformed
from slt.merkle.notes import NoteVerifier
from slt.statements.genesis import Genesis
from slt.statements.verdicts import is_final, parse_verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One block was looked at."""

    height: int
    statements: int
    faults: tuple[Fault, ...]
    block: Block | None  # as it is sent to others, where it verifies


class Walk:
    """One pass over a database. `verifier`: the checkpoint key that genesis names for this member."""

    def __init__(self, store: Store, reader: Reader, genesis: Genesis, verifier: NoteVerifier) -> None:
        self._store = store
        self._reader = reader
        self._genesis = genesis
        self._verifier = verifier
        self._kids: set[bytes] | None = set()  # None: the walk did not begin at genesis

    async def blocks(self, after: int, last: int) -> AsyncIterator[Looked]:
        """Look at heights `after` + 1 to `last`; those up to `after` were found good before (-1: genesis included).

        When a block does not verify, the blocks behind it stand on nothing: from there on only checksums are compared.
        """
        head: Head | None = None
        if after >= 0:
            self._kids = None
            before = await self._store.block(after)
            assert before is not None, "a height up to the last one"
            head = await head_after(before, self._store, self._genesis)
        for height in range(after + 1, last + 1):
            looked, head = await self._look(height, head)
            yield looked

    async def beside(self, last: int) -> list[Fault]:
        """What is in the database and in no block: keys, the mark, and rows that should not be there."""
        faults: list[Fault] = []
        rows = await self._store.rows_beside()
        faults += rotten(rows, height=-1)
        faults += check_keys(rows["keys"], self._kids)
        for mark in rows["marks"]:
            good = {PUBLISHED: 0 <= mark["value"] <= last, FROZEN: mark["value"] == last}
            if not good.get(mark["name"], False):
                faults.append(_fault("marks", mark, -1, f"it says {mark['value']}, and the last block is {last}"))
        for table, some in (await self._store.rows_of_none(last)).items():
            faults += [_fault(table, row, -1, "no block has this row") for row in some]
        return faults

    async def _look(self, height: int, head: Head | None) -> tuple[Looked, Head | None]:
        try:
            rows = await self._store.rows_of(height)
            if not rows["blocks"]:
                return _looked(height, [Fault(table="blocks", row=f"height {height}", height=height, text="missing")])
            faults = list(rotten(rows, height=height))
            if faults or (head is None and height):
                return _looked(height, faults, len(rows["entries"]))
            if height == 0:
                return await self._genesis_block(rows)
            assert head is not None
            return await self._verified(rows, height, head)
        except (DatabaseError, BadMessagePack, Malformed, ValueError) as error:
            text = f"it cannot be read: {error}"
            return _looked(height, [Fault(table="blocks", row=f"height {height}", height=height, text=text)])

    async def _genesis_block(self, rows: Rows) -> tuple[Looked, Head | None]:
        (row,) = rows["blocks"]
        faults = list(check_genesis(row, genesis_row(self._genesis, lambda _: "", 0), self._verifier))
        block = await self._store.block(0)
        assert block is not None, "its row was read a moment ago"
        head = None if faults else await head_after(block, self._store, self._genesis)
        return Looked(height=0, statements=0, faults=tuple(faults), block=None), head

    async def _verified(self, rows: Rows, height: int, head: Head) -> tuple[Looked, Head | None]:
        block = await self._reader.block(height)
        assert block is not None, "its rows were read a moment ago"
        examined, faults = check_block(
            rows, block, head, self._genesis, self._verifier, await self._earlier(rows["entries"])
        )
        if examined is None:
            return _looked(height, faults, len(rows["entries"]))
        if self._kids is not None:
            self._kids |= kids_of(examined)
        looked = Looked(height=height, statements=len(examined.ordered), faults=tuple(faults), block=block)
        return looked, examined.head

    async def _earlier(self, entries: Any) -> set[bytes]:
        """Statements of these rows that have a final verdict elsewhere too, found as the service would find them."""
        ids: dict[bytes, int] = {
            parse_verdict(row["verdict"]).statement_id: row["entry"] for row in entries if is_final(row["code"])
        }
        found = await self._store.finals(list(ids))
        return {statement_id for statement_id, entry in found.items() if entry != ids[statement_id]}


def _looked(height: int, faults: list[Fault], statements: int = 0) -> tuple[Looked, Head | None]:
    return Looked(height=height, statements=statements, faults=tuple(faults), block=None), None


def _fault(table: str, row: Any, height: int, text: str) -> Fault:
    return Fault(table=table, row=name_of(table, row), height=height, text=text)
