"""Polka and commit certificates: more than two thirds signed one block in one round (consensus.md 1.9).

    ver u8 | C 32 | epoch u64 | height u64 | round u32 | [vr i32, polka only] | block_id 32 | members_root 32 |
    bitmap ceil(n/8) | signatures 64 x popcount

Bit i of the bitmap, counted from the highest bit of its first byte, is the member with index i; signatures stand in the
order of the bits. Nothing in it is free: every bit is either compared or under a signature.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, Literal, TypeAlias

from slt.consensus.tendermint.members import MEMBERS_MAX, MemberSet, Verify
from slt.consensus.tendermint.votes import NO_ROUND, ROUND_MAX, VERSION, Ballot, Kind, Vote
from slt.merkle.ed25519 import SIGNATURE_BYTES, BadSignature
from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError
from slt.statements.headers import Header
from slt.statements.shapes import HEIGHT_MAX

_COMMIT_HEAD: Final = Struct(">B32sQQI32s32s")
_POLKA_HEAD: Final = Struct(">B32sQQIi32s32s")
CERTIFICATE_BYTES_MAX: Final = _POLKA_HEAD.size + MEMBERS_MAX // 8 + MEMBERS_MAX * SIGNATURE_BYTES

CertificateKind: TypeAlias = Literal[Kind.PREVOTE, Kind.PRECOMMIT]


class BadCertificate(ValueError):
    """A certificate does not show what it claims. The sentence names the check that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Votes of one kind for one block in one round: a polka (PREVOTE) or a commit (PRECOMMIT). Nothing is verified."""

    kind: CertificateKind
    chain_id: Digest
    epoch: int
    height: int
    round: int
    vr: int  # of a polka: what its prevotes name; NO_ROUND of a commit
    block_id: Digest
    members_root: Digest
    bitmap: bytes
    signatures: tuple[bytes, ...]

    @property
    def signers(self) -> tuple[int, ...]:
        """Indices whose bit is set, ascending. Computed at each call."""
        return tuple(
            place * 8 + bit for place, byte in enumerate(self.bitmap) if byte for bit in range(8) if byte & 0x80 >> bit
        )

    @property
    def ballot(self) -> Ballot:
        """What every signer of it signed: made anew from the certificate's fields, never taken from a sender."""
        return Ballot(
            kind=self.kind,
            chain_id=self.chain_id,
            epoch=self.epoch,
            height=self.height,
            round=self.round,
            block_id=self.block_id,
            vr=self.vr,
        )

    @property
    def votes(self) -> tuple[Vote, ...]:
        """The votes that it was made of."""
        ballot = self.ballot
        pairs = zip(self.signers, self.signatures, strict=True)
        return tuple(Vote(ballot=ballot, sender=sender, signature=signature) for sender, signature in pairs)

    @property
    def encoded(self) -> bytes:
        place = (VERSION, self.chain_id, self.epoch, self.height, self.round)
        if self.kind == Kind.PREVOTE:
            head = _POLKA_HEAD.pack(*place, self.vr, self.block_id, self.members_root)
        else:
            head = _COMMIT_HEAD.pack(*place, self.block_id, self.members_root)
        return head + self.bitmap + b"".join(self.signatures)


def certificate_of(votes: Iterable[Vote], members: MemberSet) -> Certificate:
    """The certificate of votes with one and the same ballot, for a block, each by another member."""
    ordered = sorted(votes, key=lambda vote: vote.sender)
    ballot = ordered[0].ballot
    assert ballot.block_id is not None and ballot.kind != Kind.PROPOSAL
    assert all(vote.ballot == ballot for vote in ordered)
    bitmap = bytearray(-(-len(members.keys) // 8))
    for vote in ordered:
        bitmap[vote.sender // 8] |= 0x80 >> vote.sender % 8
    return Certificate(
        kind=Kind.PREVOTE if ballot.kind == Kind.PREVOTE else Kind.PRECOMMIT,
        chain_id=ballot.chain_id,
        epoch=ballot.epoch,
        height=ballot.height,
        round=ballot.round,
        vr=ballot.vr,
        block_id=ballot.block_id,
        members_root=members.root,
        bitmap=bytes(bitmap),
        signatures=tuple(vote.signature for vote in ordered),
    )


def parse_certificate(data: bytes, kind: CertificateKind, members: int) -> Certificate:
    """Read a certificate of a set of `members` members. Raises DecodeError.

    Check 1 of consensus.md 1.9: the bitmap has its exact length, no bit past the last member, at least one bit, and
    there is one signature for each.
    """
    head = _POLKA_HEAD if kind == Kind.PREVOTE else _COMMIT_HEAD
    width = -(-members // 8)
    if not head.size + width < len(data) <= CERTIFICATE_BYTES_MAX:
        raise DecodeError(f"a certificate of {members} members cannot have {len(data)} bytes")
    version, chain_id, epoch, height, round_, *more = head.unpack_from(data)
    vr, block_id, members_root = more if kind == Kind.PREVOTE else (NO_ROUND, *more)
    if version != VERSION:
        raise DecodeError(f"certificate: begins with version {VERSION}, not {version}")
    if not 1 <= height <= HEIGHT_MAX or epoch > HEIGHT_MAX or round_ > ROUND_MAX or not NO_ROUND <= vr < round_:
        raise DecodeError(f"certificate: epoch {epoch}, height {height}, round {round_} or vr {vr} is out of range")
    bitmap = data[head.size : head.size + width]
    bits = int.from_bytes(bitmap, "big")
    if bits & (1 << width * 8 - members) - 1:
        raise DecodeError("certificate: a bit is set behind the last member")
    signatures = data[head.size + width :]
    count = bits.bit_count()
    if count < 1 or len(signatures) != count * SIGNATURE_BYTES:
        raise DecodeError(f"certificate: {count} members and {len(signatures)} bytes of signatures")
    return Certificate(
        kind=kind,
        chain_id=Digest(chain_id),
        epoch=epoch,
        height=height,
        round=round_,
        vr=vr,
        block_id=Digest(block_id),
        members_root=Digest(members_root),
        bitmap=bitmap,
        signatures=tuple(signatures[at : at + SIGNATURE_BYTES] for at in range(0, len(signatures), SIGNATURE_BYTES)),
    )


def verify_quorum(certificate: Certificate, members: MemberSet, verify: Verify) -> None:
    """Checks 2 to 4: raise BadCertificate unless more than two thirds of exactly this set signed.

    A bad signature is never skipped, even where enough others are good: what proves must prove in every part.
    """
    if certificate.chain_id != members.chain_id or certificate.epoch != members.epoch:
        raise BadCertificate(
            f"the certificate is of chain {certificate.chain_id.hex()}, epoch {certificate.epoch}, where chain "
            f"{members.chain_id.hex()}, epoch {members.epoch} is asked for"
        )
    if certificate.members_root != members.root:  # 2
        raise BadCertificate("the certificate names another member set")
    if not NO_ROUND <= certificate.vr < certificate.round:  # A6
        raise BadCertificate(f"round {certificate.round} cannot have the valid round {certificate.vr}")
    signers = certificate.signers
    if not signers or len(signers) != len(certificate.signatures) or signers[-1] >= len(members.keys):
        raise BadCertificate(f"{len(certificate.signatures)} signatures for the members {list(signers)}")
    weight = members.weight_of(signers)
    if not members.quorum(weight):  # 4, before the costly check
        raise BadCertificate(f"the signers weigh {weight} of {members.total}: not more than two thirds")
    message = certificate.ballot.sign_bytes
    for index, signature in zip(signers, certificate.signatures, strict=True):  # 3
        try:
            verify(members.keys[index], message, signature)
        except BadSignature as error:
            raise BadCertificate(f"member {index} did not sign this: {error}") from None


def verify_decision(header: Header, certificate: Certificate, members: MemberSet, verify: Verify) -> None:
    """Checks 2 to 5: raise BadCertificate unless `certificate` makes the block with `header` final under `members`."""
    if certificate.kind != Kind.PRECOMMIT:
        raise BadCertificate("a polka decides nothing")
    if (certificate.height, certificate.block_id) != (header.height, header.block_id):  # 5
        raise BadCertificate(
            f"the certificate is of block {certificate.height}, id {certificate.block_id.hex()}, and the header of "
            f"block {header.height}, id {header.block_id.hex()}"
        )
    if (header.chain_id, header.epoch, header.members_root) != (members.chain_id, members.epoch, members.root):  # 5
        raise BadCertificate(f"the header is of another chain, epoch or member set than number {members.epoch}")
    if members.index_of(header.proposer) is None:
        raise BadCertificate(f"the proposer {header.proposer} is no member")
    verify_quorum(certificate, members, verify)


def intersection(one: Certificate, other: Certificate) -> Sequence[int]:
    """Who signed both, ascending."""
    return sorted(set(one.signers) & set(other.signers))
