"""One report under judgement: what the stateful rules look at."""

from collections.abc import Iterator
from dataclasses import dataclass

from slt.inventory.chains import Place, Target, find_place, find_target
from slt.inventory.state import Draft
from slt.reports.facts import EntryFacts, Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One report before the state as of now: the parent, and the statements of the block that came earlier."""

    draft: Draft
    statement_id: bytes
    facts: Facts
    last_number: int  # of the MBA, as of now
    more_may_come: bool = False
    """Admission: earlier reports of the MBA may be on their way, so what they would bring is not yet missing."""

    def may_come(self, number: int) -> bool:
        """Whether report `number` is not in the state and may still be before this one is evaluated."""
        return self.more_may_come and self.last_number < number < self.facts.number

    def targets(self) -> Iterator[tuple[EntryFacts, tuple[int, int], Target]]:
        """Each C and D entry, the (report, entry) that it names, and what is there. Raises NeedRecords."""
        for entry in self.facts.entries:
            if entry.status in ("C", "D") and entry.target is not None:
                number, place = entry.target
                facts = self.facts
                yield (
                    entry,
                    entry.target,
                    find_target(
                        self.draft,
                        state=facts.country,
                        mba=facts.mba,
                        kind=facts.kind,
                        number=number,
                        entry=place,
                    ),
                )

    def places(self) -> Iterator[tuple[EntryFacts, tuple[int, int], Place]]:
        """Each A entry, the (report, entry) that it asks for, and whether it is free. Raises NeedRecords."""
        for entry in self.facts.entries:
            if entry.status == "A" and entry.target is not None:
                number, place = entry.target
                facts = self.facts
                yield (
                    entry,
                    entry.target,
                    find_place(
                        self.draft,
                        state=facts.country,
                        mba=facts.mba,
                        kind=facts.kind,
                        number=number,
                        entry=place,
                    ),
                )
