"""What a peer lacks, by its own STATUS, of what we hold: sent on byte for byte (consensus.md 2.3).

Any member can pass on what any other signed. So a broker that keeps two members apart, or drops one kind of message,
only costs time.
"""

from typing import Final

from slt.consensus.tendermint.events import Message
from slt.consensus.tendermint.machine import Machine
from slt.consensus.tendermint.status import Status, has_bit

RELAY_AFTER_MS: Final = 500  # held for so long: the peer had the time to get it from its author
RELAYS_MAX: Final = 64  # for one status; one comes a second


def relays_for(m: Machine, status: Status) -> list[Message]:
    """Proposals and votes of the peer's round that it does not have."""
    found = m.at.rounds.get(status.round)
    if found is None:
        return []
    due_ms = m.now_ms - RELAY_AFTER_MS
    messages: list[Message] = []
    if status.proposals < len(found.proposals):
        messages += [
            proposal
            for proposal, received_ms in zip(found.proposals, found.received_ms, strict=True)
            if received_ms <= due_ms
        ]
    for tally, bitmap in ((found.prevotes, status.prevotes), (found.precommits, status.precommits)):
        if len(bitmap) * 8 >= len(m.members.keys):
            messages += [
                vote
                for sender, vote in tally.first.items()
                if not has_bit(bitmap, sender) and tally.held_since_ms[sender] <= due_ms
            ]
    return messages[:RELAYS_MAX]
