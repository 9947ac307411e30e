"""Every link of a receipt is checked, and each says in words of its own what does not fit."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from slt.consensus.receipts import BrokenLink, VerifierCache, verify_receipt
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.notes import NoteSigner, sign_note
from slt.statements.cbor import decode
from slt.statements.receipts import Receipt, encode_receipt, parse_receipt
from slt.statements.statement import make_endorsement, parse_statement
from slt.statements.terms import PrivateCertificate
from slt.statements.verdicts import Code, Verdict
from tests.support.blocks import AUTHORITY, Chain, accepted, certify, make_term, make_world, seed, signer
from tests.support.receipts import receipts_of
from tests.unit.receipts.conftest import Case, make_cases

Forge = Callable[[Receipt, Case], Receipt]


def broken(receipt: bytes, case: Case, *, body: bytes | None = None) -> BrokenLink:
    with pytest.raises(BrokenLink) as raised:
        verify_receipt(receipt, case.genesis, body=body)
    return raised.value


def other_chain() -> Case:
    return make_cases(make_world("another ledger"))[0]


def renote(case: Case, checkpoint: Checkpoint, *signers: NoteSigner) -> str:
    return sign_note(checkpoint.text(), *(signers or (case.world.checkpoint,)))


def checkpoint_of(read: Receipt, case: Case) -> Checkpoint:
    return Checkpoint(origin=case.genesis.origin, size=read.header.log_size, root=read.header.log_root)


def recertify(read: Receipt, case: Case, **changes: object) -> Receipt:
    """The receipt with a header that says something else, signed by the sequencer as if it were true."""
    header = replace(read.header, **changes)  # type: ignore[arg-type]  # any field of Header
    return replace(read, header=header, certificate=decode(certify(header, case.world.consensus, case.world.term)))


def endorsed_for(read: Receipt, case: Case, *, aud: str | None = None, statement_id: bytes | None = None) -> Receipt:
    endorsement = make_endorsement(
        case.world.authority,
        iss=AUTHORITY,
        aud=aud or case.genesis.audience,
        iat=1,
        statement_id=statement_id or case.item.statement_id,
    )
    return replace(read, endorsements=((endorsement, case.world.authority.spki),))


FORGERIES: dict[str, tuple[str, str, Forge]] = {}


def forgery(link: str, words: str) -> Callable[[Forge], Forge]:
    """A way to be wrong, the link that breaks, and words of its message."""

    def keep(forge: Forge) -> Forge:
        FORGERIES[forge.__name__.replace("_", " ")] = (link, words, forge)
        return forge

    return keep


@forgery("certificate", "does not hold")
def whose_sequencer_nobody_appointed(read: Receipt, case: Case) -> Receipt:
    """Signed by somebody whom the term authority never named."""
    outsider = signer("outsider")
    term = make_term(case.genesis, (outsider, signer("another outsider")), outsider)
    return replace(read, certificate=decode(certify(read.header, outsider, term)))


@forgery("certificate", "term is over")
def whose_term_was_over(read: Receipt, case: Case) -> Receipt:
    """Under a good term that was over before the block."""
    world = case.world
    term = make_term(world.genesis, world.term_authority[:2], world.consensus, not_after=read.header.time_ms - 1)
    return replace(read, certificate=decode(certify(read.header, world.consensus, term)))


def other_statement(case: Case) -> bytes:
    return case.world.item(99).statement


@forgery("ledger", "belongs to another ledger")
def of_another_ledger_by_its_own_word(read: Receipt, case: Case) -> Receipt:
    return replace(read, chain_id=other_chain().genesis.chain_id)


@forgery("ledger", "The block belongs to another")
def whose_block_is_of_another_ledger(read: Receipt, case: Case) -> Receipt:
    return replace(read, header=replace(read.header, chain_id=other_chain().genesis.chain_id))


@forgery("statement", "cannot be read")
def with_no_statement_in_it(read: Receipt, case: Case) -> Receipt:
    return replace(read, statement=b"\xa0")


@forgery("statement", "was made for ledger")
def with_a_statement_made_for_another_ledger(read: Receipt, case: Case) -> Receipt:
    return replace(read, statement=other_chain().item.statement)


@forgery("key", "the statement was made with")
def with_another_key(read: Receipt, case: Case) -> Receipt:
    return replace(read, spki=signer("mallory").spki)


@forgery("verdict", "the receipt holds")
def with_another_statement_by_the_same_author(read: Receipt, case: Case) -> Receipt:
    return replace(read, endorsements=(), statement=other_statement(case))


@forgery("endorsements", "cannot be read")
def with_an_endorsement_that_cannot_be_read(read: Receipt, case: Case) -> Receipt:
    return replace(read, endorsements=((b"\xa0", case.world.authority.spki),))


@forgery("endorsements", "is of statement")
def with_an_endorsement_of_another_statement(read: Receipt, case: Case) -> Receipt:
    return endorsed_for(read, case, statement_id=seed("other"))


@forgery("endorsements", "was made for ledger")
def with_an_endorsement_for_another_ledger(read: Receipt, case: Case) -> Receipt:
    return endorsed_for(read, case, aud=other_chain().genesis.audience)


@forgery("endorsements", "the key of another")
def with_an_endorsement_under_another_key(read: Receipt, case: Case) -> Receipt:
    return replace(read, endorsements=((read.endorsements[0][0], signer("mallory").spki),))


@forgery("endorsements", "used before")
def with_one_endorsement_twice(read: Receipt, case: Case) -> Receipt:
    return replace(read, endorsements=read.endorsements * 2)


@forgery("verdict", "The verdict is about")
def with_the_verdict_on_another_statement(read: Receipt, case: Case) -> Receipt:
    return replace(read, verdict=replace(read.verdict, statement_id=seed("other")))


@forgery("verdict", "is void")
def with_a_void_verdict(read: Receipt, case: Case) -> Receipt:
    return replace(read, verdict=Verdict(statement_id=read.verdict.statement_id, code=Code.C02, rules_version=1))


@forgery("verdict path", "not number")
def with_a_better_verdict_than_was_decided(read: Receipt, case: Case) -> Receipt:
    return replace(read, verdict=replace(read.verdict, rules_version=2))


@forgery("verdict path", "not number 0")
def with_the_verdict_at_another_place(read: Receipt, case: Case) -> Receipt:
    return replace(read, verdict_index=0)


@forgery("verdict path", "not number")
def with_a_shorter_list_of_verdicts(read: Receipt, case: Case) -> Receipt:
    return replace(read, verdict_count=2)


@forgery("verdict path", "hashes")
def with_no_path_of_the_verdict(read: Receipt, case: Case) -> Receipt:
    return replace(read, verdict_path=())


@forgery("certificate", "did not sign")
def with_a_header_that_nobody_signed(read: Receipt, case: Case) -> Receipt:
    return replace(read, header=replace(read.header, time_ms=read.header.time_ms + 1))


@forgery("certificate", "Nothing shows that block")
def whose_certificate_is_none(read: Receipt, case: Case) -> Receipt:
    return replace(read, certificate=[])


@forgery("certificate", "members root")
def with_another_member_set(read: Receipt, case: Case) -> Receipt:
    return recertify(read, case, members_root=seed("members"))


@forgery("certificate", "members root")
def that_changes_the_member_set(read: Receipt, case: Case) -> Receipt:
    return recertify(read, case, next_members_root=seed("members"))


@forgery("certificate", "private ledger has none")
def with_changes_of_the_member_set(read: Receipt, case: Case) -> Receipt:
    return replace(read, changes=([[], [], []],))


@forgery("log", "comes with its place")
def without_its_place_in_the_log(read: Receipt, case: Case) -> Receipt:
    return replace(read, log_proof=None)


@forgery("log", "the verdict names")
def with_another_place_in_the_log(read: Receipt, case: Case) -> Receipt:
    return replace(read, log_proof=(1, read.log_proof[1] if read.log_proof else ()))


@forgery("log", "does not stand at index")
def with_a_wrong_path_in_the_log(read: Receipt, case: Case) -> Receipt:
    return replace(read, log_proof=(read.log_proof[0], read.log_proof[1][::-1]) if read.log_proof else None)


@forgery("checkpoint", "is of log")
def with_a_checkpoint_of_another_log(read: Receipt, case: Case) -> Receipt:
    return replace(read, checkpoint=renote(case, replace(checkpoint_of(read, case), origin="elsewhere.example/log")))


@forgery("checkpoint", "the block has")
def with_a_checkpoint_of_another_size(read: Receipt, case: Case) -> Receipt:
    return replace(read, checkpoint=renote(case, replace(checkpoint_of(read, case), size=read.header.log_size + 1)))


@forgery("checkpoint", "the block has")
def with_a_checkpoint_of_another_root(read: Receipt, case: Case) -> Receipt:
    return replace(read, checkpoint=renote(case, replace(checkpoint_of(read, case), root=seed("root"))))


@forgery("checkpoint", "exactly one member")
def with_a_checkpoint_by_nobody_we_know(read: Receipt, case: Case) -> Receipt:
    return replace(
        read, checkpoint=renote(case, checkpoint_of(read, case), NoteSigner.of(case.genesis.origin, seed("mallory")))
    )


@forgery("checkpoint", "exactly one member")
def with_a_checkpoint_that_a_stranger_signed_too(read: Receipt, case: Case) -> Receipt:
    return replace(
        read,
        checkpoint=renote(
            case, checkpoint_of(read, case), case.world.checkpoint, NoteSigner.of("witness.example", seed("witness"))
        ),
    )


@forgery("checkpoint", "cannot be read")
def with_a_note_that_is_no_checkpoint(read: Receipt, case: Case) -> Receipt:
    return replace(read, checkpoint=sign_note("good day\n", case.world.checkpoint))


@forgery("findings", "exactly when")
def without_its_findings(read: Receipt, case: Case) -> Receipt:
    return replace(read, findings=None)


@forgery("findings", "are not those")
def with_fewer_findings(read: Receipt, case: Case) -> Receipt:
    return replace(read, findings=(read.findings[0], ()) if read.findings else None)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_receipt_is_refused(forgery: str, accepted_case: Case) -> None:
    link, words, forge = FORGERIES[forgery]
    forged = encode_receipt(forge(parse_receipt(accepted_case.receipt), accepted_case))
    found = broken(forged, accepted_case)
    assert found.link == link
    assert words in found.message


def test_every_link_has_its_forgery(accepted_case: Case) -> None:
    assert {link for link, _, _ in FORGERIES.values()} == {
        "ledger",
        "statement",
        "key",
        "endorsements",
        "verdict",
        "verdict path",
        "certificate",
        "log",
        "checkpoint",
        "findings",
    }  # "receipt", "body" and "signature" have tests of their own below and beside.


def test_bytes_that_are_no_receipt_say_so(accepted_case: Case) -> None:
    for junk in (b"", b"receipt", b"\x80", b"\xff" * 100):
        found = broken(junk, accepted_case)
        assert (found.link, found.message[:30]) == ("receipt", "These bytes are not a receipt:")


def test_a_receipt_of_a_later_version_is_refused(accepted_case: Case) -> None:
    assert accepted_case.receipt[:2] == b"\x8d\x01"
    assert broken(b"\x8d\x02" + accepted_case.receipt[2:], accepted_case).link == "receipt"


def test_another_body_is_named_with_both_digests(accepted_case: Case) -> None:
    found = broken(accepted_case.receipt, accepted_case, body=b"x" * 100)
    assert found.link == "body"
    assert parse_statement(accepted_case.item.statement).body_digest.hex() in found.message


def test_a_statement_that_its_author_did_not_sign_is_refused(accepted_case: Case) -> None:
    read = parse_receipt(accepted_case.receipt)
    forged = replace(read, statement=read.statement[:-1] + bytes([read.statement[-1] ^ 1]))
    found = broken(encode_receipt(forged), accepted_case)
    assert (found.link, "signature of the statement does not hold" in found.message) == ("signature", True)


def test_a_receipt_does_not_verify_under_another_genesis(accepted_case: Case) -> None:
    with pytest.raises(BrokenLink) as raised:
        verify_receipt(accepted_case.receipt, other_chain().genesis)
    assert raised.value.link == "ledger"


def test_a_rejected_statement_has_no_place_in_the_log(accepted_case: Case, rejected_case: Case) -> None:
    place = parse_receipt(accepted_case.receipt).log_proof
    forged = replace(parse_receipt(rejected_case.receipt), log_proof=place)
    assert broken(encode_receipt(forged), rejected_case).link == "log"


PARTS = (
    ("statement",),
    ("spki",),
    ("endorsements",),
    ("verdict",),
    ("verdict_index",),
    ("verdict_path",),
    ("verdict_index", "verdict_path"),
    ("verdict", "verdict_index", "verdict_path"),
    ("log_proof",),
    ("header",),
    ("certificate",),
    ("header", "certificate"),
    ("header", "certificate", "checkpoint"),
    ("checkpoint",),
    ("findings",),
    ("statement", "spki", "endorsements"),
    ("statement", "spki", "endorsements", "verdict"),
    ("statement", "spki", "endorsements", "verdict", "verdict_index", "verdict_path"),
)


@pytest.mark.parametrize("parts", PARTS, ids="+".join)
def test_parts_of_two_good_receipts_do_not_make_a_third(parts: tuple[str, ...]) -> None:
    """Two authors in two blocks of one ledger: nothing of the one fits the other."""
    world = make_world("swapped")
    chain = Chain(world)
    one, two = world.item(1, endorsed=True), world.item(2, endorsed=True, by=signer("second author"))
    first, second = (
        chain.add([accepted(one), accepted(world.item(3))]),
        chain.add([accepted(world.item(4)), accepted(two)]),
    )
    receipts = receipts_of(world, chain, first) | receipts_of(world, chain, second)
    mine, other = parse_receipt(receipts[one.statement_id]), parse_receipt(receipts[two.statement_id])

    swapped = replace(mine, **{part: getattr(other, part) for part in parts})

    assert all(getattr(mine, part) != getattr(other, part) for part in parts)
    with pytest.raises(BrokenLink):
        verify_receipt(encode_receipt(swapped), world.genesis)


def test_the_cache_remembers_what_held_and_nothing_else(accepted_case: Case) -> None:
    cache = VerifierCache(links_max=2)
    verify_receipt(accepted_case.receipt, accepted_case.genesis, cache=cache)
    for forgery in ("with a header that nobody signed", "with a checkpoint of another root"):
        forged = encode_receipt(FORGERIES[forgery][2](parse_receipt(accepted_case.receipt), accepted_case))
        for _ in range(2):
            with pytest.raises(BrokenLink):
                verify_receipt(forged, accepted_case.genesis, cache=cache)
    verify_receipt(accepted_case.receipt, accepted_case.genesis, cache=cache)


def test_a_term_certificate_with_a_signature_too_many_that_is_bad_is_refused(accepted_case: Case) -> None:
    """Two of three are enough, and a third one is still no place for other bytes."""
    world = accepted_case.world
    term = make_term(world.genesis, world.term_authority, world.consensus)
    bad = replace(term, signatures=(*term.signatures[:2], (2, bytes(64))))
    read = parse_receipt(accepted_case.receipt)
    good = PrivateCertificate.from_value(read.certificate)
    with_three = replace(read, certificate=replace(good, term=term).to_value())
    verify_receipt(encode_receipt(with_three), accepted_case.genesis)
    found = broken(encode_receipt(replace(read, certificate=replace(good, term=bad).to_value())), accepted_case)
    assert found.link == "certificate"
