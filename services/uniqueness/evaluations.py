"""Evaluates proposals and final blocks: the overlay tree, what was evaluated before, and the thread that computes.

An evaluation is the same function of the same arguments whoever asks, so the block that consensus has had evaluated is
not evaluated again when it comes back as final. Nothing here is durable: after a restart the tree is empty, and a block
that is not in the store yet is evaluated anew.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from services.uniqueness.core import Seen, batch_of, vetted_of
from services.uniqueness.store import Store
from slt.bus.messages import EvaluateBatch, EvaluateItem, Item
from slt.inventory.evaluate import Evaluation, evaluate, keys_read
from slt.inventory.overlays import Overlays, UnknownBlock
from slt.inventory.state import Changes, NeedRecords, Records, StateHead
from slt.inventory.vetting import Vetted, VettedBatch

REMEMBERED_MAX: Final = 8  # evaluations: the one or two under way, and some that were asked for twice
VETTED_REMEMBERED_MAX: Final = 4_096  # statements between admission and evaluation; about 10 kB each
FACTS_REMEMBERED_MAX: Final = 64 * 1024  # bytes of compressed facts; larger ones are rare, and read again

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an evaluation is remembered by (architecture section 6): parent, time, and the batches in order."""

    parent_id: bytes
    height: int
    time_ms: int
    batches: tuple[bytes, ...]  # digests


class VettedMemory:
    """Statements that admission has read a moment ago and evaluation is about to read."""

    def __init__(self) -> None:
        self._vetted: OrderedDict[bytes, Seen] = OrderedDict()

    def remember(self, item: Item, vetted: Vetted) -> None:
        if len(item.facts_z) <= FACTS_REMEMBERED_MAX:
            self._vetted[item.statement_id] = (item.facts_z, vetted)
            while len(self._vetted) > VETTED_REMEMBERED_MAX:
                self._vetted.popitem(last=False)

    def vetted(self, item: Item | EvaluateItem) -> Vetted:
        """`item` as slt.inventory takes it. Raises Malformed, ValueError. Safe to call from another thread."""
        return vetted_of(item, seen=self._vetted.get(item.statement_id))


class Evaluations:
    """One for each process. `executor` has one thread: evaluations take turns."""

    def __init__(self, store: Store, final: StateHead, executor: Executor) -> None:
        self.overlays = Overlays(final)
        self.memory = VettedMemory()
        self._store = store
        self._executor = executor
        self._done: OrderedDict[Key, Evaluation] = OrderedDict()
        self._turn = asyncio.Lock()

    @property
    def final(self) -> StateHead:
        return self.overlays.final

    def remembered(self, key: Key) -> Evaluation | None:
        return self._done.get(key)

    async def evaluate(self, key: Key, batches: Sequence[EvaluateBatch]) -> Evaluation:
        """The evaluation of `batches` under `key`, from memory where it was made before.

        Raises UnknownBlock, ProposalFault, NeedVetting, UnknownRules, BadVetting, BadFacts, Malformed and ValueError
        (a proposal that cannot be).
        """
        async with self._turn:
            if (done := self._done.get(key)) is not None:
                return done
            parent = self.overlays.head(key.parent_id)
            # The layers are taken once: if one of them becomes final meanwhile, what it changed stands in both.
            layers = tuple(overlay.changes for overlay in self.overlays.chain(key.parent_id))
            vetted = await self._compute(lambda: self._vetted(batches))
            known = await self._store.load(await self._compute(lambda: keys_read(vetted, height=key.height)))
            spent: dict[bytes, bytes] | None = None
            spent_limit_s: int | None = None
            while True:
                view = Records(known, spent=spent, spent_limit_s=spent_limit_s).under(layers)
                work = partial(evaluate, view, parent, height=key.height, time_ms=key.time_ms, batches=vetted)
                try:
                    evaluation = await self._compute(work)
                except NeedRecords as need:
                    known |= await self._store.load(need.keys)
                    if need.spent_limit_s is not None:
                        spent_limit_s = need.spent_limit_s
                        spent = await self._store.spent_before(spent_limit_s)
                    continue
                if key.parent_id not in self.overlays:
                    raise UnknownBlock(key.parent_id)  # It lost while we computed: the base has moved past it.
                self._remember(key, evaluation)
                return evaluation

    def add(self, parent_id: bytes, block_id: bytes, evaluation: Evaluation) -> StateHead:
        """Put a block that was evaluated on its parent; others can be evaluated on top of it. Raises UnknownBlock."""
        head = evaluation.head(block_id)
        self.overlays.add(parent_id, head, evaluation.changes)
        return head

    def changes(self, block_id: bytes) -> Changes:
        """What the block changes. Raises UnknownBlock."""
        return self.overlays.chain(block_id)[0].changes

    def commit(self, block_id: bytes) -> None:
        """The block's changes are stored: it is the final one, and what does not stand on it is forgotten."""
        self.overlays.commit(block_id)
        self._done = OrderedDict((k, v) for k, v in self._done.items() if k.parent_id in self.overlays)

    def _vetted(self, batches: Sequence[EvaluateBatch]) -> tuple[VettedBatch, ...]:
        return tuple(batch_of(batch, map(self.memory.vetted, batch.items)) for batch in batches)

    def _remember(self, key: Key, evaluation: Evaluation) -> None:
        self._done[key] = evaluation
        while len(self._done) > REMEMBERED_MAX:
            self._done.popitem(last=False)

    async def _compute(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
