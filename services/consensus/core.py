"""What this service decides by itself, without a store or a clock: which copies count, what becomes a batch, a question
to the uniqueness service, a block. The order of blocks is decided in slt.consensus.authority.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import cbor2
import msgspec
import zstandard

from slt.bus.messages import (
    Block,
    BlockBatch,
    EvaluateBatch,
    EvaluateItem,
    EvaluateRequest,
    Item,
    Timing,
    WireFinding,
)
from slt.consensus.effects import Ask, Commit
from slt.consensus.events import Admission
from slt.consensus.records import BatchFormed
from slt.merkle.hashing import DIGEST_BYTES, Digest
from slt.statements.batches import BODY_LENGTH_MAX, BatchEntry
from slt.statements.cose import ENVELOPE_BYTES_MAX, GOVERNANCE_BYTES_MAX
from slt.statements.submission import APPROVALS_MAX, ENDORSEMENTS_MAX
from slt.statements.verdicts import is_final

STAGE: Final = "consensus"
BATCH_REPORTS_MAX: Final = 64  # consensus.md 3.4: one signature for so many
BATCH_BYTES_MAX: Final = 256 * 1024  # the same; a larger report is a batch of its own
ITEM_OVERHEAD_BYTES: Final = 1024  # ids, keys, salts, times and the verdict of one report in a block, generously
ENTRY_BYTES_MIN: Final = 24  # of one entry in the facts: an upper bound for their number is enough


def copy_key(item: Item) -> bytes:
    """What makes two submissions copies of each other: the same statement with the same endorsements, 64 bytes."""
    return item.statement_id + sha256(b"".join(sha256(one).digest() for one in item.endorsements)).digest()


@dataclass(slots=True)
class Undecided:
    """The copies that are on their way here: a further one is answered by theirs and goes no further.

    A copy counts until a block gives it a void verdict, which leaves a later copy free, or until the ledger has stored
    its final verdict: from then on the uniqueness service answers retries. Copies are counted, because a start may find
    two: one in a block of which it has forgotten that it is stored, and a later one that waits.
    """

    _keys: Counter[bytes] = field(default_factory=Counter)
    _final: dict[int, list[bytes]] = field(default_factory=dict)  # by height, of blocks that are not stored

    def fresh(self, items: Iterable[Item]) -> list[Item]:
        """The items that are no copies, of what is here or of each other. They count as being here from now on."""
        found = []
        for item in items:
            key = copy_key(item)
            if key not in self._keys:
                self._keys[key] = 1
                found.append(item)
        return found

    def restore(self, items: Iterable[Item]) -> None:
        """Count `items`, which a start found in the log."""
        self._keys.update(copy_key(item) for item in items)

    def decided(self, height: int, items: Sequence[Item], final: Sequence[bool]) -> None:
        """The block at `height` has a verdict on each of `items`, final or void."""
        kept = self._final.setdefault(height, [])
        for item, keeps in zip(items, final, strict=True):
            key = copy_key(item)
            if keeps:
                kept.append(key)
            else:
                self._leave(key)

    def stored(self, height: int) -> None:
        """The ledger has every block up to `height`."""
        for known in [known for known in self._final if known <= height]:
            for key in self._final.pop(known):
                self._leave(key)

    def _leave(self, key: bytes) -> None:
        self._keys[key] -= 1
        if self._keys[key] <= 0:
            del self._keys[key]

    def __len__(self) -> int:
        return len(self._keys)


def unfit(item: Item) -> str:
    """Why `item` cannot stand in a batch ("" = it can): it would come from a stage that does not keep its promises.

    Checked before anything is promised: a batch that a reader cannot decode would hold up the chain for ever.
    """
    if len(item.statement_id) != DIGEST_BYTES or len(item.body_digest) != DIGEST_BYTES:
        return "statement id and body digest have 32 bytes"
    if not 0 < len(item.statement) <= (GOVERNANCE_BYTES_MAX if item.change else ENVELOPE_BYTES_MAX):
        return f"a statement of {len(item.statement)} bytes"
    if len(item.endorsements) > (APPROVALS_MAX if item.change else ENDORSEMENTS_MAX):
        return f"{len(item.endorsements)} endorsements"
    if not all(0 < len(endorsement) <= ENVELOPE_BYTES_MAX for endorsement in item.endorsements):
        return "an endorsement that is empty or too long"
    if not 0 <= item.body_length <= BODY_LENGTH_MAX:
        return f"a body of {item.body_length} bytes"
    return ""


def cut(items: Sequence[Item]) -> list[list[Item]]:
    """`items` in their order, cut into what becomes batches; one that is too large for company stands alone."""
    groups: list[list[Item]] = []
    room = 0
    for item in items:
        size = size_bytes(item)
        if not groups or len(groups[-1]) == BATCH_REPORTS_MAX or size > room:
            groups.append([])
            room = BATCH_BYTES_MAX
        groups[-1].append(item)
        room -= size
    return groups


def size_bytes(item: Item) -> int:
    """What a report adds to a block on the bus, rounded up: statement and endorsements stand in batch and item."""
    signed = len(item.statement) + sum(map(len, item.endorsements))
    texts = sum(len(text) for finding in item.findings for text in finding)
    return 2 * signed + len(item.body_z) + len(item.facts_z) + 8 * texts + ITEM_OVERHEAD_BYTES


def report_entries(item: Item) -> int:
    """At least the number of entries that evaluating this report touches, from the declared size of its facts."""
    if not item.facts_z:
        return 1
    try:
        declared = zstandard.frame_content_size(item.facts_z)
    except zstandard.ZstdError:
        return 1  # no facts that anybody can read: evaluation will say so
    return 1 + max(declared, 0) // ENTRY_BYTES_MIN


def received(item: Item, *, now_ms: int) -> Item:
    """The item with the time at which this stage got it; `done_ms` follows with the block."""
    return msgspec.structs.replace(item, timings=[*item.timings, Timing(stage=STAGE, received_ms=now_ms, done_ms=0)])


def admission(items: Sequence[Item]) -> Admission:
    """`items` as one batch to be."""
    return Admission(
        statement_ids=tuple(item.statement_id for item in items),
        entries=tuple(
            BatchEntry(
                statement=item.statement,
                endorsements=tuple(item.endorsements),
                body_length=item.body_length,
                body_digest=Digest(item.body_digest),
            )
            for item in items
        ),
        size_bytes=sum(map(size_bytes, items)),
        report_entries=sum(map(report_entries, items)),
    )


def evaluate_request(ask: Ask, items: Mapping[int, Sequence[Item]]) -> EvaluateRequest:
    """The question of the driver with the vetted items of its batches, which `items` gives by sequence number."""
    return EvaluateRequest(
        parent_id=ask.parent_id,
        height=ask.height,
        time_ms=ask.time_ms,
        batches=[
            EvaluateBatch(
                author=formed.batch.author,
                seq=formed.batch.seq,
                digest=formed.digest,
                previous=formed.batch.previous,
                items=[EvaluateItem.of(item) for item in items[formed.batch.seq]],
            )
            for formed in ask.batches
        ],
    )


def block_message(
    commit: Commit,
    batches: Sequence[BatchFormed],
    items: Sequence[Sequence[Item]],
    *,
    now_ms: int,
) -> Block:
    """The final block with everything beside it, as it travels."""
    return Block(
        height=commit.proposed.height,
        header=commit.proposed.header,
        certificate=commit.certified.certificate,
        batches=[
            BlockBatch(
                batch=formed.encoded,
                signature=signature,
                items=[_done(item, now_ms=now_ms) for item in beside],
            )
            for formed, signature, beside in zip(batches, commit.certified.batch_signatures, items, strict=True)
        ],
        verdicts=list(commit.proposed.verdicts),
        findings=findings_in(commit.proposed.beside),
    )


def _done(item: Item, *, now_ms: int) -> Item:
    *before, own = item.timings
    return msgspec.structs.replace(
        item, ahead=[], timings=[*before, Timing(stage=own.stage, received_ms=own.received_ms, done_ms=now_ms)]
    )


def final_flags(verdicts: Iterable[bytes]) -> list[bool]:
    """Which of `verdicts`, that the driver has checked, are final."""
    return [is_final(cbor2.loads(verdict)[1]) for verdict in verdicts]


def findings_out(findings: list[list[WireFinding]]) -> bytes:
    """What hangs beside the verdicts, as the log keeps it."""
    return _findings_encoder.encode(findings)


def findings_in(beside: bytes) -> list[list[WireFinding]]:
    return _findings_decoder.decode(beside)


_findings_encoder: Final = msgspec.msgpack.Encoder()
_findings_decoder: Final = msgspec.msgpack.Decoder(list[list[WireFinding]])
