"""What goes wrong in one run: a plan, made from a seed, printed when it fails, and shrunk by leaving faults out."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Behaviour: TypeAlias = Literal[
    "silent",  # signs and sends nothing
    "equivocating",  # signs twice in each place and tells each half something else
    "amnesiac",  # forgets what it locked and precommitted
    "withholding",  # proposes blocks whose batches it gives to few
    "invalid",  # proposes blocks that evaluate to something else
    "lying",  # says that it is at height 10^12, and answers with nothing
    "mutating",  # sends real messages again, changed and signed anew
    "twin",  # runs two processes with one key, which know nothing of each other
]
BEHAVIOURS: tuple[Behaviour, ...] = (
    "silent", "equivocating", "amnesiac", "withholding", "invalid", "lying", "mutating", "twin",
)  # fmt: skip
FOREVER_MS = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """Process `node` ends after `at_ms` and comes back `down_ms` later, without what was not synced."""

    node: int
    at_ms: int
    down_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Nothing that `source` sends reaches `target` in `[from_ms, to_ms)`. One way only."""

    source: int
    target: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Byzantine:
    node: int
    behaviour: Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """The clock of `node` is ahead by `ms`."""

    node: int
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Of 100 messages so many are lost, come twice, or take ten times as long, until `to_ms`."""

    lost: int
    doubled: int
    slow: int
    to_ms: int


Fault: TypeAlias = Crash | Cut | Byzantine | Skew | Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    seed: int
    members: int = 4
    heights: int = 3  # liveness: so many more after the faults have settled; safety: where a run ends early
    until_ms: int = 4_000  # safety: where it ends; liveness: when faults settle
    live: bool = True  # whether progress is asked for
    patience_ms: int = 60_000  # for the heights after the faults have settled
    faults: tuple[Fault, ...] = ()

    @property
    def byzantine(self) -> dict[int, Behaviour]:
        return {fault.node: fault.behaviour for fault in self.faults if isinstance(fault, Byzantine)}

    @property
    def core(self) -> tuple[int, ...]:
        """Who must make progress: honest, and never cut off for ever."""
        lost = {
            node
            for fault in self.faults
            if isinstance(fault, Cut) and fault.to_ms == FOREVER_MS
            for node in (fault.target,)
        }
        return tuple(node for node in range(self.members) if node not in self.byzantine and node not in lost)


def plan_of(seed: int) -> Plan:
    """Four members, at most one of them Byzantine or cut off for ever; all else may happen to anyone, and ends."""
    rng = random.Random(seed)
    live = rng.random() < 0.5
    until_ms = rng.choice([1_000, 2_000, 3_000])
    faults: list[Fault] = []
    odd = rng.randrange(4)
    if rng.random() < 0.7:
        faults.append(Byzantine(node=odd, behaviour=rng.choice(BEHAVIOURS)))
    elif rng.random() < 0.5:  # it can send and not receive, for ever
        faults += [Cut(source=other, target=odd, from_ms=0, to_ms=FOREVER_MS) for other in range(4) if other != odd]
    if rng.random() < 0.6:
        lost = rng.choice([5, 15, 30])
        faults.append(Loss(lost=lost, doubled=rng.choice([0, 20]), slow=rng.choice([0, 20]), to_ms=until_ms))
    for _ in range(rng.randint(0, 2)):
        at_ms = rng.randrange(until_ms)
        faults.append(Crash(node=rng.randrange(4), at_ms=at_ms, down_ms=rng.choice([20, 300, 1_000])))
    for _ in range(rng.choice([0, 0, 1, 3])):
        source, target = rng.sample(range(4), 2)
        from_ms = rng.randrange(until_ms)
        faults.append(Cut(source=source, target=target, from_ms=from_ms, to_ms=from_ms + rng.choice([100, 1_000])))
    if rng.random() < 0.3:
        alone = not faults  # a clock that is seconds off makes its owner one of the f
        faults.append(Skew(node=rng.randrange(4), ms=rng.choice([-2_000, 2_000] if alone else [-200, -50, 50, 200])))
    return Plan(seed=seed, live=live, until_ms=until_ms, faults=tuple(faults))


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """`plan` with every fault left out that the failure does not need."""
    again = True
    while again:
        again = False
        for fault in plan.faults:
            fewer = replace(plan, faults=tuple(one for one in plan.faults if one is not fault))
            if fails(fewer):
                plan, again = fewer, True
                break
    return plan
