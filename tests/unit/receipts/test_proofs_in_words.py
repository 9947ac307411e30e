"""What a receipt proves, in values and in words."""

from slt.consensus.receipts import VerifierCache, verify_receipt
from slt.statements.receipts import encode_receipt, parse_receipt
from slt.statements.verdicts import Code
from tests.support.blocks import ORIGIN, REPORTER, Chain, accepted, make_world, rejected
from tests.support.hostile import calls_of
from tests.support.receipts import receipts_of
from tests.unit.receipts.conftest import Case


def test_an_accepted_receipt_proves_every_link(accepted_case: Case) -> None:
    proof = verify_receipt(accepted_case.receipt, accepted_case.genesis, body=accepted_case.body)
    assert proof.accepted
    assert (proof.origin, proof.chain_id) == (ORIGIN, accepted_case.genesis.chain_id)
    assert (proof.statement_id, proof.iss, proof.kid) == (
        accepted_case.item.statement_id,
        REPORTER,
        accepted_case.world.reporter.kid,
    )
    assert (proof.height, proof.log_index, proof.log_size) == (3, 7, 8)
    assert (proof.verdict_index, proof.verdict_count) == (1, 3)
    assert [endorser.kid for endorser in proof.endorsers] == [accepted_case.world.authority.kid]
    assert proof.findings == (("V55", "warning", "OI/2", "469"),)
    assert proof.body_length == len(accepted_case.body)
    assert proof.checkpoint_by == "Agency"


def test_an_accepted_receipt_reads_as_sentences(accepted_case: Case) -> None:
    lines = verify_receipt(accepted_case.receipt, accepted_case.genesis).lines
    assert lines[0] == f"Accepted by ledger {ORIGIN}, rule set 1."
    text = " ".join(lines)
    for words in (
        "Warning V55, OI/2, 469.",
        f"signed by {REPORTER}",
        "no body was given to compare",
        "endorsed by XL authority",
        "Block 3 (2025-10-09 08:53:23.000 UTC",
        "number 2 of 3",
        "entry 7 of the log",
        "signed by Agency",
    ):
        assert words in text
    assert all(line.endswith(".") for line in lines)


def test_a_rejected_receipt_says_why_and_what_to_do(rejected_case: Case, accepted_case: Case) -> None:
    proof = verify_receipt(rejected_case.receipt, rejected_case.genesis, body=rejected_case.body)
    assert (proof.accepted, proof.code, proof.log_index) == (False, Code.C01, None)
    assert proof.evidence == accepted_case.item.statement_id
    text = " ".join(proof.lines)
    assert "Rejected (C01, code 201)" in text
    assert "next free number" in text
    assert f"conflicts with statement {accepted_case.item.statement_id.hex()}" in text
    assert "It is not in the log" in text


def test_a_rejection_before_the_body_was_looked_at_has_no_findings() -> None:
    world = make_world()
    chain = Chain(world)
    item = world.item(1, facts=b"")
    block = chain.add([rejected(item, Code.MAY_NOT_REPORT, with_body=False)])
    proof = verify_receipt(receipts_of(world, chain, block)[item.statement_id], world.genesis)
    assert (proof.code, proof.findings, proof.log_size) == (Code.MAY_NOT_REPORT, (), 1)


def test_the_ledger_writes_receipts_as_the_codec_does(accepted_case: Case, rejected_case: Case) -> None:
    for case in (accepted_case, rejected_case):
        assert encode_receipt(parse_receipt(case.receipt)) == case.receipt


def test_what_the_receipts_of_a_block_share_is_verified_once() -> None:
    world = make_world()
    chain = Chain(world)
    items = [world.item(number) for number in range(64)]
    first, *others = receipts_of(world, chain, chain.add([accepted(item) for item in items])).values()
    cache = VerifierCache()

    def verify(receipt: bytes) -> None:
        verify_receipt(receipt, world.genesis, cache=cache)

    alone = calls_of(verify, first)
    assert max(calls_of(verify, receipt) for receipt in others) < 0.8 * alone
