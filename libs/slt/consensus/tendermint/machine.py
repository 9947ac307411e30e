"""The state that the rules work on, and what they can do: note, ask, sign, arm. Nothing here decides; rules.py does."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from slt.consensus.tendermint.catchup import Catchup
from slt.consensus.tendermint.certs import BadCertificate, Certificate, certificate_of, verify_quorum
from slt.consensus.tendermint.events import (
    Ask,
    Build,
    Check,
    Commit,
    Effects,
    Event,
    Message,
    Step,
    Timer,
    TimerKind,
)
from slt.consensus.tendermint.evidence import (
    Evidence,
    amnesia,
    conflicting_commits,
    invalid_proposal,
    shows_amnesia,
    two_votes,
)
from slt.consensus.tendermint.members import MemberSet, Verify
from slt.consensus.tendermint.proposals import Content, Proposal
from slt.consensus.tendermint.rounds import NIL, Body, Choice, Height, Round
from slt.consensus.tendermint.stateless import content_fault, parent_fault
from slt.consensus.tendermint.timeouts import Timeouts
from slt.consensus.tendermint.votes import NO_ROUND, Ballot, Kind, Vote
from slt.merkle.hashing import Digest

ROUNDS_AHEAD: Final = 2  # R_MAX: votes of so many rounds past ours are kept from anyone
ROUNDS_FAR: Final = 2  # and of so many more from each member, the latest, so that f+1 of them can pull us up
ROUNDS_KEPT: Final = 16  # behind ours; what was decided further back comes as a certificate
RECENT_KEPT: Final = 64  # decided heights of which a second, different commit is noticed here


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last applied block, and who votes after it. Height 0 is genesis: block_id is chain_id, time 0."""

    height: int
    block_id: Digest
    time_ms: int
    log_size: int
    members: MemberSet


@dataclass(slots=True)
class Outbox:
    """Effects as they come up."""

    save: list[Event] = field(default_factory=list)
    keep: list[Digest] = field(default_factory=list)
    sign: list[Ballot] = field(default_factory=list)
    send: list[Message] = field(default_factory=list)
    relay: list[tuple[int, Message]] = field(default_factory=list)
    ask: list[Ask] = field(default_factory=list)
    timer: list[Timer] = field(default_factory=list)
    commit: Commit | None = None
    evidence: list[Evidence] = field(default_factory=list)
    alarm: list[str] = field(default_factory=list)
    halt: str = ""

    def effects(self) -> Effects:
        return Effects(
            save=tuple(self.save),
            keep=tuple(self.keep),
            sign=tuple(self.sign),
            send=tuple(self.send),
            relay=tuple(self.relay),
            ask=tuple(self.ask),
            timer=tuple(self.timer),
            commit=self.commit,
            evidence=tuple(self.evidence),
            alarm=tuple(self.alarm),
            halt=self.halt,
        )


@dataclass(slots=True)
class Decided:
    """What is remembered of a height that was decided: enough to notice a second decision and to say who did it."""

    members: MemberSet
    certificate: Certificate
    polkas: tuple[Certificate, ...]


class Machine:
    def __init__(self, *, head: Head, member_id: int | None, timeouts: Timeouts, verify: Verify) -> None:
        self.head = head
        self.member_id = member_id
        self.me = None if member_id is None else head.members.index_of(member_id)
        self.timeouts = timeouts
        self.verify = verify
        self.now_ms = 0
        self.begun = False
        self.halted = ""
        self.silent_through = 0  # nothing is signed up to this height
        self.at = Height(height=head.height + 1)
        self.next: dict[tuple[int, Kind, int], Vote | Proposal] = {}  # of the height after, at most one of each place
        self.recent: dict[int, Decided] = {}
        self.catchup = Catchup()
        self.dropped: Counter[str] = Counter()  # by guard
        self.out = Outbox()

    @property
    def members(self) -> MemberSet:
        return self.head.members

    # What the rules ask

    @property
    def current(self) -> Round:
        return self.at.at(self.at.round)

    def my_turn(self, round_: int) -> bool:
        return self.me is not None and self.members.proposer(self.at.height, round_) == self.me

    @property
    def may_sign(self) -> bool:
        return self.me is not None and not self.halted and self.at.height > self.silent_through

    def polka(self, round_: int, choice: Choice) -> Certificate | None:
        """The certificate, counted here or received, of prevotes for `choice` in `round_`: the same valid round too."""
        id_, vr = choice
        return None if id_ is None else self.at.polkas.get((round_, id_, vr))

    def polka_for(self, round_: int, block_id: Digest) -> Certificate | None:
        """Any polka for `block_id` in `round_`, whatever valid round its prevotes name (R6 asks for the block)."""
        for (at, id_, _), certificate in self.at.polkas.items():
            if (at, id_) == (round_, block_id):
                return certificate
        return None

    def remembers_otherwise(self, block_id: Digest, vr: int) -> bool:
        """Guard L: whether this member has precommitted another block in a round above `vr` (README, "Guard L")."""
        return any(round_ > vr for id_, round_ in self.at.precommitted.items() if id_ != block_id)

    # What the rules do

    def start_round(self, round_: int) -> None:
        """StartRound(r). Everyone arms T_propose, the proposer too: building takes its time."""
        at = self.at
        at.round, at.step = round_, Step.PROPOSE
        self._forget_old_rounds()
        self.arm_propose()
        if not self.my_turn(round_) or not self.may_sign:
            return
        if at.valid_id is not None:
            self.sign(Kind.PROPOSAL, at.valid_id, at.valid_round)
        else:
            self.ask_build()

    def ask_build(self) -> None:
        self.out.ask.append(
            Build(
                height=self.at.height,
                round=self.at.round,
                parent_id=self.head.block_id,
                not_before_ms=self.head.time_ms + 1,
            )
        )

    def arm_propose(self) -> None:
        current = self.current
        current.started_ms = self.now_ms
        entries = max((one.entries for one in current.proposals), default=0)
        current.propose_deadline_ms = self.now_ms + self.timeouts.propose(self.at.round, entries)
        self._arm(TimerKind.PROPOSE, current.propose_deadline_ms)

    def extend_propose(self, entries: int) -> None:
        """A proposal has come that declares `entries`: it gets the time to be judged."""
        current = self.current
        deadline_ms = current.started_ms + self.timeouts.propose(self.at.round, entries)
        if self.at.step == Step.PROPOSE and deadline_ms > current.propose_deadline_ms:
            current.propose_deadline_ms = deadline_ms
            self._arm(TimerKind.PROPOSE, deadline_ms)

    def arm_vote(self, kind: TimerKind) -> None:
        self._arm(kind, self.now_ms + self.timeouts.vote(self.at.round))

    def _arm(self, kind: TimerKind, at_ms: int) -> None:
        self.out.timer.append(Timer(kind=kind, height=self.at.height, round=self.at.round, at_ms=at_ms))

    def sign(self, kind: Kind, block_id: Digest | None, vr: int = NO_ROUND) -> None:
        """Ask for a signature in the current round. Counted and sent once the signer has answered."""
        place = (kind, self.at.round)
        if not self.may_sign or place in self.at.signing:
            return
        ballot = Ballot(
            kind=kind,
            chain_id=self.members.chain_id,
            epoch=self.members.epoch,
            height=self.at.height,
            round=self.at.round,
            block_id=block_id,
            vr=vr,
        )
        self.at.signing[place] = ballot
        if kind == Kind.PRECOMMIT and block_id is not None:
            self.at.precommitted[block_id] = self.at.round
        self.out.sign.append(ballot)

    def ask(self, question: Ask) -> None:
        self.out.ask.append(question)

    def halt(self, reason: str) -> None:
        if not self.halted:
            self.halted = self.out.halt = reason

    # What admission notes

    def note_content(self, content: Content, entries: int = 0) -> None:
        """A block's content is known: judge what can be judged here, and have the rest checked."""
        at = self.at
        if content.block_id in at.contents:
            return
        at.contents[content.block_id] = content
        at.entries[content.block_id] = entries
        fault = content_fault(content, self.members, at.height) or (
            parent_fault(
                content.header,
                parent_id=self.head.block_id,
                parent_time_ms=self.head.time_ms,
                parent_log_size=self.head.log_size,
            )
            if content.header
            else ""
        )
        if fault:
            at.bodies[content.block_id] = Body.INVALID
        elif content.block_id not in at.bodies:
            self.ask(Check(height=at.height, content=content))

    def note_vote(self, vote: Vote) -> None:
        """Count the first vote of its sender in its place (A7), and notice what it completes."""
        at, ballot = self.at, vote.ballot
        found = at.at(ballot.round)
        weight = self.members.weights[vote.sender]
        tally = found.tally(ballot.kind)
        before = tally.weight_of.get((ballot.block_id, ballot.vr), 0)
        total = tally.add(vote, weight, self.now_ms)
        found.note_voter(vote.sender, weight)
        if ballot.block_id is None or not self.members.quorum(total) or self.members.quorum(before):
            return
        certificate = certificate_of(tally.votes_for((ballot.block_id, ballot.vr)), self.members)
        if ballot.kind == Kind.PREVOTE:
            self.note_polka(certificate)
        else:
            self.note_commit(certificate)

    def note_certificate(self, certificate: Certificate) -> bool:
        """Verify and use a received certificate as a whole, whatever was counted before. False: it proves nothing."""
        key = (certificate.round, certificate.block_id, certificate.vr)
        if certificate.kind == Kind.PREVOTE and key in self.at.polkas:
            return True
        try:
            verify_quorum(certificate, self.members, self.verify)
        except BadCertificate:
            self.dropped["A2"] += 1
            return False
        self.use_certificate(certificate)
        return True

    def use_certificate(self, certificate: Certificate) -> None:
        """Let a verified certificate count."""
        found = self.at.at(certificate.round)
        tally = found.tally(certificate.kind)
        for vote in certificate.votes:
            counted = tally.first.get(vote.sender)
            if counted is not None and counted.ballot != vote.ballot:
                self.accuse(vote.sender, counted, vote)
            weight = self.members.weights[vote.sender]
            tally.see(vote.sender, weight)
            found.note_voter(vote.sender, weight)
        if certificate.kind == Kind.PREVOTE:
            self.note_polka(certificate)
        else:
            self.note_commit(certificate)

    def note_polka(self, certificate: Certificate) -> None:
        self.at.polkas.setdefault((certificate.round, certificate.block_id, certificate.vr), certificate)
        for commit in self.at.commits.values():
            self.accuse_amnesia(commit, certificate)

    def note_commit(self, certificate: Certificate) -> None:
        """One block can be committed at a height. A second one stops everything: more than a third is faulty."""
        at = self.at
        if certificate.block_id in at.commits:
            return
        at.commits[certificate.block_id] = certificate
        for polka in at.polkas.values():
            self.accuse_amnesia(certificate, polka)
        if len(at.commits) > 1:
            one, other, *_ = at.commits.values()
            self.note_conflict(one, other)

    def note_conflict(self, one: Certificate, other: Certificate) -> None:
        self.out.evidence.append(conflicting_commits(one, other))
        ids = " and ".join(sorted((one.block_id.hex(), other.block_id.hex())))
        self.halt(f"two blocks of height {one.height} are committed: {ids}; more than a third of the members is faulty")

    def accuse_amnesia(self, commit: Certificate, polka: Certificate) -> None:
        key = ("amnesia", commit.height, commit.round, polka.round, polka.vr)
        if shows_amnesia(commit, polka) and key not in self.at.accused:
            self.at.accused.add(key)
            self.out.evidence.append(amnesia(commit, polka))

    def accuse(self, sender: int, one: Vote, other: Vote) -> None:
        """Two different votes in one place (A7). One piece for each place."""
        key = (sender, one.ballot.kind, one.ballot.round)
        if key not in self.at.accused:
            self.at.accused.add(key)
            self.out.evidence.append(two_votes(one, other))

    def accuse_once(self, key: tuple[object, ...], evidence: Evidence) -> None:
        if key not in self.at.accused:
            self.at.accused.add(key)
            self.out.evidence.append(evidence)

    def accuse_of_content(self, proposal: Proposal) -> None:
        """The signed block is one that no state could make right: its proposer proves that himself."""
        vote, content = proposal.vote, proposal.content
        twice = content.batches if len(set(content.batches)) < len(content.batches) else ()
        self.accuse_once(
            (vote.sender, "invalid", vote.ballot.round), invalid_proposal(vote, content.encoded_header, twice)
        )

    def _forget_old_rounds(self) -> None:
        """Memory stays flat at a height that is never decided. What is locked, valid or committed stays."""
        at = self.at
        first = at.round - ROUNDS_KEPT
        if first <= 0 or min(at.rounds, default=at.round) >= first:
            return
        at.rounds = {number: one for number, one in at.rounds.items() if number >= first}
        at.polkas = {key: one for key, one in at.polkas.items() if key[0] >= first}
        at.own = {key: one for key, one in at.own.items() if key[1] >= first}
        at.signing = {key: one for key, one in at.signing.items() if key[1] >= first}  # rounds never come again
        at.far = {sender: kept for sender, far in at.far.items() if (kept := [one for one in far if one >= first])}
        wanted = {one.content.block_id for found in at.rounds.values() for one in found.proposals}
        wanted |= {id_ for id_ in (at.locked_id, at.valid_id) if id_ is not None} | set(at.commits)
        wanted |= {id_ for _, id_, _ in at.polkas}
        for known in (at.contents, at.entries, at.bodies):
            for id_ in [one for one in known if one not in wanted]:
                del known[id_]


def nil_weight(found: Round) -> int:
    """What the prevotes for nil weigh."""
    return found.prevotes.weight_of.get(NIL, 0)
