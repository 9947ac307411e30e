"""STATUS: where a member stands and which votes it has, once a second, so that others send what it lacks (2.3).

Signed by the consensus key under a tag of its own, never logged and under no watermark: an old one does no harm.

    ver u8 | C 32 | epoch u64 | height u64 | round u32 | step u8 | proposals u8 | last block id 32 |
    prevotes ceil(n/8) | precommits ceil(n/8) | sender u16 | signature 64
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from slt.consensus.tendermint.members import MemberSet, Verify
from slt.consensus.tendermint.votes import ROUND_MAX, VERSION
from slt.merkle.ed25519 import BadSignature
from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError
from slt.statements.shapes import HEIGHT_MAX
from slt.statements.tags import tag

_HEAD: Final = Struct(">B32sQQIBB32s")
_TAIL: Final = Struct(">H64s")
STEPS: Final = 5  # events.Step
PROPOSALS_MAX: Final = 2  # of one round


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`height` is the one being decided: the sender says that it has every block below. That is a hint, and no more.

    `proposals` is how many of the round it has; bit i of a bitmap, as in certificates, is the vote of member i.
    """

    chain_id: Digest
    epoch: int
    height: int
    round: int
    step: int
    proposals: int
    last_id: Digest
    prevotes: bytes
    precommits: bytes
    sender: int
    signature: bytes = bytes(64)

    @property
    def sign_bytes(self) -> bytes:
        return tag("STATUS") + self._body()

    @property
    def encoded(self) -> bytes:
        return self._body() + _TAIL.pack(self.sender, self.signature)

    def _body(self) -> bytes:
        place = (self.chain_id, self.epoch, self.height, self.round, self.step, self.proposals, self.last_id)
        return _HEAD.pack(VERSION, *place) + self.prevotes + self.precommits


def bitmap_of(indices: set[int] | frozenset[int], members: int) -> bytes:
    bits = bytearray(-(-members // 8))
    for index in indices:
        bits[index // 8] |= 0x80 >> index % 8
    return bytes(bits)


def has_bit(bitmap: bytes, index: int) -> bool:
    return bool(bitmap[index // 8] & 0x80 >> index % 8)


def parse_status(data: bytes, members: int) -> Status:
    """Read a status of a set of `members` members. Raises DecodeError."""
    width = -(-members // 8)
    if len(data) != _HEAD.size + 2 * width + _TAIL.size:
        raise DecodeError(f"a status of {members} members cannot have {len(data)} bytes")
    version, chain_id, epoch, height, round_, step, proposals, last_id = _HEAD.unpack_from(data)
    sender, signature = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    if version != VERSION:
        raise DecodeError(f"status: begins with version {VERSION}, not {version}")
    if not 1 <= height <= HEIGHT_MAX or epoch > HEIGHT_MAX or round_ > ROUND_MAX:
        raise DecodeError(f"status: epoch {epoch}, height {height} or round {round_} is out of range")
    if step >= STEPS or proposals > PROPOSALS_MAX:
        raise DecodeError(f"status: step {step} or {proposals} proposals")
    maps = [data[_HEAD.size + at * width : _HEAD.size + (at + 1) * width] for at in (0, 1)]
    if any(int.from_bytes(one, "big") & (1 << width * 8 - members) - 1 for one in maps):
        raise DecodeError("status: a bit is set behind the last member")
    return Status(
        chain_id=Digest(chain_id),
        epoch=epoch,
        height=height,
        round=round_,
        step=step,
        proposals=proposals,
        last_id=Digest(last_id),
        prevotes=maps[0],
        precommits=maps[1],
        sender=sender,
        signature=signature,
    )


def verify_status(status: Status, members: MemberSet, verify: Verify) -> None:
    """Raise BadSignature unless the member at index `sender` of this set said so."""
    if status.chain_id != members.chain_id or not 0 <= status.sender < len(members.keys):
        raise BadSignature(f"a status of chain {status.chain_id.hex()} by member {status.sender}")
    verify(members.keys[status.sender], status.sign_bytes, status.signature)
