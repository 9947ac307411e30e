"""Governance statements at the door, and signatures looked at again for consensus."""

from typing import Any

import pytest

from services.authentication.core import Outcome, Passed, Refused
from services.authentication.governance import check_change
from services.authentication.messages import Examined, examine
from services.authentication.signatures import authenticity
from slt.statements.governance import Announcement, SetParameter, make_approval, make_governance, parse_governance
from slt.statements.signatures import Signer
from slt.statements.statement import parse_statement
from slt.statements.submission import APPROVALS_MAX, Submission, encode_submissions
from tests.unit.authentication.doors import AUTHORITY, FOREIGN_AUTHORITY, STRANGER, door, endorsed, genesis, submission
from tests.unit.statements.samples import GOVERNANCE, IAT

ANNOUNCEMENT = Announcement(change=SetParameter(name="skew_s", value=60), effective_height=9, nonce=bytes(16))
SUBJECT = "slt.submit.governance"


def change(by: Signer = GOVERNANCE, **changes: Any) -> bytes:
    fields: dict[str, Any] = {"iss": "IAEA", "aud": genesis().audience, "iat": IAT, "announcement": ANNOUNCEMENT}
    return make_governance(by, **{**fields, **changes})


def approved(raw: bytes, *approvers: Signer, **changes: Any) -> Submission:
    fields: dict[str, Any] = {
        "iss": "somebody",
        "aud": genesis().audience,
        "iat": IAT,
        "statement_id": parse_governance(raw).id,
    }
    approvals = tuple(make_approval(by, **{**fields, **changes}) for by in approvers)
    return Submission(statement=raw, endorsements=approvals, body_z=b"")


def refused(outcome: Outcome) -> Refused:
    assert isinstance(outcome, Refused)
    assert all(finding[6] for finding in outcome.findings)
    return outcome


def test_a_change_signed_by_a_member_and_approved_by_an_authority_passes_with_their_keys() -> None:
    found = examine(SUBJECT, encode_submissions([approved(change(), AUTHORITY)]), door())
    assert isinstance(found, Examined) and (found.state, found.mba, found.area) == ("", "", "governance")
    (seen,) = found.seen
    passed = seen.outcome
    assert isinstance(passed, Passed) and passed.author.spki == GOVERNANCE.spki
    assert [one.kid for one in passed.endorsers] == [AUTHORITY.kid]
    assert (passed.body_length, seen.statement_id) == (0, parse_governance(change()).id)


def test_an_authority_may_sign_a_change() -> None:
    assert isinstance(check_change(approved(change(AUTHORITY)), door()), Passed)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"\x80", "unreadable"),
        (change(aud="another#" + "00" * 32), "other-ledger"),
        (change(STRANGER), "key-unknown"),
        (change()[:-64] + bytes(64), "A01"),
    ],
)
def test_a_change_that_nobody_has_said_is_refused_under_its_submission_id_only(raw: bytes, rule: str) -> None:
    outcome = refused(check_change(Submission(statement=raw, body_z=b""), door()))
    assert outcome.statement_id is None
    assert [finding[0] for finding in outcome.findings] == [rule]


def test_everything_wrong_beside_a_good_signature_is_told_at_once() -> None:
    raw = change(iat=IAT - 10**8)
    other = approved(change(), AUTHORITY).endorsements
    mine = approved(raw, FOREIGN_AUTHORITY, FOREIGN_AUTHORITY, STRANGER).endorsements
    outcome = refused(check_change(Submission(statement=raw, endorsements=(*mine, *other), body_z=b"body"), door()))
    assert outcome.statement_id == parse_governance(raw).id
    texts = [finding[6] for finding in outcome.findings]
    assert [finding[0] for finding in outcome.findings] == ["A05", *["approval-bad"] * 3, "body-wrong"]
    assert "Approval 2 is a second one by foreign authority" in texts[1]
    assert "is not registered" in texts[2] and "it is of statement" in texts[3]


def test_an_endorsement_is_no_approval() -> None:
    raw = change()
    endorsement = endorsed(submission(), AUTHORITY, statement_id=parse_governance(raw).id).endorsements
    outcome = refused(check_change(Submission(statement=raw, endorsements=endorsement, body_z=b""), door()))
    assert [finding[0] for finding in outcome.findings] == ["approval-bad"]


def test_more_approvals_than_a_statement_carries_are_refused_unread() -> None:
    raw = change()
    outcome = refused(
        check_change(Submission(statement=raw, endorsements=(b"x",) * (APPROVALS_MAX + 1), body_z=b""), door())
    )
    assert [finding[4:6] for finding in outcome.findings] == [(str(APPROVALS_MAX + 1), f"at most {APPROVALS_MAX}")]


def test_a_report_on_the_subject_of_changes_is_unreadable_and_the_other_way_round() -> None:
    outcome = refused(check_change(submission(), door()))
    assert outcome.findings[0][0] == "unreadable"
    found = examine("slt.submit.XL.XLR1", encode_submissions([approved(change())]), door())
    assert isinstance(found, Examined)
    assert refused(found.seen[0].outcome).findings[0][0] == "unreadable"


# Looked at again


def test_signatures_of_a_report_are_found_good_unknown_or_bad() -> None:
    one = endorsed(submission(), AUTHORITY, STRANGER)
    found = authenticity(one.statement, one.endorsements, door())
    assert (found.signature, found.endorsers, found.endorser_spkis) == ("good", [AUTHORITY.kid], [AUTHORITY.spki])
    assert (found.unknown_endorsers, found.bad_endorsement) == ([STRANGER.kid], False)
    assert found.spki == door().identities[parse_statement(one.statement).kid].spki


def test_a_key_that_is_not_registered_is_no_bad_signature() -> None:
    found = authenticity(submission().statement, (), door(identities={}))
    assert (found.signature, found.spki, found.bad_endorsement) == ("no key", b"", False)


@pytest.mark.parametrize("made_for", [{"aud": "another#" + "00" * 32}, {"statement_id": bytes(32)}])
def test_an_endorsement_of_something_else_is_bad(made_for: dict[str, Any]) -> None:
    one = endorsed(submission(), AUTHORITY, **made_for)
    assert authenticity(one.statement, one.endorsements, door()).bad_endorsement


def test_two_endorsements_by_one_key_are_bad() -> None:
    one = endorsed(submission(), AUTHORITY, AUTHORITY)
    found = authenticity(one.statement, one.endorsements, door())
    assert found.bad_endorsement and found.endorsers == [AUTHORITY.kid]


def test_signatures_of_a_change_are_found() -> None:
    one = approved(change(), AUTHORITY)
    found = authenticity(one.statement, one.endorsements, door())
    assert (found.signature, found.spki, found.endorsers) == ("good", GOVERNANCE.spki, [AUTHORITY.kid])


def test_a_broken_signature_and_bytes_that_are_no_statement_are_bad() -> None:
    assert authenticity(change()[:-64] + bytes(64), (), door()).signature == "bad"
    assert authenticity(b"\x80", (), door()).signature == "bad"
