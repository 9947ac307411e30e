"""Vetting again: what uniqueness says was vetted under other terms than those of the parent state (architecture 5, 6).

A key that was registered since, other versions of rule set or reference data: the member's own authentication and
validation look at these statements once more, on slt.vet.*, never through the pipeline. What validation found ahead,
under a version that was announced, is used without asking.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import msgspec

from services.consensus.node import Question
from slt.bus import NoReply
from slt.bus.messages import (
    Authenticity,
    EvaluateReply,
    Item,
    Validity,
    VetAuthentication,
    VetAuthenticationReply,
    VetValidation,
    VetValidationReply,
)
from slt.bus.packing import pack
from slt.bus.subjects import VET_AUTHENTICATION, VET_VALIDATION
from slt.runtime.run import Runtime

TIMEOUT_FIRST_S: Final = 10.0  # some megabytes to judge; a listing of 100,000 entries takes longer
TIMEOUT_MAX_S: Final = 120.0  # doubled up to here while validation is silent

Place: TypeAlias = tuple[int, int]  # batch sequence number, place in the batch
R = TypeVar("R", VetAuthenticationReply, VetValidationReply)


class Unvetted(NoReply):
    """The service that should vet again has not, or not these. Nothing is lost: it is asked again."""

    def __init__(self, subject: str, reason: str) -> None:
        Exception.__init__(self, f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason


@dataclass(slots=True)
class Work:
    """What is to be vetted again for one question, and what is done of it: a second attempt goes on there."""

    question: Question
    reply: EvaluateReply
    found: dict[Place, Item] = field(default_factory=dict)
    _timeout_s: float = TIMEOUT_FIRST_S
    _authenticated: set[Place] = field(default_factory=set)

    async def go_on(self, runtime: Runtime) -> Mapping[Place, Item]:
        """Every item that was named, vetted anew. Raises NoReply, BusDown, TooLarge, Malformed; then call it again."""
        kids = self.reply.kids
        unknown = [(place, item) for place, item in self._items() if kids and _names(item, kids)]
        for places, items in _parts([pair for pair in unknown if pair[0] not in self._authenticated]):
            for place, item in zip(places, await self._authenticate(runtime, items), strict=True):
                self.found[place] = item
                self._authenticated.add(place)
        stale = set(self.reply.stale)
        wanted = [(place, item) for place, item in self._items() if item.statement_id in stale and not self._fits(item)]
        for places, items in _parts(wanted):
            self.found.update(zip(places, await self._validate(runtime, items), strict=True))
        return self.found

    def _items(self) -> Iterator[tuple[Place, Item]]:
        """Every item of the question as it stands now."""
        for seq, items in self.question.items.items():
            for at, item in enumerate(items):
                place = (seq, at)
                current = self.found.get(place, item)
                if current.statement_id in self.reply.stale and (
                    ahead := next(filter(self._fits, current.ahead), None)
                ):
                    current = self.found[place] = _with(current, ahead)
                yield place, current

    def _fits(self, found: Item | Validity) -> bool:
        wanted = (self.reply.rules_version, self.reply.reference_version)
        return (found.rules_version, found.reference_version) == wanted

    async def _authenticate(self, runtime: Runtime, items: Sequence[Item]) -> list[Item]:
        bare = [msgspec.structs.replace(item, body_z=b"", facts_z=b"", findings=[], ahead=[]) for item in items]
        reply = await self._ask(runtime, VET_AUTHENTICATION, VetAuthentication(items=bare), VetAuthenticationReply)
        if len(reply.found) != len(items):
            raise Unvetted(VET_AUTHENTICATION, f"{len(reply.found)} answers about {len(items)} statements")
        if lacking := _lacking(reply.found, items, self.reply.kids):
            raise Unvetted(VET_AUTHENTICATION, f"its registry does not have the key {lacking.hex()} yet")
        return [_with(item, found) for item, found in zip(items, reply.found, strict=True)]

    async def _validate(self, runtime: Runtime, items: Sequence[Item]) -> list[Item]:
        question = VetValidation(
            rules_version=self.reply.rules_version,
            reference_version=self.reply.reference_version,
            items=[msgspec.structs.replace(item, facts_z=b"", findings=[], ahead=[]) for item in items],
        )
        reply = await self._ask(runtime, VET_VALIDATION, question, VetValidationReply)
        if len(reply.found) != len(items) or not all(map(self._fits, reply.found)):
            raise Unvetted(VET_VALIDATION, "not every statement was judged under the versions that were named")
        return [_with(item, found) for item, found in zip(items, reply.found, strict=True)]

    async def _ask(
        self, runtime: Runtime, subject: str, question: VetAuthentication | VetValidation, reply: type[R]
    ) -> R:
        began = time.perf_counter()
        try:
            return await runtime.ask(subject, question, reply, timeout_s=self._timeout_s)
        except NoReply:
            if time.perf_counter() - began >= self._timeout_s:  # it was asked, and needs longer
                self._timeout_s = min(TIMEOUT_MAX_S, self._timeout_s * 2)
            raise


def _parts(work: Sequence[tuple[Place, Item]]) -> Iterator[tuple[list[Place], list[Item]]]:
    """`work` in parts that fit a message: 64 statements or 256 KiB, an oversize one alone."""
    places = iter([place for place, _ in work])
    for items in pack([item for _, item in work]):
        yield [next(places) for _ in items], items


def _names(item: Item, kids: Sequence[bytes]) -> bool:
    """Whether the statement or an endorsement of it is signed by one of `kids`.

    A kid stands in what it signed, byte by byte; who only happens to hold these 32 bytes is looked at for nothing.
    """
    return any(kid in raw for kid in kids for raw in (item.statement, *item.endorsements))


def _lacking(found: Sequence[Authenticity], items: Sequence[Item], kids: Sequence[bytes]) -> bytes:
    """One of `kids`, which the parent state has, that authentication did not find; b"" if it found them all."""
    lacking = [one.kid for one, seen in zip(items, found, strict=True) if seen.signature == "no key"]
    lacking += [kid for seen in found for kid in seen.unknown_endorsers]
    return next((kid for kid in lacking if kid in kids), b"")


def _with(item: Item, found: Authenticity | Validity) -> Item:
    """The item with what was found in place of what it had."""
    return msgspec.structs.replace(item, **{name: getattr(found, name) for name in found.__struct_fields__})
