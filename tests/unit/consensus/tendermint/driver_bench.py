"""One driver on a bench: fed by hand, its signatures made at once, its effects remembered."""

from dataclasses import replace
from typing import Any

from slt.consensus.tendermint.driver import Tendermint
from slt.consensus.tendermint.events import (
    Applied,
    Build,
    Built,
    Check,
    Checked,
    Effects,
    Event,
    Message,
    Received,
    Signed,
    Started,
    Step,
    Timer,
    TimerFired,
    TimerKind,
)
from slt.consensus.tendermint.machine import Head
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.proposals import Content
from slt.consensus.tendermint.rounds import Height
from slt.consensus.tendermint.timeouts import Timeouts
from slt.consensus.tendermint.votes import Ballot, Kind
from slt.merkle.hashing import Digest
from tests.unit.consensus.tendermint.consortium import MEMBERS, NOW_MS, key, make_content

WAIT = Timeouts()
HEAD = Head(height=0, block_id=MEMBERS.chain_id, time_ms=0, log_size=1, members=MEMBERS)
P0, P1, P2, P3 = (MEMBERS.proposer(1, round_) for round_ in range(4))


class Bench:
    """Member P3 unless said otherwise: it proposes in round 3 of height 1."""

    def __init__(
        self, *, me: int | None = P3, members: MemberSet = MEMBERS, started: bool = True, work: bool = True
    ) -> None:
        self.me = me
        self.head = replace(HEAD, members=members)
        self.driver = Tendermint(head=self.head, member_id=me, timeouts=WAIT)
        self.now_ms = NOW_MS
        self.signed: list[Ballot] = []
        self.effects: list[Effects] = []
        if started:
            self.feed(Started(now_ms=NOW_MS, work=work))

    @property
    def at(self) -> Height:
        return self.driver.machine.at

    @property
    def where(self) -> tuple[int, Step]:
        return self.at.round, self.at.step

    def feed(self, event: Event) -> Effects:
        """One event; then the signer's answers, each at once."""
        effects = self.driver.step(event)
        self.effects.append(effects)
        for ballot in effects.sign:
            self.signed.append(ballot)
            signature = key(self.me or 0).sign(ballot.sign_bytes)
            self.feed(Signed(now_ms=self.now_ms, ballot=ballot, signature=signature))
        return effects

    def take(self, *messages: Message) -> None:
        for message in messages:
            self.feed(Received(now_ms=self.now_ms, message=message))

    def judge(self, content: Content | Digest, valid: bool = True) -> Effects:
        id_ = content.block_id if isinstance(content, Content) else content
        return self.feed(
            Checked(now_ms=self.now_ms, height=self.at.height, block_id=id_, valid=valid, reason="" if valid else "no")
        )

    def fire(self, kind: TimerKind, round_: int | None = None, **changes: Any) -> Effects:
        """The timer of that kind of the current round, at its time, or another one."""
        fields: dict[str, Any] = {
            "kind": kind,
            "height": self.at.height,
            "round": self.at.round if round_ is None else round_,
            "at_ms": NOW_MS + 10**9,
        }
        timer = Timer(**(fields | changes))
        return self.feed(TimerFired(now_ms=self.now_ms, timer=timer))

    def to_round(self, round_: int) -> None:
        """Move on by T_precommit, whose only guard is that height and round are ours."""
        while self.at.round < round_:
            self.fire(TimerKind.PRECOMMIT)
        assert self.where == (round_, Step.PROPOSE)

    def to_prevote(self) -> None:
        self.fire(TimerKind.PROPOSE)
        assert self.at.step == Step.PREVOTE

    def build(self, content: Content | None = None) -> Content:
        """Answer the open question for a block of ours."""
        asked = next(one for effects in reversed(self.effects) for one in effects.ask if isinstance(one, Build))
        made = content or make_content(f"ours {asked.round}", height=asked.height, proposer=self.me)
        self.feed(Built(now_ms=self.now_ms, height=asked.height, round=asked.round, content=made))
        return made

    def applied(self, **changes: Any) -> Effects:
        fields: dict[str, Any] = {"now_ms": self.now_ms, "height": self.at.height}
        return self.feed(Applied(**(fields | changes)))

    def votes(self, kind: Kind) -> list[tuple[int, Digest | None, int]]:
        """What was signed of one kind: (round, block, valid round)."""
        return [(one.round, one.block_id, one.vr) for one in self.signed if one.kind == kind]

    @property
    def prevotes(self) -> list[tuple[int, Digest | None, int]]:
        return self.votes(Kind.PREVOTE)

    @property
    def precommits(self) -> list[tuple[int, Digest | None, int]]:
        return self.votes(Kind.PRECOMMIT)

    @property
    def last(self) -> Effects:
        return self.effects[-1]

    def all_of(self, name: str) -> list[Any]:
        """Everything that was in that field of all effects so far."""
        return [one for effects in self.effects for one in getattr(effects, name)]

    def timers(self, kind: TimerKind) -> list[Timer]:
        return [one for one in self.all_of("timer") if one.kind == kind]

    def checks(self) -> list[Digest]:
        return [one.content.block_id for one in self.all_of("ask") if isinstance(one, Check)]
