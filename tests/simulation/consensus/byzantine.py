"""What Byzantine members send instead of what their driver said. They have their key, and sign whatever they like."""

from dataclasses import replace

from slt.consensus.tendermint.events import Message
from slt.consensus.tendermint.proposals import Proposal
from slt.consensus.tendermint.votes import NO_ROUND, Ballot, Kind, Vote
from slt.merkle.hashing import Digest
from tests.simulation.consensus.consortium_member import Member
from tests.simulation.consensus.consortium_world import World

Sends = list[tuple[int | None, Message]]


class Byzantine:
    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: list[Digest] = []

    def __call__(self, member: Member, message: Message) -> Sends:
        match self.world.plan.byzantine[member.place]:
            case "silent":
                return []
            case "equivocating":
                return self._split(member, message)
            case "mutating":
                return [(None, message), *self._mutated(member, message)]
            case "twin":
                rng = self.world.rng
                return [(other, message) for other in range(self.world.plan.members) if rng.random() < 0.6]
            case _:
                return [(None, message)]

    def _signed(self, member: Member, ballot: Ballot) -> Vote:
        self.world.checks.signs(member.place, ballot)
        signature = self.world.sign_with(self.world.set.keys[member.place], ballot.sign_bytes)
        return Vote(ballot=ballot, sender=member.place, signature=signature)

    def _split(self, member: Member, message: Message) -> Sends:
        """Half of the members get one thing, the others another, and one of them both."""
        rng = self.world.rng
        other = self._otherwise(member, message)
        if other is None:
            return [(None, message)]
        sends: Sends = []
        for target in range(self.world.plan.members):
            first, second = (message, other) if target % 2 else (other, message)
            sends.append((target, first))
            if rng.random() < 0.3:
                sends.append((target, second))
        return sends

    def _otherwise(self, member: Member, message: Message) -> Message | None:
        if isinstance(message, Vote):
            ballot = message.ballot
            if ballot.block_id is not None:
                self.seen.append(ballot.block_id)
                return self._signed(member, replace(ballot, block_id=None, vr=NO_ROUND))
            return self._signed(member, replace(ballot, block_id=self.seen[-1])) if self.seen else None
        if isinstance(message, Proposal) and message.vote.ballot.vr == NO_ROUND:
            content = self.world.make_block(member, message.vote.ballot.height, self.world.clock(member))
            member.bodies.add(content.block_id)
            vote = self._signed(member, replace(message.vote.ballot, block_id=content.block_id))
            return Proposal(vote=vote, content=content)
        return None

    def _mutated(self, member: Member, message: Message) -> Sends:
        """A small step away from what was right, with a good signature (ByzzFuzz)."""
        if not isinstance(message, Vote):
            return []
        rng, ballot = self.world.rng, message.ballot
        if ballot.block_id is not None:
            self.seen.append(ballot.block_id)
        nil: dict[str, object] = {"block_id": None, "vr": NO_ROUND}
        changes: list[dict[str, object]] = [
            {"round": ballot.round + 1},
            {"round": ballot.round + 7},
            {"round": max(0, ballot.round - 1)},
            {"height": ballot.height + 1},
            {"height": max(1, ballot.height - 1)},
            nil,
            {"kind": Kind.PREVOTE if ballot.kind == Kind.PRECOMMIT else Kind.PRECOMMIT, "vr": NO_ROUND},
        ]
        if self.seen:
            changes.append({"block_id": rng.choice(self.seen)})
        if ballot.kind == Kind.PREVOTE and ballot.block_id is not None:
            changes.append({"vr": ballot.round - 1})
        mutant = self._signed(member, replace(ballot, **rng.choice(changes)))  # type: ignore[arg-type]  # fields of a ballot
        return [(None, mutant)]
