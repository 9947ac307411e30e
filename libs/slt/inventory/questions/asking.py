"""Asking the books: which rows each question reads. The one place that waits; what is made of the rows is pure.

Every question takes the height that it is asked as of, which is at most `books.height()`. What would read without a
bound raises TooMuch, with a sentence that says how to ask for less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from slt.inventory.periods import day_after, months_after
from slt.inventory.questions.balance import Balance, Period, balance_of, derived, period_of, reported
from slt.inventory.questions.corrections import Chain, chains, wanted
from slt.inventory.questions.draft import Heading, draft
from slt.inventory.questions.due import DueLine, due_on
from slt.inventory.questions.export import Export, export
from slt.inventory.questions.history import History, Trail
from slt.inventory.questions.inventory import (
    FIRST_DAY,
    By,
    Held,
    Inventory,
    book_of,
    by_batch,
    by_category,
    by_kmp,
    held,
    standing_on,
)
from slt.inventory.questions.listing import ListingLine, check_listing
from slt.inventory.questions.rows import BookEntry, BookReport, Books, EntryQuery, Flow, Physical, ReportQuery
from slt.inventory.questions.statement import Statement, half_year, statement_of
from slt.inventory.questions.transits import CODES, TransitLine, transits_on
from slt.reports.dates import LAST_DAY
from slt.reports.labelled import LabelledEntry
from slt.reports.reference import Reference
from slt.statements.registry import Mba

ROWS_MAX: Final = 250_000
"""Entries that one question reads: twice the largest listing, some 300 MB of rows at the most."""

CHAINS_MAX: Final = 1_000
"""Entries of correction chains that one question reads."""

TRANSIT_MONTHS: Final = 12
"""How far back transits are looked at where nobody says since when: a year, as reports go by years."""

TRANSIT_MARGIN_MONTHS: Final = 6
"""Sides that are older by so much are read too: the other side of what arrives at the beginning."""

LATE_MONTHS: Final = 14
"""Reports that are looked at for what is due: those of the longest time between two physical inventories."""


class TooMuch(Exception):
    """The answer would take more rows than a question may read. The sentence says how to ask for less."""


class NoAnswer(Exception):
    """The books hold nothing that the question could be answered from. The sentence says what is missing."""


async def ask_inventory(
    books: Books, area: Mba, *, by: By, day: str | None, as_of: int, batch: str | None = None
) -> Inventory:
    """The book of an area at the end of `day`; without it, of all that is reported. `batch`: of that one only."""
    last = day or LAST_DAY
    base, flows = await _book(books, area, last, as_of)
    if by == "category" and batch is None:
        lines = by_category(area.state, area.mba, book_of(base, flows))
    elif by == "kmp" and batch is None:
        lines = by_kmp(area.state, area.mba, await _listing(books, area, base, as_of), flows)
    else:
        lines = by_batch(area.state, area.mba, await _held(books, area, base, last, as_of, batch=batch))
    return Inventory(
        state=area.state,
        mba=area.mba,
        by="batch" if batch is not None else by,
        date=day or "",
        as_of=as_of,
        pit=base.pit if base is not None else "",
        lines=lines,
    )


async def ask_history(
    books: Books, batch: str, *, as_of: int, state: str | None = None, mba: str | None = None
) -> History:
    """The history of the batches of that name, in one area or in all, and of what they came from and went into."""
    trail = Trail(batch, as_of, state=state, mba=mba)
    while queries := trail.wanted:
        for query in queries:
            trail.take(query, await books.entries(query))
    return trail.history()


async def ask_balance(books: Books, area: Mba, *, pit: str | None, as_of: int, check: bool = True) -> Balance:
    """The balance that ends with the physical inventory of `pit`; without it, the latest one. Raises NoAnswer.

    `check`: with the listing against the book, which reads every batch.
    """
    period, before, flows, ended = await _period(books, area, pit, as_of)
    says = reported(
        await books.entries(
            EntryQuery(
                as_of=as_of,
                state=area.state,
                mba=area.mba,
                kinds=frozenset("M"),
                first=period.pit,
                last=period.pit,
                limit=ROWS_MAX,
            )
        )
    )
    compared: tuple[ListingLine, ...] = ()
    if check and ended is not None and ended.listed:
        day_before = day_after(period.pit, -1)
        base = standing_on(await _physicals(books, area, as_of), day_before)
        book = await _held(books, area, base, period.pit, as_of)
        compared = check_listing(await _listing(books, area, ended, as_of), book)
    return balance_of(
        period, as_of=as_of, follows=derived(before, flows, ended), says=says, ended=ended, check=compared
    )


async def ask_draft(
    books: Books,
    area: Mba,
    *,
    pit: str | None,
    as_of: int,
    date: str,
    encoder: str,
    number: int | None = None,
    rounded: bool = False,
) -> tuple[LabelledEntry, ...]:
    """The drafted balance report; its number is the area's next one unless it is given. Raises NoAnswer."""
    period, before, flows, ended = await _period(books, area, pit, as_of)
    if ended is None or not ended.listed:
        raise NoAnswer(
            f"The physical inventory of {area.mba} on {period.pit} is not listed yet: submit its listing (PIL) first."
        )
    if number is None:
        known = await books.reports(ReportQuery(as_of=as_of, state=area.state, mba=area.mba))
        number = max((report.number for report in known), default=area.last_report_number) + 1
    heading = Heading(facility=area.facility, number=number, date=date, encoder=encoder)
    return draft(period, heading, derived(before, flows, ended), rounded=rounded)


async def ask_transits(
    books: Books, *, area: Mba | None, first: str | None, day: str, as_of: int
) -> tuple[TransitLine, ...]:
    """Transits of an area, or of all, as one sees them on `day`: what was sent or came since `first`, and what of the
    half-year before it is open. Raises TooMuch.
    """
    since = first or months_after(day, -TRANSIT_MONTHS)
    earliest = months_after(since, -TRANSIT_MARGIN_MONTHS)
    every = EntryQuery(as_of=as_of, codes=CODES, kinds=frozenset("I"), first=earliest, last=day, limit=ROWS_MAX)
    queries = [every]
    if area is not None:
        own = replace(every, state=area.state, mba=area.mba)
        queries = [own, replace(every, partner=f"{area.state}/{area.mba}")]
    rows: dict[tuple[str, str, int, int], BookEntry] = {}
    for query in queries:
        found = await books.entries(query)
        _bound(found, "Ask for one area, or since a later day.")
        rows |= {row.address: row for row in found}
    lines = transits_on(rows.values(), await books.areas(as_of=as_of), day)
    return tuple(line for line in lines if _told(line, since))


async def ask_due(books: Books, areas: Iterable[Mba], *, day: str, as_of: int) -> tuple[DueLine, ...]:
    """What is due and late on `day` in these areas."""
    lines: list[DueLine] = []
    for area in areas:
        physicals = await _physicals(books, area, as_of)
        since = area.opened if area.profile == "euratom" else months_after(day, -LATE_MONTHS)
        reports = await books.reports(
            ReportQuery(as_of=as_of, state=area.state, mba=area.mba, kinds=frozenset("IPM"), first=since)
        )
        lines += due_on(area, physicals, reports, day)
    return tuple(lines)


async def ask_corrections(
    books: Books, area: Mba, *, number: int | None, entry: int | None, as_of: int
) -> tuple[Chain, ...]:
    """The chains that an entry, or any entry of a report, belongs to; without a number, all of the area.

    Raises NoAnswer for an entry that there is not, and TooMuch.
    """
    if number is None:
        start = await _versions(books, area, as_of, statuses=frozenset("CDA"))
    elif entry is None:
        start = await _versions(books, area, as_of, numbers=frozenset({number}))
        start = [row for row in start if row.to_height is not None or row.entry.target is not None]
        start += await _versions(books, area, as_of, targets=frozenset((row.number, row.entry.number) for row in start))
    else:
        start = await _versions(books, area, as_of, addresses=frozenset({(number, entry)}))
        start += await _versions(books, area, as_of, targets=frozenset({(number, entry)}))
        if not start:
            raise NoAnswer(f"Report {number} of {area.mba} has no entry {entry} as of height {as_of}.")
    rows = {(row.number, row.entry.number): row for row in start}
    new: Sequence[BookEntry] = start
    while new:
        addresses, places = wanted(new)
        addresses -= rows.keys()
        found: list[BookEntry] = []
        if addresses:
            found += await _versions(books, area, as_of, addresses=frozenset(addresses))
        if places:
            found += await _versions(books, area, as_of, targets=frozenset(places))
        new = [row for row in found if (row.number, row.entry.number) not in rows]
        rows |= {(row.number, row.entry.number): row for row in new}
        if len(rows) > CHAINS_MAX:
            raise TooMuch(f"More than {CHAINS_MAX} entries are corrected there. Ask for one report or entry.")
    return chains(list(rows.values()), as_of)


async def ask_statement(books: Books, area: Mba, *, day: str, as_of: int) -> Statement:
    """The statement of the last half-year that is over at the end of `day`."""
    first, last = half_year(day)
    begin = book_of(*await _book(books, area, day_after(first, -1), as_of))
    end = book_of(*await _book(books, area, last, as_of))
    flows = await books.flows(state=area.state, mba=area.mba, first=first, last=last, as_of=as_of)
    return statement_of(area.state, area.mba, first=first, last=last, as_of=as_of, begin=begin, end=end, flows=flows)


async def ask_export(
    books: Books, report: BookReport, document: bytes | None, *, form: str, reference_version: int, as_of: int
) -> Export:
    """`report` in `form`, from its document, or from its facts where that is None. See `export` for what it raises."""
    entries: list[BookEntry] = []
    if document is None:
        query = EntryQuery(
            as_of=as_of,
            state=report.state,
            mba=report.mba,
            numbers=frozenset({report.number}),
            every_version=True,
            limit=ROWS_MAX,
        )
        entries = await books.entries(query)
    reference = Reference.of(await books.areas(as_of=as_of), reference_version)
    return export(report, document, entries, form, reference)


async def _book(books: Books, area: Mba, last: str, as_of: int) -> tuple[Physical | None, list[Flow]]:
    """What the book at the end of `last` stands on, and what moved it since."""
    base = standing_on(await _physicals(books, area, as_of), last)
    first = day_after(base.pit) if base is not None else FIRST_DAY
    return base, await books.flows(state=area.state, mba=area.mba, first=first, last=last, as_of=as_of)


async def _physicals(books: Books, area: Mba, as_of: int) -> list[Physical]:
    return await books.physicals(state=area.state, mba=area.mba, as_of=as_of)


async def _listing(
    books: Books, area: Mba, base: Physical | None, as_of: int, *, batch: str | None = None
) -> list[BookEntry]:
    if base is None:
        return []
    rows = await books.entries(
        EntryQuery(
            as_of=as_of,
            state=area.state,
            mba=area.mba,
            kinds=frozenset("OP"),
            batch=batch,
            first=base.pit,
            last=base.pit,
            limit=ROWS_MAX,
        )
    )
    _bound(rows, "Ask by category, or for one batch.")
    return rows


async def _held(
    books: Books, area: Mba, base: Physical | None, last: str, as_of: int, *, batch: str | None = None
) -> list[Held]:
    changes = await books.entries(
        EntryQuery(
            as_of=as_of,
            state=area.state,
            mba=area.mba,
            kinds=frozenset("I"),
            batch=batch,
            first=day_after(base.pit) if base is not None else FIRST_DAY,
            last=last,
            limit=ROWS_MAX,
        )
    )
    _bound(changes, "Ask by category, or for one batch.")
    return held(await _listing(books, area, base, as_of, batch=batch), changes)


async def _period(
    books: Books, area: Mba, pit: str | None, as_of: int
) -> tuple[Period, Physical | None, list[Flow], Physical | None]:
    """The period, what it begins with, what moved in it, and what it ends with. Raises NoAnswer."""
    physicals = await _physicals(books, area, as_of)
    period = period_of(area, physicals, pit)
    if period is None:
        known = ", ".join(one.pit for one in physicals if one.pit > area.last_pit) or "none"
        raise NoAnswer(
            f"The books know no balance of {area.mba} that ends{f' on {pit}' if pit else ''}, as of height {as_of}. "
            f"Known: {known}. They begin {f'after {area.last_pit}' if area.last_pit else f'on {area.opened}'}."
        )
    by_day = {one.pit: one for one in physicals}
    before = by_day.get(day_after(period.first, -1))
    flows = await books.flows(state=area.state, mba=area.mba, first=period.first, last=period.pit, as_of=as_of)
    return period, before, flows, by_day.get(period.pit)


async def _versions(
    books: Books,
    area: Mba,
    as_of: int,
    *,
    statuses: frozenset[str] | None = None,
    numbers: frozenset[int] | None = None,
    addresses: frozenset[tuple[int, int]] | None = None,
    targets: frozenset[tuple[int, int]] | None = None,
    limit: int = CHAINS_MAX,
) -> list[BookEntry]:
    if addresses == frozenset() or targets == frozenset():
        return []
    rows = await books.entries(
        EntryQuery(
            as_of=as_of,
            state=area.state,
            mba=area.mba,
            statuses=statuses,
            numbers=numbers,
            addresses=addresses,
            targets=targets,
            every_version=True,
            limit=limit,
        )
    )
    return [row for row in rows if row.number]


def _told(line: TransitLine, since: str) -> bool:
    sides = [side.date for side in (line.shipment, line.receipt) if side is not None]
    return max(sides) >= since or line.state in ("open shipment", "open receipt", "overdue")


def _bound(rows: Sequence[BookEntry], advice: str) -> None:
    if len(rows) >= ROWS_MAX:
        raise TooMuch(f"This takes more than {ROWS_MAX} entries. {advice}")
