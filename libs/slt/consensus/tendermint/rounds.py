"""Vote keeping for one height: the first vote of each member, what weighs how much, and what was proposed (1.5)."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from slt.consensus.tendermint.certs import Certificate
from slt.consensus.tendermint.events import Step
from slt.consensus.tendermint.proposals import Content, Proposal
from slt.consensus.tendermint.votes import NO_ROUND, Ballot, Kind, Vote
from slt.merkle.hashing import Digest

Choice: TypeAlias = tuple[Digest | None, int]
"""(block id or nil, valid round): what a vote is for. Prevotes of one block with two valid rounds are two choices."""

NIL: Final[Choice] = (None, NO_ROUND)


class Body(Enum):
    """What the application says of a block. Unknown: no entry."""

    VALID = "valid"
    INVALID = "invalid"


@dataclass(slots=True)
class Tally:
    """Votes of one kind in one round. Only the first of each member counts (A7); certificates count as a whole."""

    first: dict[int, Vote] = field(default_factory=dict)
    held_since_ms: dict[int, int] = field(default_factory=dict)  # for relays only
    weight_of: dict[Choice, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)  # who voted anything here, certificates included
    weight: int = 0  # of `seen`

    def add(self, vote: Vote, weight: int, now_ms: int) -> int:
        """Count `vote`, the first of its sender; returns what its choice weighs now."""
        sender, ballot = vote.sender, vote.ballot
        assert sender not in self.first
        self.first[sender] = vote
        self.held_since_ms[sender] = now_ms
        choice = (ballot.block_id, ballot.vr)
        total = self.weight_of[choice] = self.weight_of.get(choice, 0) + weight
        self.see(sender, weight)
        return total

    def see(self, sender: int, weight: int) -> None:
        if sender not in self.seen:
            self.seen.add(sender)
            self.weight += weight

    def remove(self, sender: int, weight: int) -> None:
        """Forget the vote of `sender`, if it is here: it made room for a later round."""
        vote = self.first.pop(sender, None)
        if vote is not None:
            self.held_since_ms.pop(sender)
            self.weight_of[(vote.ballot.block_id, vote.ballot.vr)] -= weight
            self.seen.discard(sender)
            self.weight -= weight

    def votes_for(self, choice: Choice) -> list[Vote]:
        return [one for one in self.first.values() if (one.ballot.block_id, one.ballot.vr) == choice]


@dataclass(slots=True)
class Round:
    proposals: list[Proposal] = field(default_factory=list)  # at most two, that differ
    received_ms: list[int] = field(default_factory=list)  # when each of them came
    prevotes: Tally = field(default_factory=Tally)
    precommits: Tally = field(default_factory=Tally)
    voters: set[int] = field(default_factory=set)  # of either kind, each once (R2)
    voters_weight: int = 0
    started_ms: int = 0
    propose_deadline_ms: int = 0
    prevote_armed: bool = False  # R7
    precommit_armed: bool = False  # R8
    polka_done: bool = False  # R3

    def tally(self, kind: Kind) -> Tally:
        return self.prevotes if kind == Kind.PREVOTE else self.precommits

    def note_voter(self, sender: int, weight: int) -> None:
        if sender not in self.voters:
            self.voters.add(sender)
            self.voters_weight += weight


@dataclass(slots=True)
class Height:
    """Everything about the height that is being decided."""

    height: int
    step: Step = Step.IDLE
    round: int = 0
    locked_id: Digest | None = None
    locked_round: int = NO_ROUND
    valid_id: Digest | None = None
    valid_round: int = NO_ROUND
    valid_polka: Certificate | None = None
    rounds: dict[int, Round] = field(default_factory=dict)
    contents: dict[Digest, Content] = field(default_factory=dict)
    entries: dict[Digest, int] = field(default_factory=dict)
    bodies: dict[Digest, Body] = field(default_factory=dict)
    polkas: dict[tuple[int, Digest, int], Certificate] = field(default_factory=dict)  # (round, id, vr)
    commits: dict[Digest, Certificate] = field(default_factory=dict)
    far: dict[int, list[int]] = field(default_factory=dict)  # by sender: rounds past the window (A4)
    signing: dict[tuple[Kind, int], Ballot] = field(default_factory=dict)  # asked of the signer
    own: dict[tuple[Kind, int], Vote | Proposal] = field(default_factory=dict)  # signed
    precommitted: dict[Digest, int] = field(default_factory=dict)  # own, by block: the last round (guard L)
    accused: set[tuple[object, ...]] = field(default_factory=set)  # evidence that was made: once is enough
    fetched: set[Digest] = field(default_factory=set)

    def at(self, round_: int) -> Round:
        found = self.rounds.get(round_)
        if found is None:
            found = self.rounds[round_] = Round()
        return found
