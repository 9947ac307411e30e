"""What authentication decides about a submitted report: pure. Start here.

Who says so, and may they? Until the signature is verified nothing that a submission says about itself counts: it is
known by its submission id only, and a broken copy says nothing about the statement that it copies.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from slt.bus.compression import inflate
from slt.bus.messages import Malformed, WireFinding
from slt.reports import Reference
from slt.reports.limits import oversize
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Identity
from slt.statements.governance import Ordered
from slt.statements.signatures import BadSignature
from slt.statements.statement import (
    SALT_BYTES,
    Statement,
    body_digest,
    parse_endorsement,
    parse_statement,
    verify_endorsement,
    verify_statement,
)
from slt.statements.submission import ENDORSEMENTS_MAX, Submission
from slt.statements.verdicts import TABLE, Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Somebody whose signature counts for something: an identity, or a member by its governance key."""

    name: str
    kid: bytes
    spki: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What the door knows while it looks at one batch: a copy of the state, and its own clock (seconds)."""

    audience: str
    identities: Mapping[bytes, Identity]  # by kid
    reference: Reference
    parameters: Mapping[str, int | str]
    now_s: int
    members: Mapping[bytes, Party] = field(default_factory=dict)  # by kid of the governance key

    def party(self, kid: bytes) -> Party | None:
        """Who has this key."""
        identity = self.identities.get(kid)
        if identity is None:
            return self.members.get(kid)
        return Party(name=identity.name, kid=identity.kid, spki=identity.spki)

    def limit(self, name: str) -> int:
        """A parameter of the ledger that is a number."""
        return int(self.parameters[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Signed by a key that may report for this area, with the body that it was signed for; or a change, signed."""

    statement: Ordered
    author: Identity | Party
    endorsers: tuple[Identity | Party, ...]  # approvers of a change
    body_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not passed on. `statement_id` is there only if the signature holds; `findings` say what the author does next."""

    statement_id: bytes | None
    findings: tuple[WireFinding, ...]


Outcome: TypeAlias = Passed | Refused


def check(submission: Submission, door: Door, *, state: str, mba: str) -> Outcome:
    """Check a submission that came on the subject of `state` and `mba`.

    First what decides whether the author speaks at all: statement, ledger, key, signature; one of these alone refuses.
    Then everything else, in the order of formats.md; the body is opened last, and only if nothing else is wrong.
    """
    try:
        statement = parse_statement(submission.statement)
    except DecodeError as error:
        text = (
            f"The statement cannot be read: {error}. Make it anew, as the plain publisher's guide says, and send that."
        )
        return Refused(statement_id=None, findings=(finding("unreadable", text),))
    if statement.aud != door.audience:
        text = (
            "The statement was made for another ledger. Submit the file again with this ledger's genesis; that makes a "
            "new statement."
        )
        return Refused(
            statement_id=None, findings=(finding("other-ledger", text, value=statement.aud, expected=door.audience),)
        )
    author = door.identities.get(statement.kid)
    if author is None:
        return Refused(statement_id=None, findings=(unknown(statement.kid),))
    try:
        verify_statement(statement, author.spki)
    except BadSignature as error:
        text = f"The statement's signature does not hold: {error}."
        return Refused(statement_id=None, findings=(finding_of(Code.BAD_SIGNATURE, text),))
    endorsers: list[Identity] = []
    findings = (
        *window(statement.iat, door),
        *_identity(statement, author, state=state, mba=mba),
        *_endorsements(submission, statement, door, endorsers, state=state, mba=mba),
        *_sizes(submission, door),
    )
    if findings:
        return Refused(statement_id=statement.id, findings=findings)
    body = _body(submission, statement, door)
    if isinstance(body, tuple):
        return Refused(statement_id=statement.id, findings=(body,))
    return Passed(statement=statement, author=author, endorsers=tuple(endorsers), body_length=body)


def unknown(kid: bytes) -> WireFinding:
    return finding_of(Code.KEY_UNKNOWN, f"The key {kid.hex()} is not registered on this ledger.")


def window(iat: int, door: Door) -> Iterator[WireFinding]:
    """A05, by our clock, early: evaluation judges it by the block's time."""
    earliest = iat - door.limit("skew_s")
    latest = iat + door.limit("submission_window_s")
    if not earliest <= door.now_s <= latest:
        yield finding_of(
            Code.OUT_OF_WINDOW,
            "The statement is too old, or its time lies ahead (seconds since 1970).",
            value=str(iat),
            expected=f"{door.now_s - door.limit('submission_window_s')} to {door.now_s + door.limit('skew_s')}",
        )


def _identity(statement: Statement, author: Identity, *, state: str, mba: str) -> Iterator[WireFinding]:
    """A02 and A03."""
    if not author.not_before <= statement.iat <= author.not_after:
        yield finding_of(
            Code.NOT_VALID_AT_IAT,
            f"The identity {author.name} is not valid at the time of the statement (seconds since 1970).",
            value=str(statement.iat),
            expected=f"{author.not_before} to {author.not_after}",
        )
    if statement.iss != author.name:
        yield finding_of(
            Code.MAY_NOT_REPORT,
            "The statement names another issuer than the one whose key signed it.",
            value=statement.iss,
            expected=author.name,
        )
    if author.role != "reporter":
        yield finding_of(
            Code.MAY_NOT_REPORT,
            f"The identity {author.name} does not report for facilities.",
            value=author.role,
            expected="reporter",
        )
    elif state != author.state or mba not in author.mbas:
        yield finding_of(
            Code.MAY_NOT_REPORT,
            f"The identity {author.name} may not report for this material balance area.",
            value=f"{state}/{mba}",
            expected=", ".join(f"{author.state}/{one}" for one in author.mbas),
        )


def _endorsements(
    submission: Submission, statement: Statement, door: Door, endorsers: list[Identity], *, state: str, mba: str
) -> Iterator[WireFinding]:
    """A04. Every endorsement that comes must hold; who gave a good one is added to `endorsers`."""
    if len(submission.endorsements) > ENDORSEMENTS_MAX:
        yield finding_of(
            Code.ENDORSEMENT_BAD,
            "There are too many endorsements.",
            value=str(len(submission.endorsements)),
            expected=f"at most {ENDORSEMENTS_MAX}",
        )
        return
    for number, raw in enumerate(submission.endorsements, 1):
        endorser = _endorser(raw, statement, door)
        if isinstance(endorser, str):
            yield finding_of(Code.ENDORSEMENT_BAD, f"Endorsement {number} does not hold: {endorser}.")
        elif endorser in endorsers:
            yield finding_of(Code.ENDORSEMENT_BAD, f"Endorsement {number} is a second one by {endorser.name}.")
        else:
            endorsers.append(endorser)
    area = door.reference.mba(state, mba)
    if area is not None and area.endorsement == "state":
        authorities = [
            one
            for one in endorsers
            if one.role == "authority" and one.state == state and one.not_before <= statement.iat <= one.not_after
        ]
        if not authorities:
            yield finding_of(
                Code.ENDORSEMENT_MISSING, f"The area {mba} reports with an endorsement of the authority of {state}."
            )


def _endorser(raw: bytes, statement: Statement, door: Door) -> Identity | str:
    """Who endorsed `statement` with `raw`, or what is wrong with that."""
    try:
        endorsement = parse_endorsement(raw)
    except DecodeError as error:
        return f"it cannot be read: {error}"
    if endorsement.aud != door.audience:
        return f"it was made for ledger {endorsement.aud}"
    if endorsement.statement_id != statement.id:
        return f"it is of statement {endorsement.statement_id.hex()}"
    endorser = door.identities.get(endorsement.kid)
    if endorser is None:
        return f"its key {endorsement.kid.hex()} is not registered"
    try:
        verify_endorsement(endorsement, endorser.spki)
    except BadSignature as error:
        return str(error)
    return endorser


def _sizes(submission: Submission, door: Door) -> Iterator[WireFinding]:
    for finding in oversize({"submission_bytes_max": submission.size}, door.limit):
        rule, severity, entry, label, value, expected, text = finding.to_wire()
        yield rule, severity, entry, label, value, expected, text


def _body(submission: Submission, statement: Statement, door: Door) -> int | WireFinding:
    """The length of the body that `statement` was signed for, or what is wrong with what came."""
    if not submission.body_z:
        return finding_of(Code.BODY_MISSING, "The submission has no body.")
    bytes_max = door.limit("body_bytes_max")
    try:
        body = inflate(submission.body_z, bytes_max=bytes_max)
    except Malformed as error:
        return finding_of(
            Code.BODY_WRONG,
            "The body cannot be inflated.",
            value=str(error),
            expected=f"one zstd frame that declares its size, at most body_bytes_max = {bytes_max}",
        )
    digest = body_digest(body)
    if digest != statement.body_digest or len(body) < SALT_BYTES:
        return finding_of(
            Code.BODY_WRONG,
            "The body is not the one that the statement was signed for.",
            value=digest.hex(),
            expected=statement.body_digest.hex(),
        )
    return len(body)


def finding_of(code: Code, text: str, *, value: str = "", expected: str = "") -> WireFinding:
    row = TABLE[code]
    return finding(row.label, f"{text} {row.next_step}", value=value, expected=expected)


def finding(rule: str, text: str, *, value: str = "", expected: str = "") -> WireFinding:
    return rule, "error", "", "", value, expected, text
