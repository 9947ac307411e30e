"""Who may pass the door, and what everybody else is told."""

from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from services.authentication.core import Passed, Refused, check
from services.authentication.messages import Examined, Unreadable, examine
from slt.bus.compression import compress
from slt.runtime.recent import Recent
from slt.statements.signatures import Signer
from slt.statements.statement import make_body, parse_statement
from slt.statements.submission import Submission, encode_submissions
from tests.unit.authentication.doors import (
    AUTHOR,
    AUTHORITY,
    BODY,
    EXPIRED,
    FOREIGN_AUTHORITY,
    INSPECTOR,
    NOW_S,
    SECOND,
    STRANGER,
    door,
    endorsed,
    statement,
    submission,
)
from tests.unit.statements.samples import IAT, es256_signer, ml_dsa_signer

L = 2**252 + 27742317777372353535851937790883648493
WINDOW_S = 2_592_000
SKEW_S = 300


def passed(one: Submission, *, mba: str = "XLR1", **changes: Any) -> Passed:
    outcome = check(one, door(**changes), state="XL", mba=mba)
    assert isinstance(outcome, Passed), outcome
    return outcome


def refused(one: Submission, *, state: str = "XL", mba: str = "XLR1", **changes: Any) -> Refused:
    outcome = check(one, door(**changes), state=state, mba=mba)
    assert isinstance(outcome, Refused), outcome
    assert outcome.findings
    for rule, severity, entry, label, _, _, text in outcome.findings:
        assert rule and severity == "error" and (entry, label) == ("", "")
        assert text.endswith((".", "!"))
    return outcome


def rules(outcome: Refused) -> list[str]:
    return [finding[0] for finding in outcome.findings]


def text(outcome: Refused) -> str:
    return " ".join(finding[6] for finding in outcome.findings)


# Who passes


@pytest.mark.parametrize("by", [AUTHOR, es256_signer(), ml_dsa_signer()], ids=["EdDSA", "ES256", "ML-DSA-65"])
def test_a_reporter_of_the_area_passes_with_every_algorithm(by: Signer) -> None:
    one = submission(by)
    outcome = passed(one)
    assert outcome.statement.id == parse_statement(one.statement).id
    assert outcome.author.kid == by.kid
    assert (outcome.endorsers, outcome.body_length) == ((), len(BODY))


def test_an_endorsement_that_nobody_asked_for_may_come_along() -> None:
    outcome = passed(endorsed(submission(), AUTHORITY, INSPECTOR))
    assert [one.name for one in outcome.endorsers] == ["authority", "inspector"]


def test_an_area_that_wants_one_passes_with_the_endorsement_of_its_authority() -> None:
    outcome = passed(endorsed(submission(), AUTHORITY), mba="XLS1")
    assert [one.name for one in outcome.endorsers] == ["authority"]


# Nothing is said about a statement that its author has not said


@given(st.binary(max_size=300))
def test_garbage_in_place_of_a_statement_is_refused_by_submission_only(data: bytes) -> None:
    outcome = refused(Submission(statement=data, body_z=b""))
    assert outcome.statement_id is None
    assert rules(outcome) == ["unreadable"]


def test_a_statement_for_another_ledger_is_refused_by_submission_only() -> None:
    outcome = refused(submission(aud="other.example#" + "0" * 64))
    assert outcome.statement_id is None
    assert rules(outcome) == ["other-ledger"]
    assert outcome.findings[0][4].startswith("other.example#")


def test_an_unknown_key_is_refused_by_submission_only() -> None:
    outcome = refused(submission(STRANGER))
    assert outcome.statement_id is None
    assert rules(outcome) == ["key-unknown"]
    assert "have your State's authority enrol this one" in text(outcome)


def test_no_flipped_bit_of_a_statement_passes_or_names_it() -> None:
    good = submission()
    for bit in range(len(good.statement) * 8):
        changed = bytearray(good.statement)
        changed[bit // 8] ^= 1 << bit % 8
        outcome = check(replace(good, statement=bytes(changed)), door(), state="XL", mba="XLR1")
        assert isinstance(outcome, Refused)
        assert outcome.statement_id is None


def test_a_malleated_signature_is_refused_by_submission_only() -> None:
    good = submission()
    s = int.from_bytes(good.statement[-32:], "little") + L
    malleated = replace(good, statement=good.statement[:-32] + s.to_bytes(32, "little"))
    assert parse_statement(malleated.statement).id == parse_statement(good.statement).id
    outcome = refused(malleated)
    assert outcome.statement_id is None
    assert rules(outcome) == ["A01"]


def test_a_signature_by_another_registered_key_is_refused_by_submission_only() -> None:
    raw = bytearray(statement(SECOND))
    raw[raw.index(SECOND.kid) : raw.index(SECOND.kid) + 32] = AUTHOR.kid
    outcome = refused(Submission(statement=bytes(raw), body_z=compress(BODY)))
    assert outcome.statement_id is None
    assert rules(outcome) == ["A01"]


# Window, identity, area


@pytest.mark.parametrize("now_s", [IAT - SKEW_S, IAT, IAT + WINDOW_S])
def test_the_edges_of_the_window_are_inside(now_s: int) -> None:
    passed(submission(), now_s=now_s)


@pytest.mark.parametrize("now_s", [IAT - SKEW_S - 1, IAT + WINDOW_S + 1])
def test_outside_its_window_a_statement_is_refused(now_s: int) -> None:
    outcome = refused(submission(), now_s=now_s)
    assert outcome.statement_id == parse_statement(submission().statement).id
    assert rules(outcome) == ["A05"]
    assert "submit the same file again; that makes a new statement" in text(outcome)


def test_an_expired_identity_is_refused() -> None:
    assert rules(refused(submission(EXPIRED))) == ["A02"]


def test_an_identity_of_another_role_is_refused() -> None:
    for by in (INSPECTOR, AUTHORITY):
        outcome = refused(submission(by))
        assert rules(outcome) == ["A03"]
        assert outcome.findings[0][5] == "reporter"


def test_a_statement_under_another_name_is_refused() -> None:
    assert rules(refused(submission(iss="somebody else"))) == ["A03"]


@pytest.mark.parametrize(
    ("state", "mba"), [("XF", "XFR1"), ("XL", "XLT1"), ("XF", "XLR1"), ("XL", "NONE"), ("ZZ", "ZZ")]
)
def test_another_area_is_refused_and_the_own_ones_are_named(state: str, mba: str) -> None:
    outcome = refused(submission(), state=state, mba=mba)
    assert rules(outcome) == ["A03"]
    assert outcome.findings[0][4:6] == (f"{state}/{mba}", "XL/XLR1, XL/XLS1")


def test_every_fault_of_a_verified_statement_is_told_at_once() -> None:
    outcome = refused(submission(EXPIRED, iss="x"), mba="XLS1", now_s=IAT - 1000)
    assert rules(outcome) == ["A05", "A02", "A03", "A03", "A04"]


# Endorsements


def test_an_area_that_wants_an_endorsement_does_not_pass_without() -> None:
    outcome = refused(submission(), mba="XLS1")
    assert rules(outcome) == ["A04"]
    assert "submit it again with the endorsement" in text(outcome)


@pytest.mark.parametrize("by", [FOREIGN_AUTHORITY, INSPECTOR], ids=["another State's authority", "an inspector"])
def test_only_the_authority_of_the_state_endorses(by: Signer) -> None:
    assert rules(refused(endorsed(submission(), by), mba="XLS1")) == ["A04"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"aud": "other.example#00"}, "was made for ledger other.example"),
        ({"statement_id": bytes(32)}, "is of statement 0000"),
    ],
)
def test_an_endorsement_of_something_else_is_refused(changes: dict[str, Any], sentence: str) -> None:
    outcome = refused(endorsed(submission(), AUTHORITY, **changes))
    assert rules(outcome) == ["endorsement-bad"]
    assert sentence in text(outcome)


def test_an_endorsement_by_an_unknown_key_is_refused() -> None:
    assert "is not registered" in text(refused(endorsed(submission(), STRANGER)))


def test_a_broken_endorsement_is_refused_under_the_statement_and_says_nothing_of_the_genuine_one() -> None:
    good = endorsed(submission(), AUTHORITY)
    for broken in (good.endorsements[0][:-1] + bytes([good.endorsements[0][-1] ^ 1]), b"garbage", good.statement):
        outcome = refused(replace(good, endorsements=(broken,)))
        assert outcome.statement_id == parse_statement(good.statement).id
        assert rules(outcome) == ["endorsement-bad"]
    passed(good)


def test_one_endorsement_of_each_key_and_at_most_16_in_all() -> None:
    assert "second one by authority" in text(refused(endorsed(submission(), AUTHORITY, AUTHORITY)))
    assert "too many endorsements" in text(refused(replace(submission(), endorsements=(b"",) * 17)))


# Bodies and sizes


@pytest.mark.parametrize(
    "body_z",
    [
        b"no zstd frame",
        compress(BODY) + b"\0",
        compress(BODY)[:-1],
        zstandard.ZstdCompressor(write_content_size=False).compress(BODY),
        compress(make_body(bytes(16), b"another document")),
        compress(BODY[:-1]),
    ],
    ids=["no frame", "trailing byte", "cut", "no declared size", "another body", "shorter body"],
)
def test_a_wrong_body_is_refused_and_the_genuine_statement_is_not_harmed(body_z: bytes) -> None:
    good = submission()
    outcome = refused(replace(good, body_z=body_z))
    assert rules(outcome) == ["body-wrong"]
    assert "Submit the same statement again with the body that it was signed for" in text(outcome)
    passed(good)


def test_no_flipped_bit_of_a_body_passes() -> None:
    good = submission()
    for bit in range(len(good.body_z) * 8):
        changed = bytearray(good.body_z)
        changed[bit // 8] ^= 1 << bit % 8
        outcome = check(replace(good, body_z=bytes(changed)), door(), state="XL", mba="XLR1")
        # A bit of the frame's header may be free: then the very same body comes out of it.
        assert isinstance(outcome, Refused) or outcome.body_length == len(BODY)


def test_a_missing_body_is_refused() -> None:
    assert rules(refused(replace(submission(), body_z=b""))) == ["body-missing"]


def test_a_body_without_a_whole_salt_is_refused() -> None:
    assert rules(refused(submission(body=b"short"))) == ["body-wrong"]


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = submission(body=bytes(200_000))
    assert len(bomb.body_z) < 100
    outcome = refused(bomb)
    assert rules(outcome) == ["body-wrong"]
    assert "declares 200000 bytes" in outcome.findings[0][4]
    assert "body_bytes_max = 100000" in outcome.findings[0][5]


def test_an_oversize_submission_is_refused_by_the_name_of_the_limit() -> None:
    noise = b"".join(number.to_bytes(4, "big") for number in range(20_000))
    large = replace(
        submission(body=noise), body_z=zstandard.ZstdCompressor(level=1).compress(noise[:16]) + bytes(50_001)
    )
    outcome = refused(large)
    assert rules(outcome) == ["LIMIT"]
    assert outcome.findings[0][5] == "submission_bytes_max = 50000"


# Messages


def test_each_submission_of_a_message_is_judged_for_itself() -> None:
    good, bad = submission(), submission(STRANGER)
    found = examine("slt.submit.XL.XLR1", encode_submissions([good, bad]), door())
    assert isinstance(found, Examined)
    assert (found.state, found.mba) == ("XL", "XLR1")
    assert [type(seen.outcome) for seen in found.seen] == [Passed, Refused]
    assert [seen.submission_id for seen in found.seen] == [good.id, bad.id]
    assert [seen.statement_id for seen in found.seen] == [parse_statement(good.statement).id, None]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_submission_message_are_unreadable(data: bytes) -> None:
    assert isinstance(examine("slt.submit.XL.XLR1", data, door()), Unreadable)


@pytest.mark.parametrize("subject", ["slt.submit.xl.xlr1", "slt.submit.XL", "slt.submit.X.Y.Z"])
def test_a_subject_that_is_no_area_is_unreadable(subject: str) -> None:
    assert isinstance(examine(subject, encode_submissions([submission()]), door()), Unreadable)


def test_a_retry_and_a_resigned_copy_pass_as_often_as_they_come() -> None:
    """Pending never swallows a retry; that both are one statement is for later stages to see."""
    first, second = submission(ml_dsa_signer()), submission(ml_dsa_signer())
    assert first.id != second.id
    assert passed(first).statement.id == passed(first).statement.id == passed(second).statement.id


# Memory


def test_the_last_decision_is_found_by_either_id_and_old_ones_are_forgotten() -> None:
    recent = Recent(size_max=2)
    recent.add(b"s1", b"t", {"n": 1})
    recent.add(b"s2", b"t", {"n": 2})
    assert (recent.get(b"s1"), recent.get(b"s2"), recent.get(b"t")) == ({"n": 1}, {"n": 2}, {"n": 2})
    recent.add(b"s3", None, {"n": 3})
    assert recent.get(b"s1") is None
    assert recent.get(b"s3") == {"n": 3}


def test_now_is_within_the_window_of_the_samples() -> None:
    assert IAT <= NOW_S <= IAT + WINDOW_S
