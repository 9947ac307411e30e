"""The driver and a dumb model of the rules, in lock step over random histories of one height."""

from dataclasses import replace
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from slt.consensus.tendermint.certs import certificate_of
from slt.consensus.tendermint.driver import Tendermint
from slt.consensus.tendermint.events import (
    Checked,
    Event,
    Received,
    Signed,
    Started,
    Step,
    Timer,
    TimerFired,
    TimerKind,
)
from slt.consensus.tendermint.proposals import Proposal
from slt.consensus.tendermint.votes import Ballot, Kind, Vote
from slt.merkle.hashing import Digest
from tests.unit.consensus.tendermint.consortium import MEMBERS, NOW_MS, make_ballot, make_content
from tests.unit.consensus.tendermint.driver_bench import HEAD, P3, WAIT
from tests.unit.consensus.tendermint.reference import Reference

TURNS: Final = tuple(MEMBERS.proposer(1, round_) for round_ in range(4))
OTHERS: Final = [index for index in range(4) if index != P3]
BLOCKS: Final = [
    make_content(f"{turn} {name}", proposer=TURNS[turn], time_ms=NOW_MS + (0 if name != "late" else 10**9))
    for turn in range(3)
    for name in ("one", "two", "late")
]
NAMES: Final = {content.block_id: content for content in BLOCKS}


def trust(public: bytes, message: bytes, signature: bytes) -> None:
    """Every signature holds: this is about the rules."""


def unsigned(kind: Kind, block: Digest | None, sender: int, **changes: Any) -> Vote:
    return Vote(ballot=make_ballot(kind, block, **changes), sender=sender, signature=bytes(64))


class Pair:
    def __init__(self) -> None:
        self.driver = Tendermint(head=HEAD, member_id=P3, timeouts=WAIT, verify=trust)
        timely = {id_: one.header is not None and one.header.time_ms == NOW_MS for id_, one in NAMES.items()}
        self.model = Reference(me=P3, proposers=TURNS, timely=timely)
        self.signed: list[tuple[str, int, Digest | None, int]] = []
        self.unanswered: list[Ballot] = []
        self.armed: set[tuple[str, int]] = set()
        self.decided: Digest | None = None
        self.feed(Started(now_ms=NOW_MS))

    def feed(self, event: Event) -> None:
        effects = self.driver.step(event)
        for timer in effects.timer:
            if timer.kind != TimerKind.PROPOSE:
                self.armed.add((timer.kind.name, timer.round))
        if effects.commit is not None:
            self.decided = effects.commit.content.block_id
        for ballot in effects.sign:
            self.signed.append((ballot.kind.name, ballot.round, ballot.block_id, ballot.vr))
        self.unanswered += effects.sign
        if self.unanswered:
            self.feed(Signed(now_ms=NOW_MS, ballot=self.unanswered.pop(0), signature=bytes(64)))

    def act(self, what: int, sender: int, block: int, ahead: int, extra: int) -> None:
        round_ = max(0, self.model.round + ahead)
        content = BLOCKS[block % len(BLOCKS)]
        id_ = content.block_id
        if what == 0:
            self.propose(round_, content.block_id, extra, sender)
        elif what <= 2:
            kind = Kind.PREVOTE if what == 1 else Kind.PRECOMMIT
            choice = None if extra == 0 else id_
            vr = min(extra - 2, round_ - 1) if what == 1 and choice is not None else -1
            self.vote(kind, choice, OTHERS[sender], round_, max(-1, vr))
        elif what == 3:
            self.feed(Checked(now_ms=NOW_MS, height=1, block_id=id_, valid=extra > 0))
            self.model.judge(id_, extra > 0)
        elif what == 4:
            timer = list(TimerKind)[extra % 3]
            fired = Timer(kind=timer, height=1, round=round_, at_ms=NOW_MS + 10**9)
            self.feed(TimerFired(now_ms=NOW_MS, timer=fired))
            self.model.timer(timer.name, round_)
        elif what == 5:
            self.three_vote(Kind.PREVOTE if extra % 2 else Kind.PRECOMMIT, None if extra > 2 else id_, round_)
        else:
            votes = [unsigned(Kind.PREVOTE, id_, one, round=round_) for one in OTHERS]
            self.feed(Received(now_ms=NOW_MS, message=certificate_of(votes, MEMBERS)))
            self.model.polka(round_, id_, -1)

    def three_vote(self, kind: Kind, id_: Digest | None, round_: int) -> None:
        for sender in OTHERS:
            self.vote(kind, id_, sender, round_, -1)

    def vote(self, kind: Kind, id_: Digest | None, sender: int, round_: int, vr: int) -> None:
        self.feed(Received(now_ms=NOW_MS, message=unsigned(kind, id_, sender, round=round_, vr=vr)))
        self.model.message((kind.name, round_, sender, id_, vr))

    def propose(self, round_: int, id_: Digest, extra: int, sender: int) -> None:
        content = NAMES[id_]
        assert content.header is not None
        turn = TURNS[round_ % 4]
        vr = min(extra - 2, round_ - 1) if extra > 1 or content.header.proposer != turn else -1
        by = turn if sender else OTHERS[extra % 3]
        if by == P3 or (vr < 0 and content.header.proposer != by):
            return  # our own proposals we make ourselves; A9 has tests of its own
        vote = unsigned(Kind.PROPOSAL, id_, by, round=round_, vr=max(-1, vr))
        self.feed(Received(now_ms=NOW_MS, message=Proposal(vote=vote, content=content)))
        self.model.message(("PROPOSAL", round_, by, id_, max(-1, vr)))

    def compare(self) -> None:
        at, model = self.driver.machine.at, self.model
        assert bool(self.driver.halted) == model.halted
        if model.halted:
            return
        assert self.decided == model.decided
        assert self.signed == model.signed
        if model.decided is None:
            assert (at.round, at.step) == (model.round, Step[model.step])
            assert (at.locked_id, at.locked_round) == model.locked
            assert (at.valid_id, at.valid_round) == model.valid
            assert self.armed == {one for one in model.done if one[0] != "polka"}


ACTIONS: Final = st.tuples(
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6]),
    st.integers(0, 2),
    st.integers(0, len(BLOCKS) - 1),
    st.sampled_from([-1, 0, 0, 0, 0, 1, 2]),
    st.integers(0, 4),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(ACTIONS, max_size=40))
def test_driver_and_reference_agree_after_every_step(actions: list[tuple[int, int, int, int, int]]) -> None:
    pair = Pair()
    for action in actions:
        pair.act(*action)
        pair.compare()


def test_the_reference_notices_a_driver_with_another_rule() -> None:
    """The comparison can fail: a driver that believes another time than the model does."""
    pair = Pair()
    pair.driver.machine.timeouts = replace(WAIT, precision_ms=10**10)
    late = next(number for number, one in enumerate(BLOCKS) if one.header and one.header.time_ms != NOW_MS)
    pair.act(0, 1, late, 0, 0)
    pair.act(3, 0, late, 0, 1)
    assert pair.signed != pair.model.signed
