"""What an outsider can check about one statement of a block: signature, endorsements, body, facts, findings. Pure.

Most of the ledger's work is done here, and each call stands alone: the service spreads them over threads, and the
libraries that verify, hash and inflate release the interpreter's lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.ledger.core import BadBlock, Examined, Ordered, bad
from slt.bus.compression import inflate
from slt.bus.messages import Malformed
from slt.bus.subjects import BadSubject, receipt
from slt.statements.cbor import DecodeError
from slt.statements.erasures import Erasure
from slt.statements.governance import GovernanceStatement, parse_endorsement_of, verify_ordered
from slt.statements.governance import Ordered as Signed
from slt.statements.headers import Header
from slt.statements.signatures import BadSignature, kid_of
from slt.statements.statement import (
    SALT_BYTES,
    body_digest,
    split_body,
    verify_endorsement,
)
from slt.statements.verdicts import Code, facts_digest, facts_salt, findings_digest, findings_salt

FACTS_PER_BODY_MAX: Final = 4  # bytes of facts for each byte of the body they were read from; more are not read
FACTS_BYTES_MIN: Final = 64 * 1024  # for the smallest documents
NO_ERASURES: Final[Mapping[bytes, Erasure]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is stored beside one statement. Empty bytes: there is none, or nothing certified binds it."""

    body_z: bytes
    facts_z: bytes
    findings_salt: bytes


def vet_some(examined: Examined, begin: int, end: int, erasures: Mapping[bytes, Erasure] = NO_ERASURES) -> list[Kept]:
    """`vet` for the statements [begin, end) of `examined`. `erasures`, by statement id, were verified. Raises BadBlock.

    Only what was stored and vetted before can have been erased: a block that arrives comes with its bodies.
    """
    return [
        vet(ordered, examined.header, erasures.get(ordered.statement.id)) for ordered in examined.ordered[begin:end]
    ]


def vet(ordered: Ordered, header: Header, erasure: Erasure | None = None) -> Kept:
    """Check one statement of an examined block and say what is kept beside it.

    A final verdict needs a good signature by the key that is given, and good endorsements. A certified digest of facts
    or findings needs the body that the statement names, and the facts or findings with that digest. Raises BadBlock.
    """
    if ordered.verdict.final:
        _addressee(ordered, header)
        _signature(ordered, header)
        _endorsements(ordered, header)
    if isinstance(ordered.statement, GovernanceStatement):
        _bodiless(ordered, header)
        return Kept(body_z=b"", facts_z=b"", findings_salt=b"")
    if erasure is not None and not ordered.item.body_z:
        _erased(ordered, header, erasure)
        salt_of_findings, salt_of_facts = erasure.findings_salt, erasure.facts_salt
    else:
        body = _body(ordered, header)
        if body is None:
            return Kept(body_z=b"", facts_z=b"", findings_salt=b"")
        salt, _ = split_body(body)
        salt_of_findings = findings_salt(salt, ordered.statement.id)
        salt_of_facts = facts_salt(salt, ordered.statement.id)
    _findings(ordered, header, salt_of_findings)
    facts_z = _facts(ordered, header, salt_of_facts)
    return Kept(body_z=ordered.item.body_z, facts_z=facts_z, findings_salt=salt_of_findings)


def _addressee(ordered: Ordered, header: Header) -> None:
    """There is a subject on which the receipt can be published."""
    try:
        receipt(ordered.item.state, ordered.item.mba)
    except BadSubject as error:
        name = ordered.statement.id.hex()
        raise BadBlock(header.height, "item", f"nobody can be answered about statement {name}: {error}") from error


def _signature(ordered: Ordered, header: Header) -> None:
    name = ordered.statement.id.hex()
    if not ordered.item.spki or kid_of(ordered.item.spki) != ordered.statement.kid:
        bad(header, "key", f"the key beside statement {name} is not the one that it names")
    try:
        verify_ordered(ordered.statement, ordered.item.spki)
    except BadSignature as error:
        raise BadBlock(
            header.height, "signature", f"statement {name} has a final verdict and a bad signature: {error}"
        ) from error


def _endorsements(ordered: Ordered, header: Header) -> None:
    """What vetting called a good endorsement must be one: the receipt will carry it."""
    item, name = ordered.item, ordered.statement.id.hex()
    if len(item.endorsers) != len(item.endorser_spkis) or len(set(item.endorsers)) != len(item.endorsers):
        bad(header, "endorsement", f"statement {name} came with endorsers and keys that do not go together")
    for kid, spki in zip(item.endorsers, item.endorser_spkis, strict=True):
        if kid_of(spki) != kid or good_endorsement(ordered.entry.endorsements, ordered.statement, kid, spki) is None:
            bad(header, "endorsement", f"statement {name} has no endorsement by {kid.hex()} that holds")


def good_endorsement(endorsements: Sequence[bytes], statement: Signed, kid: bytes, spki: bytes) -> bytes | None:
    """The first of `endorsements` that `kid`, whose key is `spki`, made of `statement` for the same ledger."""
    for raw in endorsements:
        try:
            endorsement = parse_endorsement_of(statement, raw)
            if (endorsement.kid, endorsement.statement_id, endorsement.aud) == (kid, statement.id, statement.aud):
                verify_endorsement(endorsement, spki)
                return raw
        except (DecodeError, BadSignature):
            continue  # Others may hold; a rejection for a reason that is checked earlier may have any beside it.
    return None


def _bodiless(ordered: Ordered, header: Header) -> None:
    """A governance statement says in itself what it says: nothing hangs beside it."""
    entry, item, verdict = ordered.entry, ordered.item, ordered.verdict
    name = ordered.statement.id.hex()
    if (entry.body_length, entry.body_digest) != (0, ordered.statement.body_digest) or item.body_z or item.facts_z:
        bad(header, "body", f"governance statement {name} came with a body or facts")
    if (verdict.facts_digest, verdict.findings_digest) != (None, None):
        bad(header, "verdict", f"the verdict on governance statement {name} has digests of facts or findings")


def _body(ordered: Ordered, header: Header) -> bytes | None:
    """The inflated body if it is the one that the statement names; None if it is not, and no digest needs it."""
    name = ordered.statement.id.hex()
    needed = ordered.verdict.findings_digest is not None or ordered.verdict.facts_digest is not None
    if ordered.verdict.code == Code.ACCEPTED and None in (
        ordered.verdict.findings_digest,
        ordered.verdict.facts_digest,
    ):
        bad(header, "verdict", f"statement {name} is accepted without digests of facts and findings")
    try:
        body = inflate(ordered.item.body_z, bytes_max=ordered.entry.body_length)
    except Malformed as error:
        if needed:
            raise BadBlock(
                header.height, "body", f"the body of statement {name} cannot be inflated: {error}"
            ) from error
        return None
    if len(body) >= SALT_BYTES and body_digest(body) == ordered.statement.body_digest:
        if len(body) != ordered.entry.body_length or ordered.entry.body_digest != ordered.statement.body_digest:
            bad(header, "body", f"the batch gives another length or digest for the body of statement {name}")
        return body
    if needed:
        bad(header, "body", f"the body beside statement {name} is not the one that it names")
    return None


def _erased(ordered: Ordered, header: Header, erasure: Erasure) -> None:
    """The erasure is of the very body that the statement names."""
    of = (erasure.statement_id, erasure.body_digest, erasure.body_length)
    if of != (ordered.statement.id, ordered.statement.body_digest, ordered.entry.body_length):
        bad(header, "erasure", f"the erasure beside statement {ordered.statement.id.hex()} is of another body")


def _facts(ordered: Ordered, header: Header, salt: bytes) -> bytes:
    """The compressed facts that the verdict's digest binds, or nothing."""
    if ordered.verdict.facts_digest is None:
        return b""
    name = ordered.statement.id.hex()
    bytes_max = max(FACTS_BYTES_MIN, FACTS_PER_BODY_MAX * ordered.entry.body_length)
    try:
        facts = inflate(ordered.item.facts_z, bytes_max=bytes_max)
    except Malformed as error:
        raise BadBlock(header.height, "facts", f"the facts of statement {name} cannot be inflated: {error}") from error
    if facts_digest(salt, facts) != ordered.verdict.facts_digest:
        bad(header, "facts", f"the facts beside statement {name} are not those that its verdict binds")
    return ordered.item.facts_z


def _findings(ordered: Ordered, header: Header, salt: bytes) -> None:
    """The findings, but for their values and texts, must be those that the verdict's digest binds."""
    if ordered.verdict.findings_digest is not None:
        rows = [list(finding[:4]) for finding in ordered.findings]
        if findings_digest(salt, rows) != ordered.verdict.findings_digest:
            name = ordered.statement.id.hex()
            bad(header, "findings", f"the findings beside statement {name} are not those that its verdict binds")
