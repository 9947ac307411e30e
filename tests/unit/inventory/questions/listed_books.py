"""`Books` over lists: the same rows as the tables of the books, kept the plain way."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from slt.inventory.questions.rows import (
    OPENING,
    BookEntry,
    BookReport,
    EntryQuery,
    Flow,
    Physical,
    ReportQuery,
)
from slt.inventory.vetting import WireFinding
from slt.reports.facts import EntryFacts, Facts
from slt.statements.genesis import Mba
from slt.statements.openings import Opening, OpeningEntry


@dataclass
class ListBooks:
    """Every `accept` is a block of one report."""

    mbas: tuple[Mba, ...]
    openings: tuple[Opening, ...] = ()
    rows: list[BookEntry] = field(default_factory=list)
    index: list[BookReport] = field(default_factory=list)
    blocks: int = 0

    def __post_init__(self) -> None:
        for opening in self.openings:
            (area,) = (one for one in self.mbas if one.mba == opening.mba)
            for number, entry in enumerate(opening.entries, start=1):
                self.rows.append(_opening_row(area, opening.pit, number, entry))

    def accept(self, facts: Facts, findings: tuple[WireFinding, ...] = ()) -> int:
        """The height of its block. References are those of label 309, as the state machine follows them."""
        self.blocks += 1
        for entry in facts.entries:
            if entry.status in "CD" and entry.target is not None:
                self._end(facts, entry.number, entry.target)
            self.rows.append(
                BookEntry(
                    state=facts.country,
                    mba=facts.mba,
                    number=facts.number,
                    kind=facts.kind,
                    date=entry.date or facts.period_to,
                    entry=entry,
                    from_height=self.blocks,
                    to_height=None,
                    by=None,
                )
            )
        self.index.append(
            BookReport(
                state=facts.country,
                mba=facts.mba,
                number=facts.number,
                kind=facts.kind,
                date=facts.date,
                period_from=facts.period_from,
                period_to=facts.period_to,
                entry_count=len(facts.entries),
                statement_id=sha256(f"{facts.mba}/{facts.number}".encode()).digest(),
                height=self.blocks,
                log_index=self.blocks,
                time_ms=1_760_000_000_000 + self.blocks,
                findings=findings,
            )
        )
        return self.blocks

    async def height(self) -> int:
        return self.blocks

    async def areas(self, *, as_of: int) -> list[Mba]:
        return sorted(self.mbas, key=lambda one: (one.state, one.mba))

    async def reports(self, query: ReportQuery) -> list[BookReport]:
        found = sorted((one for one in self.index if query.takes(one)), key=_place)
        return [one for one in found if query.after is None or _place(one) > query.after][: query.limit]

    async def entries(self, query: EntryQuery) -> list[BookEntry]:
        found = sorted((row for row in self.rows if query.takes(row)), key=lambda row: row.address)
        return [row for row in found if query.after is None or row.address > query.after][: query.limit]

    async def flows(self, *, state: str, mba: str, first: str, last: str, as_of: int) -> list[Flow]:
        query = EntryQuery(as_of=as_of, state=state, mba=mba, kinds=frozenset("IO"), first=first, last=last)
        sums: dict[tuple[str, int, int], int] = {}
        for row in await self.entries(query):
            for category, label, mg in row.weights():
                place = (OPENING if row.kind == OPENING else row.entry.code, category, label)
                sums[place] = sums.get(place, 0) + mg
        return [
            Flow(code=code, category=category, label=label, mg=mg)
            for (code, category, label), mg in sorted(sums.items())
            if mg
        ]

    async def physicals(self, *, state: str, mba: str, as_of: int) -> list[Physical]:
        every = EntryQuery(as_of=as_of, state=state, mba=mba, kinds=frozenset("OPM"), every_version=True)
        (area,) = (one for one in self.mbas if (one.state, one.mba) == (state, mba))
        rows = [
            row
            for row in await self.entries(every)
            if row.entry.status != "D" and (row.to_height is None or row.to_height > as_of)
        ]
        days = {row.date for row in rows} | ({area.last_pit} if area.last_pit else set())
        return [_physical(day, [row for row in rows if row.date == day], day == area.last_pit) for day in sorted(days)]

    def _end(self, facts: Facts, entry: int, target: tuple[int, int]) -> None:
        added = [row for row in self.rows if (row.mba, row.entry.status, row.entry.target) == (facts.mba, "A", target)]
        for place, row in enumerate(self.rows):
            named = (row.mba, row.number, row.entry.number) == (facts.mba, *target) or row in added
            if named and row.to_height is None:
                self.rows[place] = replace(row, to_height=self.blocks, by=(facts.number, entry))


def _place(report: BookReport) -> tuple[str, str, int]:
    return (report.state, report.mba, report.number)


def _opening_row(area: Mba, pit: str, number: int, entry: OpeningEntry) -> BookEntry:
    return BookEntry(
        state=area.state,
        mba=area.mba,
        number=0,
        kind=OPENING,
        date=pit,
        entry=EntryFacts(
            number=number,
            status="N",
            target=None,
            code="",
            date="",
            kmp=entry.kmp,
            material=entry.material,
            batch=entry.batch,
            shipper_batch="",
            shipper="",
            receiver="",
            measurement="",
            items=entry.items,
            weights=entry.weights,
        ),
        from_height=0,
        to_height=None,
        by=None,
    )


def _physical(day: str, rows: Iterable[BookEntry], of_genesis: bool) -> Physical:
    listing = [row for row in rows if row.kind in "OP"]
    balance = [row for row in rows if row.kind == "M"]
    return Physical(
        pit=day,
        listing=max((row.number for row in listing), default=0),
        listed=bool(listing) or of_genesis,
        balance=max((row.number for row in balance), default=0),
        lines=sum(row.entry.status != "U" for row in listing),
        sums=_sums(row for row in listing),
        ending=_sums(row for row in balance if row.entry.code == "PE"),
    )


def _sums(rows: Iterable[BookEntry]) -> tuple[tuple[int, int, int], ...]:
    sums: dict[tuple[int, int], int] = {}
    for row in rows:
        for category, label, mg in row.weights():
            sums[category, label] = sums.get((category, label), 0) + mg
    return tuple((category, label, mg) for (category, label), mg in sorted(sums.items()) if mg)
