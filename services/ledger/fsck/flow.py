"""The flow of a check: resume, walk, tell, remember how far it came.

pages     what the database's own check finds
blocks    height by height: rows, the block they make, the rows that it makes
beside    keys, the mark, rows of no block
"""

import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from services.ledger.fsck.faults import Fault
from services.ledger.fsck.walk import Walk
from services.ledger.store import Store
from slt.bus.messages import encode
from slt.runtime.files import durable_write
from slt.statements.genesis import Genesis

FAULTS_MAX: Final = 1000  # told one by one; a disk that rots further is beyond repair by rows
SAVED_EVERY_S: Final = 10.0  # how much work an interruption may cost
LENGTH_BYTES: Final = 4  # before each block that is passed on

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a whole check came to."""

    height: int
    statements: int
    faults: int
    resumed_after: int  # the height that an interrupted check had reached; -1: from genesis


class Progress:
    """How far a check came, kept in a file beside the database, so that an interrupted one goes on.

    Only a check without faults is resumed: what is wrong is told anew each time.
    """

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self._path = path
        self._chain_id = genesis.chain_id.hex()

    def reached(self) -> int:
        """The last height that was found good by a check that did not end; -1 for none."""
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
            return int(said["height"]) if said["chain_id"] == self._chain_id else -1
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return -1

    def save(self, height: int) -> None:
        durable_write(self._path, json.dumps({"chain_id": self._chain_id, "height": height}).encode())

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


async def check(
    walk: Walk,
    store: Store,
    *,
    progress: Progress | None,
    damage: list[str],
    tell: Tell,
    clock_s: Callable[[], float],
    passed_on: BinaryIO | None,
    tiles: AsyncIterator[Fault] | None = None,
) -> Found:
    """Check the whole ledger and tell each fault. `progress` None: from genesis, and nothing is remembered.

    `tiles` compares the published files with the blocks; it is asked last.
    `passed_on` gets every block that verifies, each behind its length (4 bytes, big-endian): for whoever replays it.
    """
    last = await store.height()
    after = -1 if progress is None else min(progress.reached(), last)
    faults = [Fault(table="the database file", row="", height=-1, text=line) for line in damage]
    for fault in faults:
        tell({"fault": str(fault), **asdict(fault)})
    statements, count, saved_s = 0, len(faults), clock_s()
    async for looked in walk.blocks(after, last):
        statements += looked.statements
        for fault in looked.faults[: max(0, FAULTS_MAX - count)]:
            tell({"fault": str(fault), **asdict(fault)})
        count += len(looked.faults)
        if looked.block is not None and passed_on is not None:
            data = encode(looked.block)
            passed_on.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        tell({"height": looked.height, "of": last, "statements": statements, "faults": count})
        if progress is not None and not count and clock_s() - saved_s >= SAVED_EVERY_S:
            progress.save(looked.height)
            saved_s = clock_s()
    for fault in await walk.beside(last):
        tell({"fault": str(fault), **asdict(fault)})
        count += 1
    if tiles is not None and not count:  # over entries that are not whole every tile would be a fault
        async for fault in tiles:
            tell({"fault": str(fault), **asdict(fault)})
            count += 1
    if progress is not None:
        progress.forget()
    if passed_on is not None:
        passed_on.flush()
    return Found(height=last, statements=statements, faults=count, resumed_after=after)


class Teller:
    """Tells a person on standard error, or a program in JSON lines: faults at once, progress every two seconds."""

    EVERY_S: Final = 2.0

    def __init__(self, *, as_json: bool, out: Any, clock_s: Callable[[], float]) -> None:
        self._as_json = as_json
        self._out = out
        self._clock_s = clock_s
        self._told_s = clock_s()

    def __call__(self, said: dict[str, Any]) -> None:
        if "fault" not in said and "done" not in said:
            if self._clock_s() - self._told_s < self.EVERY_S:
                return
            self._told_s = self._clock_s()
        line = json.dumps(said) if self._as_json else _words(said)
        self._out.write(f"{line}\n")
        self._out.flush()


def _words(said: dict[str, Any]) -> str:
    if "fault" in said:
        return f"FAULT {said['fault']}"
    if "done" in said:
        return str(said["done"])
    return f"height {said['height']} of {said['of']}, {said['statements']} statements, {said['faults']} faults"


def standard_output() -> BinaryIO:
    return sys.stdout.buffer
