"""Blocks that the ledger has not stored, encoded, by height: what slt.block.young serves."""

from typing import Final

from slt.bus.messages import BlockReply
from slt.bus.streams import MAX_PAYLOAD_BYTES

REPLY_BYTES_MAX: Final = MAX_PAYLOAD_BYTES - 64 * 1024  # room for the reply around the blocks
COUNT_MAX: Final = 64


class YoungBlocks:
    """Heights without a gap; what is below them the ledger has."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def add(self, height: int, data: bytes) -> None:
        self._blocks[height] = data

    def drop(self, stored: int) -> None:
        """Let go of every block up to `stored`."""
        for height in [height for height in self._blocks if height <= stored]:
            del self._blocks[height]

    def reply(self, from_height: int, count: int) -> BlockReply:
        """Consecutive blocks from `from_height` on: at least one if it is here, and no more than fit a message."""
        found: list[bytes] = []
        room = REPLY_BYTES_MAX
        for height in range(from_height, from_height + min(count, COUNT_MAX)):
            block = self._blocks.get(height)
            if block is None or (found and len(block) > room):
                break
            found.append(block)
            room -= len(block)
        return BlockReply(blocks=found, lowest=min(self._blocks, default=0), highest=max(self._blocks, default=0))
