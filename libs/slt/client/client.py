"""What a program of a facility uses: give it signed reports, and ask for their answers.

    async with connect(url, name="plant") as bus, open_client(folder, bus) as client:
        await client.submit([signed])
        rows = await client.answers([signed.entry.statement_id], within_s=60)

Two tasks do most of the work while the client is open. The sender publishes what waits and publishes it again, with
back-off, until it is answered: the broker's word that it stored a message is no answer. The reader takes the answers in
order, from where it stopped the last time.
"""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from slt.bus import Bus, BusError, TooLarge
from slt.bus.subjects import receipt as receipt_subject
from slt.bus.subjects import refused as refused_subject
from slt.bus.subjects import submit as submit_subject
from slt.client.answers import AnswerDesk
from slt.client.checkpoints import Memory
from slt.client.files import write_durably
from slt.client.folder import Folder
from slt.client.outbox import WAITING, Entry, Outbox
from slt.client.submission import Message, Signed, pack
from slt.client.tasks import beside
from slt.client.tiled_log import Log
from slt.client.watch import Watch

SEND_AT_ONCE_MAX: Final = 4096  # rows loaded for one round of publishing: bounds the memory of a long outbox
LOOK_AGAIN_S: Final = 0.1  # between two looks at the log at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often to ask again."""

    first_s: float = 10.0  # several times what a loaded member needs; earlier repeats only add to the load
    mib_s: float = 60.0  # more for each MiB: a listing of 100,000 entries takes its time, and a copy as much again
    factor: float = 2.0
    last_s: float = 300.0  # a member that is down for a day is not asked a thousand times
    down_s: float = 1.0  # nothing was stored: the broker is away or has no room
    outbox_poll_s: float = 1.0  # how late we see what another process wrote into the same outbox
    settle_s: float = 1.0  # how late a checkpoint is compared with the one remembered: a few requests to the log
    last_look_s: float = 3.0  # at the end: the log's files follow a block's commit within some hundred milliseconds
    reread_s: float = 20.0  # nothing heard for so long: a broker may have lost the end of ANSWERS and counts again

    def after(self, attempts: int, *, size: int) -> float:
        """Seconds to wait for an answer to a message of `size` bytes after attempt number `attempts` (from 1)."""
        first_s = self.first_s + self.mib_s * size / 2**20
        return float(min(first_s * self.factor ** (attempts - 1), self.last_s))


class Client:
    """One facility's side of one ledger. Use `open_client`; all methods belong to its event loop."""

    def __init__(
        self,
        folder: Folder,
        bus: Bus,
        outbox: Outbox,
        desk: AnswerDesk,
        watch: Watch | None,
        *,
        patience: Patience,
        keep_files: bool,
        answered: Callable[[Entry], None],
        trouble: Callable[[str], None],
    ) -> None:
        self.outbox = outbox
        self._folder = folder
        self._bus = bus
        self._desk = desk
        self._watch = watch
        self._patience = patience
        self._keep_files = keep_files
        self._answered = answered
        self._trouble = trouble
        self._waiting: set[bytes] = set()  # submission ids
        self._areas: set[tuple[str, str]] = set()  # (state, MBA) whose answers are read; grows only
        self._queue: list[tuple[float, bytes]] = []  # heap of (when, submission id); answered ones are passed over
        self._to_send = asyncio.Event()
        self._areas_changed = asyncio.Event()
        self._unsent: set[bytes] = set()  # those of `_waiting` that no broker has stored since this client was opened
        self._news = asyncio.Condition()
        self._heard_at = 0.0

    async def submit(self, signed: Sequence[Signed]) -> None:
        """Take over reports. On return they are durable here, and will be sent until they are answered."""
        await asyncio.to_thread(self._keep, signed)
        self._expect([one.entry for one in signed])

    async def resume(self) -> None:
        """Take up rows that somebody put into the outbox since this client was opened."""
        rows = await asyncio.to_thread(self.outbox.waiting)
        self._expect([row for row in rows if row.submission_id not in self._waiting])

    async def send_again(self, statement_ids: Sequence[bytes]) -> None:
        """Send the very same statements of refused rows once more. Rows with a receipt stay as they are."""
        await asyncio.to_thread(self.outbox.send_again, statement_ids)
        rows = await asyncio.to_thread(self.outbox.get, statement_ids)
        self._expect([row for row in rows if row.standing == WAITING])

    async def answers(self, statement_ids: Sequence[bytes], *, within_s: float) -> list[Entry]:
        """The rows of `statement_ids` once none of them waits, or after `within_s` with some still waiting."""
        try:
            async with asyncio.timeout(within_s), self._news:
                ids = {row.submission_id for row in await asyncio.to_thread(self.outbox.get, statement_ids)}
                await self._news.wait_for(lambda: ids.isdisjoint(self._waiting))
        except TimeoutError:
            pass
        return await asyncio.to_thread(self.outbox.get, statement_ids)

    async def all_sent(self, *, within_s: float) -> bool:
        """Wait until the broker has stored everything that waits. False: it had not after `within_s`."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: not self._unsent)
        except TimeoutError:
            return False
        return True

    @property
    def waiting(self) -> int:
        """How many submissions have no answer yet."""
        return len(self._waiting)

    def _keep(self, signed: Sequence[Signed]) -> None:
        keep(self._folder, self.outbox, signed, files=self._keep_files)

    def _expect(self, entries: Iterable[Entry]) -> None:
        areas = len(self._areas)
        now = _now()
        for entry in entries:
            self._waiting.add(entry.submission_id)
            self._unsent.add(entry.submission_id)
            self._areas.add((entry.state, entry.mba))
            heapq.heappush(self._queue, (now, entry.submission_id))
        self._to_send.set()
        if len(self._areas) > areas:
            self._areas_changed.set()

    async def send(self) -> None:
        """The sender's task."""
        while True:
            self._to_send.clear()
            due = self._due()
            if due:
                rows = await asyncio.to_thread(self.outbox.of_submissions, due)
                await asyncio.gather(*(self._publish(message, rows) for message in pack(rows)))
                continue
            pause_s = self._queue[0][0] - _now() if self._queue else None
            try:
                await asyncio.wait_for(self._to_send.wait(), pause_s)
            except TimeoutError:
                continue

    def _due(self) -> list[bytes]:
        due: list[bytes] = []
        now = _now()
        while self._queue and self._queue[0][0] <= now and len(due) < SEND_AT_ONCE_MAX:
            _, submission_id = heapq.heappop(self._queue)
            if submission_id in self._waiting:
                due.append(submission_id)
        return due

    async def _publish(self, message: Message, rows: list[Entry]) -> None:
        attempts = 1 + max(row.attempts for row in rows if row.submission_id in message.submission_ids)
        try:
            await self._bus.publish(submit_subject(message.state, message.mba), message.data, id=message.id)
        except TooLarge as error:
            self._trouble(f"{message.state}/{message.mba}: {error}; split the report")
            pause_s = self._patience.last_s
        except BusError as error:
            self._trouble(f"{message.state}/{message.mba}: not sent yet: {error}; trying again")
            pause_s = self._patience.down_s
        else:
            await asyncio.to_thread(self.outbox.sent, message.submission_ids)
            pause_s = self._patience.after(attempts, size=len(message.data))
            async with self._news:
                self._unsent.difference_update(message.submission_ids)
                self._news.notify_all()
        for submission_id in message.submission_ids:
            heapq.heappush(self._queue, (_now() + pause_s, submission_id))

    async def read(self) -> None:
        """The reader's task: one reading of ANSWERS at a time, begun anew when other MBAs wait, or none was heard."""
        pause_s = self._patience.reread_s
        while True:
            self._areas_changed.clear()
            areas = sorted(self._areas)
            if not areas:
                await self._areas_changed.wait()
                continue
            self._heard_at = _now()
            reading = asyncio.create_task(self._read(areas))
            changed = asyncio.create_task(self._areas_changed.wait())
            try:
                silent = await self._until_silent(reading, changed, pause_s)
            finally:
                for task in (reading, changed):
                    task.cancel()
                await asyncio.gather(reading, changed, return_exceptions=True)
            pause_s = min(2 * pause_s, self._patience.last_s) if silent else self._patience.reread_s
            if silent:
                await asyncio.to_thread(self.outbox.forget_positions)

    async def _until_silent(self, reading: asyncio.Task[None], changed: asyncio.Task[bool], pause_s: float) -> bool:
        """Return False when other MBAs wait, True when something waits and nothing was heard for `pause_s`."""
        while True:
            await asyncio.wait((reading, changed), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # raises what ended it
            if reading.done() or changed.done():
                return False
            if self._waiting and _now() - self._heard_at >= pause_s:
                return True

    async def _read(self, areas: list[tuple[str, str]]) -> None:
        subjects = [subject(*area) for area in areas for subject in (receipt_subject, refused_subject)]
        after = min([await asyncio.to_thread(self.outbox.position, *area) for area in areas])
        async with self._bus.answers(subjects, after=after) as messages:
            async for message in messages:
                heard = await asyncio.to_thread(self._desk.take, message.subject, message.data, message.sequence, areas)
                for fault in heard.faults:
                    self._trouble(fault)
                if heard.changed:
                    await self._tell(heard.changed)

    async def watch(self) -> None:
        """The watcher's task: another `slt` on the same outbox may take an answer that we wait for."""
        while True:
            await asyncio.sleep(self._patience.outbox_poll_s)
            if self._waiting:
                still = await asyncio.to_thread(self.outbox.waiting_ids)
                if elsewhere := list(self._waiting - still):
                    await self._tell(await asyncio.to_thread(self.outbox.of_submissions, elsewhere))

    async def compare(self) -> None:
        """The comparer's task: checkpoints of receipts against the one remembered here."""
        while True:
            await asyncio.sleep(self._patience.settle_s)
            await self.settle()

    async def settle(self) -> None:
        """Compare every checkpoint that was not compared yet. A split view is told as trouble; its evidence is kept."""
        if self._watch is not None and self._watch.pending:
            for fault in await asyncio.to_thread(self._watch.settle):
                self._trouble(fault)

    async def settle_all(self) -> None:
        """Before the end: wait a moment for the log, which publishes a little after the ledger has answered."""
        deadline = _now() + self._patience.last_look_s
        while True:
            await self.settle()
            if self._watch is None or not self._watch.pending or not self._watch.comparable:
                return
            if _now() >= deadline:
                self._trouble(
                    f"{self._watch.pending} checkpoints are not yet compared with the one remembered here: "
                    f"{self._watch.blocked}; slt verify --dir compares receipts later"
                )
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _tell(self, rows: list[Entry]) -> None:
        self._heard_at = _now()
        async with self._news:
            for row in rows:
                if row.standing != WAITING and row.submission_id in self._waiting:
                    self._waiting.remove(row.submission_id)
                    self._unsent.discard(row.submission_id)
                    self._answered(row)
            self._news.notify_all()


def keep(folder: Folder, outbox: Outbox, signed: Sequence[Signed], *, files: bool = True) -> None:
    """Make reports durable here; whoever opens a client next sends them.

    Bodies first: a row without its body could not be verified, a body without a row is only a file.
    """
    if files:
        folder.bodies.mkdir(exist_ok=True)
        for one in signed:
            if one.body:  # a change of the ledger has none
                write_durably(folder.body_file(one.entry.statement_id), one.body)
    outbox.add(one.entry for one in signed)


@asynccontextmanager
async def open_client(
    folder: Folder,
    bus: Bus,
    *,
    patience: Patience | None = None,
    keep_files: bool = True,
    log_of: Callable[[], Log | None] = lambda: None,
    answered: Callable[[Entry], None] = lambda _row: None,
    trouble: Callable[[str], None] = lambda _text: None,
) -> AsyncIterator[Client]:
    """A client over the outbox of `folder`. What waits there from before is sent again at once.

    `log_of` gives the ledger's log for a fresh look: the checkpoint of each receipt is compared with the one that the
    folder remembers. Without a log only checkpoints of one size can be compared.

    `answered(row)` is called when a row stopped waiting, `trouble(sentence)` when something needs a person's eye.
    `keep_files=False` saves neither bodies nor receipts as files: for measuring, not for a facility.
    """
    outbox = await asyncio.to_thread(Outbox, folder.outbox_file)
    try:
        if keep_files:
            folder.bodies.mkdir(exist_ok=True)
            folder.receipts.mkdir(exist_ok=True)
        genesis = folder.genesis()
        watch = Watch(Memory(folder, genesis), genesis, log_of) if keep_files else None
        saw = (lambda _note: None) if watch is None else watch.saw
        desk = AnswerDesk(folder, genesis, outbox, keep_files=keep_files, saw=saw)
        client = Client(
            folder,
            bus,
            outbox,
            desk,
            watch,
            patience=patience or Patience(),
            keep_files=keep_files,
            answered=answered,
            trouble=trouble,
        )
        client._expect(await asyncio.to_thread(outbox.waiting))
        async with beside(client.send(), client.read(), client.watch(), client.compare()):
            yield client
            await client.settle_all()
    finally:
        await asyncio.to_thread(outbox.close)


def _now() -> float:
    return time.monotonic()
