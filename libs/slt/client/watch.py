"""Checkpoints of receipts that verified, until each is compared with the one that the folder remembers."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

from slt.client.checkpoints import Memory, NotSigned, Seen, open_seen
from slt.client.errors import AnswerIsNo, Unreachable
from slt.client.tiled_log import Log, LogFault
from slt.statements.genesis import Genesis

PENDING_MAX: Final = 1024  # some minutes of blocks; `slt verify --dir` compares receipts that were dropped
COMPARED_HELD: Final = 1024  # checkpoints that come again with the receipts of their block

V = TypeVar("V")


class Watch:
    """Safe on several threads: one may say what it saw while another compares."""

    def __init__(self, memory: Memory, genesis: Genesis, log_of: Callable[[], Log | None]) -> None:
        self._memory = memory
        self._genesis = genesis
        self._log_of = log_of
        self._lock = Lock()
        self._new: OrderedDict[str, None] = OrderedDict()  # as they came
        self._waiting: OrderedDict[str, Seen] = OrderedDict()  # signed, and not yet proved; by their note
        self._compared: OrderedDict[str, None] = OrderedDict()
        self._told: set[str] = set()
        self.blocked = ""

    @property
    def pending(self) -> int:
        """How many wait to be compared."""
        return len(self._new) + len(self._waiting)

    @property
    def comparable(self) -> bool:
        """Whether there is a log to ask."""
        return self._log_of() is not None

    def saw(self, note: str) -> None:
        with self._lock:
            if note not in self._compared and note not in self._waiting:
                _put(self._new, note, PENDING_MAX, None)

    def settle(self) -> list[str]:
        """Compare what waits, smallest first. Returns what a person must know, each sentence once.

        What cannot be compared yet stays, and `blocked` says why. Without a log only what is new is looked at: it may
        be of the size that is remembered.
        """
        faults: list[str] = []
        fresh = self._opened(faults)
        log = self._log_of()
        with self._lock:
            waiting = fresh if log is None else list(self._waiting.values())
        self.blocked = ""
        for one in sorted(waiting, key=lambda one: one.size):
            try:
                found = self._memory.take(one, log)
            except Unreachable as error:
                self.blocked = str(error)
                break  # the next round asks again
            except LogFault as error:
                self.blocked = str(error)
                faults.append(f"the log does not hold together: {error}")
                break
            except AnswerIsNo as error:  # a split view; its evidence is kept
                faults.append(str(error))
                self._done(one.note)
                continue
            if found is not None:
                self._done(one.note)
        new = [fault for fault in faults if fault not in self._told]
        self._told.update(new)
        return new

    def _opened(self, faults: list[str]) -> list[Seen]:
        """Take what came since the last round. A signature is verified once."""
        with self._lock:
            notes = list(self._new)
            self._new.clear()
        seen: list[Seen] = []
        for note in notes:
            try:
                seen.append(open_seen(note, self._genesis))
            except NotSigned as error:
                faults.append(f"a receipt's checkpoint: {error}")
                self._done(note)
        with self._lock:
            for one in seen:
                _put(self._waiting, one.note, PENDING_MAX, one)
        return seen

    def _done(self, note: str) -> None:
        with self._lock:
            self._waiting.pop(note, None)
            _put(self._compared, note, COMPARED_HELD, None)


def _put(notes: "OrderedDict[str, V]", note: str, held_max: int, value: V) -> None:
    notes[note] = value
    while len(notes) > held_max:
        notes.popitem(last=False)
