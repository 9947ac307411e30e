"""Rules R1 to R11 of consensus.md 1.6, each under its number, in their order.

`run` applies the first enabled one, until none is.

A rule is a function of the machine: it returns False where a guard does not hold, and otherwise acts and returns True.
Actions change the machine and its outbox; nothing else.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from slt.consensus.tendermint.events import Commit, Fetch, Step, Timer, TimerKind
from slt.consensus.tendermint.machine import Machine, nil_weight
from slt.consensus.tendermint.rounds import Body
from slt.consensus.tendermint.votes import NO_ROUND, Kind

Rule: TypeAlias = Callable[[Machine], bool]


def run(machine: Machine) -> None:
    """To the fixpoint. Ends because every rule moves step, round or a flag forward, and none of them back."""
    while not machine.halted and machine.at.step != Step.DECIDED and any(rule(machine) for rule in RULES):
        pass


def r0_wake(m: Machine) -> bool:
    """Begin an idle height, which the specification does not have: a proper proposal, or more than a third voted."""
    if m.at.step != Step.IDLE:
        return False
    found = m.at.rounds.get(0)
    if found is None or not (found.proposals or m.members.skip(found.voters_weight)):
        return False
    m.start_round(0)
    return True


def r1_decide(m: Machine) -> bool:
    """R1 DECIDE (L49) and R1b HALT: any round, by certificate or by counted precommits, once the block is judged."""
    for block_id, certificate in m.at.commits.items():
        content = m.at.contents.get(block_id)
        if content is None:
            if block_id not in m.at.fetched:  # its signers have it
                m.at.fetched.add(block_id)
                m.ask(Fetch(height=m.at.height, peers=certificate.signers))
            continue
        body = m.at.bodies.get(block_id)
        if body is Body.INVALID:  # R1b: never log and continue
            m.halt(
                f"more than two thirds committed block {block_id.hex()} of height {m.at.height}, which is invalid here"
            )
            return True
        if body is Body.VALID:
            m.at.step = Step.DECIDED
            m.at.locked_id, m.at.locked_round = None, NO_ROUND
            m.at.valid_id, m.at.valid_round, m.at.valid_polka = None, NO_ROUND, None
            m.out.commit = Commit(height=m.at.height, content=content, certificate=certificate)
            return True
    return False


def r2_skip(m: Machine) -> bool:
    """R2 SKIP (L55): more than a third, each member once, voted anything in a later round."""
    later = [
        number for number, found in m.at.rounds.items() if number > m.at.round and m.members.skip(found.voters_weight)
    ]
    if not later:
        return False
    m.start_round(max(later))
    return True


def r3_polka(m: Machine) -> bool:
    """R3 POLKA (L36): once a round. Locks and precommits in step PREVOTE; remembers the valid value in any case."""
    at, current = m.at, m.current
    if at.step not in (Step.PREVOTE, Step.PRECOMMIT) or current.polka_done:
        return False
    for proposal in current.proposals:
        id_, vr = proposal.content.block_id, proposal.vote.ballot.vr
        polka = m.polka(at.round, (id_, vr))  # the same valid round as the proposal's
        if polka is None or at.bodies.get(id_) is not Body.VALID:
            continue
        current.polka_done = True
        at.valid_id, at.valid_round, at.valid_polka = id_, at.round, polka
        if at.step == Step.PREVOTE:
            at.locked_id, at.locked_round = id_, at.round
            m.out.keep.append(id_)  # W8
            m.sign(Kind.PRECOMMIT, id_)
            at.step = Step.PRECOMMIT
        return True
    return False


def r4_polka_nil(m: Machine) -> bool:
    """R4 POLKA-NIL (L44)."""
    if m.at.step != Step.PREVOTE or not m.members.quorum(nil_weight(m.current)):
        return False
    m.sign(Kind.PRECOMMIT, None)
    m.at.step = Step.PRECOMMIT
    return True


def r5_prevote_fresh(m: Machine) -> bool:
    """R5 PREVOTE fresh (L22): a new block, judged, of a believable time, and nothing else locked."""
    at, current = m.at, m.current
    if at.step != Step.PROPOSE:
        return False
    for proposal, received_ms in zip(current.proposals, current.received_ms, strict=True):
        id_ = proposal.content.block_id
        if proposal.vote.ballot.vr != NO_ROUND or id_ not in at.bodies:
            continue
        header = proposal.content.header
        good = (
            at.bodies[id_] is Body.VALID
            and header is not None
            and m.timeouts.timely(header.time_ms, received_ms, at.round)
            and (at.locked_round == NO_ROUND or at.locked_id == id_)
            and not m.remembers_otherwise(id_, NO_ROUND)  # guard L
        )
        m.sign(Kind.PREVOTE, id_ if good else None)
        at.step = Step.PREVOTE
        return True
    return False


def r6_prevote_again(m: Machine) -> bool:
    """R6 PREVOTE re-proposed (L28): an older block with its polka. No question about its time."""
    at = m.at
    if at.step != Step.PROPOSE:
        return False
    for proposal in m.current.proposals:
        id_, vr = proposal.content.block_id, proposal.vote.ballot.vr
        if not 0 <= vr < at.round or id_ not in at.bodies or m.polka_for(vr, id_) is None:
            continue
        good = (
            at.bodies[id_] is Body.VALID
            and (at.locked_round <= vr or at.locked_id == id_)
            and not m.remembers_otherwise(id_, vr)  # guard L
        )
        if good:
            m.sign(Kind.PREVOTE, id_, vr)
        else:
            m.sign(Kind.PREVOTE, None)  # nil names no valid round
        at.step = Step.PREVOTE
        return True
    return False


def r7_arm_prevote(m: Machine) -> bool:
    """R7 (L34): more than two thirds prevoted anything; votes for blocks unknown here count."""
    current = m.current
    if m.at.step != Step.PREVOTE or current.prevote_armed or not m.members.quorum(current.prevotes.weight):
        return False
    current.prevote_armed = True
    m.arm_vote(TimerKind.PREVOTE)
    return True


def r8_arm_precommit(m: Machine) -> bool:
    """R8 (L47): more than two thirds precommitted anything, in whatever step we are."""
    current = m.current
    if m.at.step == Step.IDLE or current.precommit_armed or not m.members.quorum(current.precommits.weight):
        return False
    current.precommit_armed = True
    m.arm_vote(TimerKind.PRECOMMIT)
    return True


RULES: Final[tuple[Rule, ...]] = (
    r0_wake,
    r1_decide,
    r2_skip,
    r3_polka,
    r4_polka_nil,
    r5_prevote_fresh,
    r6_prevote_again,
    r7_arm_prevote,
    r8_arm_precommit,
)


def fire(m: Machine, timer: Timer) -> bool:
    """R9 to R11. A timer carries its place; one of another height or round has no effect."""
    if (timer.height, timer.round) != (m.at.height, m.at.round):
        return False
    match timer.kind:
        case TimerKind.PROPOSE:
            return _r9_propose(m, timer)
        case TimerKind.PREVOTE:
            return _r10_prevote(m)
        case TimerKind.PRECOMMIT:
            return _r11_precommit(m)


def _r9_propose(m: Machine, timer: Timer) -> bool:
    """R9: no proposal in time. A timer that was armed before a longer one has no effect either."""
    if m.at.step != Step.PROPOSE or timer.at_ms < m.current.propose_deadline_ms:
        return False
    m.sign(Kind.PREVOTE, None)
    m.at.step = Step.PREVOTE
    return True


def _r10_prevote(m: Machine) -> bool:
    """R10: the prevotes did not agree."""
    if m.at.step != Step.PREVOTE:
        return False
    m.sign(Kind.PRECOMMIT, None)
    m.at.step = Step.PRECOMMIT
    return True


def _r11_precommit(m: Machine) -> bool:
    """R11: the precommits did not agree. No guard on the step, other than that the height is open."""
    if m.at.step in (Step.IDLE, Step.DECIDED):
        return False
    m.start_round(m.at.round + 1)
    return True
