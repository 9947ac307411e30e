"""The verifier of a receipt in any form: v1, `.tlog-proof`, COSE. Which one it is, is seen from its bytes.

A published form proves a place in the log on the word of one checkpoint key. Where it carries the receipt v1 beside,
that is verified whole, and both must speak of one statement at one index. A bare one proves less, and the lines of the
answer say what is missing: verdict, findings, and that the block is final.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from slt.consensus.links import LINKS, Line, body_line, held, lines_of, not_proved
from slt.consensus.proof import Proof, moment
from slt.consensus.receipts import BrokenLink, Link, VerifierCache, verify_receipt
from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.ed25519 import BadSignature, verify_ed25519
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteError, NoteVerifier, open_note
from slt.merkle.policy import Policy, PolicyNotMet
from slt.merkle.proofs import ProofError, root_of_path, verify_inclusion
from slt.merkle.tlog_proof import BadTlogProof, TlogProof, parse_tlog_proof
from slt.statements.cbor import DecodeError
from slt.statements.cose_receipts import CoseReceipt, addressed, detach, parse_cose_receipt
from slt.statements.genesis import Genesis
from slt.statements.governance import Ordered, parse_ordered, verify_ordered
from slt.statements.receipt_forms import Form, form_of
from slt.statements.receipts import parse_receipt
from slt.statements.signatures import ed25519_spki, kid_of
from slt.statements.statement import body_digest

V1: Final[tuple[Link, ...]] = LINKS[: LINKS.index("form")]
PUBLISHED: Final[dict[Form, tuple[Link, ...]]] = {
    "v1": (),
    "tlog-proof": ("published signature", "published place"),  # the root is read from the checkpoint
    "cose": ("published place", "published signature"),  # the root is computed, and then found signed (RFC 9942)
}

NOT_IN_BARE: Final[dict[str, str]] = {
    "endorsements": "A bare proof carries none.",
    "verdict": "Only that it is in the log; that nothing but accepted statements is there is the member's word.",
    "verdict path": "A bare proof names no block.",
    "certificate": "Nothing shows that a final block holds the statement: one member's signature alone stands for it.",
    "findings": "A bare proof carries none.",
}

Standing: TypeAlias = Literal["accepted", "rejected", "logged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a published proof puts the statement, and which member signed for it."""

    index: int
    size: int
    root: Digest
    signed_by: str
    iat: int | None = None  # seconds; of a COSE receipt: the time of the block, by that member's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a receipt proves. `proof` is there unless it is bare; `place` unless it is v1 alone or a rejection."""

    form: Form
    statement: Ordered | None  # of a bare proof, which has no `proof`
    proof: Proof | None
    place: Place | None
    lines: tuple[Line, ...]

    @property
    def bare(self) -> bool:
        return self.proof is None

    @property
    def standing(self) -> Standing:
        if self.proof is None:
            return "logged"
        return "accepted" if self.proof.accepted else "rejected"


def verify_any(
    data: bytes,
    genesis: Genesis,
    *,
    body: bytes | None = None,
    entry: bytes | None = None,
    policy: Policy | None = None,
    cache: VerifierCache | None = None,
) -> Found:
    """Check every link of a receipt in any form and return what it proves. Raises BrokenLink at the first that breaks.

    `body` (salt and document) is compared with what the statement names. `entry` is the statement that a bare
    tlog-proof is about, which is not in it; given with any other form, it must be the statement inside. `policy` says
    who must have cosigned the checkpoint besides the member.
    """
    form = form_of(data)
    match form:
        case "v1":
            proof = verify_receipt(data, genesis, body=body, cache=cache)
            receipt = parse_receipt(data)
            _same_entry(entry, receipt.statement)
            found = Found(form=form, statement=None, proof=proof, place=None, lines=lines_of(proof))
            note: str | None = receipt.checkpoint
        case "tlog-proof":
            found, note = _tlog_proof(data, genesis, body=body, entry=entry, cache=cache)
        case "cose":
            found, note = _cose(data, genesis, body=body, entry=entry, cache=cache)
    return replace(found, lines=(*found.lines, _policy(note, policy, genesis)))


def _policy(note: str | None, policy: Policy | None, genesis: Genesis) -> Line:
    if policy is None:
        return not_proved("policy", "No policy on witnesses was given: who else has seen this log is not looked at.")
    if note is None:
        raise BrokenLink("policy", "A bare COSE receipt holds no checkpoint that witnesses could have cosigned.")
    try:
        opened = policy.check(note, [NoteVerifier.from_vkey(member.checkpoint_vkey) for member in genesis.members])
    except (NoteError, PolicyNotMet) as error:
        raise BrokenLink("policy", f"The policy is not met: {error}.") from error
    names = ", ".join(f"{one.cosigner.name} ({moment(one.time_s * 1000, whole=True)})" for one in opened.cosignatures)
    return held(
        "policy", f"The policy is met. Cosigned by {names}." if names else "The policy asks for no cosignature."
    )


def order_of(data: bytes) -> tuple[str, ...]:
    """The links that verify_any looks at in `data`, in order; for telling which held before one broke."""
    form = form_of(data)
    if form == "v1":
        return (*V1, "policy")
    try:
        carried = parse_tlog_proof(data).extra if form == "tlog-proof" else detach(data).evidence
    except (BadTlogProof, DecodeError):
        carried = b""
    if carried is None:
        return ("form", "statement", "ledger", "body", "key", "signature", *PUBLISHED[form], "policy")
    return ("form", *V1, "agreement", *PUBLISHED[form], "policy")


def _tlog_proof(
    data: bytes, genesis: Genesis, *, body: bytes | None, entry: bytes | None, cache: VerifierCache | None
) -> tuple[Found, str]:
    try:
        read = parse_tlog_proof(data)
    except BadTlogProof as error:
        raise BrokenLink("form", f"These bytes are not a tlog-proof: {error}.") from error

    def place(statement: bytes) -> Place:
        return _place_of_tlog_proof(read, leaf_hash(statement), genesis)

    first = held("form", f"The bytes are a tlog-proof of entry {read.index} of a log.")
    if read.extra is not None:
        published = (read.index, place)
        found = _full("tlog-proof", first, read.extra, genesis, published, body=body, entry=entry, cache=cache)
        return found, read.note
    if entry is None:
        raise BrokenLink("statement", "A bare tlog-proof does not hold its entry: give the statement beside it.")
    return _bare("tlog-proof", first, entry, genesis, place, body=body), read.note


def _cose(
    data: bytes, genesis: Genesis, *, body: bytes | None, entry: bytes | None, cache: VerifierCache | None
) -> tuple[Found, str | None]:
    try:
        read = detach(data)
        receipt = parse_cose_receipt(read.receipts[0]) if read.receipts else None
    except DecodeError as error:
        raise BrokenLink("form", f"These bytes are no statement with a COSE receipt: {error}.") from error

    def place(statement: bytes) -> Place:
        assert receipt is not None
        return _place_of_cose(receipt, statement, genesis)

    what = "a receipt v1" if receipt is None else "a COSE receipt"
    first = held("form", f"The bytes are a statement with {what} attached.")
    if read.evidence is None:
        _same_entry(entry, read.statement)
        return _bare("cose", first, read.statement, genesis, place, body=body), None
    _same_entry(entry, read.statement)
    published = None if receipt is None else (receipt.index, place)
    found = _full("cose", first, read.evidence, genesis, published, body=body, entry=read.statement, cache=cache)
    return found, parse_receipt(read.evidence).checkpoint


def _full(
    form: Form,
    first: Line,
    receipt: bytes,
    genesis: Genesis,
    published: tuple[int, Callable[[bytes], Place]] | None,
    *,
    body: bytes | None,
    entry: bytes | None,
    cache: VerifierCache | None,
) -> Found:
    """The receipt v1 that is carried beside, and then the published proof of the same statement, by index."""
    proof = verify_receipt(receipt, genesis, body=body, cache=cache)
    statement = parse_receipt(receipt).statement
    _same_entry(entry, statement)
    lines = [first, *lines_of(proof)]
    if published is None:
        if proof.log_index is not None:
            raise BrokenLink("agreement", "The verdict names a place in the log, and no proof of it is attached.")
        lines.append(held("agreement", "The receipt v1 is about the statement to which it is attached."))
        lines += [not_proved(link, "A rejected statement is not in the log.") for link in PUBLISHED[form]]
        return Found(form=form, statement=None, proof=proof, place=None, lines=tuple(lines))
    index, place_of = published
    if index != proof.log_index:
        named = "no place in the log" if proof.log_index is None else f"entry {proof.log_index}"
        raise BrokenLink("agreement", f"The published proof is for entry {index}, and the verdict names {named}.")
    place = place_of(statement)
    lines.append(held("agreement", "The receipt v1 and the published proof speak of one statement at one index."))
    lines += _published(form, place)
    return Found(form=form, statement=None, proof=proof, place=place, lines=tuple(lines))


def _bare(
    form: Form,
    first: Line,
    entry: bytes,
    genesis: Genesis,
    place_of: Callable[[bytes], Place],
    *,
    body: bytes | None,
) -> Found:
    try:
        statement = parse_ordered(entry)
    except DecodeError as error:
        raise BrokenLink("statement", f"The statement cannot be read: {error}.") from error
    if statement.aud != genesis.audience:
        raise BrokenLink(
            "ledger", f"The statement was made for ledger {statement.aud}, and this one is {genesis.audience}."
        )
    if body is not None and body_digest(body) != statement.body_digest:
        raise BrokenLink("body", "The body is not the one that the statement names.")
    lines = [
        first,
        held("statement", f"It is about statement {statement.id.hex()} by {statement.iss}."),
        held("ledger", f"The statement is for ledger {genesis.origin}, chain id {genesis.chain_id.hex()}."),
        body_line(statement.body_digest, statement.media_type, None if body is None else len(body)),
        *_author(statement, genesis),
    ]
    place = place_of(entry)
    lines += _published(form, place)
    lines += [not_proved(link, text) for link, text in NOT_IN_BARE.items()]
    return Found(form=form, statement=statement, proof=None, place=place, lines=tuple(lines))


def _author(statement: Ordered, genesis: Genesis) -> list[Line]:
    """A bare proof carries no key: the author's is looked for among those that genesis names."""
    identity = next((one for one in genesis.identities if one.kid == statement.kid), None)
    if identity is None:
        why = f"The key {statement.kid.hex()} is not in genesis, and a bare proof carries none."
        return [not_proved("key", why), not_proved("signature", why)]
    try:
        verify_ordered(statement, identity.spki)
    except (BadSignature, DecodeError) as error:
        raise BrokenLink("signature", f"The author's signature of the statement does not hold: {error}.") from error
    dated = moment(statement.iat * 1000, whole=True)
    return [
        held("key", f"It is {identity.name}'s in genesis; whether it was revoked since, a bare proof does not show."),
        held("signature", f"That key signed the statement, dated {dated}."),
    ]


def _published(form: Form, place: Place) -> list[Line]:
    dated = "" if place.iat is None else f", dated {moment(place.iat * 1000, whole=True)}"
    text = {
        "published place": f"The statement is entry {place.index} of the log of {place.size} entries.",
        "published signature": f"{place.signed_by} signed {place.size} entries, root {place.root.hex()}{dated}.",
    }
    return [held(link, text[link]) for link in PUBLISHED[form]]


def _place_of_tlog_proof(read: TlogProof, leaf: Digest, genesis: Genesis) -> Place:
    name, checkpoint = _signed_checkpoint(read.note, genesis)
    try:
        verify_inclusion(leaf, read.index, checkpoint.size, proof=read.path, root=checkpoint.root)
    except ProofError as error:
        raise BrokenLink(
            "published place", f"The statement does not stand at index {read.index} of the log: {error}."
        ) from error
    return Place(index=read.index, size=checkpoint.size, root=checkpoint.root, signed_by=name)


def _signed_checkpoint(note: str, genesis: Genesis) -> tuple[str, Checkpoint]:
    """Who of genesis signed the checkpoint, which may carry cosignatures besides, and what it says."""
    reason = "genesis names no member"
    for member in genesis.members:
        try:
            checkpoint = parse_checkpoint(open_note(note, [NoteVerifier.from_vkey(member.checkpoint_vkey)]))
        except NoteError as error:
            reason = str(error)
        except BadCheckpoint as error:
            raise BrokenLink("published signature", f"The checkpoint cannot be read: {error}.") from error
        else:
            if checkpoint.origin != genesis.origin:
                raise BrokenLink(
                    "published signature", f"The checkpoint is of log {checkpoint.origin}, not of {genesis.origin}."
                )
            return member.name, checkpoint
    raise BrokenLink("published signature", f"The checkpoint is not signed by a member: {reason}.")


def _place_of_cose(read: CoseReceipt, statement: bytes, genesis: Genesis) -> Place:
    aud, sub = addressed(statement)
    for what, said, expected in (("ledger", read.iss, aud), ("subject", read.sub, sub)):
        if said != expected:
            raise BrokenLink("published place", f"The receipt is about {what} {said}, the statement about {expected}.")
    if aud != genesis.audience:
        raise BrokenLink("published place", f"The receipt is of ledger {aud}, and this one is {genesis.audience}.")
    if read.claimed_size != read.size:
        raise BrokenLink(
            "published place", f"The proof is for a log of {read.size} entries, {read.claimed_size} are signed."
        )
    try:
        root = root_of_path(leaf_hash(statement), read.index, read.size, read.path)
    except ProofError as error:
        raise BrokenLink("published place", f"The path leads nowhere: {error}.") from error
    for member in genesis.members:
        key = NoteVerifier.from_vkey(member.checkpoint_vkey).public_key
        if kid_of(ed25519_spki(key)) != read.kid:
            continue
        try:
            verify_ed25519(key, read.to_be_signed(root), read.signature)
        except BadSignature as error:
            raise BrokenLink(
                "published signature", f"{member.name} did not sign the root to which the path leads: {error}."
            ) from error
        return Place(index=read.index, size=read.size, root=root, signed_by=member.name, iat=read.iat)
    raise BrokenLink("published signature", f"The receipt is signed by {read.kid.hex()}, whom genesis does not name.")


def _same_entry(given: bytes | None, inside: bytes) -> None:
    if given is not None and given != inside:
        raise BrokenLink("agreement", "The receipt is about another statement than the one that it is shown with.")


def to_json(place: Place | None) -> dict[str, Any]:
    """The published place as a JSON object holds it."""
    if place is None:
        return {}
    return {
        "published_index": place.index,
        "published_size": place.size,
        "published_root": place.root.hex(),
        "published_by": place.signed_by,
    }
