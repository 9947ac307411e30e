"""What other services ask on the bus: blocks, receipts, receipts once more."""

from collections import defaultdict
from typing import Final

from services.ledger.answers import Answers
from services.ledger.keeper import Keeper
from services.ledger.reader import Reader
from services.ledger.receipts import Issued
from slt.bus.messages import (
    Again,
    AgainReply,
    BlockGet,
    BlockReply,
    Malformed,
    ReceiptGet,
    ReceiptReply,
    decode,
    encode,
)
from slt.bus.streams import MAX_PAYLOAD_BYTES
from slt.bus.subjects import BadSubject, receipt

ASKED_MAX: Final = 64  # statements in one question: their receipts fit one message
REPLY_BYTES_MAX: Final = MAX_PAYLOAD_BYTES - 64 * 1024  # room for the bus's own bytes
UNREADABLE: Final = b""  # the reply to what is no question: whoever asks finds no answer in it, and never a "no"


class Requests:
    """Handlers for `bus.serving`. Each takes and gives encoded messages."""

    def __init__(self, reader: Reader, answers: Answers, keeper: Keeper) -> None:
        self._reader = reader
        self._answers = answers
        self._keeper = keeper

    async def blocks(self, data: bytes) -> bytes:
        """slt.block.get: stored blocks from a height on."""
        try:
            asked = decode(BlockGet, data)
        except Malformed:
            return UNREADABLE
        highest = self._keeper.head.height
        blocks = await self._reader.blocks(asked.from_height, asked.count)
        return _fitting(encode(BlockReply(blocks=blocks, lowest=min(1, highest), highest=highest)))

    async def receipts(self, data: bytes) -> bytes:
        """slt.receipt.get: None means that there is no final verdict."""
        try:
            asked = decode(ReceiptGet, data)
        except Malformed:
            return UNREADABLE
        if len(asked.statement_ids) > ASKED_MAX:
            return UNREADABLE
        found = await self._reader.receipts(asked.statement_ids)
        receipts = [found[one].issued.receipt if one in found else None for one in asked.statement_ids]
        return _fitting(encode(ReceiptReply(receipts=receipts)))

    async def again(self, data: bytes) -> bytes:
        """slt.again: publish receipts once more, where the asking stage says that its facility listens."""
        try:
            asked = decode(Again, data)
            for _, state, mba in asked.items:
                receipt(state, mba)
        except (Malformed, BadSubject):
            return UNREADABLE
        if len(asked.items) > ASKED_MAX:
            return UNREADABLE
        found = await self._reader.receipts([statement_id for statement_id, _, _ in asked.items])
        by_height: dict[int, list[Issued]] = defaultdict(list)
        for statement_id, state, mba in asked.items:
            if (known := found.get(statement_id)) is not None:
                by_height[known.height].append(
                    Issued(statement_id=statement_id, state=state, mba=mba, receipt=known.issued.receipt)
                )
        for height, issued in by_height.items():
            if not await self._answers.publish(height, issued, again=True):
                return UNREADABLE  # Stopping: whoever asked asks again.
        return encode(AgainReply(issued=[statement_id in found for statement_id, _, _ in asked.items]))


def _fitting(reply: bytes) -> bytes:
    """The reply, if it fits one message: the asker of too much asks again for less."""
    return reply if len(reply) <= REPLY_BYTES_MAX else UNREADABLE
