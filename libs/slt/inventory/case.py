"""One report under judgement: what the stateful rules look at."""

from collections.abc import Iterator
from dataclasses import dataclass

from slt.inventory.chains import Live, Place, Target, find_place, find_target
from slt.inventory.outcome import Outcome
from slt.inventory.periods import Head
from slt.inventory.settings import Settings, settings_of
from slt.inventory.state import Draft
from slt.reports.dates import LAST_DAY, day_everywhere
from slt.reports.facts import EntryFacts, Facts
from slt.reports.profiles import Profile, profile_of
from slt.statements.genesis import Mba


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One report before the state as of now: the parent, and the statements of the block that came earlier."""

    draft: Draft
    statement_id: bytes
    facts: Facts
    mba: Mba
    head: Head  # of the MBA, as of now
    outcome: Outcome
    """What the report makes of the books, once nothing is wrong with what it refers to."""
    time_ms: int
    """Of the block; in admission of this member's clock."""
    more_may_come: bool = False
    """Admission: earlier reports of the MBA may be on their way, so what they would bring is not yet missing."""

    @classmethod
    def of(
        cls,
        draft: Draft,
        *,
        statement_id: bytes,
        facts: Facts,
        mba: Mba,
        head: Head,
        time_ms: int,
        more_may_come: bool = False,
    ) -> "Case":
        return cls(
            draft=draft,
            statement_id=statement_id,
            facts=facts,
            mba=mba,
            head=head,
            outcome=Outcome(draft, facts, head, _gone(draft, facts)),
            time_ms=time_ms,
            more_may_come=more_may_come,
        )

    @property
    def last_number(self) -> int:
        return self.head.number

    @property
    def settings(self) -> Settings:
        return settings_of(self.mba.profile)

    @property
    def profile(self) -> Profile:
        return profile_of(self.mba.profile)

    @property
    def day(self) -> str:
        """The day, YYYYMMDD, that has begun everywhere: what was due the day before is late, wherever the area is."""
        try:
            return day_everywhere(self.time_ms / 1000)
        except (ValueError, OverflowError):
            return LAST_DAY

    def may_come(self, number: int) -> bool:
        """Whether report `number` is not in the state and may still be before this one is evaluated."""
        return self.more_may_come and self.last_number < number < self.facts.number

    def targets(self) -> Iterator[tuple[EntryFacts, tuple[int, int], Target]]:
        """Each C and D entry, the (report, entry) that it names, and what is there. Raises NeedRecords."""
        return _targets(self.draft, self.facts)

    def places(self) -> Iterator[tuple[EntryFacts, tuple[int, int], Place]]:
        """Each A entry, the (report, entry) that it asks for, and whether it is free. Raises NeedRecords."""
        facts = self.facts
        for entry in facts.entries:
            if entry.target is not None and entry.status == "A":
                number, place = entry.target
                found = find_place(
                    self.draft, state=facts.country, mba=facts.mba, kind=facts.kind, number=number, entry=place
                )
                yield entry, entry.target, found


def _targets(draft: Draft, facts: Facts) -> Iterator[tuple[EntryFacts, tuple[int, int], Target]]:
    for entry in facts.entries:
        if entry.target is not None and entry.status in ("C", "D"):
            number, place = entry.target
            found = find_target(draft, state=facts.country, mba=facts.mba, kind=facts.kind, number=number, entry=place)
            yield entry, entry.target, found


def _gone(draft: Draft, facts: Facts) -> Iterator[Live]:
    return (target for _, _, target in _targets(draft, facts) if isinstance(target, Live))
