"""The final state and, above it, the changes of younger blocks: a small tree by block id (architecture section 6).

In `private` and `consortium` it is one or two blocks high; in `public` it holds the competing branches. It lives in
memory only: after a restart it is empty, and blocks are evaluated again.
"""

from dataclasses import dataclass

from slt.inventory.state import Changes, Layered, StateHead, View


class UnknownBlock(LookupError):
    """Neither the final block nor one above it: evaluate its chain first, or it lost and was dropped."""

    def __init__(self, block_id: bytes) -> None:
        super().__init__(f"no overlay of block {block_id.hex()}")
        self.block_id = block_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What one block changed on top of its parent."""

    parent_id: bytes
    head: StateHead
    changes: Changes


class Overlays:
    """One final head and the tree above it. Every overlay's parent is the final block or another overlay."""

    def __init__(self, final: StateHead) -> None:
        self.final = final
        self._overlays: dict[bytes, Overlay] = {}

    def __contains__(self, block_id: bytes) -> bool:
        return block_id == self.final.block_id or block_id in self._overlays

    def __len__(self) -> int:
        return len(self._overlays)

    def head(self, block_id: bytes) -> StateHead:
        """Raises UnknownBlock."""
        return self.final if block_id == self.final.block_id else self._overlay(block_id).head

    def add(self, parent_id: bytes, head: StateHead, changes: Changes) -> None:
        """Put the block `head.block_id` on its parent. Raises UnknownBlock; adding a block again changes nothing."""
        if parent_id not in self:
            raise UnknownBlock(parent_id)
        expected = self.head(parent_id).height + 1
        if head.height != expected:
            raise ValueError(f"block {head.block_id.hex()} has height {head.height}; its parent's is {expected - 1}")
        if head.block_id not in self:
            self._overlays[head.block_id] = Overlay(parent_id=parent_id, head=head, changes=changes)

    def chain(self, block_id: bytes) -> tuple[Overlay, ...]:
        """The overlays from `block_id` down to, and without, the final block. Raises UnknownBlock."""
        found: list[Overlay] = []
        while block_id != self.final.block_id:
            overlay = self._overlay(block_id)
            found.append(overlay)
            block_id = overlay.parent_id
        return tuple(found)

    def view(self, block_id: bytes, base: View) -> View:
        """The state after `block_id`, where `base` is the final state. Raises UnknownBlock."""
        layers = [overlay.changes for overlay in self.chain(block_id)]
        return Layered(base, layers) if layers else base

    def commit(self, block_id: bytes) -> Changes:
        """Make a child of the final block final and return its changes, which the caller then stores.

        Blocks that do not stand on it lost and are dropped. Raises UnknownBlock, and ValueError when `block_id` is
        known but does not stand directly on the final block.
        """
        overlay = self._overlay(block_id)
        if overlay.parent_id != self.final.block_id:
            raise ValueError(
                f"block {block_id.hex()} of height {overlay.head.height} cannot follow height {self.final.height}"
            )
        self.final = overlay.head
        self._overlays = {other: kept for other, kept in self._overlays.items() if self._stands_on(other, block_id)}
        return overlay.changes

    def _stands_on(self, block_id: bytes, ancestor: bytes) -> bool:
        """Whether `block_id` is above `ancestor`, and not `ancestor` itself."""
        at = self._overlays[block_id].parent_id
        while at != ancestor and at in self._overlays:
            at = self._overlays[at].parent_id
        return at == ancestor and block_id != ancestor

    def _overlay(self, block_id: bytes) -> Overlay:
        overlay = self._overlays.get(block_id)
        if overlay is None:
            raise UnknownBlock(block_id)
        return overlay
