"""Asks outside witnesses to cosign our checkpoints (c2sp.org/tlog-witness), within a time, whatever they answer."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import Digest
from slt.merkle.notes import NOTE_BYTES_MAX, NoteError, NoteSignature, signature_lines
from slt.merkle.policy import Policy, Witness, shown
from slt.merkle.tree import SIZE_MAX
from slt.merkle.witness import SIZE_TYPE, AddCheckpoint

if TYPE_CHECKING:
    from slt.runtime.logs import Log
    from slt.runtime.metrics import Metrics

PAUSE_S: Final = 10.0  # a witness that did not answer is left alone so long, and holds nothing up meanwhile
ATTEMPTS: Final = 2  # the second one with the size that a 409 has told

_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")

Prove = Callable[[int, int], Awaitable[list[Digest]]]


class NoCosignature(Exception):
    """A witness did not cosign. The message says what it answered."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """What is known of one outside witness."""

    witness: Witness
    size: int = 0  # the latest that it has cosigned, as far as we know
    not_before: float = 0.0  # of the loop's clock

    @property
    def key(self) -> tuple[str, bytes]:
        return self.witness.cosigner.name, self.witness.cosigner.key_id


class OutsideWitnesses:
    """The witnesses of a policy that have a URL. One task asks them all, for one checkpoint at a time."""

    def __init__(self, policy: Policy, *, wait_s: float, log: "Log", metrics: "Metrics") -> None:
        self._asked = [Asked(witness=witness) for witness in policy.witnesses if witness.url is not None]
        self._wait_s = wait_s
        self._log = log
        self._counter = metrics.counter("slt.ledger.cosignatures", "Answers of outside witnesses", "outcome")

    async def cosign(
        self, note: str, checkpoint: Checkpoint, prove: Prove, *, have: Collection[tuple[str, bytes]]
    ) -> list[NoteSignature]:
        """The cosignatures that hold, of those who answer within `wait_s`, in the policy's order.

        Whoever is in `have` (name and key id) has cosigned already. `prove(old, size)` makes the consistency proofs.
        """
        now = asyncio.get_running_loop().time()
        due = [one for one in self._asked if one.not_before <= now and one.key not in have]
        if not due:
            return []
        async with httpx.AsyncClient(timeout=self._wait_s, follow_redirects=False) as client:
            answers = await asyncio.gather(*(self._one(client, one, note, checkpoint, prove) for one in due))
        return [line for line in answers if line is not None]

    @property
    def anybody(self) -> bool:
        return bool(self._asked)

    async def _one(
        self, client: httpx.AsyncClient, asked: Asked, note: str, checkpoint: Checkpoint, prove: Prove
    ) -> NoteSignature | None:
        try:
            async with asyncio.timeout(self._wait_s):
                line = await self._ask(client, asked, note, checkpoint, prove)
        except (NoCosignature, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            asked.not_before = asyncio.get_running_loop().time() + PAUSE_S
            reason = str(error) or type(error).__name__
            self._counter.add(outcome="failed")
            self._log.warning("no cosignature", witness=shown(asked.witness.name), size=checkpoint.size, reason=reason)
            return None
        asked.size = checkpoint.size
        self._counter.add(outcome="cosigned")
        return line

    async def _ask(
        self, client: httpx.AsyncClient, asked: Asked, note: str, checkpoint: Checkpoint, prove: Prove
    ) -> NoteSignature:
        assert asked.witness.url is not None
        url = f"{asked.witness.url.rstrip('/')}/add-checkpoint"
        for _ in range(ATTEMPTS):
            old = asked.size
            proof = await prove(old, checkpoint.size)
            request = AddCheckpoint(old=old, proof=tuple(proof), note=note)
            status, kind, body = await _post(client, url, request.encoded)
            if status == httpx.codes.CONFLICT and kind == SIZE_TYPE and (match := _SIZE.fullmatch(body)):
                asked.size = min(int(match[1]), SIZE_MAX)
                if asked.size > checkpoint.size:
                    ahead, asked.size = asked.size, 0
                    # It may also be lying, so nobody but a person draws a conclusion from it.
                    raise NoCosignature(
                        f"it says that it has cosigned {ahead} entries of this log, and {checkpoint.size} are stored "
                        "here: entries were lost, or somebody else signs with our key"
                    )
                continue
            if status != httpx.codes.OK:
                raise NoCosignature(f"it answers {status}: {body[:200].decode('utf-8', 'replace')}")
            return _found(body, asked.witness, checkpoint)
        raise NoCosignature(f"its latest size changes while it is asked: {asked.size}")


def _found(body: bytes, witness: Witness, checkpoint: Checkpoint) -> NoteSignature:
    """The line of `witness` in its answer, verified; those of other keys are ignored."""
    try:
        for line in signature_lines(body.decode()):
            if witness.cosigner.signed_by(line):
                witness.cosigner.verify(checkpoint.text(), line)
                return line
    except (NoteError, UnicodeDecodeError) as error:
        raise NoCosignature(f"its answer does not hold: {error}") from None
    raise NoCosignature("its answer has no signature by the key of the policy")


async def _post(client: httpx.AsyncClient, url: str, body: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body, of which no more is read than a note has."""
    parts: list[bytes] = []
    async with client.stream("POST", url, content=body, headers={"Content-Type": "text/plain"}) as answer:
        async for part in answer.aiter_bytes():
            parts.append(part)
            if sum(map(len, parts)) > NOTE_BYTES_MAX:
                raise NoCosignature("its answer is too long")
        return answer.status_code, answer.headers.get("content-type", ""), b"".join(parts)


def note_with(note: str, lines: Iterable[NoteSignature]) -> str:
    """`note` with more signature lines below."""
    return note + "".join(line.line for line in lines)
