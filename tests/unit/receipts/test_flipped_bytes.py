"""No byte of a receipt, and none of the body, is free: whichever is changed, a link breaks."""

import pytest

from slt.consensus.receipts import BrokenLink, VerifierCache, verify_receipt
from tests.support.blocks import make_world
from tests.unit.receipts.conftest import Case, make_cases

PATTERNS = (0x01, 0x02, 0x20, 0x80, 0xFF)


def survivors(case: Case, patterns: tuple[int, ...]) -> list[tuple[int, int]]:
    """Position and pattern of every changed byte that the verifier did not notice."""
    cache = VerifierCache()
    verify_receipt(case.receipt, case.genesis, cache=cache)  # A filled cache must not hide a changed byte.
    found = []
    for position in range(len(case.receipt)):
        for pattern in patterns:
            flipped = bytearray(case.receipt)
            flipped[position] ^= pattern
            try:
                verify_receipt(bytes(flipped), case.genesis, cache=cache)
            except BrokenLink:
                continue
            found.append((position, pattern))
    return found


def test_every_changed_byte_of_an_accepted_receipt_breaks_a_link(accepted_case: Case) -> None:
    assert survivors(accepted_case, PATTERNS) == []


def test_every_changed_byte_of_a_rejected_receipt_breaks_a_link(rejected_case: Case) -> None:
    assert survivors(rejected_case, PATTERNS) == []


@pytest.mark.parametrize("algorithm", ["es256", "ml-dsa-65"])
def test_every_changed_byte_breaks_a_link_whatever_the_author_signs_with(algorithm: str) -> None:
    case, _ = make_cases(make_world(f"receipts {algorithm}", algorithm=algorithm))
    assert survivors(case, (0x01,)) == []


def test_every_changed_byte_of_the_body_breaks_the_link_to_the_statement(accepted_case: Case) -> None:
    cache, body = VerifierCache(), accepted_case.body
    for position in range(len(body)):
        for pattern in PATTERNS:
            flipped = bytearray(body)
            flipped[position] ^= pattern
            with pytest.raises(BrokenLink) as broken:
                verify_receipt(accepted_case.receipt, accepted_case.genesis, body=bytes(flipped), cache=cache)
            assert broken.value.link == "body"


def test_a_receipt_that_is_cut_or_extended_anywhere_is_none(accepted_case: Case) -> None:
    receipt = accepted_case.receipt
    for changed in [receipt[:length] for length in range(len(receipt))] + [receipt + b"\0", b"\0" + receipt]:
        with pytest.raises(BrokenLink) as broken:
            verify_receipt(changed, accepted_case.genesis)
        assert broken.value.link == "receipt"
