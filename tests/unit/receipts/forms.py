"""Receipts in published forms, good ones and every way to be wrong: what test_forms.py and the vectors are made of."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.cosignatures import cosigner_key_from_seed
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.proofs import root_of_path
from slt.merkle.tlog_proof import parse_tlog_proof
from slt.statements import cose
from slt.statements.cbor import Tagged, Value, decode, encode
from slt.statements.cose_receipts import RECEIPTS_LABEL, attach, make_cose_receipt
from slt.statements.receipt_forms import as_cose, as_tlog_proof
from slt.statements.receipts import Receipt, parse_receipt
from slt.statements.signatures import Signer, signer_from_seed
from slt.statements.statement import parse_statement
from tests.support.blocks import make_world, seed, signer
from tests.unit.receipts.conftest import Case, make_cases

STATE = cosigner_key_from_seed("state.example/witness", seed("state witness"))
POLICY = f"witness state {STATE.cosigner.vkey}\nquorum state\n".encode()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a verifier is shown: the file, and the statement, the body and the reader's policy beside it, if any."""

    data: bytes
    entry: bytes | None = None
    body: bytes | None = None
    policy: bytes | None = None


Make = Callable[[Case, Case], Shown]
"""Makes it out of an accepted case and a rejected one of the same block."""

GOOD: dict[str, tuple[str, Make]] = {}
"""Name -> what it proves (accepted, rejected, logged), and how it is made."""

WRONG: dict[str, tuple[str, str, Make]] = {}
"""Name -> the link that breaks, words of the message, and how it is made."""


def good(standing: str) -> Callable[[Make], Make]:
    def keep(make: Make) -> Make:
        GOOD[make.__name__.replace("_", " ")] = (standing, make)
        return make

    return keep


def wrong(link: str, words: str) -> Callable[[Make], Make]:
    def keep(make: Make) -> Make:
        WRONG[make.__name__.replace("_", " ")] = (link, words, make)
        return make

    return keep


def key_of(case: Case) -> Signer:
    """The checkpoint key, as it signs COSE receipts."""
    return signer_from_seed(case.world.checkpoint.seed)


def read(case: Case) -> Receipt:
    return parse_receipt(case.receipt)


def tlog(case: Case, *, bare: bool = True, **changes: Any) -> bytes:
    """A tlog-proof with other fields than it should have."""
    return replace(parse_tlog_proof(as_tlog_proof(case.receipt, bare=bare)), **changes).text().encode()


def tlog_text(case: Case, old: str, new: str) -> bytes:
    text = as_tlog_proof(case.receipt, bare=True).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def note_of(case: Case, *signers: NoteSigner, **changes: Any) -> str:
    header = read(case).header
    checkpoint = Checkpoint(origin=case.genesis.origin, size=header.log_size, root=header.log_root)
    return sign_note(replace(checkpoint, **changes).text(), *(signers or (case.world.checkpoint,)))


def place(case: Case) -> tuple[int, tuple[Digest, ...]]:
    proof = read(case).log_proof
    assert proof is not None
    return proof


def _mapping(value: Value) -> Mapping[Value, Value]:
    assert isinstance(value, Mapping)
    return value


def cose_receipt(
    case: Case,
    *,
    by: Signer | None = None,
    statement: bytes | None = None,
    header: Mapping[Value, Value] | None = None,
    claims: Mapping[Value, Value] | None = None,
    proof: bytes | None = None,
    unprotected: Value = None,
    payload: bytes | None = None,
    path: tuple[Digest, ...] | None = None,
) -> bytes:
    """The COSE receipt of a case, with some of it changed, and signed as if it were so."""
    about = read(case)
    index, own_path = place(case)
    made = make_cose_receipt(
        by or key_of(case),
        statement or about.statement,
        iat=about.header.time_ms // 1000,
        index=index,
        size=about.header.log_size,
        path=path or own_path,
        root=about.header.log_root,
    )
    if header is None and claims is None and proof is None and unprotected is None and payload is None:
        return made
    tagged = decode(made)
    assert isinstance(tagged, Tagged) and isinstance(tagged.value, list)
    protected, beside, _, signature = tagged.value
    assert isinstance(protected, bytes)
    labels = dict(_mapping(decode(protected)))
    labels[cose.CLAIMS] = {**_mapping(labels[cose.CLAIMS]), **(claims or {})}
    labels |= header or {}
    protected = encode({label: value for label, value in labels.items() if value is not None})
    signature = (by or key_of(case)).sign(cose.sig_structure(protected, about.header.log_root))
    if proof is not None:
        beside = {396: {-1: [proof]}}
    return encode(Tagged([protected, unprotected if unprotected is not None else beside, payload, signature]))


def bare_cose(case: Case, *receipts: bytes) -> Shown:
    return Shown(data=attach(read(case).statement, receipts=receipts, evidence=None))


def other_path(case: Case) -> tuple[Digest, ...]:
    _, path = place(case)
    return (Digest(seed("sibling")), *path[1:])


# What holds


@good("accepted")
def a_receipt_v1(case: Case, _: Case) -> Shown:
    return Shown(data=case.receipt, body=case.body)


@good("rejected")
def a_receipt_v1_of_a_rejection(_: Case, rejected: Case) -> Shown:
    return Shown(data=rejected.receipt, body=rejected.body)


@good("accepted")
def a_tlog_proof_with_the_receipt_v1_in_it(case: Case, _: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt), body=case.body)


@good("logged")
def a_bare_tlog_proof_beside_its_statement(case: Case, _: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=read(case).statement, body=case.body)


@good("logged")
def a_bare_tlog_proof_with_a_cosignature(case: Case, _: Case) -> Shown:
    note = note_of(case, case.world.checkpoint, NoteSigner.of("witness.example", seed("witness")))
    return Shown(data=tlog(case, note=note), entry=read(case).statement)


@good("logged")
def a_bare_tlog_proof_cosigned_as_the_policy_asks(case: Case, _: Case) -> Shown:
    note = note_of(case)
    text, _blank, _lines = note.rpartition("\n\n")
    witnessed = note + STATE.cosign(f"{text}\n", 1_700_000_000).line
    return Shown(data=tlog(case, note=witnessed), entry=read(case).statement, policy=POLICY)


@good("accepted")
def a_statement_with_a_cose_receipt_and_the_receipt_v1(case: Case, _: Case) -> Shown:
    return Shown(data=as_cose(case.receipt, key_of(case)), body=case.body)


@good("logged")
def a_statement_with_a_bare_cose_receipt(case: Case, _: Case) -> Shown:
    return Shown(data=as_cose(case.receipt, key_of(case), bare=True), body=case.body)


@good("rejected")
def a_rejected_statement_with_the_receipt_v1(_: Case, rejected: Case) -> Shown:
    return Shown(data=as_cose(rejected.receipt, key_of(rejected)), body=rejected.body)


# Text that is no tlog-proof


@wrong("form", "first line")
def a_tlog_proof_of_another_version(case: Case, _: Case) -> Shown:
    return Shown(data=tlog_text(case, "@v1\n", "@v1.1\n"), entry=read(case).statement)


@wrong("form", "without leading zeros")
def a_tlog_proof_whose_index_begins_with_zero(case: Case, _: Case) -> Shown:
    return Shown(data=tlog_text(case, "index ", "index 0"), entry=read(case).statement)


@wrong("form", "no log has an entry")
def a_tlog_proof_with_an_index_past_every_log(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, index=2**63 - 1), entry=read(case).statement)


@wrong("form", "before the path is 'index'")
def a_tlog_proof_without_an_index(case: Case, _: Case) -> Shown:
    return Shown(data=tlog_text(case, f"index {place(case)[0]}\n", ""), entry=read(case).statement)


@wrong("form", "not base64")
def a_tlog_proof_with_a_hash_that_is_not_base64(case: Case, _: Case) -> Shown:
    return Shown(data=tlog_text(case, b64encode(place(case)[1][0]).decode(), "*" * 44), entry=read(case).statement)


@wrong("form", "32 bytes, not 31")
def a_tlog_proof_with_a_short_hash(case: Case, _: Case) -> Shown:
    _index, path = place(case)
    return Shown(data=tlog(case, path=(path[0][:31], *path[1:])), entry=read(case).statement)


@wrong("form", "at most 63 hashes")
def a_tlog_proof_with_a_path_that_no_tree_has(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, path=(Digest(seed("x")),) * 64), entry=read(case).statement)


@wrong("form", "spare bits")
def a_tlog_proof_whose_extra_has_spare_bits(case: Case, _: Case) -> Shown:
    return Shown(data=tlog_text(case, "@v1\n", "@v1\nextra AB==\n"), entry=read(case).statement)


@wrong("form", "an empty line and a checkpoint")
def a_tlog_proof_without_a_checkpoint(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, note=""), entry=read(case).statement)


@wrong("form", "UTF-8")
def a_tlog_proof_that_is_no_text(case: Case, _: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True) + b"\xff", entry=read(case).statement)


# A tlog-proof that proves something else


@wrong("statement", "give the statement beside it")
def a_bare_tlog_proof_without_its_statement(case: Case, _: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True))


@wrong("statement", "cannot be read")
def a_bare_tlog_proof_of_what_is_no_statement(case: Case, _: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=b"\xa0")


@wrong("ledger", "was made for ledger")
def a_bare_tlog_proof_of_a_statement_for_another_ledger(case: Case, _: Case) -> Shown:
    other, _rejected = make_cases(make_world("another ledger"))
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=read(other).statement)


@wrong("body", "not the one")
def a_bare_tlog_proof_with_another_body(case: Case, rejected: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=read(case).statement, body=rejected.body)


@wrong("signature", "does not hold")
def a_bare_tlog_proof_of_a_statement_that_its_author_did_not_sign(case: Case, _: Case) -> Shown:
    statement = bytearray(read(case).statement)
    statement[-40] ^= 1
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=bytes(statement))


@wrong("published place", "does not stand at index")
def a_bare_tlog_proof_of_another_statement(case: Case, rejected: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=read(rejected).statement)


@wrong("published place", "does not stand at index")
def a_bare_tlog_proof_at_another_index(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, index=place(case)[0] - 1), entry=read(case).statement)


@wrong("published place", "is not inside a tree")
def a_bare_tlog_proof_at_an_index_that_is_the_size(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, index=read(case).header.log_size), entry=read(case).statement)


@wrong("published place", "leads to root")
def a_bare_tlog_proof_with_another_hash(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, path=other_path(case)), entry=read(case).statement)


@wrong("published place", "hashes, not")
def a_bare_tlog_proof_that_was_cut(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, path=place(case)[1][:-1]), entry=read(case).statement)


@wrong("published place", "hashes, not")
def a_bare_tlog_proof_that_was_extended(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, path=(*place(case)[1], Digest(seed("more")))), entry=read(case).statement)


@wrong("published signature", "not signed by a member")
def a_bare_tlog_proof_by_nobody_we_know(case: Case, _: Case) -> Shown:
    note = note_of(case, NoteSigner.of(case.genesis.origin, seed("mallory")))
    return Shown(data=tlog(case, note=note), entry=read(case).statement)


@wrong("published signature", "does not hold")
def a_bare_tlog_proof_whose_checkpoint_was_changed(case: Case, _: Case) -> Shown:
    note = note_of(case).replace(f"\n{read(case).header.log_size}\n", f"\n{read(case).header.log_size + 1}\n")
    return Shown(data=tlog(case, note=note), entry=read(case).statement)


@wrong("published signature", "is of log")
def a_bare_tlog_proof_of_another_log_by_the_same_key(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, note=note_of(case, origin="elsewhere.example/log")), entry=read(case).statement)


@wrong("published signature", "cannot be read")
def a_bare_tlog_proof_with_a_note_that_is_no_checkpoint(case: Case, _: Case) -> Shown:
    note = sign_note("good day\n", case.world.checkpoint)
    return Shown(data=tlog(case, note=note), entry=read(case).statement)


@wrong("receipt", "not a receipt")
def a_tlog_proof_whose_extra_is_no_receipt(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, extra=b"something else"))


@wrong("certificate", "did not sign")
def a_tlog_proof_whose_receipt_v1_does_not_hold(case: Case, _: Case) -> Shown:
    receipt = read(case)
    header = replace(receipt.header, time_ms=receipt.header.time_ms + 1)
    return Shown(data=tlog(case, extra=encode(replace(receipt, header=header).to_value())))


@wrong("agreement", "the verdict names")
def a_tlog_proof_whose_receipt_v1_is_of_another_index(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, bare=False, index=place(case)[0] - 1))


@wrong("agreement", "no place in the log")
def a_tlog_proof_whose_receipt_v1_is_of_a_rejection(case: Case, rejected: Case) -> Shown:
    return Shown(data=tlog(case, extra=rejected.receipt))


@wrong("agreement", "another statement")
def a_tlog_proof_shown_with_another_statement(case: Case, rejected: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt), entry=read(rejected).statement)


@wrong("published place", "leads to root")
def a_tlog_proof_with_a_good_receipt_v1_and_a_wrong_path(case: Case, _: Case) -> Shown:
    return Shown(data=tlog(case, bare=False, path=other_path(case)))


@wrong("policy", "is not cosigned as the policy asks")
def a_bare_tlog_proof_without_the_cosignature_that_the_policy_asks_for(case: Case, _: Case) -> Shown:
    return Shown(data=as_tlog_proof(case.receipt, bare=True), entry=read(case).statement, policy=POLICY)


@wrong("policy", "does not hold")
def a_bare_tlog_proof_with_a_cosignature_of_another_checkpoint(case: Case, _: Case) -> Shown:
    note = note_of(case)
    text, _blank, _lines = note_of(case, size=read(case).header.log_size + 1).rpartition("\n\n")
    witnessed = note + STATE.cosign(f"{text}\n", 1_700_000_000).line
    return Shown(data=tlog(case, note=witnessed), entry=read(case).statement, policy=POLICY)


@wrong("policy", "holds no checkpoint")
def a_bare_cose_receipt_for_a_reader_with_a_policy(case: Case, _: Case) -> Shown:
    return Shown(data=as_cose(case.receipt, key_of(case), bare=True), policy=POLICY)


# Bytes that are no statement with a COSE receipt


@wrong("form", "no statement with a COSE receipt")
def a_statement_to_which_nothing_is_attached(case: Case, _: Case) -> Shown:
    return Shown(data=read(case).statement)


@wrong("form", "unprotected header has label")
def a_statement_with_another_unprotected_label(case: Case, _: Case) -> Shown:
    return Shown(data=_with_beside(case, {RECEIPTS_LABEL: [cose_receipt(case)], 4: b"kid"}))


@wrong("form", "must have 1 items")
def a_statement_with_two_cose_receipts(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case), cose_receipt(case))


@wrong("form", "must be a byte string")
def a_statement_whose_cose_receipt_is_not_wrapped(case: Case, _: Case) -> Shown:
    return Shown(data=_with_beside(case, {RECEIPTS_LABEL: [decode(cose_receipt(case))]}))


@wrong("form", "follow the value")
def a_statement_with_a_byte_behind_it(case: Case, _: Case) -> Shown:
    return Shown(data=as_cose(case.receipt, key_of(case)) + b"\0")


@wrong("form", "typ must be")
def a_cose_receipt_of_another_type(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, header={cose.TYP: "application/vnd.slt.statement+cose"}))


@wrong("form", "vds")
def a_cose_receipt_over_another_tree_algorithm(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, header={395: 2}))


@wrong("form", "exactly the labels")
def a_cose_receipt_whose_tree_algorithm_is_not_protected(case: Case, _: Case) -> Shown:
    index, path = place(case)
    proof = encode([read(case).header.log_size, index, list(path)])
    return bare_cose(case, cose_receipt(case, header={395: None}, unprotected={395: 1, 396: {-1: [proof]}}))


@wrong("form", "alg must be -8")
def a_cose_receipt_of_another_algorithm(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, header={cose.ALG: -7}))


@wrong("form", "must be detached")
def a_cose_receipt_with_its_payload(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, payload=read(case).header.log_root))


@wrong("form", "inclusion proofs must have 1 items")
def a_cose_receipt_without_a_proof(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, unprotected={396: {-1: []}}))


@wrong("form", "exactly the labels")
def a_cose_receipt_with_a_consistency_proof_beside(case: Case, _: Case) -> Shown:
    index, path = place(case)
    proof = encode([read(case).header.log_size, index, list(path)])
    return bare_cose(case, cose_receipt(case, unprotected={396: {-1: [proof], -2: [proof]}}))


@wrong("form", "must have exactly the labels")
def a_cose_receipt_that_does_not_say_the_size(case: Case, _: Case) -> Shown:
    claims: dict[Value, Value] = {
        cose.ISS: case.genesis.audience,
        cose.SUB: parse_statement(read(case).statement).sub,
        cose.IAT: 1,
    }
    return bare_cose(case, cose_receipt(case, header={cose.CLAIMS: claims}))


@wrong("form", "digest of 32 bytes")
def a_cose_receipt_with_a_short_hash(case: Case, _: Case) -> Shown:
    index, path = place(case)
    proof = encode([read(case).header.log_size, index, [path[0][:31], *path[1:]]])
    return bare_cose(case, cose_receipt(case, proof=proof))


# A COSE receipt that proves something else


@wrong("published place", "is about ledger")
def a_cose_receipt_of_another_ledger(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, claims={cose.ISS: f"elsewhere.example#{'00' * 32}"}))


@wrong("published place", "is about subject")
def a_cose_receipt_about_another_subject(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, claims={cose.SUB: "A" * 22}))


@wrong("published place", "are signed")
def a_cose_receipt_moved_to_another_size(case: Case, _: Case) -> Shown:
    """The path from the last leaf of this log leads to the same root from a leaf of a log of another size."""
    index, path = place(case)
    size, other = next(
        (size, other)
        for size in range(1, 64)
        for other in range(size)
        if size != read(case).header.log_size and _same_root(case, other, size, path)
    )
    assert other != index
    return bare_cose(case, cose_receipt(case, proof=encode([size, other, list(path)])))


@wrong("published place", "is not inside a tree")
def a_cose_receipt_at_an_index_that_is_the_size(case: Case, _: Case) -> Shown:
    size = read(case).header.log_size
    return bare_cose(case, cose_receipt(case, proof=encode([size, size, list(place(case)[1])])))


@wrong("published place", "hashes, not")
def a_cose_receipt_that_was_cut(case: Case, _: Case) -> Shown:
    index, path = place(case)
    return bare_cose(case, cose_receipt(case, proof=encode([read(case).header.log_size, index, list(path[:-1])])))


@wrong("published signature", "did not sign the root")
def a_cose_receipt_with_another_hash(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, path=other_path(case)))


@wrong("published signature", "did not sign the root")
def a_cose_receipt_of_another_statement_about_the_same_subject(case: Case, _: Case) -> Shown:
    """A statement over another body with the same claims: only the leaf differs."""
    own = parse_statement(read(case).statement)
    other = case.world.item(6, document=b"another document", salt=case.body[:16])
    assert parse_statement(other.statement).sub == own.sub
    return Shown(data=attach(other.statement, receipts=(cose_receipt(case),), evidence=None))


@wrong("published signature", "whom genesis does not name")
def a_cose_receipt_by_nobody_we_know(case: Case, _: Case) -> Shown:
    return bare_cose(case, cose_receipt(case, by=signer("mallory")))


@wrong("published signature", "did not sign the root")
def a_cose_receipt_by_another_under_the_members_name(case: Case, _: Case) -> Shown:
    kid = key_of(case).kid
    return bare_cose(case, cose_receipt(case, by=signer("mallory"), header={cose.KID: kid}))


@wrong("agreement", "another statement")
def a_cose_receipt_with_the_receipt_v1_of_another_statement(case: Case, rejected: Case) -> Shown:
    data = attach(read(case).statement, receipts=(cose_receipt(case),), evidence=rejected.receipt)
    return Shown(data=data)


@wrong("agreement", "no proof of it is attached")
def an_accepted_statement_with_the_receipt_v1_alone(case: Case, _: Case) -> Shown:
    return Shown(data=attach(read(case).statement, receipts=(), evidence=case.receipt))


@wrong("agreement", "no place in the log")
def a_rejected_statement_with_a_cose_receipt(case: Case, rejected: Case) -> Shown:
    made = cose_receipt(case, statement=read(rejected).statement)
    return Shown(data=attach(read(rejected).statement, receipts=(made,), evidence=rejected.receipt))


@wrong("body", "not the one")
def a_statement_with_a_cose_receipt_and_another_body(case: Case, rejected: Case) -> Shown:
    return Shown(data=as_cose(case.receipt, key_of(case)), body=rejected.body)


def _with_beside(case: Case, beside: Mapping[Value, Value]) -> bytes:
    tagged = decode(read(case).statement)
    assert isinstance(tagged, Tagged) and isinstance(tagged.value, list)
    protected, _, payload, signature = tagged.value
    return encode(Tagged([protected, beside, payload, signature]))


def _same_root(case: Case, index: int, size: int, path: tuple[Digest, ...]) -> bool:
    try:
        return root_of_path(leaf_hash(read(case).statement), index, size, path) == read(case).header.log_root
    except ValueError:
        return False
