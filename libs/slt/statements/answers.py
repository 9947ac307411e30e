"""What travels back on the bus: packed receipts and packed refusals (formats.md, "answers on the bus").

A receipt and a refusal are byte strings here: a client keeps and verifies the bytes as they came.
"""

from collections.abc import Sequence
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import Value, encode
from slt.statements.receipts import RECEIPT_BYTES_MAX
from slt.statements.refusals import CERTIFICATE_BYTES_MAX, REFUSAL_BYTES_MAX

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024  # One oversize receipt or refusal may travel alone; max_payload bounds it.
ITEMS_MAX: Final = 65_536


def encode_receipts(chain_id: bytes, height: int, receipts: Sequence[bytes]) -> bytes:
    """`[1, chain_id, height, [receipt...]]`: receipts of one block and MBA."""
    return encode([1, chain_id, height, list(receipts)])


def decode_receipts(data: bytes) -> tuple[Digest, int, list[bytes]]:
    """chain_id, height, and the bytes of each receipt, none of them looked into. Raises DecodeError."""
    first, chain_id, height, receipts = shapes.opened(data, "receipts", 4, bytes_max=ANSWER_BYTES_MAX)
    shapes.version(first, "receipts")
    return (
        shapes.digest(chain_id, "receipts: chain_id"),
        shapes.integer(height, "receipts: height", high=shapes.HEIGHT_MAX),
        [
            shapes.octets(item, "receipt", low=1, high=RECEIPT_BYTES_MAX)
            for item in shapes.array(receipts, "receipts", low=1, high=ITEMS_MAX)
        ],
    )


def encode_refusals(refusals: Sequence[tuple[bytes, bytes, bytes]]) -> bytes:
    """`[1, [[refusal, signature, service certificate]...]]`."""
    return encode([1, [list(item) for item in refusals]])


def decode_refusals(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """(refusal, signature, service certificate) of each, none of them looked into. Raises DecodeError."""
    first, refusals = shapes.opened(data, "refusals", 2, bytes_max=ANSWER_BYTES_MAX)
    shapes.version(first, "refusals")
    return [_refusal(item) for item in shapes.array(refusals, "refusals", low=1, high=ITEMS_MAX)]


def _refusal(value: Value) -> tuple[bytes, bytes, bytes]:
    refusal, signature, certificate = shapes.array(value, "refusal", 3)
    return (
        shapes.octets(refusal, "refusal", low=1, high=REFUSAL_BYTES_MAX),
        shapes.octets(signature, "refusal: signature", 64),
        shapes.octets(certificate, "refusal: service certificate", low=1, high=CERTIFICATE_BYTES_MAX),
    )
