"""The document of an accepted report, out of the block that holds it: the books keep none."""

from typing import Final

from fastapi import HTTPException

from slt.bus import BusDown, NoReply, TooLarge
from slt.bus.compression import inflate
from slt.bus.messages import Block, BlockGet, BlockReply, Item, Malformed, decode
from slt.bus.subjects import BLOCK_GET
from slt.inventory.questions.rows import BookReport
from slt.runtime.run import Runtime
from slt.statements.cbor import DecodeError
from slt.statements.statement import body_digest, parse_statement, split_body

ASKED_S: Final = 5.0  # a block of several megabytes on a loaded machine takes a second
BODY_BYTES_MAX: Final = 256 * 1024 * 1024  # what a statement of a report may declare at the very most


class Documents:
    """Asks the ledger of this member. What comes back is checked against the statement id that the books have."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def of(self, report: BookReport) -> bytes | None:
        """The document as it was reported; None where its body is erased. Raises HTTPException 503."""
        question = BlockGet(from_height=report.height, count=1)
        try:
            reply = await self._runtime.ask(BLOCK_GET, question, BlockReply, timeout_s=ASKED_S)
            blocks = [decode(Block, data) for data in reply.blocks]
        except (NoReply, BusDown, TooLarge, Malformed) as error:
            raise HTTPException(503, f"The ledger, which keeps the documents, does not answer: {error}") from error
        items = (item for block in blocks for batch in block.batches for item in batch.items)
        for item in items:
            if item.statement_id == report.statement_id:
                return _document(item)
        raise HTTPException(503, f"The ledger gave no block {report.height}, which holds this report. Ask again.")


def _document(item: Item) -> bytes | None:
    if not item.body_z:
        return None
    try:
        statement = parse_statement(item.statement)
        body = inflate(item.body_z, bytes_max=min(item.body_length, BODY_BYTES_MAX))
        if statement.id == item.statement_id and body_digest(body) == statement.body_digest:
            return split_body(body)[1]
    except (DecodeError, Malformed) as error:
        raise HTTPException(503, f"The ledger's copy of this report cannot be read: {error}") from error
    raise HTTPException(503, "The ledger's copy of this report is not the one that was accepted. Tell its operator.")
