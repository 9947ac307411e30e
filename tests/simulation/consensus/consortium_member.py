"""One process of the simulated consortium, and what its machine holds."""

from dataclasses import dataclass, field

from slt.consensus.tendermint.driver import Tendermint
from slt.consensus.tendermint.events import Decision, Event
from slt.consensus.tendermint.machine import Head
from slt.consensus.tendermint.pool import EvidencePool
from slt.consensus.tendermint.votes import Ballot


@dataclass(slots=True)
class Member:
    """One process. A twin has the place of its sibling, and a disk of its own."""

    place: int  # index in the member set
    driver: Tendermint
    head: Head  # of the last block that is durable and applied
    pool: EvidencePool
    log: list[Event] = field(default_factory=list)  # durable, since that block
    unsynced: list[Event] = field(default_factory=list)
    blocks: dict[int, Decision] = field(default_factory=dict)
    signed: dict[tuple[int, int, int], tuple[bytes, bytes]] = field(default_factory=dict)  # the signer's file
    mark: Ballot | None = None
    bodies: set[bytes] = field(default_factory=set)
    alive: bool = True
    incarnation: int = 0
    skew_ms: int = 0
    halted: str = ""
