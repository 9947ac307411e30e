"""Submissions, batches, headers, openings, terms, refusals, receipts, answers: round trips, bounds, signatures."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.hashing import Digest
from slt.merkle.proofs import ProofError
from slt.statements.answers import decode_receipts, decode_refusals, encode_receipts, encode_refusals
from slt.statements.batches import Batch, BatchEntry, parse_batch, sign_batch, verify_batch
from slt.statements.cbor import DecodeError, Value, decode, encode
from slt.statements.headers import Header, genesis_log_entry, parse_header
from slt.statements.openings import Opening, OpeningEntry, parse_opening
from slt.statements.receipts import Receipt, encode_receipt, parse_receipt
from slt.statements.refusals import (
    FINDING_TEXT_MAX,
    FINDINGS_MAX,
    BadRefusal,
    FindingRow,
    Refusal,
    ServiceCertificate,
    bounded,
    make_service_certificate,
    parse_refusal,
    parse_service_certificate,
    sign_refusal,
    verify_refusal,
    verify_service_certificate,
)
from slt.statements.signatures import BadSignature
from slt.statements.submission import Submission, decode_submissions, encode_submissions, message_id
from slt.statements.tags import list_paths, list_root, tag, tagged_hash, verify_listed
from slt.statements.terms import BadTerm, PrivateCertificate, parse_term, sign_term, verify_term
from slt.statements.verdicts import Code, Verdict
from tests.unit.statements.samples import (
    CONSENSUS,
    ENDORSER,
    GOVERNANCE,
    IAT,
    ORIGIN,
    SERVICE,
    TERM,
    genesis,
    genesis_fields,
    signer,
)

NOW_MS = IAT * 1000
DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
TEXTS = st.text(max_size=20)
FINDING: FindingRow = ("V07", "error", "OI/3", "446", "TOO-LONG", "16 characters", "The batch name is too long.")


def digest(number: int) -> Digest:
    return Digest(bytes([number]) * 32)


# Tags and lists


def test_a_tag_is_32_bytes_of_padded_ascii() -> None:
    assert tag("block") == b"slt/block/v1" + bytes(20)
    with pytest.raises(ValueError, match="does not fit"):
        tag("x" * 26)


def test_a_root_over_a_list_binds_its_name_its_length_and_its_order() -> None:
    items = [b"a", b"b", b"c"]
    roots = {list_root("verdicts", items), list_root("batches", items), list_root("verdicts", items[::-1]),
             list_root("verdicts", items[:2]), list_root("verdicts", [])}  # fmt: skip
    assert len(roots) == 5
    # Three leaves and the two nodes below the root of the same tree: only the length tells them apart.
    assert list_root("verdicts", items) == tagged_hash(
        "verdicts", (3).to_bytes(8, "big") + bytes.fromhex(tree_root_of(items))
    )


def tree_root_of(items: list[bytes]) -> str:
    from slt.merkle.hashing import leaf_hash, node_hash

    a, b, c = (leaf_hash(item) for item in items)
    return node_hash(node_hash(a, b), c).hex()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 33])
def test_every_item_of_a_list_has_its_path(count: int) -> None:
    items = [bytes([number]) for number in range(count)]
    root = list_root("verdicts", items)
    for index, path in enumerate(list_paths(items)):
        verify_listed("verdicts", items[index], index, count, path=path, root=root)
        for wrong in ({"index": (index + 1) % count} if count > 1 else {"count": count + 1}, {"count": count + 1}):
            with pytest.raises(ProofError):
                verify_listed(
                    "verdicts", items[index], **{"index": index, "count": count, **wrong}, path=path, root=root
                )
        with pytest.raises(ProofError):
            verify_listed("batches", items[index], index, count, path=path, root=root)


# Submissions


@given(
    st.lists(
        st.builds(
            Submission,
            statement=st.binary(max_size=50),
            endorsements=st.lists(st.binary(max_size=20), max_size=3).map(tuple),
            body_z=st.binary(max_size=50),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_submissions_round_trip(items: list[Submission]) -> None:
    data = encode_submissions(items)
    assert decode_submissions(data) == items
    for item in items:
        assert item.id == tagged_hash("submission", encode([item.statement, list(item.endorsements), item.body_z]))


def test_a_submission_message_has_1_to_64_items() -> None:
    item = Submission(statement=b"s", body_z=b"b")
    assert len(decode_submissions(encode_submissions([item] * 64))) == 64
    for wrong in ([], [item] * 65):
        with pytest.raises(ValueError, match="1 to 64"):
            encode_submissions(wrong)
        with pytest.raises(DecodeError, match="1 to 64"):
            decode_submissions(encode([1, [one.to_value() for one in wrong]]))


@pytest.mark.parametrize(
    "value",
    [0, [], [2, [[b"s", [], b"b"]]], [1, [[b"s", [], b"b", b""]]], [1, [[b"s", b"", b"b"]]], [1, [["s", [], b"b"]]],
     [1, [[b"s", [None], b"b"]]], [1, [[b"s", [], None]]], [True, [[b"s", [], b"b"]]]],
)  # fmt: skip
def test_what_is_not_a_submission_message_is_refused(value: Value) -> None:
    with pytest.raises(DecodeError):
        decode_submissions(encode(value))


def test_every_attempt_has_another_message_id() -> None:
    ids = [bytes(32), digest(1)]
    seen = {message_id(ids, attempt) for attempt in range(3)} | {message_id(ids[:1], 0), message_id(ids[::-1], 0)}
    assert len(seen) == 5
    assert all(len(one) == 64 for one in seen)


# Batches


def batch(**changes: Any) -> Batch:
    entry = BatchEntry(statement=b"statement", endorsements=(b"e1", b"e2"), body_length=16, body_digest=digest(3))
    fields: dict[str, Any] = {"author": 0, "seq": 1, "previous": genesis().chain_id, "entries": (entry, entry)}
    return Batch(**{**fields, **changes})


def test_a_batch_round_trips_and_its_digest_covers_every_byte() -> None:
    made = batch()
    assert parse_batch(made.encoded) == made
    assert made.digest == tagged_hash("batch", made.encoded)
    for bit in range(len(made.encoded) * 8):
        changed = bytearray(made.encoded)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_batch(bytes(changed))
        except DecodeError:
            continue
        assert other.digest != made.digest


def test_a_batch_is_signed_for_one_ledger_by_its_author() -> None:
    made = batch()
    signature = sign_batch(made, genesis().chain_id, CONSENSUS)
    verify_batch(made, genesis().chain_id, CONSENSUS.public, signature)
    for other, chain_id, public in (
        (batch(seq=2), genesis().chain_id, CONSENSUS.public),
        (made, digest(9), CONSENSUS.public),
        (made, genesis().chain_id, TERM.public),
    ):
        with pytest.raises(BadSignature):
            verify_batch(other, chain_id, public, signature)


@pytest.mark.parametrize(
    "value",
    [[0, 0, bytes(32), [[b"s", [], 1, bytes(32)]]], [0, 1, bytes(31), [[b"s", [], 1, bytes(32)]]],
     [0, 1, bytes(32), []],
     [0, 1, bytes(32), [[b"", [], 1, bytes(32)]]], [-1, 1, bytes(32), [[b"s", [], 1, bytes(32)]]],
     [0, 1, bytes(32), [[b"s", [b"e"] * 257, 1, bytes(32)]]], [0, 1, bytes(32), [[b"s", [], -1, bytes(32)]]],
     [0, 1, bytes(32), [[bytes(65_536), [], 1, bytes(32)]]]],
)  # fmt: skip
def test_a_batch_outside_its_bounds_is_refused(value: Value) -> None:
    with pytest.raises(DecodeError):
        parse_batch(encode(value))


# Headers


def header(**changes: Any) -> Header:
    fields: dict[str, Any] = {
        "chain_id": genesis().chain_id,
        "height": 1,
        "parent_id": genesis().chain_id,
        "epoch": 0,
        "time_ms": NOW_MS,
        "proposer": 0,
        "members_root": genesis().members_root,
        "next_members_root": genesis().members_root,
        "parameters_root": genesis().parameters_root,
        "batches_root": digest(1),
        "verdicts_root": digest(2),
        "state_root": digest(3),
        "log_size": 2,
        "log_root": digest(4),
        "evidence_root": list_root("evidence", []),
    }
    return Header(**{**fields, **changes})


def test_a_header_round_trips_and_its_id_covers_every_byte() -> None:
    made = header()
    assert parse_header(made.encoded) == made
    assert Header.from_value(made.to_value()) == made
    assert made.block_id == tagged_hash("block", made.encoded)
    for bit in range(len(made.encoded) * 8):
        changed = bytearray(made.encoded)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_header(bytes(changed))
        except DecodeError:
            continue
        assert other.block_id != made.block_id


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"height": 0},
        {"height": 2**63},
        {"log_size": 0},
        {"chain_id": bytes(31)},
        {"time_ms": -1},
        {"proposer": -1},
    ],
)
def test_a_header_outside_its_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        parse_header(header(**changes).encoded)


def test_entry_0_of_the_log_names_the_ledger() -> None:
    assert decode(genesis_log_entry(ORIGIN, genesis().chain_id)) == ["slt", ORIGIN, genesis().chain_id]


# Openings


OPENING = Opening(
    mba="XLR1",
    pit="20241215",
    entries=(
        OpeningEntry(
            batch="RC01", kmp="B", material="B/Q/4/G", items=1, weights=((630, 460_000_000), (670, 20_240_000))
        ),
        OpeningEntry(batch="RC01", kmp="C", material="B/Q/1/G", items=1, weights=((630, -1),)),
    ),
)


def test_an_opening_round_trips_and_its_digest_is_that_of_the_file() -> None:
    assert parse_opening(OPENING.encoded) == OPENING
    assert OPENING.digest == tagged_hash("opening", OPENING.encoded)


def test_a_batch_stands_once_at_a_measurement_point() -> None:
    with pytest.raises(ValueError, match="twice at KMP B"):
        replace(OPENING, entries=(OPENING.entries[0], OPENING.entries[0]))
    value = decode(OPENING.encoded)
    assert isinstance(value, list) and isinstance(value[3], list)
    with pytest.raises(DecodeError, match="twice"):
        parse_opening(encode([*value[:3], [value[3][0], value[3][0]]]))


# Terms


def term(*signers: tuple[int, Any], **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "chain_id": genesis().chain_id,
        "term": 1,
        "sequencer_key": CONSENSUS.public,
        "start_height": 1,
        "parent_id": genesis().chain_id,
        "not_after": None,
    }
    return sign_term(signers or [(0, TERM)], **{**fields, **changes})


def test_a_term_certificate_round_trips_and_verifies() -> None:
    for made in (term(), term(not_after=NOW_MS)):
        assert parse_term(made.encoded) == made
        verify_term(made, genesis())


def test_no_flipped_bit_of_a_term_certificate_verifies() -> None:
    made = term().encoded
    for bit in range(len(made) * 8):
        changed = bytearray(made)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_term(bytes(changed))
        except DecodeError:
            continue
        with pytest.raises(BadTerm):
            verify_term(other, genesis())


def test_a_term_needs_its_threshold_of_distinct_authority_keys() -> None:
    from slt.statements.genesis import Genesis, TermAuthority

    keys = [signer(number) for number in (20, 21, 22)]
    authority = TermAuthority(threshold=2, keys=tuple(key.public for key in keys))
    chain = Genesis(**genesis_fields(term_authority=authority))
    verify_term(term((2, keys[2]), (0, keys[0]), chain_id=chain.chain_id), chain)
    for signers, sentence in (
        ([(0, keys[0])], "has 2 signatures"),
        ([(0, keys[0]), (0, keys[0])], "each once"),
        ([(0, keys[0]), (1, keys[2])], "signature 1"),
        ([(0, keys[0]), (3, keys[1])], "no key 3"),
        ([(0, keys[0]), (1, keys[1]), (2, keys[0])], "signature 2"),
    ):
        with pytest.raises(BadTerm, match=sentence):
            verify_term(term(*signers, chain_id=chain.chain_id), chain)
    with pytest.raises(BadTerm, match="for ledger"):
        verify_term(term((0, keys[0]), (1, keys[1])), chain)


def test_a_private_certificate_round_trips() -> None:
    made = PrivateCertificate(term=term(), signature=bytes(64))
    assert PrivateCertificate.from_value(decode(made.encoded)) == made
    with pytest.raises(DecodeError, match="signature"):
        PrivateCertificate.from_value([made.term.to_value(), bytes(63)])


# Refusals


def certificate(**changes: Any) -> ServiceCertificate:
    fields: dict[str, Any] = {
        "chain_id": genesis().chain_id,
        "member": 0,
        "service": "authentication",
        "key": SERVICE.public,
        "not_before": NOW_MS - 1000,
        "not_after": NOW_MS + 1000,
    }
    by = changes.pop("by", GOVERNANCE)
    return make_service_certificate(by, **{**fields, **changes})


def refusal(**changes: Any) -> Refusal:
    fields: dict[str, Any] = {
        "chain_id": genesis().chain_id,
        "submission_id": digest(1),
        "statement_id": None,
        "member": 0,
        "stage": "authentication",
        "height": 7,
        "rules_version": 1,
        "time_ms": NOW_MS,
        "findings": (FINDING,),
    }
    return Refusal(**{**fields, **changes})


def test_a_refusal_round_trips_and_verifies() -> None:
    for made in (refusal(), refusal(statement_id=digest(2), findings=(FINDING,) * 3)):
        assert parse_refusal(made.encoded) == made
        signature = sign_refusal(made.encoded, SERVICE)
        assert verify_refusal(made.encoded, signature, certificate().encoded, genesis()) == made
    assert parse_service_certificate(certificate().encoded) == certificate()


def test_no_flipped_bit_of_a_refusal_its_signature_or_its_certificate_verifies() -> None:
    whole = (refusal().encoded, sign_refusal(refusal().encoded, SERVICE), certificate().encoded)
    for part, data in enumerate(whole):
        for bit in range(len(data) * 8):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            parts = [bytes(changed) if at == part else item for at, item in enumerate(whole)]
            with pytest.raises(BadRefusal):
                verify_refusal(parts[0], parts[1], parts[2], genesis())


@pytest.mark.parametrize(
    ("refusal_changes", "certificate_changes", "sentence"),
    [
        ({"chain_id": digest(9)}, {}, "is of ledger"),
        ({}, {"chain_id": digest(9)}, "is for ledger"),
        ({"member": 1}, {}, "signed by member 0's authentication"),
        ({"stage": "validation"}, {}, "validation is signed by"),
        ({}, {"service": "ledger"}, "signed by member 0's ledger"),
        ({}, {"member": 1}, "names no member 1"),
        ({}, {"by": ENDORSER}, "did not certify"),
        ({"time_ms": NOW_MS + 1001}, {}, "is certified from"),
        ({"time_ms": NOW_MS - 1001}, {}, "is certified from"),
        ({}, {"key": ENDORSER.public}, "signature under the refusal"),
        ({"findings": ()}, {}, "findings"),
        ({"stage": "kitchen"}, {}, "stage must be one of"),
    ],
)
def test_a_refusal_out_of_place_does_not_verify(
    refusal_changes: dict[str, Any], certificate_changes: dict[str, Any], sentence: str
) -> None:
    made = refusal(**refusal_changes).encoded
    with pytest.raises(BadRefusal, match=sentence):
        verify_refusal(made, sign_refusal(made, SERVICE), certificate(**certificate_changes).encoded, genesis())


def test_a_service_certificate_may_be_asked_without_a_moment() -> None:
    verify_service_certificate(certificate(not_after=NOW_MS), genesis())
    with pytest.raises(BadRefusal, match="is certified from"):
        verify_service_certificate(certificate(not_after=NOW_MS), genesis(), at_ms=NOW_MS + 1)
    with pytest.raises(ValueError, match="a service is one of"):
        certificate(service="kitchen")


def test_findings_are_cut_to_what_a_refusal_carries() -> None:
    long: FindingRow = (*FINDING[:6], "x" * 10_000)
    rows = bounded([long] * (FINDINGS_MAX + 5))
    assert len(rows) == FINDINGS_MAX
    assert len(rows[0][6]) == FINDING_TEXT_MAX and rows[0][6].endswith("...")
    assert rows[-1][6] == "6 more findings are not shown; correct these first."
    assert bounded([FINDING]) == (FINDING,)
    wild: FindingRow = ("R" * 100,) * 6 + ("x" * 9000,)
    assert parse_refusal(refusal(findings=bounded([wild])).encoded).findings == bounded([wild])
    assert parse_refusal(refusal(findings=rows[:100]).encoded).findings == rows[:100]


# Receipts and answers


def receipt(**changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "chain_id": genesis().chain_id,
        "statement": b"statement",
        "endorsements": ((b"endorsement", b"spki"),),
        "spki": b"author's spki",
        "verdict": Verdict(statement_id=digest(1), code=Code.ACCEPTED, log_index=5, rules_version=1),
        "verdict_index": 1,
        "verdict_count": 3,
        "verdict_path": (digest(2), digest(3)),
        "log_proof": (5, (digest(4),)),
        "header": header(),
        "certificate": PrivateCertificate(term=term(), signature=bytes(64)).to_value(),
        "changes": (),
        "checkpoint": "a note — by somebody\n",
        "findings": (digest(5), (("V39", "warning", "OI/1", "003"),)),
    }
    return Receipt(**{**fields, **changes})


def test_a_receipt_round_trips() -> None:
    rejected = Verdict(statement_id=digest(1), code=Code.C01, evidence=digest(6), rules_version=1)
    for made in (receipt(), receipt(verdict=rejected, log_proof=None, findings=None, endorsements=())):
        assert parse_receipt(encode_receipt(made)) == made


def test_no_flipped_bit_of_a_receipt_is_the_same_receipt() -> None:
    made = encode_receipt(receipt())
    for bit in range(len(made) * 8):
        changed = bytearray(made)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_receipt(bytes(changed))
        except DecodeError:
            continue
        assert other != receipt()
        assert encode_receipt(other) == bytes(changed)


@given(
    st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), st.integers(min_value=1, max_value=2**63 - 1)
)
def test_packed_receipts_round_trip(receipts: list[bytes], height: int) -> None:
    assert decode_receipts(encode_receipts(bytes(32), height, receipts)) == (bytes(32), height, receipts)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=50), st.binary(min_size=64, max_size=64),
                          st.binary(min_size=1, max_size=50)), min_size=1, max_size=5))  # fmt: skip
def test_packed_refusals_round_trip(refusals: list[tuple[bytes, bytes, bytes]]) -> None:
    assert decode_refusals(encode_refusals(refusals)) == refusals


@given(st.binary(max_size=200))
def test_garbage_is_a_decode_error_for_every_container(data: bytes) -> None:
    for parse in (decode_submissions, parse_batch, parse_header, parse_opening, parse_term, parse_refusal,
                  parse_service_certificate, parse_receipt, decode_receipts, decode_refusals):  # fmt: skip
        with pytest.raises(DecodeError):
            parse(data)
