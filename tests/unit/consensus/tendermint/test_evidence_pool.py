"""Evidence reaches a block once: what waits, what a block may hold, and what makes a block invalid."""

import pytest

from slt.consensus.tendermint.evidence import BadEvidence, Evidence, two_votes
from slt.consensus.tendermint.pool import AGE_MAX, EACH_MAX, WAITING_MAX, EvidencePool
from slt.consensus.tendermint.proposals import EVIDENCE_BYTES_MAX, EVIDENCE_ITEMS_MAX
from slt.merkle.ed25519 import verify_ed25519
from tests.unit.consensus.tendermint.consortium import MEMBERS, A, B, commit, polka, prevote


def make_pool() -> EvidencePool:
    return EvidencePool(set_at=lambda height: MEMBERS if height < 10**6 else None, verify=verify_ed25519)


def doubled(sender: int, height: int = 1, round_: int = 0) -> Evidence:
    return two_votes(prevote(A, sender, height=height, round=round_), prevote(B, sender, height=height, round=round_))


def test_scenario_6_a_double_vote_is_committed_exactly_once() -> None:
    pool = make_pool()
    other = two_votes(prevote(A, 2), prevote(None, 2))
    assert pool.add(doubled(2)) and not pool.add(doubled(2)) and not pool.add(other), "one place, one piece"
    items = pool.for_block(2)
    accusations = pool.check_block(2, items)
    assert [one.accused for one in accusations] == [(2,)]
    pool.note_block(2, accusations)
    assert pool.for_block(3) == () and not pool.add(doubled(2))
    for again in (items, (other.encoded,)):
        with pytest.raises(BadEvidence, match="on the ledger already"):
            pool.check_block(3, again)


def test_a_block_whose_evidence_proves_nothing_is_invalid() -> None:
    pool = make_pool()
    good = doubled(1).encoded
    for items, sentence in (
        ([good, good], "on the ledger already"),
        ([two_votes(prevote(A, 1), prevote(B, 2)).encoded], "not of one member"),
        ([b"nonsense"], "cannot be read"),
        ([doubled(1, height=2).encoded], "about height 2 in block 2"),
        ([doubled(1, height=3).encoded], "about height 3 in block 2"),
        ([doubled(1, height=10**6).encoded], "not known here"),
        ([good] * (EVIDENCE_ITEMS_MAX + 1), "more evidence"),
        ([bytes(EVIDENCE_BYTES_MAX + 1)], "more evidence"),
    ):
        with pytest.raises(BadEvidence, match=sentence):
            pool.check_block(2, items)


def test_evidence_waits_for_a_later_block_and_grows_too_old() -> None:
    pool = make_pool()
    pool.add(doubled(1, height=5))
    assert pool.for_block(5) == () and pool.for_block(6) != ()
    assert pool.for_block(5 + AGE_MAX) != () and pool.for_block(6 + AGE_MAX) == ()
    with pytest.raises(BadEvidence, match="about height 5"):
        pool.check_block(6 + AGE_MAX, [doubled(1, height=5).encoded])
    pool.note_block(6 + AGE_MAX, ())
    assert not pool.waiting


def test_what_a_proposer_takes_always_fits_a_block_and_a_liar_does_not_crowd_out_another() -> None:
    pool = make_pool()
    taken = [pool.add(doubled(0, round_=round_)) for round_ in range(EACH_MAX + 5)]
    assert taken == [True] * EACH_MAX + [False] * 5
    assert all(pool.add(doubled(1, round_=round_)) for round_ in range(5))
    items = pool.for_block(2)
    assert 0 < len(items) <= EVIDENCE_ITEMS_MAX and sum(map(len, items)) <= EVIDENCE_BYTES_MAX
    assert len(pool.check_block(2, items)) == len(items)


def test_a_pool_is_bounded_and_takes_nothing_that_does_not_hold() -> None:
    pool = make_pool()
    pool.waiting = {((number,), 1, 1, 0, 2): b"x" for number in range(WAITING_MAX)}
    assert not pool.add(doubled(3, round_=7))
    with pytest.raises(BadEvidence):
        make_pool().add(two_votes(prevote(A, 1), prevote(A, 1)))
    with pytest.raises(BadEvidence):
        make_pool().add(
            Evidence(kind=doubled(1).kind, items=(commit(A, (0, 1, 2)).encoded, polka(A, (0, 1, 2)).encoded))
        )
