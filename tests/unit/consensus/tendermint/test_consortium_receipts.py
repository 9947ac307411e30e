"""A receipt of a consortium verifies with the member keys of genesis, whichever member answered."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

import pytest

from slt.consensus.receipts import BrokenLink, verify_receipt
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import Digest, leaf_hash, tree_root
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.proofs import LeafTree
from slt.statements.headers import genesis_log_entry
from slt.statements.receipts import Receipt, encode_receipt
from slt.statements.statement import CODE10, body_digest, make_body, make_statement, parse_statement
from slt.statements.tags import list_root
from slt.statements.verdicts import Code, Verdict
from tests.unit.consensus.tendermint.consortium import GENESIS, MEMBERS, ORIGIN, commit, make_header, signer

AUTHOR = signer("author")
BODY = make_body(bytes(16), b"001:OI/XL;41#")
STATEMENT = make_statement(
    AUTHOR,
    iss="operator",
    sub="A" * 22,
    aud=GENESIS.audience,
    iat=1_760_000_000,
    media_type=CODE10,
    digest=body_digest(BODY),
)
VERDICT = Verdict(statement_id=Digest(parse_statement(STATEMENT).id), code=Code.ACCEPTED, log_index=1, rules_version=1)
LOG = [genesis_log_entry(ORIGIN, GENESIS.chain_id), STATEMENT]
HEADER = make_header(
    "receipt", verdicts_root=list_root("verdicts", [VERDICT.encoded]), log_size=2, log_root=tree_root(LOG)
)


def make_receipt(answered_by: int, signed_by: Iterable[int]) -> Receipt:
    note = Checkpoint(origin=ORIGIN, size=2, root=tree_root(LOG)).text()
    key = NoteSigner.of(ORIGIN, sha256(f"checkpoint {answered_by}".encode()).digest())
    return Receipt(
        chain_id=GENESIS.chain_id,
        statement=STATEMENT,
        endorsements=(),
        spki=AUTHOR.spki,
        verdict=VERDICT,
        verdict_index=0,
        verdict_count=1,
        verdict_path=(),
        log_proof=(1, tuple(LeafTree([leaf_hash(entry) for entry in LOG]).inclusion(1, 2))),
        header=HEADER,
        certificate=commit(HEADER.block_id, signed_by, round=3).encoded,
        changes=(),
        checkpoint=sign_note(note, key),
        findings=None,
    )


@pytest.mark.parametrize("member", range(4))
def test_a_receipt_of_any_member_verifies_with_the_keys_of_all(member: int) -> None:
    proof = verify_receipt(encode_receipt(make_receipt(member, (0, 2, 3))), GENESIS, body=BODY)
    assert proof.accepted and proof.model == "consortium"
    assert proof.checkpoint_by == GENESIS.members[member].name
    assert proof.certificate == "The block is final by more than two thirds of the 4 members of genesis"


def test_two_of_four_prove_nothing() -> None:
    with pytest.raises(BrokenLink) as raised:
        verify_receipt(encode_receipt(make_receipt(1, (0, 2))), GENESIS)
    assert raised.value.link == "certificate" and "weigh 2 of 4" in raised.value.message


def test_a_changed_member_set_is_said_to_be_unread() -> None:
    changed = replace(make_receipt(1, (0, 1, 2)), changes=([b"", b"", b""],))
    with pytest.raises(BrokenLink, match="not read by this program yet"):
        verify_receipt(encode_receipt(changed), GENESIS)
    assert MEMBERS.epoch == 0
