"""What makes a block final, and who may say so: certificates, by trust model.

private: `[term certificate, signature]`, the signature by the term's sequencer over `private_sign_bytes` (formats.md,
"private certificate"; consensus.md 6.2). consortium: the bytes of a commit certificate (`tendermint/certs.py`), signed
by more than two thirds of the members of genesis. `public` stands beside them in `VERIFIERS` once it exists.
"""

from collections.abc import Callable
from typing import Final

from slt.consensus.tendermint.certs import BadCertificate, parse_certificate, verify_decision
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.votes import Kind
from slt.consensus.terms import check_covers
from slt.merkle.ed25519 import BadSignature, verify_ed25519
from slt.statements.cbor import DecodeError, Value
from slt.statements.genesis import Genesis
from slt.statements.headers import Header
from slt.statements.signatures import Signer
from slt.statements.tags import tag
from slt.statements.terms import BadTerm, PrivateCertificate, verify_term

_U64_END: Final = 1 << 64


class CertificateError(ValueError):
    """A block is not final by this certificate. The sentence says which link broke, with its numbers."""


def private_sign_bytes(chain_id: bytes, term: int, height: int, block_id: bytes) -> bytes:
    """What the sequencer signs: Tag("AUTHORITY"), chain_id, term u64, height u64, block_id; 112 + 8 bytes, fixed."""
    if len(chain_id) != 32 or len(block_id) != 32:
        raise ValueError(f"chain_id and block_id are 32 bytes, not {len(chain_id)} and {len(block_id)}")
    if not 0 <= term < _U64_END or not 0 <= height < _U64_END:
        raise ValueError(f"term {term} and height {height} are unsigned 64-bit integers")
    return tag("AUTHORITY") + chain_id + term.to_bytes(8, "big") + height.to_bytes(8, "big") + block_id


def sign_private(signer: Signer, *, chain_id: bytes, term: int, height: int, block_id: bytes) -> bytes:
    """The sequencer's signature, 64 bytes. Only for who has claimed `height` durably (consensus.md 6.2, I1)."""
    return signer.sign(private_sign_bytes(chain_id, term, height, block_id))


def verify_certificate(header: Header, certificate: Value, genesis: Genesis) -> None:
    """Raise CertificateError unless `certificate` makes the block with `header` final on the ledger of `genesis`.

    The sign bytes are derived again from the header: nothing that the sender says about them is used.
    """
    if header.chain_id != genesis.chain_id:
        raise CertificateError(f"the block is of ledger {header.chain_id.hex()}, not {genesis.chain_id.hex()}")
    if header.height < 1:
        raise CertificateError("height 0 is genesis and has no certificate")
    try:
        verify = VERIFIERS[genesis.model]
    except KeyError:
        raise CertificateError(f"this program cannot verify certificates of the model {genesis.model!r}") from None
    verify(header, certificate, genesis)


def _verify_private(header: Header, value: Value, genesis: Genesis) -> None:
    try:
        certificate = PrivateCertificate.from_value(value)
    except ValueError as error:
        raise CertificateError(f"not a private certificate: {error}") from error
    _check_members(header, genesis)
    term = certificate.term
    try:
        verify_term(term, genesis)
        check_covers(term, header)
    except BadTerm as error:
        raise CertificateError(str(error)) from error
    signed = private_sign_bytes(genesis.chain_id, term.term, header.height, header.block_id)
    try:
        verify_ed25519(term.sequencer_key, signed, certificate.signature)
    except BadSignature as error:
        raise CertificateError(
            f"the sequencer of term {term.term} did not sign block {header.height}: {error}"
        ) from error


def _check_members(header: Header, genesis: Genesis) -> None:
    """In `private` the member set never changes (formats.md, "receipt v1")."""
    if header.epoch != 0:
        raise CertificateError(f"epoch {header.epoch}: a private ledger has one member set, number 0")
    if header.members_root != genesis.members_root or header.next_members_root != genesis.members_root:
        raise CertificateError("the members root is not that of genesis")
    if header.proposer not in {member.id for member in genesis.members}:
        raise CertificateError(f"the proposer {header.proposer} is no member")


def _verify_consortium(header: Header, value: Value, genesis: Genesis) -> None:
    """Under the members that genesis names: an epoch is a member set, and genesis' own is number 0."""
    if not isinstance(value, bytes):
        raise CertificateError("not a consortium certificate: it is a byte string")
    try:
        certificate = parse_certificate(value, Kind.PRECOMMIT, len(genesis.members))
        verify_decision(header, certificate, MemberSet.of_genesis(genesis), verify_ed25519)
    except (BadCertificate, DecodeError) as error:
        raise CertificateError(f"not final by the members of genesis: {error}") from error


VERIFIERS: Final[dict[str, Callable[[Header, Value, Genesis], None]]] = {
    "private": _verify_private,
    "consortium": _verify_consortium,
}
