"""Blocks, votes and situations that the tests of the rules share. The bench's member proposes in round 3."""

from slt.consensus.tendermint.events import Step
from slt.consensus.tendermint.votes import Vote
from slt.merkle.hashing import Digest
from tests.unit.consensus.tendermint.consortium import make_content, precommit, prevote, propose
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, Bench

A = make_content("A")  # by the proposer of round 0
B = make_content("B", proposer=P1)  # by the one of round 1
FRESH = propose(A)
OTHERS = (P0, P1, P2)


def prevotes(content_id: Digest | None, senders: tuple[int, ...] = OTHERS, **changes: int) -> list[Vote]:
    return [prevote(content_id, sender, **changes) for sender in senders]


def precommits(content_id: Digest | None, senders: tuple[int, ...] = OTHERS, **changes: int) -> list[Vote]:
    return [precommit(content_id, sender, **changes) for sender in senders]


def locked_on_a() -> Bench:
    """Prevoted and precommitted A in round 0, which the others then left without deciding."""
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*prevotes(A.block_id, (P0, P1)))
    assert (bench.at.locked_id, bench.at.locked_round, bench.at.step) == (A.block_id, 0, Step.PRECOMMIT)
    return bench
