"""What of the network counts: guards A1 to A9, in the order of their cost. What fails is dropped and counted by guard.

| Guard | Holds when |
|---|---|
| A1 | chain and epoch are those of the member set of this height |
| A2 | the sender is an index of that set, and the key at that index signed |
| A3 | the height is ours; the next one waits in a bounded buffer; an older one is answered with the decided block |
| A4 | the round is not far behind nor ahead of ours; of votes, each member has its two latest far rounds besides |
| A5 | the id is nil or 32 bytes (the decoders hold it) |
| A6 | a valid round is before the round |
| A7 | it is the first vote of its sender in its place; a second, different one is evidence and does not count |
| A8 | a proposal comes from whose turn it is; otherwise it is evidence |
| A9 | a new block names its proposer; otherwise it is evidence |
"""

from slt.consensus.tendermint.certs import BadCertificate, Certificate, verify_decision, verify_quorum
from slt.consensus.tendermint.events import Answer, Decision, Message, Step
from slt.consensus.tendermint.evidence import bad_proposer, invalid_proposal
from slt.consensus.tendermint.machine import ROUNDS_AHEAD, ROUNDS_FAR, ROUNDS_KEPT, Machine
from slt.consensus.tendermint.proposals import Proposal
from slt.consensus.tendermint.rounds import Body
from slt.consensus.tendermint.stateless import content_fault
from slt.consensus.tendermint.status import PROPOSALS_MAX
from slt.consensus.tendermint.votes import NO_ROUND, Ballot, Kind, Vote, verify_vote
from slt.merkle.ed25519 import BadSignature


def admit(m: Machine, message: Message) -> bool:
    """Take in what counts. True: the machine changed, so the event is logged."""
    match message:
        case Vote():
            return _vote(m, message)
        case Proposal():
            return _proposal(m, message)
        case Certificate():
            return _certificate(m, message)
        case Decision():
            return _decision(m, message)


def _drop(m: Machine, guard: str) -> bool:
    m.dropped[guard] += 1
    return False


# Votes


def _vote(m: Machine, vote: Vote) -> bool:
    ballot = vote.ballot
    if ballot.kind == Kind.PROPOSAL:
        return _drop(m, "A8")  # a proposal comes with its block
    if not _is_here(m, ballot, vote.sender, vote):
        return False
    counted = None
    if (known := m.at.rounds.get(ballot.round)) is not None:
        counted = known.tally(ballot.kind).first.get(vote.sender)
    if counted is not None and counted.ballot == ballot:
        return _drop(m, "duplicate")
    far = ballot.round > m.at.round + ROUNDS_AHEAD
    if far and not _has_room(m, vote.sender, ballot.round):
        return _drop(m, "A4")
    if not _verified(m, vote):
        return _drop(m, "A2")
    if counted is not None:  # A7
        m.accuse(vote.sender, counted, vote)
        return _drop(m, "A7")
    if far:
        _make_room(m, vote.sender, ballot.round)
    m.note_vote(vote)
    return True


def admit_own(m: Machine, message: Vote | Proposal) -> None:
    """Count what this member has signed itself, unless its place is taken: then our key is used elsewhere too."""
    vote = message if isinstance(message, Vote) else message.vote
    ballot = vote.ballot
    if ballot.round < m.at.round - ROUNDS_KEPT:
        return
    found = m.at.at(ballot.round)
    if isinstance(message, Vote):
        if vote.sender not in found.tally(ballot.kind).first:
            m.note_vote(vote)
        return
    if len(found.proposals) < PROPOSALS_MAX and all(one.vote.ballot != ballot for one in found.proposals):
        found.proposals.append(message)
        found.received_ms.append(m.now_ms)
    if message.polka is not None:
        m.note_polka(message.polka)


def _is_here(m: Machine, ballot: Ballot, sender: int, message: Vote | Proposal) -> bool:
    """A1, the bounds of A2, A3, A4 behind us, A6: whatever needs no signature to be checked."""
    if ballot.chain_id != m.members.chain_id:
        return _drop(m, "A1")
    if not 0 <= sender < len(m.members.keys):
        return _drop(m, "A2")
    if ballot.height != m.at.height:
        _elsewhere(m, ballot, sender, message)
        return _drop(m, "A3")
    if m.at.step == Step.DECIDED:
        return _drop(m, "A3")
    if ballot.epoch != m.members.epoch:
        return _drop(m, "A1")
    if ballot.round < m.at.round - ROUNDS_KEPT:
        return _drop(m, "A4")
    if not NO_ROUND <= ballot.vr < ballot.round:
        return _drop(m, "A6")
    return True


def _verified(m: Machine, vote: Vote) -> bool:
    try:
        verify_vote(vote, m.members, m.verify)
    except BadSignature:
        return False
    return True


def _elsewhere(m: Machine, ballot: Ballot, sender: int, message: Vote | Proposal) -> None:
    """A3: a vote of another height."""
    if ballot.height > m.at.height:
        if ballot.height == m.at.height + 1:
            _buffer(m, ballot, sender, message)
        return
    last = m.recent.get(ballot.height)
    late = last is not None and ballot.height == m.head.height and ballot.block_id == last.certificate.block_id
    if not late and m.catchup.may_answer(sender, m.now_ms):
        m.ask(Answer(height=ballot.height, to=sender))


def _buffer(m: Machine, ballot: Ballot, sender: int, message: Vote | Proposal) -> None:
    """Keep a message of the next height, verified by the set of today; where that set changes it is sent again."""
    vote = message if isinstance(message, Vote) else message.vote
    place = (sender, ballot.kind, ballot.round)
    if ballot.epoch != m.members.epoch or ballot.round > ROUNDS_AHEAD or place in m.next:
        return
    if ballot.kind == Kind.PROPOSAL and sender != m.members.proposer(ballot.height, ballot.round):
        return
    if _verified(m, vote):
        m.next[place] = message


def _has_room(m: Machine, sender: int, round_: int) -> bool:
    """Whether a round past the window is one of the two latest of `sender`."""
    rounds = m.at.far.get(sender, [])
    return round_ in rounds or len(rounds) < ROUNDS_FAR or round_ > min(rounds)


def _make_room(m: Machine, sender: int, round_: int) -> None:
    """Remember that `sender` has a vote in a round past the window; its earliest such round makes room."""
    rounds = m.at.far.setdefault(sender, [])
    rounds[:] = [one for one in rounds if one > m.at.round + ROUNDS_AHEAD]
    if round_ not in rounds:
        rounds.append(round_)
    if len(rounds) > ROUNDS_FAR:
        oldest = min(rounds)
        rounds.remove(oldest)
        _forget(m, sender, oldest)


def _forget(m: Machine, sender: int, round_: int) -> None:
    found = m.at.rounds.get(round_)
    if found is None:
        return
    weight = m.members.weights[sender]
    for tally in (found.prevotes, found.precommits):
        tally.remove(sender, weight)
    if sender in found.voters:
        found.voters.discard(sender)
        found.voters_weight -= weight
    if not found.voters and not found.proposals:
        del m.at.rounds[round_]


# Proposals


def _proposal(m: Machine, proposal: Proposal) -> bool:
    vote, content = proposal.vote, proposal.content
    ballot = vote.ballot
    if not _is_here(m, ballot, vote.sender, proposal):
        return False
    if ballot.round > m.at.round + ROUNDS_AHEAD:
        return _drop(m, "A4")
    known = m.at.rounds.get(ballot.round)
    proposals = known.proposals if known is not None else []
    if any(one.vote.ballot == ballot for one in proposals):
        return _known_proposal(m, proposal)
    if not _verified(m, vote):
        return _drop(m, "A2")
    if vote.sender != m.members.proposer(ballot.height, ballot.round):  # A8
        m.accuse_once((vote.sender, "turn", ballot.round), bad_proposer(vote))
        return _drop(m, "A8")
    header = content.header
    if header is not None and not content_fault(content, m.members, m.at.height):
        fresh_by = m.members.index_of(header.proposer)
        if ballot.vr == NO_ROUND and fresh_by != vote.sender:  # A9
            evidence = invalid_proposal(vote, content.encoded_header)
            m.accuse_once((vote.sender, "invalid", ballot.round), evidence)
            return _drop(m, "A9")
    for other in proposals:  # A7: two are kept, so that votes for either can be acted on
        m.accuse(vote.sender, other.vote, vote)
    if len(proposals) >= PROPOSALS_MAX:
        return _drop(m, "A7")
    found = m.at.at(ballot.round)
    found.proposals.append(proposal)
    found.received_ms.append(m.now_ms)
    if proposal.polka is not None:
        m.note_certificate(proposal.polka)
    m.note_content(content, proposal.entries)
    if m.at.bodies.get(content.block_id) is Body.INVALID and content_fault(content, m.members, m.at.height):
        m.accuse_of_content(proposal)
    if ballot.round == m.at.round and proposal.entries:
        m.extend_propose(proposal.entries)
    return True


def _known_proposal(m: Machine, proposal: Proposal) -> bool:
    """The same again. Whoever passed it on first may have left its polka out, which no signature covers."""
    ballot, polka = proposal.vote.ballot, proposal.polka
    if polka is None or m.polka_for(ballot.vr, proposal.content.block_id) is not None:
        return _drop(m, "duplicate")
    return m.note_certificate(polka)


# Certificates and decided blocks


def _certificate(m: Machine, certificate: Certificate) -> bool:
    if certificate.chain_id != m.members.chain_id:
        return _drop(m, "A1")
    if certificate.kind == Kind.PRECOMMIT and certificate.height < m.at.height:
        return _past_commit(m, certificate)
    if certificate.height != m.at.height:
        return _drop(m, "A3")
    if certificate.kind == Kind.PRECOMMIT:
        if certificate.block_id in m.at.commits:
            return _drop(m, "duplicate")
        return m.note_certificate(certificate)
    if m.at.step == Step.DECIDED or not m.at.round - ROUNDS_KEPT <= certificate.round <= m.at.round + ROUNDS_AHEAD:
        return _drop(m, "A4")
    if (certificate.round, certificate.block_id, certificate.vr) in m.at.polkas:
        return _drop(m, "duplicate")
    return m.note_certificate(certificate)


def _past_commit(m: Machine, certificate: Certificate) -> bool:
    """A commit of a height that is decided: the same one, or proof that more than a third is faulty."""
    known = m.recent.get(certificate.height)
    if known is None or known.certificate.block_id == certificate.block_id:
        return _drop(m, "A3")
    try:
        verify_quorum(certificate, known.members, m.verify)
    except BadCertificate:
        return _drop(m, "A2")
    for polka in known.polkas:
        for commit in (known.certificate, certificate):
            m.accuse_amnesia(commit, polka)
    m.note_conflict(known.certificate, certificate)
    return True


def _decision(m: Machine, decision: Decision) -> bool:
    """A decided block, asked for or not: fed to R1 like live traffic. A later one is held until its turn (1.13)."""
    certificate, content = decision.certificate, decision.content
    if certificate.height > m.at.height:
        m.catchup.hold(certificate.height, decision, m.at.height)
        return _drop(m, "A3")
    if certificate.height < m.at.height or m.at.step == Step.DECIDED:
        return _certificate(m, certificate)
    if content.header is None or (content.block_id in m.at.commits and content.block_id in m.at.contents):
        return _drop(m, "duplicate")
    try:
        verify_decision(content.header, certificate, m.members, m.verify)
    except BadCertificate:
        return _drop(m, "A2")
    m.use_certificate(certificate)
    m.note_content(content)
    return True
