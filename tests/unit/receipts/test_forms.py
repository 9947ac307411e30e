"""A receipt in any form is verified link by link; each way to be wrong breaks the link that it should."""

import pytest

from slt.consensus.forms import NOT_IN_BARE, Found, order_of, verify_any
from slt.consensus.links import lines_of_broken
from slt.consensus.receipts import BrokenLink
from slt.merkle.cosignatures import cosigner_key_from_seed
from slt.merkle.policy import Policy, parse_policy
from slt.merkle.tlog_proof import parse_tlog_proof
from slt.statements.cose_receipts import attach, detach
from slt.statements.receipt_forms import NotInTheLog, accepted_form, as_cose, as_tlog_proof, form_of
from tests.support.blocks import seed
from tests.unit.receipts.conftest import Case
from tests.unit.receipts.forms import GOOD, WRONG, Shown, key_of, read, tlog

WITNESS = cosigner_key_from_seed("witness.example", seed("policy witness"))


def shown_to_us(shown: Shown, case: Case) -> Found:
    policy = None if shown.policy is None else parse_policy(shown.policy)
    return verify_any(shown.data, case.genesis, body=shown.body, entry=shown.entry, policy=policy)


@pytest.mark.parametrize("name", GOOD)
def test_what_holds_is_told_link_by_link(name: str, accepted_case: Case, rejected_case: Case) -> None:
    standing, make = GOOD[name]
    shown = make(accepted_case, rejected_case)
    found = shown_to_us(shown, accepted_case)
    assert found.standing == standing
    assert [line.link for line in found.lines if line.holds is False] == []
    told = [line.link for line in found.lines]
    assert len(told) == len(set(told))
    assert [link for link in told if link in order_of(shown.data)] == list(order_of(shown.data))
    assert all(line.text.endswith(".") for line in found.lines)


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_hold_breaks_its_link(name: str, accepted_case: Case, rejected_case: Case) -> None:
    link, words, make = WRONG[name]
    shown = make(accepted_case, rejected_case)
    with pytest.raises(BrokenLink) as raised:
        shown_to_us(shown, accepted_case)
    assert (raised.value.link, words in raised.value.message) == (link, True), raised.value.message
    lines = lines_of_broken(raised.value, order_of(shown.data))
    assert [line.link for line in lines if line.holds is False] == [link]


def test_every_link_of_the_published_forms_has_its_forgery() -> None:
    assert {link for link, _, _ in WRONG.values()} >= {
        "form",
        "statement",
        "ledger",
        "body",
        "signature",
        "agreement",
        "published place",
        "published signature",
        "policy",
    }


@pytest.mark.parametrize("name", [name for name, (standing, _) in GOOD.items() if standing == "logged"])
def test_a_bare_proof_says_what_it_does_not_prove(name: str, accepted_case: Case, rejected_case: Case) -> None:
    found = shown_to_us(GOOD[name][1](accepted_case, rejected_case), accepted_case)
    unproved = {line.link for line in found.lines if line.holds is None}
    assert unproved - {"body", "policy"} == set(NOT_IN_BARE)
    assert ("policy" in unproved) == (GOOD[name][1](accepted_case, rejected_case).policy is None)
    assert (found.proof, found.place is not None) == (None, True)


def policy_of(*quorum: str) -> Policy:
    """One witness, whose cosignature is asked for by name."""
    return parse_policy("\n".join((f"witness w {WITNESS.cosigner.vkey}", *quorum, "")).encode())


def cosigned(case: Case) -> Shown:
    """A bare tlog-proof whose checkpoint the witness has cosigned."""
    proof = parse_tlog_proof(as_tlog_proof(case.receipt, bare=True))
    text, _, _ = proof.note.rpartition("\n\n")
    note = proof.note + WITNESS.cosign(f"{text}\n", 1_700_000_000).line
    return Shown(data=tlog(case, note=note), entry=read(case).statement)


def test_a_policy_is_met_by_the_cosignature_that_it_asks_for(accepted_case: Case) -> None:
    shown = cosigned(accepted_case)
    policy = policy_of("quorum w")
    found = verify_any(shown.data, accepted_case.genesis, entry=shown.entry, policy=policy)
    line = found.lines[-1]
    assert (line.link, line.holds, "witness.example" in line.text) == ("policy", True, True)


@pytest.mark.parametrize("name", [name for name, (standing, _) in GOOD.items() if standing != "rejected"])
def test_a_policy_that_is_not_met_breaks_its_link(name: str, accepted_case: Case, rejected_case: Case) -> None:
    shown = GOOD[name][1](accepted_case, rejected_case)
    policy = policy_of("quorum w")
    with pytest.raises(BrokenLink) as raised:
        verify_any(shown.data, accepted_case.genesis, body=shown.body, entry=shown.entry, policy=policy)
    assert raised.value.link == "policy"
    lines = lines_of_broken(raised.value, order_of(shown.data))
    assert (lines[-1].link, lines[-1].holds) == ("policy", False)


def test_a_policy_that_asks_for_nobody_is_met_by_the_log_alone(accepted_case: Case) -> None:
    policy = policy_of("quorum none")
    assert verify_any(accepted_case.receipt, accepted_case.genesis, policy=policy).lines[-1].holds is True


@pytest.mark.parametrize("name", [name for name in GOOD if "v1" not in name and "cosign" not in name])
def test_any_flipped_bit_of_a_bare_proof_breaks_it(name: str, accepted_case: Case, rejected_case: Case) -> None:
    shown = GOOD[name][1](accepted_case, rejected_case)
    for at in range(len(shown.data)):
        flipped = bytearray(shown.data)
        flipped[at] ^= 1
        with pytest.raises(BrokenLink):
            shown_to_us(Shown(data=bytes(flipped), entry=shown.entry, body=shown.body), accepted_case)


def test_attaching_and_detaching_gives_the_entry_of_the_log_again(accepted_case: Case) -> None:
    made = as_cose(accepted_case.receipt, key_of(accepted_case))
    parted = detach(made)
    assert parted.statement == read(accepted_case).statement
    assert parted.evidence == accepted_case.receipt
    assert attach(parted.statement, receipts=parted.receipts, evidence=parted.evidence) == made


def test_forms_are_known_by_their_content(accepted_case: Case) -> None:
    assert form_of(accepted_case.receipt) == "v1"
    assert form_of(as_tlog_proof(accepted_case.receipt)) == "tlog-proof"
    assert form_of(as_cose(accepted_case.receipt, key_of(accepted_case), bare=True)) == "cose"
    assert form_of(b"") == "v1"


def test_a_rejection_has_no_place_in_the_log(rejected_case: Case) -> None:
    with pytest.raises(NotInTheLog, match="forms v1 and cose"):
        as_tlog_proof(rejected_case.receipt)
    with pytest.raises(NotInTheLog, match="no bare receipt"):
        as_cose(rejected_case.receipt, key_of(rejected_case), bare=True)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "v1"),
        ("", "v1"),
        ("application/*;q=0.5", "v1"),
        ("text/html, text/plain;q=0.9", "tlog-proof"),
        ("application/cose", "cose"),
        ("Application/SCITT-Statement+COSE", "cose"),
        ("text/html", None),
    ],
)
def test_a_form_is_chosen_by_its_media_type(accept: str, form: str | None) -> None:
    assert accepted_form(accept) == form
