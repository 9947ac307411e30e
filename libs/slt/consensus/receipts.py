"""The whole verifier of receipts: from the bytes of a report's body to the genesis file, offline (proofs.md lesson 6).

A receipt needs nothing but itself and genesis. The links are checked in the order of `verify_receipt`, each names what
it ties to what, and the first that does not hold raises BrokenLink. What a link does not understand it refuses: no
byte of a receipt is free, so changing any one of them breaks a link.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Literal, TypeAlias

from slt.consensus.certificates import CertificateError, verify_certificate
from slt.consensus.proof import Endorser, Proof
from slt.merkle.checkpoints import BadCheckpoint, parse_checkpoint
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteError, NoteVerifier, open_note
from slt.merkle.proofs import ProofError, verify_inclusion
from slt.statements.cbor import DecodeError, encode
from slt.statements.genesis import Genesis
from slt.statements.governance import (
    GovernanceStatement,
    Ordered,
    parse_endorsement_of,
    parse_ordered,
    verify_ordered,
)
from slt.statements.receipts import Receipt, parse_receipt
from slt.statements.signatures import BadSignature, kid_of
from slt.statements.statement import body_digest, verify_endorsement
from slt.statements.tags import verify_listed
from slt.statements.verdicts import TABLE, Code, findings_digest

Link: TypeAlias = Literal[
    "receipt",  # its bytes are one receipt of a known version
    "ledger",  # it is of the ledger that genesis names
    "statement",  # it holds a statement made for that ledger
    "body",  # the body given is the one that the statement names
    "key",  # the author's key is the one that the statement names
    "signature",  # the author signed the statement
    "endorsements",  # each endorser signed this statement
    "verdict",  # the verdict is final, about this statement, and of one piece
    "verdict path",  # the verdict is one of those that the header commits to
    "certificate",  # who may, by genesis, made the block with that header final
    "log",  # the statement stands in the log whose root the header commits to
    "checkpoint",  # a member of genesis signed that log's size and root
    "findings",  # the findings are those that the verdict commits to
    # The published forms (forms.py) have these besides.
    "form",  # its bytes are one tlog-proof, or one statement with a COSE receipt
    "agreement",  # the receipt v1 that it carries is about the same statement, at the same index
    "published place",  # the path leads from the statement to a root
    "published signature",  # a member of genesis signed that size and root, for this ledger
    "policy",  # of any form: those have cosigned the checkpoint whom the reader's policy asks for
]


class BrokenLink(Exception):
    """The receipt does not prove what it claims. `link` names the first link that broke; `message` is for people."""

    def __init__(self, link: Link, message: str) -> None:
        super().__init__(message)
        self.link = link
        self.message = message


class VerifierCache:
    """Links that held, by their exact bytes: receipts of one block share header, certificate and checkpoint.

    Only success is remembered, the last `links_max` of them.
    """

    def __init__(self, links_max: int = 256) -> None:
        self._held: OrderedDict[Hashable, str] = OrderedDict()
        self._links_max = links_max

    def once(self, key: Hashable, check: Callable[[], str]) -> str:
        """What `check` returned for this `key`, now or earlier. Whatever it raises is raised, and not remembered."""
        if (known := self._held.get(key)) is not None:
            self._held.move_to_end(key)
            return known
        found = self._held[key] = check()
        if len(self._held) > self._links_max:
            self._held.popitem(last=False)
        return found


def verify_receipt(
    receipt: bytes, genesis: Genesis, *, body: bytes | None = None, cache: VerifierCache | None = None
) -> Proof:
    """Check every link of `receipt` and return what it proves, acceptance or rejection.

    `body` (salt and document, as hashed) is compared with what the statement names when it is given. `cache` saves
    work between receipts of one block. Raises BrokenLink at the first link that does not hold.
    """
    cache = cache if cache is not None else VerifierCache()
    try:
        read = parse_receipt(receipt)
    except DecodeError as error:
        raise BrokenLink("receipt", f"These bytes are not a receipt: {error}.") from error
    _ledger(read, genesis)
    statement = _statement(read, genesis)
    if body is not None:
        _body(body, statement)
    _author(read, statement)
    endorsers = _endorsements(read, statement, genesis)
    _verdict(read, statement)
    _verdict_path(read)
    certificate = _certificate(read, genesis, cache)
    _log(read)
    checkpoint_by = _checkpoint(read, genesis, cache)
    findings = _findings(read)
    return Proof(
        origin=genesis.origin,
        chain_id=genesis.chain_id,
        model=genesis.model,
        statement_id=statement.id,
        iss=statement.iss,
        kid=statement.kid,
        iat=statement.iat,
        sub=statement.sub,
        media_type=statement.media_type,
        announced=statement.announcement if isinstance(statement, GovernanceStatement) else None,
        body_digest=statement.body_digest,
        body_length=None if body is None else len(body),
        endorsers=endorsers,
        accepted=read.verdict.code == Code.ACCEPTED,
        code=Code(read.verdict.code),
        rules_version=read.verdict.rules_version,
        evidence=read.verdict.evidence,
        findings=findings,
        facts_digest=read.verdict.facts_digest,
        height=read.header.height,
        block_id=read.header.block_id,
        time_ms=read.header.time_ms,
        verdict_index=read.verdict_index,
        verdict_count=read.verdict_count,
        log_index=read.verdict.log_index,
        log_size=read.header.log_size,
        log_root=read.header.log_root,
        certificate=certificate,
        checkpoint_by=checkpoint_by,
    )


def _ledger(read: Receipt, genesis: Genesis) -> None:
    for what, chain_id in (("receipt", read.chain_id), ("block", read.header.chain_id)):
        if chain_id != genesis.chain_id:
            raise BrokenLink(
                "ledger",
                f"The {what} belongs to another ledger: {chain_id.hex()}, where the genesis file says "
                f"{genesis.chain_id.hex()}.",
            )


def _statement(read: Receipt, genesis: Genesis) -> Ordered:
    try:
        statement = parse_ordered(read.statement)
    except DecodeError as error:
        raise BrokenLink("statement", f"The statement in the receipt cannot be read: {error}.") from error
    if statement.aud != genesis.audience:
        raise BrokenLink(
            "statement", f"The statement was made for ledger {statement.aud}, and this one is {genesis.audience}."
        )
    return statement


def _body(body: bytes, statement: Ordered) -> None:
    digest = body_digest(body)
    if digest != statement.body_digest:
        raise BrokenLink(
            "body",
            f"The body is not the one that the statement names: its digest is {digest.hex()}, the statement has "
            f"{statement.body_digest.hex()}.",
        )


def _author(read: Receipt, statement: Ordered) -> None:
    kid = kid_of(read.spki)
    if kid != statement.kid:
        raise BrokenLink(
            "key", f"The author's key in the receipt is {kid.hex()}, the statement was made with {statement.kid.hex()}."
        )
    try:
        verify_ordered(statement, read.spki)
    except (BadSignature, DecodeError) as error:
        raise BrokenLink("signature", f"The author's signature of the statement does not hold: {error}.") from error


def _endorsements(read: Receipt, statement: Ordered, genesis: Genesis) -> tuple[Endorser, ...]:
    endorsers: list[Endorser] = []
    for number, (raw, spki) in enumerate(read.endorsements, 1):
        try:
            endorsement = parse_endorsement_of(statement, raw)
        except DecodeError as error:
            raise BrokenLink("endorsements", f"Endorsement {number} cannot be read: {error}.") from error
        if endorsement.statement_id != statement.id:
            raise BrokenLink(
                "endorsements",
                f"Endorsement {number} is of statement {endorsement.statement_id.hex()}, not of {statement.id.hex()}.",
            )
        if endorsement.aud != genesis.audience:
            raise BrokenLink("endorsements", f"Endorsement {number} was made for ledger {endorsement.aud}.")
        if kid_of(spki) != endorsement.kid or any(one.kid == endorsement.kid for one in endorsers):
            raise BrokenLink(
                "endorsements", f"Endorsement {number} has the key of another, or one that was used before."
            )
        try:
            verify_endorsement(endorsement, spki)
        except (BadSignature, DecodeError) as error:
            raise BrokenLink(
                "endorsements", f"The signature of endorsement {number} does not hold: {error}."
            ) from error
        endorsers.append(Endorser(iss=endorsement.iss, kid=endorsement.kid, iat=endorsement.iat))
    return tuple(endorsers)


def _verdict(read: Receipt, statement: Ordered) -> None:
    verdict = read.verdict
    if verdict.statement_id != statement.id:
        raise BrokenLink(
            "verdict",
            f"The verdict is about statement {verdict.statement_id.hex()}, and the receipt holds {statement.id.hex()}.",
        )
    if not verdict.final:
        name = TABLE[Code(verdict.code)].name
        raise BrokenLink("verdict", f"The verdict ({name}) is void: it decides nothing about the statement.")


def _verdict_path(read: Receipt) -> None:
    try:
        verify_listed(
            "verdicts",
            read.verdict.encoded,
            read.verdict_index,
            read.verdict_count,
            path=read.verdict_path,
            root=read.header.verdicts_root,
        )
    except ProofError as error:
        raise BrokenLink(
            "verdict path",
            f"The verdict is not number {read.verdict_index} of those that the block commits to: {error}.",
        ) from error


def _certificate(read: Receipt, genesis: Genesis, cache: VerifierCache) -> str:
    if read.changes:
        raise BrokenLink(
            "certificate",
            "The receipt holds changes of the member set: a private ledger has none, and those of a consortium are not "
            "read by this program yet.",
        )

    def check() -> str:
        try:
            verify_certificate(read.header, read.certificate, genesis)
        except CertificateError as error:
            raise BrokenLink(
                "certificate", f"Nothing shows that block {read.header.height} is final: {error}."
            ) from error
        if genesis.model == "private":
            return "The block is final by the certificate of the private authority"
        return f"The block is final by more than two thirds of the {len(genesis.members)} members of genesis"

    return cache.once((genesis.chain_id, read.header.encoded, encode(read.certificate)), check)


def _log(read: Receipt) -> None:
    index = read.verdict.log_index
    if (index is None) != (read.log_proof is None):
        raise BrokenLink("log", "An accepted statement comes with its place in the log, a rejected one without.")
    if index is None or read.log_proof is None:
        return
    given, path = read.log_proof
    if given != index:
        raise BrokenLink("log", f"The proof is for log index {given}, and the verdict names {index}.")
    try:
        verify_inclusion(leaf_hash(read.statement), index, read.header.log_size, proof=path, root=read.header.log_root)
    except ProofError as error:
        raise BrokenLink("log", f"The statement does not stand at index {index} of the log: {error}.") from error


def _checkpoint(read: Receipt, genesis: Genesis, cache: VerifierCache) -> str:
    header = read.header

    def check() -> str:
        name, text = _opened(read.checkpoint, genesis)
        try:
            checkpoint = parse_checkpoint(text)
        except BadCheckpoint as error:
            raise BrokenLink("checkpoint", f"The checkpoint cannot be read: {error}.") from error
        if checkpoint.origin != genesis.origin:
            raise BrokenLink("checkpoint", f"The checkpoint is of log {checkpoint.origin}, not of {genesis.origin}.")
        if (checkpoint.size, checkpoint.root) != (header.log_size, header.log_root):
            raise BrokenLink(
                "checkpoint",
                f"The checkpoint is of {checkpoint.size} entries with root {checkpoint.root.hex()}, the block has "
                f"{header.log_size} with root {header.log_root.hex()}.",
            )
        return name

    return cache.once((genesis.chain_id, read.checkpoint, header.log_size, header.log_root), check)


def _opened(note: str, genesis: Genesis) -> tuple[str, str]:
    """The name of the one member whose key signed the note, and the note's text."""
    reason = "genesis names no member"
    for member in genesis.members:
        try:
            return member.name, open_note(note, [NoteVerifier.from_vkey(member.checkpoint_vkey)], exact=True)
        except NoteError as error:
            reason = str(error)
    raise BrokenLink("checkpoint", f"The checkpoint is not signed by exactly one member: {reason}.")


def _findings(read: Receipt) -> tuple[tuple[str, str, str, str], ...]:
    digest = read.verdict.findings_digest
    if (digest is None) != (read.findings is None):
        raise BrokenLink("findings", "The verdict commits to findings exactly when the receipt holds them; here not.")
    if digest is None or read.findings is None:
        return ()
    salt, rows = read.findings
    if findings_digest(salt, rows) != digest:
        raise BrokenLink("findings", "The findings in the receipt are not those that the verdict commits to.")
    return tuple((rule, severity, entry, label) for rule, severity, entry, label in rows)
