"""The consortium driver: one event in, one `Effects` value out (consensus.md 1.3 to 1.13). Start reading here.

The life of a height, and where it stands:

    Started, Applied     a height begins, and waits for something to order       here
    Received             guards A1 to A9                                         admission.py
    Built, Checked       what the application makes, and what it says of others  here
    every event          rules R1 to R8, to the fixpoint                         rules.py
    TimerFired           rules R9 to R11                                         rules.py
    Signed               our own vote counts, and is sent                        here
    Commit               the block is final                                      rules.py, R1

Whatever counted is in `Effects.save`. Fed again in that order to a driver that was made alike, it gives the same state
and the same effects; `Started` at the end of such a replay arms the timers anew and says again what was signed.
"""

from typing import assert_never

from slt.consensus.tendermint import admission, rules
from slt.consensus.tendermint.certs import BadCertificate
from slt.consensus.tendermint.epochs import next_set
from slt.consensus.tendermint.events import (
    NOTHING,
    Answer,
    Applied,
    Built,
    Check,
    Checked,
    Commit,
    Effects,
    Event,
    Message,
    Received,
    Signed,
    SigningRefused,
    Started,
    StatusHeard,
    Step,
    Ticked,
    TimerFired,
    TimerKind,
    WorkWaiting,
)
from slt.consensus.tendermint.machine import RECENT_KEPT, Decided, Head, Machine, Outbox
from slt.consensus.tendermint.members import Verify
from slt.consensus.tendermint.proposals import Proposal
from slt.consensus.tendermint.relays import relays_for
from slt.consensus.tendermint.rounds import Body, Height
from slt.consensus.tendermint.stateless import content_fault
from slt.consensus.tendermint.status import Status, bitmap_of, verify_status
from slt.consensus.tendermint.timeouts import Timeouts
from slt.consensus.tendermint.votes import Kind, Vote, verify_vote
from slt.merkle.ed25519 import BadSignature, verify_ed25519


class Tendermint:
    """One member's state machine, or an observer's. Deterministic; `step` never raises for what came from outside."""

    def __init__(
        self,
        *,
        head: Head,
        member_id: int | None,
        timeouts: Timeouts,
        verify: Verify = verify_ed25519,
    ) -> None:
        """`head`: the last applied block. `member_id`: whose key signs here; None watches and signs nothing."""
        self.machine = Machine(head=head, member_id=member_id, timeouts=timeouts, verify=verify)

    @property
    def halted(self) -> str:
        return self.machine.halted

    def step(self, event: Event) -> Effects:
        """What `event` leads to. After a halt: peers are still answered, and nothing else."""
        m = self.machine
        m.out = Outbox()
        if m.halted and not isinstance(event, StatusHeard):
            return NOTHING
        if self._feed(event) and isinstance(event, Applied):
            self._feed_what_waited(event.now_ms)
        return m.out.effects()

    def _feed(self, event: Event) -> bool:
        """One event, then the rules to their fixpoint. True: it counted."""
        m = self.machine
        m.now_ms = event.now_ms
        if not self._apply(event):
            return False
        m.out.save.append(event)
        rules.run(m)
        return True

    def _apply(self, event: Event) -> bool:
        """Take `event` in. True: it counted."""
        m = self.machine
        match event:
            case Received():
                return m.begun and admission.admit(m, event.message)
            case TimerFired():
                return rules.fire(m, event.timer)
            case Signed():
                return self._signed(event)
            case Checked():
                return self._checked(event)
            case Built():
                return self._built(event)
            case Applied():
                return self._applied(event)
            case WorkWaiting():
                return self._wake(event.height)
            case SigningRefused():
                return self._refused(event)
            case Started():
                return self._started(event)
            case Ticked():
                self._say_again()
                return False
            case StatusHeard():
                self._heard(event.status)
                return False
            case _:
                assert_never(event)

    # A height begins

    def _started(self, event: Started) -> bool:
        """The first start of this log begins the height; a later one goes on where the log ends."""
        m = self.machine
        mark = event.signed
        if mark is not None and m.at.signing.get((mark.kind, mark.round)) != mark and mark.height >= m.at.height:
            # W5: the signer has signed what this log does not know. We watch until that height is decided.
            m.silent_through = max(m.silent_through, mark.height)
            m.out.alarm.append(
                f"the signer has signed at height {mark.height}, and the log does not hold what: watching until then"
            )
        if not m.begun:
            m.begun = True
            if event.work:
                m.start_round(0)
        else:
            self._resume(work=event.work)
        return True

    def _resume(self, *, work: bool) -> None:
        """Ask again for every answer that is missing, arm again, and say again what was signed (W7)."""
        m, at = self.machine, self.machine.at
        if at.step == Step.IDLE:
            if work:
                m.start_round(0)
            return
        if at.step == Step.DECIDED:
            ((block_id, certificate),) = at.commits.items()
            m.out.commit = Commit(height=at.height, content=at.contents[block_id], certificate=certificate)
            return
        for block_id, content in at.contents.items():
            if block_id not in at.bodies:
                m.ask(Check(height=at.height, content=content))
        for place, ballot in at.signing.items():
            if place not in at.own and m.may_sign:
                m.out.sign.append(ballot)
        at.fetched.clear()
        proposing = (Kind.PROPOSAL, at.round)
        if at.step == Step.PROPOSE:
            m.arm_propose()
            if m.my_turn(at.round) and m.may_sign and at.valid_id is None and proposing not in at.signing:
                m.ask_build()
        if m.current.prevote_armed and at.step == Step.PREVOTE:
            m.arm_vote(TimerKind.PREVOTE)
        if m.current.precommit_armed:
            m.arm_vote(TimerKind.PRECOMMIT)
        self._say_again()

    def _applied(self, event: Applied) -> bool:
        """The block is durable: its height is behind us. The next one begins when there is something to order.

        It is the first record of the next height's log: to a driver that was made with that block as its head it is
        what `Started` is to a new ledger.
        """
        m, at = self.machine, self.machine.at
        if not m.begun and event.height == m.head.height:
            m.begun = True
            if event.work:
                m.start_round(0)
            return True
        if at.step != Step.DECIDED or event.height != at.height:
            return False
        ((block_id, certificate),) = at.commits.items()
        header = at.contents[block_id].header
        assert header is not None
        try:
            members = next_set(m.members, header, event.members or m.members.members)
        except BadCertificate as error:
            m.halt(f"the state after block {at.height} names other members than its header: {error}")
            return True
        m.recent[at.height] = Decided(members=m.members, certificate=certificate, polkas=tuple(at.polkas.values()))
        m.recent.pop(at.height - RECENT_KEPT, None)
        m.head = Head(
            height=at.height, block_id=block_id, time_ms=header.time_ms, log_size=header.log_size, members=members
        )
        m.me = None if m.member_id is None else members.index_of(m.member_id)
        m.at = Height(height=at.height + 1)
        if event.work:
            m.start_round(0)
        return True

    def _feed_what_waited(self, now_ms: int) -> None:
        """What came too early for this height, as if it came now; the decided block first, if it was fetched."""
        m = self.machine
        waiting: list[Message] = list(m.next.values())
        m.next = {}
        fetched = m.catchup.take(m.at.height)
        for message in [fetched, *waiting] if fetched is not None else waiting:
            if not m.halted:
                self._feed(Received(now_ms=now_ms, message=message))
        m.out.ask += m.catchup.requests(m.at.height, now_ms)  # the window has moved on

    def _wake(self, height: int) -> bool:
        m = self.machine
        if not m.begun or height != m.at.height or m.at.step != Step.IDLE:
            return False
        m.start_round(0)
        return True

    # The application and the signer answer

    def _built(self, event: Built) -> bool:
        """Propose what was built, if it is still our turn and it is what we would take from another."""
        m, at = self.machine, self.machine.at
        content = event.content
        if (event.height, event.round, at.step) != (at.height, at.round, Step.PROPOSE) or not m.my_turn(at.round):
            return False
        if (Kind.PROPOSAL, at.round) in at.signing or not m.may_sign:
            return False
        at.bodies.setdefault(content.block_id, Body.VALID)
        m.note_content(content, event.entries)
        mine = content.header is not None and content.header.proposer == m.member_id
        if at.bodies[content.block_id] is not Body.VALID or not mine:
            fault = content_fault(content, m.members, at.height) or "it does not follow its parent, or is not ours"
            m.out.alarm.append(f"our own block for height {at.height} is not valid: {fault}")
            return True
        m.out.keep.append(content.block_id)
        m.sign(Kind.PROPOSAL, content.block_id)
        return True

    def _checked(self, event: Checked) -> bool:
        """What the application says of a block counts once."""
        m, at = self.machine, self.machine.at
        if event.height != at.height or event.block_id not in at.contents or event.block_id in at.bodies:
            return False
        at.bodies[event.block_id] = Body.VALID if event.valid else Body.INVALID
        if not event.valid:
            m.out.alarm.append(f"block {event.block_id.hex()} of height {at.height} is invalid: {event.reason}")
        return True

    def _signed(self, event: Signed) -> bool:
        """Our own message: sent, and counted like everyone's. One that came late is sent all the same: it is signed."""
        m, at = self.machine, self.machine.at
        ballot = event.ballot
        place = (ballot.kind, ballot.round)
        if at.signing.get(place) != ballot or place in at.own or m.me is None:
            return False
        vote = Vote(ballot=ballot, sender=m.me, signature=event.signature)
        try:
            verify_vote(vote, m.members, m.verify)
        except BadSignature as error:
            m.halt(f"our own signature does not hold, so the signer has another key than the member set: {error}")
            return True
        message = self._with_block(vote) if ballot.kind == Kind.PROPOSAL else vote
        at.own[place] = message
        m.out.send.append(message)
        if at.step != Step.DECIDED:
            admission.admit_own(m, message)
        return True

    def _with_block(self, vote: Vote) -> Proposal:
        at = self.machine.at
        ballot = vote.ballot
        assert ballot.block_id is not None
        polka = self.machine.polka_for(ballot.vr, ballot.block_id) if ballot.vr >= 0 else None
        if polka is None and ballot.vr >= 0 and at.valid_round == ballot.vr:
            polka = at.valid_polka
        return Proposal(
            vote=vote,
            content=at.contents[ballot.block_id],
            entries=at.entries.get(ballot.block_id, 0),
            polka=polka,
        )

    def _refused(self, event: SigningRefused) -> bool:
        """W3: somebody has signed with our key, or a store was put back. Watch until this height is decided."""
        m, at = self.machine, self.machine.at
        if at.signing.get((event.ballot.kind, event.ballot.round)) != event.ballot:
            return False
        m.silent_through = at.height
        m.out.alarm.append(f"the signer refuses to sign at height {at.height}: {event.reason}")
        return True

    # Peers

    def status(self) -> Status:
        """Where we stand, to be signed and said once a second. For a member only."""
        m, at = self.machine, self.machine.at
        assert m.me is not None
        found = at.rounds.get(at.round)
        size = len(m.members.keys)
        return Status(
            chain_id=m.members.chain_id,
            epoch=m.members.epoch,
            height=at.height,
            round=at.round,
            step=at.step,
            proposals=len(found.proposals) if found else 0,
            last_id=m.head.block_id,
            prevotes=bitmap_of(set(found.prevotes.first) if found else set(), size),
            precommits=bitmap_of(set(found.precommits.first) if found else set(), size),
            sender=m.me,
        )

    def _say_again(self) -> None:
        """Own messages of this round and the last one: nobody acknowledges anything on a bus that may lose it."""
        m, at = self.machine, self.machine.at
        if not m.begun or at.step == Step.DECIDED:
            return
        for round_ in (at.round - 1, at.round):
            for kind in Kind:
                message: Message | None = at.own.get((kind, round_))
                if message is not None:
                    m.out.send.append(message)
        m.out.ask += m.catchup.requests(at.height, m.now_ms)

    def _heard(self, status: Status) -> None:
        """Send a peer what it lacks; note where one is ahead."""
        m, at = self.machine, self.machine.at
        if status.chain_id != m.members.chain_id or not 0 <= status.sender < len(m.members.keys):
            m.dropped["A1"] += 1
            return
        try:
            verify_status(status, m.members, m.verify)
        except BadSignature:
            m.dropped["A2"] += 1
            return
        if status.height > at.height:
            m.catchup.heard(status.sender, status.height)
            m.out.ask += m.catchup.requests(at.height, m.now_ms)
        elif status.height < at.height:
            if m.catchup.may_answer(status.sender, m.now_ms):
                m.ask(Answer(height=status.height, to=status.sender))
        elif at.step != Step.DECIDED and status.sender != m.me:
            m.out.relay += [(status.sender, message) for message in relays_for(m, status)]
