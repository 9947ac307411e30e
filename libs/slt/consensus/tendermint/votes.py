"""What a member signs in a round, and its two fixed-width forms: sign bytes (consensus.md 2.4) and wire.

A ballot is what one signature says: PROPOSAL, PREVOTE or PRECOMMIT of a block, or of nil, in one round of one height of
one chain. A vote is a ballot with its sender and signature. A proposal is a vote of the first kind with attachments
(proposals.py).
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from slt.consensus.tendermint.members import MemberSet, Verify
from slt.merkle.ed25519 import BadSignature
from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError
from slt.statements.shapes import HEIGHT_MAX
from slt.statements.tags import tag

NO_ROUND: Final = -1  # the valid round of a value that never had a polka, and of every nil and precommit
ROUND_MAX: Final = 2**31 - 1  # a valid round is a signed 32-bit number
VERSION: Final = 1

_SIGNED: Final = Struct(">32s32sQQIi32sB")
_WIRE: Final = Struct(">BB32sQQIi32sBH64s")
SIGN_BYTES: Final = _SIGNED.size  # 121
VOTE_BYTES: Final = _WIRE.size  # 157
_NIL: Final = bytes(32)


class Kind(IntEnum):
    """In the order in which one member signs them in a round (W3)."""

    PROPOSAL = 1
    PREVOTE = 2
    PRECOMMIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """`block_id` None is nil. `vr` is the valid round that a proposal and its prevotes name, NO_ROUND otherwise."""

    kind: Kind
    chain_id: Digest
    epoch: int
    height: int
    round: int
    block_id: Digest | None
    vr: int = NO_ROUND

    @property
    def sign_bytes(self) -> bytes:
        """Tag(kind) || C || e u64 || h u64 || r u32 || vr i32 || id or zeros || is_nil u8: 121 bytes, big-endian."""
        id_ = self.block_id
        return _SIGNED.pack(
            tag(self.kind.name), self.chain_id, self.epoch, self.height, self.round, self.vr, id_ or _NIL, id_ is None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """`sender` is an index into the member set of the ballot's epoch. Nothing is verified by existing."""

    ballot: Ballot
    sender: int
    signature: bytes

    @property
    def encoded(self) -> bytes:
        """Version u8 | kind u8 | C 32 | epoch u64 | height u64 | round u32 | vr i32 | id 32 | is_nil u8 |
        sender u16 | signature 64: 157 bytes.
        """
        one = self.ballot
        return _WIRE.pack(
            VERSION, one.kind, one.chain_id, one.epoch, one.height, one.round, one.vr, one.block_id or _NIL,
            one.block_id is None, self.sender, self.signature,
        )  # fmt: skip  # in the order of the docstring


def parse_vote(data: bytes) -> Vote:
    """Read a vote of any kind. Raises DecodeError for whatever `Vote.encoded` would not write.

    A proposal is never nil; nil and precommits name no valid round. Whether round and sender make sense is asked
    at admission.
    """
    if len(data) != VOTE_BYTES:
        raise DecodeError(f"a vote has {VOTE_BYTES} bytes, not {len(data)}")
    version, kind, chain_id, epoch, height, round_, vr, id_, nil, sender, signature = _WIRE.unpack(data)
    if version != VERSION:
        raise DecodeError(f"vote: begins with version {VERSION}, not {version}")
    if kind not in Kind.__members__.values():
        raise DecodeError(f"vote: kind {kind} is not known")
    if nil > 1 or (nil and id_ != _NIL):
        raise DecodeError("vote: nil is 0 with an id, or 1 with zeros")
    if not 1 <= height <= HEIGHT_MAX or epoch > HEIGHT_MAX or round_ > ROUND_MAX:
        raise DecodeError(f"vote: epoch {epoch}, height {height} or round {round_} is out of range")
    if nil and kind == Kind.PROPOSAL:
        raise DecodeError("vote: a proposal names a block")
    if vr < NO_ROUND or ((nil or kind == Kind.PRECOMMIT) and vr != NO_ROUND):
        raise DecodeError(
            f"vote: valid round {vr}, where it must be {NO_ROUND} or more, and {NO_ROUND} if there is none"
        )
    return Vote(
        ballot=Ballot(
            kind=Kind(kind),
            chain_id=Digest(chain_id),
            epoch=epoch,
            height=height,
            round=round_,
            block_id=None if nil else Digest(id_),
            vr=vr,
        ),
        sender=sender,
        signature=signature,
    )


def verify_vote(vote: Vote, members: MemberSet, verify: Verify) -> None:
    """A1 and A2: raise BadSignature unless the member at index `sender` of this very set signed the ballot.

    The key is the one at the index; no address that a message claims is ever looked up (ISA-2025-003).
    """
    one = vote.ballot
    if one.chain_id != members.chain_id or one.epoch != members.epoch:
        raise BadSignature(f"a vote of chain {one.chain_id.hex()}, epoch {one.epoch}: not of this member set")
    if not 0 <= vote.sender < len(members.keys):
        raise BadSignature(f"there is no member {vote.sender}")
    verify(members.keys[vote.sender], one.sign_bytes, vote.signature)
