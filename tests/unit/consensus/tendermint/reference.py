"""The rules of consensus.md 1.6 once more, as a list of what was counted and nothing else: every question is answered
by looking through all of it. Slow, and short enough to be read beside the table. Four members of weight 1, one height.
"""

from dataclasses import dataclass, field

from slt.merkle.hashing import Digest

NIL = None
Key = tuple[str, int, int, Digest | None, int]  # kind, round, sender, block, valid round


@dataclass
class Reference:
    me: int
    proposers: tuple[int, ...]  # of rounds 0, 1, ...
    timely: dict[Digest, bool]
    round: int = 0
    step: str = "PROPOSE"
    locked: tuple[Digest | None, int] = (None, -1)
    valid: tuple[Digest | None, int] = (None, -1)
    counted: list[Key] = field(default_factory=list)
    polkas: set[tuple[int, Digest, int]] = field(default_factory=set)  # received whole
    judged: dict[Digest, bool] = field(default_factory=dict)
    signed: list[tuple[str, int, Digest | None, int]] = field(default_factory=list)
    done: set[tuple[str, int]] = field(default_factory=set)
    decided: Digest | None = None
    halted: bool = False
    unsigned: list[Key] = field(default_factory=list)  # own messages that the signer has not answered yet

    # What comes in

    def message(self, key: Key) -> None:
        kind, round_, sender, _, _ = key
        same = [one for one in self.counted if one[:3] == key[:3]]
        limit = 2 if kind == "PROPOSAL" else 1
        right_turn = kind != "PROPOSAL" or self.proposers[round_ % 4] == sender
        if self.open and key not in same and len(same) < limit and right_turn:
            self.counted.append(key)
            self.run()

    def polka(self, round_: int, block: Digest, vr: int) -> None:
        if self.open:
            self.polkas.add((round_, block, vr))
            self.run()

    def judge(self, block: Digest, valid: bool) -> None:
        known = any(one[0] == "PROPOSAL" and one[3] == block for one in self.counted)
        if self.open and known and block not in self.judged:
            self.judged[block] = valid
            self.run()

    def timer(self, kind: str, round_: int) -> None:
        if not self.open or round_ != self.round:
            return
        if kind == "PROPOSE" and self.step == "PROPOSE":
            self.vote("PREVOTE", NIL, -1)
        elif kind == "PREVOTE" and self.step == "PREVOTE":
            self.vote("PRECOMMIT", NIL, -1)
        elif kind == "PRECOMMIT":
            self.start(round_ + 1)
        self.run()

    # What is asked of all that was counted

    @property
    def open(self) -> bool:
        return self.decided is None and not self.halted

    def proposals(self) -> list[tuple[Digest, int]]:
        return [(one[3], one[4]) for one in self.counted if one[:2] == ("PROPOSAL", self.round) and one[3]]

    def who(self, kind: str, round_: int, *choice: Digest | int | None) -> int:
        """How many sent a vote of this kind in this round, for this block and valid round if they are given."""
        return len({one[2] for one in self.counted if one[:2] == (kind, round_) and one[3 : 3 + len(choice)] == choice})

    def anyone(self, kind: str, round_: int) -> int:
        return len(self.senders(kind, round_))

    def senders(self, kind: str, round_: int) -> set[int]:
        found = {one[2] for one in self.counted if one[:2] == (kind, round_)}
        others = set(range(4)) - {self.me}
        return found | others if kind == "PREVOTE" and any(one[0] == round_ for one in self.polkas) else found

    def has_polka(self, round_: int, block: Digest, vr: int) -> bool:
        return self.who("PREVOTE", round_, block, vr) >= 3 or (round_, block, vr) in self.polkas

    def forgets(self, block: Digest, vr: int) -> bool:
        return any(kind == "PRECOMMIT" and id_ not in (NIL, block) and at > vr for kind, at, id_, _ in self.signed)

    # What is done

    def vote(self, kind: str, block: Digest | None, vr: int) -> None:
        self.signed.append((kind, self.round, block, vr))
        self.unsigned.append((kind, self.round, self.me, block, vr))
        self.step = kind

    def start(self, round_: int) -> None:
        self.round, self.step = round_, "PROPOSE"
        block, vr = self.valid
        if self.proposers[round_ % 4] == self.me and block is not None:
            self.signed.append(("PROPOSAL", round_, block, vr))
            self.unsigned.append(("PROPOSAL", round_, self.me, block, vr))

    def run(self) -> None:
        """To the fixpoint; then the signer answers once, which counts like any message; and so on."""
        while self.open:
            if not self.one_rule():
                if not self.unsigned:
                    return
                self.counted.append(self.unsigned.pop(0))

    def one_rule(self) -> bool:
        rounds = sorted({one[1] for one in self.counted} | {one[0] for one in self.polkas}, reverse=True)
        known = {one[3] for one in self.counted if one[0] == "PROPOSAL"}
        named = {one[3] for one in self.counted if one[3] is not None}
        if sum(any(self.who("PRECOMMIT", round_, block) >= 3 for round_ in rounds) for block in named) > 1:
            self.halted = True  # two decisions
            return True
        for round_ in rounds:  # R1, R1b
            for block in [one for one in known if one is not None and self.who("PRECOMMIT", round_, one) >= 3]:
                if block in self.judged:
                    self.decided, self.halted = (block, False) if self.judged[block] else (None, True)
                    return True
        for round_ in rounds:  # R2
            if round_ > self.round and len(self.senders("PREVOTE", round_) | self.senders("PRECOMMIT", round_)) >= 2:
                self.start(round_)
                return True
        here = self.round
        if self.step != "PROPOSE" and ("polka", here) not in self.done:  # R3
            for block, vr in self.proposals():
                if self.has_polka(here, block, vr) and self.judged.get(block):
                    self.done.add(("polka", here))
                    self.valid = (block, here)
                    if self.step == "PREVOTE":
                        self.locked = (block, here)
                        self.vote("PRECOMMIT", block, -1)
                    return True
        if self.step == "PREVOTE" and self.who("PREVOTE", here, NIL) >= 3:  # R4
            self.vote("PRECOMMIT", NIL, -1)
            return True
        if self.step == "PROPOSE":
            for block, vr in self.proposals():  # R5
                if vr == -1 and block in self.judged:
                    free = self.locked[1] == -1 or self.locked[0] == block
                    good = self.judged[block] and self.timely[block] and free and not self.forgets(block, -1)
                    self.vote("PREVOTE", block if good else NIL, -1)
                    return True
            for block, vr in self.proposals():  # R6
                polka = any(self.has_polka(vr, block, inner) for inner in range(-1, max(vr, 0)))
                if vr >= 0 and block in self.judged and polka:
                    free = self.locked[1] <= vr or self.locked[0] == block
                    good = self.judged[block] and free and not self.forgets(block, vr)
                    self.vote("PREVOTE", block if good else NIL, vr if good else -1)
                    return True
        if self.step == "PREVOTE" and ("PREVOTE", here) not in self.done and self.anyone("PREVOTE", here) >= 3:  # R7
            self.done.add(("PREVOTE", here))
            return True
        if ("PRECOMMIT", here) not in self.done and self.anyone("PRECOMMIT", here) >= 3:  # R8
            self.done.add(("PRECOMMIT", here))
            return True
        return False
