"""How long a step waits (consensus.md 1.7), and whether a new block's time is close enough to ours (1.8).

Durations decide about liveness only: members may have different ones, and nothing that is signed depends on them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """T(r) = base + r * delta, at most `cap_ms`. Milliseconds; the defaults are for members on different networks."""

    propose_ms: int = 1_500  # build, dissemination and vetting of an ordinary block
    propose_delta_ms: int = 500
    vote_ms: int = 500  # prevote and precommit: one delivery to everyone
    vote_delta_ms: int = 250
    cap_ms: int = 60_000  # a height that needs so long waits for people, and must notice when they have come
    entry_us: int = 400  # vetting and evaluating one declared entry: a report of 100,000 gets 40 s more
    entries_max: int = 100_000  # that a proposal is given time for, whatever it declares: a block holds no more
    precision_ms: int = 500  # how far honest clocks may be apart
    message_delay_ms: int = 15_000  # how long an honest proposal may be on its way; grows by a tenth with each round

    def propose(self, round_: int, entries: int = 0) -> int:
        """For a proposal to come and to be judged; longer by what it declares."""
        judging_ms = min(entries, self.entries_max) * self.entry_us // 1000
        return min(self.propose_ms + round_ * self.propose_delta_ms + judging_ms, self.cap_ms)

    def vote(self, round_: int) -> int:
        """After more than two thirds have voted anything: for the others' votes."""
        return min(self.vote_ms + round_ * self.vote_delta_ms, self.cap_ms)

    def timely(self, time_ms: int, received_ms: int, round_: int) -> bool:
        """Whether a block made at `time_ms` by its proposer's clock may have come at `received_ms` by ours.

        The delay is relaxed by a tenth with each round, in integers, so that no parameter halts a height for ever.
        """
        relaxed = min(round_, RELAXED_ROUNDS_MAX)
        delay_ms = int(self.message_delay_ms * 11**relaxed // 10**relaxed)
        return received_ms - delay_ms - self.precision_ms <= time_ms <= received_ms + self.precision_ms


RELAXED_ROUNDS_MAX = 200  # 1.1^200 is past every clock difference there is; the powers stay small
