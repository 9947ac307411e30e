"""Statements and endorsements: each kind under its own typ, one encoding, an id that a re-made signature keeps."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.statements import cose
from slt.statements.cbor import DecodeError, Tagged, Value, decode, encode
from slt.statements.signatures import ALG_EDDSA, ALG_ES256, ALG_ML_DSA_65, BadSignature, Signer
from slt.statements.statement import (
    CODE10,
    ENDORSEMENT_TYP,
    STATEMENT_TYP,
    audience,
    body_digest,
    make_body,
    make_endorsement,
    make_statement,
    parse_endorsement,
    parse_statement,
    split_body,
    subject_of,
    verify_endorsement,
    verify_statement,
)
from tests.unit.statements.samples import AUTHOR, DOCUMENT, ENDORSER, IAT, ORIGIN, SALT, es256_signer, ml_dsa_signer

AUD = audience(ORIGIN, bytes(32))
SUB = subject_of(SALT, "XL/XLR1/41")
BODY = make_body(SALT, DOCUMENT)
L = 2**252 + 27742317777372353535851937790883648493


def statement(signer: Signer = AUTHOR, **changes: Any) -> bytes:
    fields = {"iss": "XLR1 accounting", "sub": SUB, "aud": AUD, "iat": IAT, "media_type": CODE10}
    return make_statement(signer, **{**fields, "digest": body_digest(BODY), **changes})


def parts(raw: bytes) -> tuple[dict[Value, Value], list[Value]]:
    """The protected header as a map, and the four items."""
    tagged = decode(raw)
    assert isinstance(tagged, Tagged) and isinstance(tagged.value, list)
    header = decode(tagged.value[0])
    assert isinstance(header, dict)
    return header, tagged.value


def rebuilt(raw: bytes, *, header: dict[Value, Value] | None = None, items: dict[int, Value] | None = None) -> bytes:
    """`raw` with other labels, or other items, and its old signature: decoding does not look at that."""
    _, values = parts(raw)
    values = [*values]
    if header is not None:
        values[0] = encode(header)
    for at, value in (items or {}).items():
        values[at] = value
    return encode(Tagged(values))


RAW = statement()


@pytest.mark.parametrize("signer", [AUTHOR, es256_signer(), ml_dsa_signer()], ids=["EdDSA", "ES256", "ML-DSA-65"])
def test_a_statement_says_what_was_signed(signer: Signer) -> None:
    read = parse_statement(statement(signer))
    assert (read.iss, read.sub, read.aud, read.iat) == ("XLR1 accounting", SUB, AUD, IAT)
    assert (read.kid, read.alg, read.media_type, read.body_digest) == (
        signer.kid,
        signer.alg,
        CODE10,
        body_digest(BODY),
    )
    assert read.id == sha256(read.to_be_signed).digest()
    verify_statement(read, signer.spki)
    assert signer.alg in {ALG_EDDSA, ALG_ES256, ALG_ML_DSA_65}


def test_what_is_signed_is_the_sig_structure_of_rfc_9052() -> None:
    _, values = parts(RAW)
    read = parse_statement(RAW)
    assert read.to_be_signed == encode(["Signature1", values[0], b"", values[2]])


def test_no_flipped_bit_of_a_statement_passes() -> None:
    """Each either cannot be read, or names another key, or its signature does not hold."""
    read = parse_statement(RAW)
    for bit in range(len(RAW) * 8):
        changed = bytearray(RAW)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_statement(bytes(changed))
        except DecodeError:
            continue
        assert other.raw != read.raw
        with pytest.raises(BadSignature):
            verify_statement(other, AUTHOR.spki)


def test_a_malleated_signature_leaves_the_statement_id_alone_and_does_not_verify() -> None:
    _, values = parts(RAW)
    signature = values[3]
    assert isinstance(signature, bytes)
    s = int.from_bytes(signature[32:], "little") + L
    malleated = parse_statement(rebuilt(RAW, items={3: signature[:32] + s.to_bytes(32, "little")}))
    assert malleated.id == parse_statement(RAW).id
    with pytest.raises(BadSignature, match="not reduced"):
        verify_statement(malleated, AUTHOR.spki)


def test_a_remade_signature_over_the_same_fact_has_the_same_id() -> None:
    """ML-DSA signs with randomness: two signatures, one statement."""
    first, second = (parse_statement(statement(ml_dsa_signer())) for _ in range(2))
    assert first.raw != second.raw
    assert first.id == second.id
    verify_statement(second, ml_dsa_signer().spki)


def test_a_statement_by_another_key_does_not_verify() -> None:
    with pytest.raises(BadSignature):
        verify_statement(parse_statement(RAW), ENDORSER.spki)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (cose.ALG, -9),
        (cose.ALG, "EdDSA"),
        (cose.ALG, -7),  # another algorithm: same signature length, and refused when verified
        (cose.KID, bytes(31)),
        (cose.KID, "kid"),
        (cose.TYP, ENDORSEMENT_TYP),
        (cose.TYP, STATEMENT_TYP.upper()),
        (cose.TYP, 16),
        (258, -43),
        (258, 16),
        (259, "text/plain"),
        (259, CODE10 + " "),
        (259, 50),
        (cose.CLAIMS, {1: "a", 2: SUB, 3: AUD}),
        (cose.CLAIMS, {1: "a", 2: SUB, 3: AUD, 6: IAT, 7: b""}),
        (cose.CLAIMS, [1, 2, 3, 6]),
    ],
)
def test_a_label_with_another_value_is_refused(label: int, value: Value) -> None:
    header, _ = parts(RAW)
    changed = rebuilt(RAW, header={**header, label: value})
    if (label, value) == (cose.ALG, -7):
        with pytest.raises(BadSignature, match="algorithm"):
            verify_statement(parse_statement(changed), AUTHOR.spki)
    else:
        with pytest.raises(DecodeError):
            parse_statement(changed)


@pytest.mark.parametrize("label", [1, 4, 15, 16, 258, 259])
def test_a_missing_label_is_refused(label: int) -> None:
    header, _ = parts(RAW)
    with pytest.raises(DecodeError, match="labels"):
        parse_statement(rebuilt(RAW, header={name: value for name, value in header.items() if name != label}))


@pytest.mark.parametrize("label", [2, 3, 13, 260, "alg", -1])
def test_an_unknown_label_is_refused(label: Value) -> None:
    header, _ = parts(RAW)
    with pytest.raises(DecodeError, match="labels"):
        parse_statement(rebuilt(RAW, header={**header, label: 1}))


@pytest.mark.parametrize(
    "claims",
    [{1: ""}, {1: 7}, {1: "x" * 129}, {2: SUB[:-1]}, {2: SUB + "A"}, {2: SUB[:-1] + "B"}, {2: b"x"}, {3: ""},
     {3: "x" * 257}, {6: -1}, {6: 2**60}, {6: True}, {6: "1"}],
)  # fmt: skip
def test_a_claim_outside_its_bounds_is_refused(claims: dict[Value, Value]) -> None:
    header, _ = parts(RAW)
    given_claims = header[cose.CLAIMS]
    assert isinstance(given_claims, dict)
    with pytest.raises(DecodeError):
        parse_statement(rebuilt(RAW, header={**header, cose.CLAIMS: {**given_claims, **claims}}))


def test_an_unprotected_header_is_refused() -> None:
    others: list[Value] = [{4: b"kid"}, {394: [b"receipt"]}, [], None, b""]
    for unprotected in others:
        with pytest.raises(DecodeError, match="unprotected"):
            parse_statement(rebuilt(RAW, items={1: unprotected}))


@pytest.mark.parametrize("payload", [None, b"", bytes(31), bytes(33), "text"])
def test_a_payload_that_is_no_digest_is_refused(payload: Value) -> None:
    with pytest.raises(DecodeError, match="payload"):
        parse_statement(rebuilt(RAW, items={2: payload}))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), bytes(3309), None])
def test_a_signature_of_another_length_is_refused(signature: Value) -> None:
    with pytest.raises(DecodeError, match="signature"):
        parse_statement(rebuilt(RAW, items={3: signature}))


def test_without_tag_18_it_is_no_statement() -> None:
    with pytest.raises(DecodeError, match="tag 18"):
        parse_statement(RAW[1:])


def test_an_oversize_statement_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match="at most 8192"):
        parse_statement(RAW + bytes(8192))


@given(st.binary(max_size=400))
def test_garbage_is_a_decode_error(data: bytes) -> None:
    for parse in (parse_statement, parse_endorsement):
        with pytest.raises(DecodeError):
            parse(data)


# Endorsements


def test_an_endorsement_covers_a_statement_id() -> None:
    statement_id = parse_statement(RAW).id
    raw = make_endorsement(ENDORSER, iss="XL authority", aud=AUD, iat=IAT + 1, statement_id=statement_id)
    read = parse_endorsement(raw)
    assert (read.iss, read.aud, read.iat, read.statement_id) == ("XL authority", AUD, IAT + 1, statement_id)
    verify_endorsement(read, ENDORSER.spki)
    with pytest.raises(BadSignature):
        verify_endorsement(read, AUTHOR.spki)


def test_a_statement_is_no_endorsement_and_an_endorsement_no_statement() -> None:
    endorsement = make_endorsement(ENDORSER, iss="XL authority", aud=AUD, iat=IAT, statement_id=bytes(32))
    with pytest.raises(DecodeError):
        parse_statement(endorsement)
    with pytest.raises(DecodeError):
        parse_endorsement(RAW)


# Bodies and subjects


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=100))
def test_a_body_splits_into_what_it_was_made_of(salt: bytes, document: bytes) -> None:
    assert split_body(make_body(salt, document)) == (salt, document)


@pytest.mark.parametrize("size", [0, 15])
def test_a_body_without_a_whole_salt_is_refused(size: int) -> None:
    with pytest.raises(DecodeError, match="salt"):
        split_body(bytes(size))
    with pytest.raises(ValueError, match="salt"):
        make_body(bytes(size), b"")


def test_a_subject_depends_on_every_part_and_on_the_salt() -> None:
    others = {subject_of(SALT, "XL/XLR1/42"), subject_of(SALT, "XF/XLR1/41"), subject_of(bytes(16), "XL/XLR1/41"), SUB}
    assert len(others) == 4
    assert all(len(other) == 22 for other in others)
