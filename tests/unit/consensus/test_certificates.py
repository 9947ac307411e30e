"""A private certificate: it holds, or it is refused with a sentence for each way to be wrong."""

from dataclasses import replace
from typing import Any

import cbor2
import pytest

from slt.consensus.certificates import CertificateError, private_sign_bytes, sign_private, verify_certificate
from slt.consensus.events import Admitted
from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError, Value, decode, encode
from slt.statements.genesis import Genesis
from slt.statements.headers import Header, parse_header
from slt.statements.terms import PrivateCertificate, TermCertificate
from tests.unit.consensus.world import (
    GENESIS,
    NOW_MS,
    SEQUENCER,
    TERM,
    evaluated,
    make_admission,
    make_driver,
    make_genesis,
    make_term,
    signed,
    signer,
)


def make_block(term: TermCertificate = TERM) -> tuple[Header, PrivateCertificate]:
    """Block 1 of the test ledger and its certificate."""
    driver = make_driver(term=term)
    question = driver.step(Admitted(now_ms=NOW_MS, batches=(make_admission("a", "b"),)))
    commit = driver.step(signed(driver.step(evaluated(driver, question)))).commit[0]
    certificate = PrivateCertificate.from_value(decode(commit.certified.certificate))
    return parse_header(commit.proposed.header), certificate


HEADER, CERTIFICATE = make_block()


def certify(header: Header, *, term: TermCertificate = TERM, key: Any = SEQUENCER, genesis: Genesis = GENESIS) -> Value:
    """A certificate with a good signature of `key` over `header`."""
    signature = sign_private(
        key, chain_id=genesis.chain_id, term=term.term, height=header.height, block_id=header.block_id
    )
    return PrivateCertificate(term=term, signature=signature).to_value()


def refusal(header: Header, certificate: Value, genesis: Genesis = GENESIS) -> str:
    with pytest.raises(CertificateError) as raised:
        verify_certificate(header, certificate, genesis)
    return str(raised.value)


def test_the_certificate_of_the_driver_holds() -> None:
    verify_certificate(HEADER, CERTIFICATE.to_value(), GENESIS)


def test_sign_bytes_are_fixed_width_and_begin_with_their_tag() -> None:
    data = private_sign_bytes(GENESIS.chain_id, 1, 2, bytes(32))
    assert len(data) == 32 + 32 + 8 + 8 + 32
    assert data.startswith(b"slt/AUTHORITY/v1\0")


@pytest.mark.parametrize(("term", "height"), [(-1, 1), (1, -1), (1 << 64, 1), (1, 1 << 64)])
def test_sign_bytes_take_no_number_that_does_not_fit(term: int, height: int) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        private_sign_bytes(GENESIS.chain_id, term, height, bytes(32))


def test_another_block_under_the_same_signature_is_refused() -> None:
    assert "did not sign block 1" in refusal(replace(HEADER, log_size=99), CERTIFICATE.to_value())


def test_a_block_of_another_ledger_is_refused() -> None:
    other = make_genesis(threshold=1)
    assert "is of ledger" in refusal(HEADER, CERTIFICATE.to_value(), other)
    moved = replace(HEADER, chain_id=other.chain_id, parent_id=other.chain_id)
    assert "term certificate is for ledger" in refusal(moved, certify(moved, genesis=other), other)


def test_genesis_has_no_certificate() -> None:
    assert "height 0" in refusal(replace(HEADER, height=0), CERTIFICATE.to_value())


def test_a_key_that_the_term_does_not_name_is_refused() -> None:
    assert "did not sign" in refusal(HEADER, certify(HEADER, key=signer("somebody")))


def test_too_few_authority_signatures_are_refused() -> None:
    assert "2 signatures, not 1" in refusal(HEADER, certify(HEADER, term=make_term(by=(0,))))


def test_the_same_authority_twice_does_not_make_two() -> None:
    term = make_term(by=(0,))
    twice = replace(term, signatures=term.signatures * 2)
    assert "each once" in refusal(HEADER, certify(HEADER, term=twice))


def test_an_authority_that_genesis_does_not_know_is_refused() -> None:
    signature = make_term(by=(1,)).signatures[0][1]
    term = replace(make_term(by=(0,)), signatures=(*make_term(by=(0,)).signatures, (7, signature)))
    assert "no key 7" in refusal(HEADER, certify(HEADER, term=term))


def test_a_bad_authority_signature_is_not_skipped_even_if_enough_others_are_good() -> None:
    term = make_term(by=(0, 1, 2))
    bad = replace(term, signatures=(*term.signatures[:2], (2, term.signatures[1][1])))
    assert "signature 2" in refusal(HEADER, certify(HEADER, term=bad))


def test_a_term_that_was_changed_after_it_was_signed_is_refused() -> None:
    changed = replace(TERM, sequencer_key=signer("thief").public)
    assert "does not hold" in refusal(HEADER, certify(HEADER, term=changed, key=signer("thief")))


def test_a_block_before_its_term_is_refused() -> None:
    term = make_term(start_height=2)
    assert "before term 1" in refusal(HEADER, certify(HEADER, term=term))


def test_the_first_block_of_a_term_must_have_the_pinned_parent() -> None:
    term = make_term(parent_id=bytes(32))
    assert "starts on block 0000" in refusal(HEADER, certify(HEADER, term=term))


def test_only_the_first_block_of_a_term_has_the_pinned_parent() -> None:
    second = replace(HEADER, height=2, parent_id=HEADER.block_id)
    verify_certificate(second, certify(second), GENESIS)


def test_a_block_after_the_end_of_its_term_is_refused() -> None:
    term = make_term(not_after=HEADER.time_ms - 1)
    assert "is over at" in refusal(HEADER, certify(HEADER, term=term))
    last = make_term(not_after=HEADER.time_ms)
    verify_certificate(HEADER, certify(HEADER, term=last), GENESIS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epoch": 1}, "epoch 1"),
        ({"members_root": Digest(bytes(32))}, "members root"),
        ({"next_members_root": Digest(bytes(32))}, "members root"),
        ({"proposer": 5}, "no member"),
    ],
)
def test_the_member_set_of_a_private_ledger_never_changes(change: dict[str, Any], sentence: str) -> None:
    header = replace(HEADER, **change)
    assert sentence in refusal(header, certify(header))


@pytest.mark.parametrize("value", [None, [], [1, 2], "text", {}, [[], b"x" * 64], [TERM.to_value(), b"x" * 63]])
def test_what_is_no_certificate_is_refused(value: Value) -> None:
    assert "not a private certificate" in refusal(HEADER, value)


def test_a_model_that_this_program_does_not_know_is_refused() -> None:
    public = make_genesis(model="public")
    header = replace(HEADER, chain_id=public.chain_id)
    assert "the model 'public'" in refusal(header, CERTIFICATE.to_value(), public)


def test_every_flipped_bit_of_a_certificate_breaks_it() -> None:
    data = encode(CERTIFICATE.to_value())
    for index in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        try:
            value = decode(bytes(flipped))
        except DecodeError:
            continue
        with pytest.raises(CertificateError):
            verify_certificate(HEADER, value, GENESIS)


def test_every_field_of_the_header_is_under_the_signature() -> None:
    values = HEADER.to_value()
    for index, value in enumerate(values):
        changed = list(values)
        changed[index] = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]  # type: ignore[operator,index]  # ints and digests
        try:
            header = Header.from_value(cbor2.loads(cbor2.dumps(changed)))
        except DecodeError:
            continue
        with pytest.raises(CertificateError):
            verify_certificate(header, CERTIFICATE.to_value(), GENESIS)
