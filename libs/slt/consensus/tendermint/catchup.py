"""Who is asked for which decided block (consensus.md 1.13). Never logged: it decides what is asked, not what is true.

What a peer says of its height is a hint where to ask, never a target: nothing waits for it, live votes go on counting,
and an answer counts by its certificate, through the same rule R1 as everything else.
"""

from dataclasses import dataclass, field
from typing import Final

from slt.consensus.tendermint.events import Decision, Fetch

WINDOW: Final = 16  # heights asked for at once, and answers held until their turn
PATIENCE_MS: Final = 2_000  # for one answer, then another peer is asked
ANSWERS_PER_S: Final = 5  # to one peer (2.5)


@dataclass(slots=True)
class Catchup:
    claimed: dict[int, int] = field(default_factory=dict)  # by peer: the height that it is deciding, as it says
    held: dict[int, Decision] = field(default_factory=dict)  # by height, above the one being decided
    _asked: dict[int, tuple[int, int]] = field(default_factory=dict)  # by height: when, and how many times
    _answered: dict[int, list[int]] = field(default_factory=dict)  # by peer: times within the last second

    def heard(self, peer: int, height: int) -> None:
        """Keep the highest claim. A lower one later may be an old message: nobody is banned for it."""
        self.claimed[peer] = max(height, self.claimed.get(peer, 0))

    def requests(self, current: int, now_ms: int) -> list[Fetch]:
        """What to ask now: each height of the window that a peer says it has, of two peers in turn."""
        for height in [one for one in self._asked if one < current]:
            del self._asked[height]
        asks: list[Fetch] = []
        for height in range(current, current + WINDOW):
            peers = sorted(peer for peer, top in self.claimed.items() if top > height)
            if not peers:
                break
            when, times = self._asked.get(height, (now_ms - PATIENCE_MS, 0))
            if height in self.held or now_ms - when < PATIENCE_MS:
                continue
            self._asked[height] = (now_ms, times + 1)
            first = (height + times) % len(peers)
            asks.append(Fetch(height=height, peers=tuple(sorted({peers[first], peers[(first + 1) % len(peers)]}))))
        return asks

    def hold(self, height: int, decision: Decision, current: int) -> None:
        if current < height < current + WINDOW and height not in self.held:
            self.held[height] = decision

    def take(self, height: int) -> Decision | None:
        for old in [one for one in self.held if one < height]:
            del self.held[old]
        return self.held.pop(height, None)

    def may_answer(self, peer: int, now_ms: int) -> bool:
        times = [at for at in self._answered.get(peer, []) if 0 <= now_ms - at < 1_000]
        if len(times) >= ANSWERS_PER_S:
            return False
        self._answered[peer] = [*times, now_ms]
        return True
