"""What authentication decides about governance statements: pure.

Who signs them is an authority of a State, or a member by its governance key; the same for approvals, which stand in the
place of endorsements. Whether they may decide about this change, and whether there are enough of them, admission and
evaluation say (slt.inventory): here only who they are and that they did sign.
"""

from collections.abc import Iterable, Iterator, Mapping

from services.authentication.core import Door, Outcome, Party, Passed, Refused, finding, finding_of, unknown, window
from slt.bus.messages import WireFinding
from slt.statements.cbor import DecodeError
from slt.statements.governance import GovernanceStatement, parse_approval, parse_governance, verify_governance
from slt.statements.registry import Member
from slt.statements.signatures import BadSignature, ed25519_spki, kid_of
from slt.statements.statement import verify_endorsement
from slt.statements.submission import APPROVALS_MAX, Submission
from slt.statements.verdicts import Code


def parties_of(members: Iterable[Member]) -> Mapping[bytes, Party]:
    """The members by the kid of their governance keys."""
    spkis = ((member.name, ed25519_spki(member.governance_key)) for member in members)
    return {kid_of(spki): Party(name=name, kid=kid_of(spki), spki=spki) for name, spki in spkis}


def check_change(submission: Submission, door: Door) -> Outcome:
    """Check what came on slt.submit.governance. The signature first; then approvals, window and form together."""
    try:
        statement = parse_governance(submission.statement)
    except DecodeError as error:
        return Refused(statement_id=None, findings=(finding("unreadable", f"{error}. Sign the change anew."),))
    if statement.aud != door.audience:
        text = "The change was signed for another ledger. Sign it anew with this ledger's genesis."
        wrong = finding("other-ledger", text, value=statement.aud, expected=door.audience)
        return Refused(statement_id=None, findings=(wrong,))
    author = door.party(statement.kid)
    if author is None:
        return Refused(statement_id=None, findings=(unknown(statement.kid),))
    try:
        verify_governance(statement, author.spki)
    except BadSignature as error:
        text = f"The statement's signature does not hold: {error}."
        return Refused(statement_id=None, findings=(finding_of(Code.BAD_SIGNATURE, text),))
    approvers: list[Party] = []
    findings = (
        *window(statement.iat, door),
        *_approvals(submission, statement, door, approvers),
        *_bodiless(submission),
    )
    if findings:
        return Refused(statement_id=statement.id, findings=findings)
    return Passed(statement=statement, author=author, endorsers=tuple(approvers), body_length=0)


def _approvals(
    submission: Submission, statement: GovernanceStatement, door: Door, approvers: list[Party]
) -> Iterator[WireFinding]:
    """Every approval that comes must hold; who gave a good one is added to `approvers`."""
    if len(submission.endorsements) > APPROVALS_MAX:
        yield finding_of(
            Code.APPROVAL_BAD,
            "There are too many approvals.",
            value=str(len(submission.endorsements)),
            expected=f"at most {APPROVALS_MAX}",
        )
        return
    for number, raw in enumerate(submission.endorsements, 1):
        approver = _approver(raw, statement, door)
        if isinstance(approver, str):
            yield finding_of(Code.APPROVAL_BAD, f"Approval {number} does not hold: {approver}.")
        elif approver in approvers:
            yield finding_of(Code.APPROVAL_BAD, f"Approval {number} is a second one by {approver.name}.")
        else:
            approvers.append(approver)


def _approver(raw: bytes, statement: GovernanceStatement, door: Door) -> Party | str:
    """Who approved `statement` with `raw`, or what is wrong with that."""
    try:
        approval = parse_approval(raw)
    except DecodeError as error:
        return f"it cannot be read: {error}"
    if approval.aud != door.audience:
        return f"it was made for ledger {approval.aud}"
    if approval.statement_id != statement.id:
        return f"it is of statement {approval.statement_id.hex()}"
    approver = door.party(approval.kid)
    if approver is None:
        return f"its key {approval.kid.hex()} is not registered"
    try:
        verify_endorsement(approval, approver.spki)
    except BadSignature as error:
        return str(error)
    return approver


def _bodiless(submission: Submission) -> Iterator[WireFinding]:
    if submission.body_z:
        yield finding_of(
            Code.BODY_WRONG,
            "A governance statement has no body.",
            value=f"{len(submission.body_z)} bytes",
            expected="an empty third field",
        )
