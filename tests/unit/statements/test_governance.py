"""Governance statements and approvals: one encoding each, each under its own typ, and nothing else is read."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from slt.statements import cose
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.governance import (
    APPROVAL_TYP,
    GOVERNANCE_TYP,
    ActivateRules,
    Announcement,
    Change,
    Enrol,
    GovernanceStatement,
    ReplaceMembers,
    Revoke,
    SetArea,
    SetParameter,
    SetReference,
    make_approval,
    make_governance,
    parse_announcement,
    parse_approval,
    parse_endorsement_of,
    parse_governance,
    parse_ordered,
    verify_approval,
    verify_governance,
    verify_ordered,
)
from slt.statements.signatures import BadSignature
from slt.statements.statement import (
    CODE10,
    Statement,
    make_endorsement,
    make_statement,
    parse_endorsement,
    parse_statement,
)
from tests.unit.statements.samples import AUTHOR, ENDORSER, GOVERNANCE, IAT, identity, mba, member, ml_dsa_signer

AUD = "ledger.example/xl#" + "00" * 32
NONCE = bytes(range(16))

CHANGES: dict[str, Change] = {
    "enrol": Enrol(identity=identity("XLR1 accounting", AUTHOR.spki)),
    "enrol ML-DSA-65": Enrol(identity=identity("XLR1 later", ml_dsa_signer().spki)),
    "revoke": Revoke(kid=parse_statement(make_statement(
        AUTHOR, iss="x", sub="A" * 22, aud=AUD, iat=IAT, media_type=CODE10, digest=bytes(32))).id),
    "area": SetArea(mba=mba(closed="20270101")),
    "parameter": SetParameter(name="skew_s", value=600),
    "rules": ActivateRules(version=2),
    "reference": SetReference(mbas=(mba(closed="20270101"), mba(mba="XLR2", opening=None))),
    "members": ReplaceMembers(members=(member(), member(id=1, name="XL"))),
}  # fmt: skip


def announced(change: Change = CHANGES["parameter"], height: int = 1000) -> Announcement:
    return Announcement(change=change, effective_height=height, nonce=NONCE)


def governance(change: Change = CHANGES["parameter"], **fields: Any) -> bytes:
    given = {"iss": "IAEA", "aud": AUD, "iat": IAT, "announcement": announced(change), **fields}
    return make_governance(GOVERNANCE, **given)


@pytest.mark.parametrize("name", CHANGES)
def test_every_kind_of_change_is_read_as_it_was_written(name: str) -> None:
    raw = governance(CHANGES[name])
    read = parse_governance(raw)
    assert read.announcement == announced(CHANGES[name])
    assert read.payload == read.announcement.encoded
    assert (read.iss, read.aud, read.iat, read.kid, read.raw) == ("IAEA", AUD, IAT, GOVERNANCE.kid, raw)
    verify_governance(read, GOVERNANCE.spki)


def test_the_same_change_under_another_nonce_is_another_statement() -> None:
    other = Announcement(change=CHANGES["parameter"], effective_height=1000, nonce=bytes(16))
    assert parse_governance(governance()).id != parse_governance(governance(announcement=other)).id


def test_what_another_key_signed_does_not_verify() -> None:
    with pytest.raises(BadSignature):
        verify_governance(parse_governance(governance()), AUTHOR.spki)


def test_no_flipped_bit_of_a_governance_statement_passes() -> None:
    raw = governance()
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            read = parse_governance(bytes(changed))
        except DecodeError:
            continue
        with pytest.raises(BadSignature):
            verify_governance(read, GOVERNANCE.spki)


@pytest.mark.parametrize(
    ("payload", "match"),
    [
        ([8, 1000, NONCE, 1], "kind must be 1 to 7"),
        ([0, 1000, NONCE, 1], "kind must be 1 to 7"),
        ([5, 0, NONCE, 1], "effective height"),
        ([5, 2**63, NONCE, 1], "effective height"),
        ([5, 1000, NONCE[1:], 1], "nonce must be 16 bytes"),
        ([5, 1000, NONCE], "4 to 5 items"),
        ([5, 1000, NONCE, 1, 2], "1 values after the nonce"),
        ([4, 1000, NONCE, "skew_s"], "2 values after the nonce"),
        ([4, 1000, NONCE, "", 1], "parameter"),
        ([4, 1000, NONCE, "skew_s", -1], "parameter's value"),
        ([5, 1000, NONCE, 0], "rules version"),
        ([2, 1000, NONCE, b"short"], "kid must be a digest"),
        ([6, 1000, NONCE, []], "areas"),
        ([7, 1000, NONCE, []], "members"),
        ([7, 1000, NONCE, [[0]]], "member must have 7 items"),
        ({1: 2}, "must be an array"),
    ],
)
def test_a_payload_that_is_no_change_is_not_read(payload: Value, match: str) -> None:
    with pytest.raises(DecodeError, match=match):
        parse_announcement(encode(payload))


def test_a_payload_with_another_encoding_is_not_read() -> None:
    with pytest.raises(DecodeError, match="shortest"):
        parse_announcement(bytes.fromhex("841805") + announced(CHANGES["rules"]).encoded[2:])


def test_a_statement_that_does_not_fit_the_log_is_neither_made_nor_read() -> None:
    many = SetReference(mbas=tuple(mba(mba=f"{number:04}") for number in range(1000)))
    with pytest.raises(ValueError, match="at most 65535 fit the log"):
        governance(many)
    with pytest.raises(DecodeError, match="at most 65535 are read"):
        parse_governance(bytes(65_536))


def test_an_approval_says_which_statement_it_approves() -> None:
    statement = parse_governance(governance())
    read = parse_approval(make_approval(ENDORSER, iss="XL", aud=AUD, iat=IAT, statement_id=statement.id))
    assert (read.statement_id, read.kid, read.iss) == (statement.id, ENDORSER.kid, "XL")
    verify_approval(read, ENDORSER.spki)
    with pytest.raises(BadSignature):
        verify_approval(read, GOVERNANCE.spki)


def test_nothing_is_read_under_the_typ_of_another_kind() -> None:
    said = {"iss": "XL", "aud": AUD, "iat": IAT}
    statement = make_statement(AUTHOR, sub="A" * 22, media_type=CODE10, digest=bytes(32), **said)  # type: ignore[arg-type]  # words of the dict
    endorsement = make_endorsement(ENDORSER, statement_id=bytes(32), **said)  # type: ignore[arg-type]  # as above
    approval = make_approval(ENDORSER, statement_id=bytes(32), **said)  # type: ignore[arg-type]  # as above
    readers: dict[bytes, Callable[[bytes], object]] = {
        statement: parse_statement,
        endorsement: parse_endorsement,
        approval: parse_approval,
        governance(): parse_governance,
    }
    for raw, own in readers.items():
        own(raw)
        for other in set(readers.values()) - {own}:
            with pytest.raises(DecodeError):
                other(raw)


def test_what_stands_in_a_batch_is_read_by_its_own_typ() -> None:
    """Also where a text of a report's statement looks like the other typ."""
    for issuer in ("XLR1 accounting", GOVERNANCE_TYP):
        raw = make_statement(AUTHOR, iss=issuer, sub="A" * 22, aud=AUD, iat=IAT, media_type=CODE10, digest=bytes(32))
        assert isinstance(parse_ordered(raw), Statement)
    assert isinstance(parse_ordered(governance()), GovernanceStatement)
    for raw in (make_approval(ENDORSER, iss="XL", aud=AUD, iat=IAT, statement_id=bytes(32)), b"", b"\xd2\x80"):
        with pytest.raises(DecodeError):
            parse_ordered(raw)
    assert cose.typ_of(make_approval(ENDORSER, iss="XL", aud=AUD, iat=IAT, statement_id=bytes(32)), "x") == APPROVAL_TYP


def test_a_report_and_a_change_are_verified_by_the_same_words() -> None:
    report = parse_ordered(
        make_statement(AUTHOR, iss="x", sub="A" * 22, aud=AUD, iat=IAT, media_type=CODE10, digest=bytes(32))
    )
    change = parse_ordered(governance())
    verify_ordered(report, AUTHOR.spki)
    verify_ordered(change, GOVERNANCE.spki)
    with pytest.raises(BadSignature):
        verify_ordered(change, AUTHOR.spki)
    assert (change.sub, change.media_type, change.body_digest) == ("", GOVERNANCE_TYP, sha256(b"").digest())
    approval = make_approval(ENDORSER, iss="y", aud=AUD, iat=IAT, statement_id=change.id)
    endorsement = make_endorsement(ENDORSER, iss="y", aud=AUD, iat=IAT, statement_id=change.id)
    assert parse_endorsement_of(change, approval).raw == approval
    assert parse_endorsement_of(report, endorsement).raw == endorsement
    with pytest.raises(DecodeError, match="approval: typ"):
        parse_endorsement_of(change, endorsement)
