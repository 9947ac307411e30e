"""The witness that this service is: it cosigns checkpoints that extend what it cosigned before, of logs that it knows.

What it has seen is one file for each log, replaced durably before any signature over it is made, so that no crash can
make it cosign two histories. It cosigns its own log under the same rule, and there only what is stored here.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from services.ledger.log.disk import Disk, place
from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.cosignatures import Cosigner, CosignerKey
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteError, NoteSignature, NoteVerifier, split_note
from slt.merkle.witness import AddCheckpoint, Admitted, Refused, Seen, admit
from slt.runtime.files import FatalStorage

_STATE: Final = re.compile(r"sha256 ([0-9a-f]{64})\n(time ([1-9][0-9]{0,18})\n(.*))", re.DOTALL)

OwnRoot = Callable[[int], Awaitable[Digest | None]]


class Closed(Exception):
    """The witness cannot say what it has seen, so it signs nothing."""


class NotStoredYet(Exception):
    """The checkpoint of our own log is larger than what is stored here: ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The last state of one log: what was seen, and the checkpoint with its log's signatures."""

    seen: Seen
    text: str
    note: str


class Witness:
    """One cosigner key and the logs that it knows. Several tasks may use it; decisions are made one at a time.

    `own_root` gives the root of our own log at a size at which one of its blocks ended, if it is stored here.
    """

    def __init__(
        self,
        key: CosignerKey,
        disk: Disk,
        logs: Mapping[str, Sequence[NoteVerifier]],
        *,
        own_origin: str,
        own_root: OwnRoot,
        now_s: Callable[[], int],
    ) -> None:
        self._key = key
        self._disk = disk
        self._logs = logs
        self._own_origin = own_origin
        self._own_root = own_root
        self._now_s = now_s
        self._turn = asyncio.Lock()
        self._states: dict[str, Remembered] = {}
        self._cosigned: dict[str, str] = {}  # the latest cosigned note of each log, made since the start
        self.closed: str | None = None  # why nothing is signed any more

    @property
    def cosigner(self) -> Cosigner:
        return self._key.cosigner

    async def open(self) -> None:
        """Read what was seen before. A state that cannot be read closes the witness: it must not begin anew."""
        for origin in self._logs:
            data = await asyncio.to_thread(self._disk.read, _name(origin))
            if data is None:
                continue
            try:
                self._states[origin] = _decoded(data, origin)
            except ValueError as error:
                self.closed = f"what was seen of {origin} cannot be read ({error}): restore it, or use another key"

    def seen(self, origin: str) -> Seen | None:
        """What was cosigned last of a log. Raises Closed."""
        self._check_open()
        state = self._states.get(origin)
        return None if state is None else state.seen

    async def add(self, request: AddCheckpoint) -> NoteSignature:
        """The cosignature on the checkpoint of `request`, which is remembered, durably, before it is made.

        Raises Refused with the status to answer, NotStoredYet, Closed, and OSError when there was no room to remember.
        """
        async with self._turn:
            self._check_open()
            admitted = admit(request, self._logs, {origin: state.seen for origin, state in self._states.items()})
            await self._check_own(admitted.checkpoint)
            origin = admitted.checkpoint.origin
            before = self._states.get(origin)
            time_s = max(self._now_s(), 1 if before is None else before.seen.time_s)  # a clock may be set back
            state = _remembered(admitted, time_s)
            await self._remember(origin, state)
            self._states[origin] = state
            return await self._sign(origin, state)

    async def latest(self, origin_hash: str) -> str | None:
        """The latest cosigned checkpoint of the log whose origin has this SHA-256, in hex. Raises Closed."""
        async with self._turn:
            self._check_open()
            for origin, state in self._states.items():
                if sha256(origin.encode()).hexdigest() == origin_hash:
                    if origin not in self._cosigned:
                        await self._sign(origin, state)
                    return self._cosigned[origin]
        return None

    async def _check_own(self, checkpoint: Checkpoint) -> None:
        """Of our own log only what we hold is cosigned: whoever trusts this key trusts that the entries are kept."""
        if checkpoint.origin == self._own_origin:
            root = await self._own_root(checkpoint.size)
            if root is not None and root != checkpoint.root:
                raise Refused(422, f"the log that is stored here has another root at {checkpoint.size}")
            if root is None:
                raise NotStoredYet(f"no block that is stored here ends at {checkpoint.size} entries")

    async def _remember(self, origin: str, state: Remembered) -> None:
        try:
            await asyncio.to_thread(place, self._disk, _name(origin), _encoded(state))
        except FatalStorage as error:
            # What the disk holds now is unknown, and no signature was made: the next start reads what is there.
            self.closed = f"a sync of what was seen has failed ({error}): start the service anew"
            raise Closed(self.closed) from error

    async def _sign(self, origin: str, state: Remembered) -> NoteSignature:
        line = await asyncio.to_thread(self._key.cosign, state.text, state.seen.time_s)
        self._cosigned[origin] = state.note + line.line
        return line

    def _check_open(self) -> None:
        if self.closed is not None:
            raise Closed(self.closed)


def _name(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _remembered(admitted: Admitted, time_s: int) -> Remembered:
    checkpoint = admitted.checkpoint
    seen = Seen(size=checkpoint.size, root=checkpoint.root, time_s=time_s)
    return Remembered(seen=seen, text=admitted.text, note=admitted.note)


def _encoded(state: Remembered) -> bytes:
    """A digest against bit rot, the time, and the checkpoint as its log signed it."""
    body = f"time {state.seen.time_s}\n{state.note}".encode()
    return f"sha256 {sha256(body).hexdigest()}\n".encode() + body


def _decoded(data: bytes, origin: str) -> Remembered:
    match = _STATE.fullmatch(data.decode())
    if match is None or sha256(match[2].encode()).hexdigest() != match[1]:
        raise ValueError("its digest does not fit its bytes")
    note = match[4]
    try:
        text, _ = split_note(note)
        checkpoint = parse_checkpoint(text)
    except (NoteError, BadCheckpoint) as error:
        raise ValueError(str(error)) from None
    if checkpoint.origin != origin:
        raise ValueError(f"it is of log {checkpoint.origin}")
    return Remembered(seen=Seen(size=checkpoint.size, root=checkpoint.root, time_s=int(match[3])), text=text, note=note)
