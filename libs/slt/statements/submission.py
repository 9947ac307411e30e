"""Submissions: statement, endorsements and compressed body, 1 to 64 of one MBA in a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import Value, encode
from slt.statements.tags import tagged_hash

ITEMS_MAX: Final = 64
MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024  # max_payload of a member's own server.
ENDORSEMENTS_MAX: Final = 16  # A State has one authority; the rest is room for several signers of it.
APPROVALS_MAX: Final = 256  # Of a governance statement: one of each member.


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """`statement` and `endorsements` as signed, `body_z` the zstd frame of the body, which declares its size.

    Nothing is verified, and a field may hold anything: until then this is known by its submission id only.
    """

    statement: bytes
    endorsements: tuple[bytes, ...] = ()
    body_z: bytes

    @property
    def id(self) -> Digest:
        """H("submission", CBOR [statement, [endorsement...], zstd(body)]), computed at each call."""
        return tagged_hash("submission", encode(self.to_value()))

    @property
    def size(self) -> int:
        """Bytes of statement, endorsements and compressed body: what `submission_bytes_max` limits."""
        return len(self.statement) + sum(map(len, self.endorsements)) + len(self.body_z)

    def to_value(self) -> list[Value]:
        return [self.statement, self.endorsements, self.body_z]


def encode_submissions(items: Sequence[Submission]) -> bytes:
    """The message `[1, [[statement, [endorsement...], zstd(body)], ...]]` of 1 to 64 items."""
    if not 1 <= len(items) <= ITEMS_MAX:
        raise ValueError(f"a submission message has 1 to {ITEMS_MAX} items, not {len(items)}")
    return encode([1, [item.to_value() for item in items]])


def decode_submissions(data: bytes, *, bytes_max: int = MESSAGE_BYTES_MAX) -> list[Submission]:
    """The submissions of a message, 1 to 64. Raises DecodeError when the whole is not a submission message.

    The limits of one submission are not checked here: each is refused under its own id, and the others pass.
    """
    first, items = shapes.opened(data, "submission message", 2, bytes_max=bytes_max)
    shapes.version(first, "submission message")
    return [_submission(item) for item in shapes.array(items, "submission message", low=1, high=ITEMS_MAX)]


def message_id(submission_ids: Sequence[bytes], attempt: int) -> str:
    """`Nats-Msg-Id`: hex of H("message", ids || attempt u32), so that a retry is never swallowed as a duplicate."""
    return tagged_hash("message", b"".join(submission_ids) + attempt.to_bytes(4, "big")).hex()


def _submission(value: Value) -> Submission:
    statement, endorsements, body_z = shapes.array(value, "submission", 3)
    return Submission(
        statement=shapes.octets(statement, "statement"),
        endorsements=tuple(
            shapes.octets(item, "endorsement") for item in shapes.array(endorsements, "endorsements", high=1024)
        ),
        body_z=shapes.octets(body_z, "compressed body"),
    )
