"""Members, their disks and the network between them in one loop: virtual time, one seed, nothing else.

The drivers are the real ones. Everything around them is a small stand-in: a log that forgets what was not synced, a
signer with a watermark, an application that builds and judges, a network that loses, doubles, delays and cuts.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import blake2b

from slt.consensus.tendermint.driver import Tendermint
from slt.consensus.tendermint.events import (
    Answer,
    Applied,
    Build,
    Built,
    Check,
    Checked,
    Commit,
    Decision,
    Effects,
    Event,
    Fetch,
    Message,
    Received,
    Signed,
    SigningRefused,
    Started,
    StatusHeard,
    Ticked,
    Timer,
    TimerFired,
)
from slt.consensus.tendermint.evidence import BadEvidence, Evidence
from slt.consensus.tendermint.machine import Head
from slt.consensus.tendermint.members import MemberSet, Verify
from slt.consensus.tendermint.pool import EvidencePool
from slt.consensus.tendermint.proposals import Content, content_of
from slt.consensus.tendermint.status import Status
from slt.consensus.tendermint.timeouts import Timeouts
from slt.consensus.tendermint.votes import Ballot
from slt.statements.headers import Header
from tests.simulation.consensus import fast_keys
from tests.simulation.consensus.checks import Broken, Checks
from tests.simulation.consensus.consortium_member import Member
from tests.simulation.consensus.plans import Crash, Cut, Loss, Plan, Skew
from tests.unit.consensus.tendermint.consortium import NOW_MS, digest, make_genesis, make_header

LAN = Timeouts(propose_ms=150, propose_delta_ms=50, vote_ms=50, vote_delta_ms=25, cap_ms=6_000)
TICK_MS = 1_000
BUILD_MS = 5
CHECK_MS = 5
RETRY_MS = 200
STEPS_MAX = 400_000  # a run that needs more is stuck in one instant


class World:
    """Runs a plan. `tamper` is what Byzantine members do to what they send (byzantine.py)."""

    def __init__(self, plan: Plan, *, really: bool = False, timeouts: Timeouts = LAN) -> None:
        self.plan = plan
        self.rng = random.Random(plan.seed + 1)
        self.now_ms = 0
        self.steps = 0
        self.sent: Counter[str] = Counter()
        self.trace = blake2b(digest_size=16)
        self.timeouts = timeouts
        self.sign_with = fast_keys.sign_really if really else fast_keys.sign
        genesis = make_genesis(plan.members)
        self.set = MemberSet.of_genesis(genesis)
        self.verify: Verify = _real_verify if really else fast_keys.verify
        self.checks = Checks(self.set, self.verify, frozenset(plan.byzantine))
        self.cuts = [fault for fault in plan.faults if isinstance(fault, Cut)]
        self.loss = next((fault for fault in plan.faults if isinstance(fault, Loss)), None)
        skews = {fault.node: fault.ms for fault in plan.faults if isinstance(fault, Skew)}
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        head = Head(height=0, block_id=genesis.chain_id, time_ms=0, log_size=1, members=self.set)
        twins = [place for place, how in plan.byzantine.items() if how == "twin"]
        self.members = [
            Member(
                place=place,
                driver=self._driver(head, place),
                head=head,
                pool=EvidencePool(set_at=lambda _: self.set, verify=self.verify),
                skew_ms=skews.get(place, 0),
            )
            for place in [*range(plan.members), *twins]
        ]
        self.tamper: Callable[[Member, Message], list[tuple[int | None, Message]]] | None = None
        self.lets_pass: Callable[[int, int, object], bool] | None = None  # a broker with a will of its own
        self.built = 0
        for fault in plan.faults:
            if isinstance(fault, Crash):
                self.later(fault.at_ms, lambda fault=fault: self.crash(self.members[fault.node], fault.down_ms))  # type: ignore[misc]  # bound now
        for number, member in enumerate(self.members):
            self.later(number, lambda member=member: self._begin(member))  # type: ignore[misc]  # bound now

    def _driver(self, head: Head, place: int) -> Tendermint:
        return Tendermint(head=head, member_id=place, timeouts=self.timeouts, verify=self.verify)

    # Time

    def later(self, delay_ms: int, action: Callable[[], object]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._order, action))

    def run(self, until: Callable[[], bool], *, limit_ms: int) -> bool:
        """Whether `until` came true before `limit_ms`."""
        while self._queue and not until():
            at_ms, _, action = heapq.heappop(self._queue)
            if at_ms > limit_ms:
                self.later(at_ms - self.now_ms, action)
                self.now_ms = limit_ms
                return False
            self.now_ms = at_ms
            action()
            if self.steps > STEPS_MAX:
                raise Broken(f"BOUNDED: {STEPS_MAX} steps at {self.now_ms} ms")
        return until()

    def height_of(self, place: int) -> int:
        return self.members[place].head.height

    # One member

    def clock(self, member: Member) -> int:
        return NOW_MS + self.now_ms + member.skew_ms

    def _begin(self, member: Member) -> None:
        self.feed(member, Started(now_ms=self.clock(member), signed=member.mark))
        self._tick(member, member.incarnation)

    def _tick(self, member: Member, incarnation: int) -> None:
        if not member.alive or member.incarnation != incarnation:
            return
        self.feed(member, Ticked(now_ms=self.clock(member)))
        self._say_status(member)
        self.later(TICK_MS, lambda: self._tick(member, incarnation))

    def _say_status(self, member: Member) -> None:
        behaviour = self.plan.byzantine.get(member.place)
        if behaviour == "silent":
            return
        status = member.driver.status()
        if behaviour == "lying":
            status = replace(status, height=10**12)
        status = replace(status, signature=self.sign_with(self.set.keys[member.place], status.sign_bytes))
        for target in range(self.plan.members):
            if target != member.place:
                self._carry(member.place, target, status)

    def feed(self, member: Member, event: Event) -> None:
        """One step of one driver, and what it leads to."""
        if not member.alive or member.halted:
            return
        self.steps += 1
        if self.plan.byzantine.get(member.place) == "amnesiac":
            at = member.driver.machine.at
            at.locked_id, at.locked_round = None, -1
            at.precommitted.clear()
        effects = member.driver.step(event)
        self.trace.update(
            b"%d %d %d %d;"
            % (self.now_ms, member.place, len(effects.save) * 64 + len(effects.send) * 8 + len(effects.ask), self.steps)
        )
        self._carry_out(member, effects)

    def _carry_out(self, member: Member, effects: Effects) -> None:
        member.unsynced += effects.save
        if effects.sign or effects.send or effects.commit or effects.keep:
            member.log += member.unsynced  # flushed before anything leaves (W1)
            member.unsynced = []
        for ballot in effects.sign:
            self._sign(member, ballot)
        for message in effects.send:
            self.publish(member, message)
        for target, message in effects.relay:
            self.publish(member, message, to=target)
        for question in effects.ask:
            self._ask(member, question)
        for timer in effects.timer:
            self._arm(member, timer)
        if effects.commit is not None:
            self._commit(member, effects.commit)
        for evidence in effects.evidence:
            if member.place not in self.checks.byzantine:
                self.checks.accuses(evidence)
                self._tell(evidence)
        if effects.halt:
            member.halted = effects.halt

    def _tell(self, evidence: Evidence) -> None:
        """Evidence is sent until it stands in a block: here it simply arrives."""
        for member in self.members:
            self.later(self.rng.randint(1, 10), partial(member.pool.add, evidence))

    def _arm(self, member: Member, timer: Timer) -> None:
        delay_ms = max(0, timer.at_ms - self.clock(member))
        self._soon(member, delay_ms, lambda now: TimerFired(now_ms=now, timer=timer))

    def _alive(self, member: Member, incarnation: int, event: Callable[[int], Event]) -> None:
        if member.alive and member.incarnation == incarnation:
            self.feed(member, event(self.clock(member)))

    def _soon(self, member: Member, delay_ms: int, event: Callable[[int], Event]) -> None:
        incarnation = member.incarnation
        self.later(delay_ms, lambda: self._alive(member, incarnation, event))

    def _sign(self, member: Member, ballot: Ballot) -> None:
        """The signer: durable before it answers; the same bytes get the same signature, others are refused (W2, W3)."""
        self.trace.update(ballot.sign_bytes)
        place = (ballot.height, ballot.round, int(ballot.kind))
        message = ballot.sign_bytes
        last = max(member.signed, default=(0, 0, 0))
        if place in member.signed:
            if member.signed[place][0] != message:
                reason = f"another ballot is signed at {place}"
                self._soon(member, 0, lambda now: SigningRefused(now_ms=now, ballot=ballot, reason=reason))
                return
        elif place < last:
            self._soon(member, 0, lambda now: SigningRefused(now_ms=now, ballot=ballot, reason=f"{place} < {last}"))
            return
        else:
            signature = self.sign_with(self.set.keys[member.place], message)
            member.signed = {
                place: (message, signature),
                **{k: v for k, v in member.signed.items() if k[0] >= place[0]},
            }
            member.mark = ballot
        self.checks.signs(member.place, ballot)
        self._soon(member, 0, lambda now: Signed(now_ms=now, ballot=ballot, signature=member.signed[place][1]))

    # The application

    def _ask(self, member: Member, question: Build | Check | Fetch | Answer) -> None:
        match question:
            case Build():
                self._soon(member, self.rng.randint(1, BUILD_MS), lambda now: self._built(member, question, now))
            case Check():
                self._check(member, question, member.incarnation)
            case Fetch():
                for peer in question.peers:
                    self._carry(member.place, peer, question)
            case Answer():
                self._answer(member, question.height, question.to)

    def make_block(self, member: Member, height: int, time_ms: int) -> Content:
        """A block of its own, another state root each time, with what evidence waits."""
        evidence = member.pool.for_block(height)
        self.built += 1
        header: Header = make_header(
            f"{member.place} {self.built}",
            members=self.set,
            height=height,
            parent_id=member.head.block_id,
            time_ms=max(time_ms, member.head.time_ms + 1),
            proposer=member.place,
            log_size=member.head.log_size + 1,
            log_root=digest(f"log {self.built}"),
            evidence=evidence,
        )
        return content_of(header.encoded, (), evidence)

    def _built(self, member: Member, question: Build, now: int) -> Event:
        content = self.make_block(member, question.height, now)
        if self.plan.byzantine.get(member.place) == "invalid":
            self.checks.invalid.add(content.block_id)
        member.bodies.add(content.block_id)
        return Built(now_ms=now, height=question.height, round=question.round, content=content)

    def _check(self, member: Member, question: Check, incarnation: int) -> None:
        """Fetch and evaluate. What its proposer withholds can be had from whoever has it already."""
        if not member.alive or member.incarnation != incarnation or member.driver.machine.at.height != question.height:
            return
        id_ = question.content.block_id
        header = question.content.header
        withheld = header is not None and self.plan.byzantine.get(header.proposer) == "withholding"
        holders = [
            one for one in self.members if one.alive and id_ in one.bodies and one.place not in self.checks.byzantine
        ]
        favourite = header is not None and (header.height + member.place) % 4 == 0
        if withheld and not holders and not favourite:
            self.later(RETRY_MS, lambda: self._check(member, question, incarnation))
            return
        member.bodies.add(id_)
        try:
            member.pool.check_block(question.height, question.content.evidence)
            valid = id_ not in self.checks.invalid or member.place in self.checks.byzantine
        except BadEvidence:
            valid = False
        self._soon(
            member,
            self.rng.randint(1, CHECK_MS),
            lambda now: Checked(now_ms=now, height=question.height, block_id=id_, valid=valid),
        )

    def _commit(self, member: Member, commit: Commit) -> None:
        self.trace.update(commit.content.block_id)
        self.checks.commits(member.place, member.head, commit)
        height = commit.height

        def applied() -> None:
            if not member.alive or height != member.head.height + 1:
                return
            header = commit.content.header
            assert header is not None
            member.pool.note_block(height, member.pool.check_block(height, commit.content.evidence))
            member.blocks[height] = Decision(content=commit.content, certificate=commit.certificate)
            member.head = Head(
                height=height,
                block_id=commit.content.block_id,
                time_ms=header.time_ms,
                log_size=header.log_size,
                members=self.set,
            )
            member.log, member.unsynced = [], []
            self.feed(member, Applied(now_ms=self.clock(member), height=height))

        self.later(1, applied)

    # The network

    def publish(self, member: Member, message: Message, *, to: int | None = None) -> None:
        """Say it at home; everyone else listens. Byzantine members say what they like, to whom they like."""
        self.sent[type(message).__name__] += 1
        sends: list[tuple[int | None, Message]] = [(to, message)]
        if self.tamper is not None and member.place in self.checks.byzantine:
            sends = self.tamper(member, message)
        for target, one in sends:
            for other in range(self.plan.members) if target is None else [target]:
                if other != member.place:
                    self._carry(member.place, other, one)

    def _carry(self, source: int, target: int, message: Message | Status | Fetch) -> None:
        if any(
            cut.source == source and cut.target == target and cut.from_ms <= self.now_ms < cut.to_ms
            for cut in self.cuts
        ) or (self.lets_pass is not None and not self.lets_pass(source, target, message)):
            return
        copies, delay_ms = 1, self.rng.randint(1, 10)
        if self.loss is not None and self.now_ms < self.loss.to_ms:
            dice = self.rng.randrange(100)
            copies = 0 if dice < self.loss.lost else 2 if dice < self.loss.lost + self.loss.doubled else 1
            if self.rng.randrange(100) < self.loss.slow:
                delay_ms *= 10
        for copy in range(copies):
            self.later(delay_ms + 7 * copy, lambda: self._deliver(source, target, message))

    def _deliver(self, source: int, target: int, message: Message | Status | Fetch) -> None:
        for member in self.members:
            if member.place != target:
                continue
            if isinstance(message, Status):
                self.feed(member, StatusHeard(now_ms=self.clock(member), status=message))
            elif isinstance(message, Fetch):
                self._answer(member, message.height, source)
            else:
                self.feed(member, Received(now_ms=self.clock(member), message=message))

    def _answer(self, member: Member, height: int, to: int) -> None:
        block = member.blocks.get(height)
        if block is not None and member.alive and self.plan.byzantine.get(member.place) not in ("silent", "lying"):
            self._carry(member.place, to, block)

    # Crashes

    def crash(self, member: Member, down_ms: int) -> None:
        """The process ends; a restart has what was flushed, feeds it again, and goes on."""
        if not member.alive:
            return
        member.alive = False
        member.incarnation += 1
        member.unsynced = []
        self.later(down_ms, lambda: self.restart(member))

    def restart(self, member: Member) -> None:
        if member.alive:
            return
        member.alive = True
        member.driver = self._driver(member.head, member.place)
        for event in member.log:
            member.driver.step(event)
        self._begin(member)


def _real_verify(public: bytes, message: bytes, signature: bytes) -> None:
    from slt.merkle.ed25519 import verify_ed25519

    verify_ed25519(public, message, signature)
