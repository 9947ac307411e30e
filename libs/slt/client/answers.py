"""What the ledger answered: each receipt and refusal is verified against genesis before it counts.

Anybody who may write to the bus could put bytes on an answer subject. So what does not verify changes nothing, and is
told to the person who waits.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from slt.bus.compression import inflate
from slt.client.files import write_durably
from slt.client.folder import Folder
from slt.client.outbox import FINAL, Answered, Entry, Outbox, Refused
from slt.consensus.receipts import BrokenLink, VerifierCache, verify_receipt
from slt.statements.answers import decode_receipts, decode_refusals
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis
from slt.statements.receipts import Receipt, parse_receipt
from slt.statements.refusals import BadRefusal, parse_refusal, verify_refusal
from slt.statements.verdicts import Code

_RECEIPTS: Final = "slt.receipt."


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one message of ANSWERS changed: the rows as they stand now, and what was wrong with the rest."""

    changed: list[Entry]
    faults: list[str]


class AnswerDesk:
    """Takes the messages of ANSWERS. One thread at a time."""

    def __init__(
        self,
        folder: Folder,
        genesis: Genesis,
        outbox: Outbox,
        *,
        keep_files: bool = True,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        saw: Callable[[str], None] = lambda _note: None,
    ) -> None:
        """`saw(note)` is called with the signed checkpoint of each receipt that verified."""
        self._folder = folder
        self._genesis = genesis
        self._outbox = outbox
        self._keep_files = keep_files
        self._now_ms = now_ms
        self._saw = saw
        self._cache = VerifierCache()

    def take(self, subject: str, data: bytes, sequence: int, areas: Sequence[tuple[str, str]]) -> Heard:
        """Verify, save and record one message. `areas` are all the (state, MBA) that are read, in order, together.

        On return every receipt that verified is a file and a row, and for each area the position is remembered: up to
        `sequence` there is nothing more for any of them. A crash between file and row leaves the row waiting: the
        message is read again.
        """
        faults: list[str] = []
        answers: list[Answered] = []
        refusals: list[Refused] = []
        try:
            if subject.startswith(_RECEIPTS):
                answers = list(self._receipts(data, faults))
            else:
                refusals = list(self._refusals(data, faults))
        except DecodeError as error:
            faults.append(f"message {sequence} on {subject} is no answer: {error}")
        self._outbox.answer(answers, refusals, positions=[(*area, sequence) for area in areas])
        changed = self._outbox.get([one.statement_id for one in answers])
        changed += self._outbox.of_submissions([one.submission_id for one in refusals])
        return Heard(changed=changed, faults=faults)

    def _receipts(self, data: bytes, faults: list[str]) -> Iterable[Answered]:
        """Receipts of our own rows. Others of the same MBA are not ours to judge, and are passed over."""
        _chain_id, _height, receipts = decode_receipts(data)
        parsed = [parse_receipt(receipt) for receipt in receipts]
        by_id: dict[bytes, tuple[Receipt, bytes]] = {
            one.verdict.statement_id: (one, receipt) for one, receipt in zip(parsed, receipts, strict=True)
        }
        for row in self._outbox.get(list(by_id)):
            answered = self._answered(by_id[row.statement_id][0])
            receipt = by_id[row.statement_id][1]
            if (row.code, row.height, row.log_index) == (answered.code, answered.height, answered.log_index):
                continue  # issued again: what it says was verified before
            try:
                verify_receipt(receipt, self._genesis, body=self._body(row), cache=self._cache)
            except BrokenLink as error:
                faults.append(f"{row.report}: a receipt for it does not verify ({error})")
                continue
            self._saw(by_id[row.statement_id][0].checkpoint)
            if row.standing in FINAL:
                kept = self._keep_conflict(row, receipt)
                faults.append(
                    f"{row.report}: two receipts that verify name different answers; both are kept, the second as "
                    f"{kept}. This must never happen: show them to whoever runs the ledger"
                )
                continue
            if self._keep_files:
                write_durably(self._folder.receipt_file(row.statement_id), receipt)
            yield answered

    def _answered(self, receipt: Receipt) -> Answered:
        verdict = receipt.verdict
        return Answered(
            statement_id=verdict.statement_id,
            standing="accepted" if verdict.code == Code.ACCEPTED else "rejected",
            code=int(verdict.code),
            height=receipt.header.height,
            log_index=verdict.log_index,
            answered_ms=self._now_ms(),
        )

    def _body(self, row: Entry) -> bytes:
        """Salt and document out of the outbox: a file may be gone. A change of the ledger has no body."""
        if not row.body_z:
            return b""
        return inflate(row.body_z, bytes_max=self._genesis.parameter("body_bytes_max"))

    def _refusals(self, data: bytes, faults: list[str]) -> Iterable[Refused]:
        by_id: dict[bytes, tuple[bytes, bytes, bytes]] = {
            parse_refusal(one[0]).submission_id: one for one in decode_refusals(data)
        }
        for row in self._outbox.of_submissions(list(by_id)):
            refusal, signature, certificate = by_id[row.submission_id]
            try:
                verify_refusal(refusal, signature, certificate, self._genesis)
            except BadRefusal as error:
                faults.append(f"{row.report}: a refusal of it does not verify ({error}); still waiting")
                continue
            yield Refused(
                digest=sha256(refusal).digest(),
                submission_id=row.submission_id,
                refusal=refusal,
                signature=signature,
                certificate=certificate,
                received_ms=self._now_ms(),
            )

    def _keep_conflict(self, row: Entry, receipt: bytes) -> str:
        path = self._folder.receipts / f"{row.statement_id.hex()}.conflict-{sha256(receipt).hexdigest()[:8]}.receipt"
        write_durably(path, receipt)
        return str(path)
