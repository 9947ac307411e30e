"""More than a third cheat: two commits at one height. The bundle names exactly those who did it (scenario 48)."""

from slt.consensus.tendermint.events import TimerKind
from slt.consensus.tendermint.evidence import EvidenceKind, verify_evidence
from slt.consensus.tendermint.votes import Kind
from slt.merkle.ed25519 import verify_ed25519
from tests.unit.consensus.tendermint.consortium import MEMBERS, make_content, precommit, prevote, propose
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, P3, Bench
from tests.unit.consensus.tendermint.situations import FRESH, A

LIARS = (P0, P1)
B = make_content("B", proposer=P1)


def fooled(me: int, other: int) -> tuple[Bench, Bench]:
    """`me` decides A in round 0 with the two liars; `other`, who saw none of it, decides B in round 1 with them."""
    one, two = Bench(me=me), Bench(me=other)
    one.take(FRESH)
    one.judge(A)
    one.take(*(prevote(A.block_id, liar) for liar in LIARS), *(precommit(A.block_id, liar) for liar in LIARS))
    assert one.at.step.name == "DECIDED"
    two.to_round(1)
    two.take(propose(B, round=1))
    two.judge(B)
    two.take(*(prevote(B.block_id, liar, round=1) for liar in LIARS))
    two.take(*(precommit(B.block_id, liar, round=1) for liar in LIARS))
    assert two.at.step.name == "DECIDED"
    one.applied()
    two.applied()
    return one, two


def test_scenario_48_two_commits_in_two_rounds_name_exactly_the_two_who_forgot() -> None:
    one, two = fooled(P2, P3)
    first = one.driver.machine.recent[1].certificate
    two.take(first)
    assert "more than a third" in two.driver.halted
    found = {piece.kind: verify_evidence(piece, MEMBERS, verify_ed25519) for piece in two.last.evidence}
    assert found[EvidenceKind.AMNESIA].accused == tuple(sorted(LIARS))
    assert found[EvidenceKind.CONFLICTING_CERTS].accused == ()
    assert not set(found[EvidenceKind.AMNESIA].accused) & {P2, P3}


def test_scenario_48_whoever_has_no_polka_halts_with_both_certificates() -> None:
    one, two = fooled(P2, P3)
    one.take(two.driver.machine.recent[1].certificate)
    assert "more than a third" in one.driver.halted
    assert [piece.kind for piece in one.last.evidence] == [EvidenceKind.CONFLICTING_CERTS]
    one.fire(TimerKind.PROPOSE)
    assert not one.last.sign and not one.last.send, "a halt signs nothing more"


def test_scenario_48_two_commits_in_one_round_name_who_signed_both() -> None:
    one, two = Bench(me=P2), Bench(me=P3)
    other = make_content("A2")
    for bench, content in ((one, A), (two, other)):
        bench.take(propose(content))
        bench.judge(content)
        bench.take(*(prevote(content.block_id, liar) for liar in LIARS))
        bench.take(*(precommit(content.block_id, liar) for liar in LIARS))
        bench.applied()
    two.take(one.driver.machine.recent[1].certificate)
    (piece,) = two.last.evidence
    found = verify_evidence(piece, MEMBERS, verify_ed25519)
    assert (found.kind, found.accused) == (EvidenceKind.CONFLICTING_CERTS, tuple(sorted(LIARS)))
    assert found.ballot == Kind.PRECOMMIT
