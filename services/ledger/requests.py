"""What other services ask on the bus: blocks, receipts, receipts once more."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from services.ledger.answers import Answers
from services.ledger.joined import Rotten
from services.ledger.keeper import Keeper
from services.ledger.reader import Reader
from services.ledger.receipts import Issued
from slt.bus.messages import Again, AgainReply, BlockGet, BlockReply, ReceiptGet, ReceiptReply
from slt.bus.requests import Declined
from slt.bus.subjects import AGAIN, BLOCK_GET, RECEIPT_GET, BadSubject, receipt

if TYPE_CHECKING:
    from slt.runtime.run import Runtime

ASKED_MAX: Final = 64  # statements in one question: their receipts fit one message
ANSWERING_AT_ONCE: Final = 4  # requests of each kind; each may read some megabytes

Q = TypeVar("Q")
A = TypeVar("A")


class Requests:
    """Handlers of slt.block.get, slt.receipt.get and slt.again. What cannot be answered is declined, never a "no"."""

    def __init__(self, runtime: "Runtime", reader: Reader, answers: Answers, keeper: Keeper) -> None:
        self._runtime = runtime
        self._reader = reader
        self._answers = answers
        self._keeper = keeper

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer while the context is open."""
        answering = self._runtime.answering
        async with (
            answering(BLOCK_GET, BlockGet, self._sound(BLOCK_GET, self.blocks), concurrency=ANSWERING_AT_ONCE),
            answering(RECEIPT_GET, ReceiptGet, self._sound(RECEIPT_GET, self.receipts), concurrency=ANSWERING_AT_ONCE),
            answering(AGAIN, Again, self._sound(AGAIN, self.again), concurrency=ANSWERING_AT_ONCE),
        ):
            yield

    def _sound(self, subject: str, handler: Callable[[Q, str], Awaitable[A]]) -> Callable[[Q, str], Awaitable[A]]:
        """`handler`, which declines what would stand in a row that the disk has changed."""

        async def answered(asked: Q, asker: str) -> A:
            try:
                return await handler(asked, asker)
            except Rotten as error:
                self._runtime.log.error("alarm", stage="ledger", reason=str(error))
                raise Declined(subject, "a stored row is damaged") from error

        return answered

    async def blocks(self, asked: BlockGet, _asker: str) -> BlockReply:
        """Stored blocks from a height on."""
        highest = self._keeper.head.height
        blocks = await self._reader.blocks(asked.from_height, asked.count)
        return BlockReply(blocks=blocks, lowest=min(1, highest), highest=highest)

    async def receipts(self, asked: ReceiptGet, _asker: str) -> ReceiptReply:
        """None means that there is no final verdict. Raises Declined."""
        _check_count(RECEIPT_GET, len(asked.statement_ids))
        found = await self._reader.receipts(asked.statement_ids)
        return ReceiptReply(
            receipts=[found[one].issued.receipt if one in found else None for one in asked.statement_ids]
        )

    async def again(self, asked: Again, _asker: str) -> AgainReply:
        """Publish receipts once more, where the asking stage says that its facility listens. Raises Declined."""
        _check_count(AGAIN, len(asked.items))
        try:
            for _, state, mba in asked.items:
                receipt(state, mba)
        except BadSubject as error:
            raise Declined(AGAIN, str(error)) from error
        found = await self._reader.receipts([statement_id for statement_id, _, _ in asked.items])
        by_height: dict[int, list[Issued]] = defaultdict(list)
        for statement_id, state, mba in asked.items:
            if (known := found.get(statement_id)) is not None:
                by_height[known.height].append(
                    Issued(statement_id=statement_id, state=state, mba=mba, receipt=known.issued.receipt)
                )
        for height, issued in by_height.items():
            if not await self._answers.publish(height, issued, again=True):
                raise Declined(AGAIN, "the ledger is stopping: ask again")
        return AgainReply(issued=[statement_id in found for statement_id, _, _ in asked.items])


def _check_count(subject: str, count: int) -> None:
    if count > ASKED_MAX:
        raise Declined(subject, f"{count} statements in one question; {ASKED_MAX} are allowed")
