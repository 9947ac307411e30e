"""Random histories of one area: every answer is what a dumb recomputation from the reports alone gives.

The recomputation knows no rows, flows or chains: it goes through the reports that were accepted up to a height, keeps a
list of the entries that stand, and adds up what is dated in time.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from slt.inventory.questions.asking import ask_balance, ask_corrections, ask_inventory, ask_statement
from slt.reports.facts import EntryFacts, Facts
from slt.reports.signs import BATCH_SIGN, BOOK_SIGN
from tests.unit.inventory.building import area, entry, report
from tests.unit.inventory.questions.listed_books import ListBooks

DAYS = [f"2025{month:02}{day:02}" for month in (1, 2, 3, 6, 7) for day in (1, 15, 28)]
CODES = ["RD", "SD", "LD", "NP", "LN", "DI", "RM", "RP", "TW", "FW"]
BATCHES = ["B1", "B2", "B3"]
AREA = area("XLR1", last_report_number=0, last_pit="20241231")


@dataclass
class Story:
    """What was reported, in order."""

    facts: list[Facts] = field(default_factory=list)

    def live(self, height: int) -> dict[tuple[int, int], tuple[Facts, EntryFacts]]:
        standing: dict[tuple[int, int], tuple[Facts, EntryFacts]] = {}
        for one in self.facts[:height]:
            for line in one.entries:
                if line.status in "CD" and line.target is not None:
                    standing.pop(line.target)
                if line.status in "NCA":
                    standing[one.number, line.number] = (one, line)
        return standing

    def book(self, day: str, height: int, *, by_batch: bool) -> tuple[str, Counter[tuple[str, int]]]:
        """The listing that the book stands on, and the book."""
        standing = list(self.live(height).values())
        listings = {one.period_to for one, _ in standing if one.kind == "P"} | {"20241231"}
        pit = max((date for date in listings if date <= day), default="")
        total: Counter[tuple[str, int]] = Counter()
        for one, line in standing:
            for label, mg in line.weights:
                place = (line.batch if by_batch else "", label)
                if one.kind == "P" and one.period_to == pit:
                    total[place] += mg
                if one.kind == "I" and pit < line.date <= day:
                    total[place] += (BATCH_SIGN if by_batch else BOOK_SIGN)[line.code] * mg
        return pit, Counter({place: mg for place, mg in total.items() if mg})


@st.composite
def lines(draw: st.DrawFn, kind: str) -> EntryFacts:
    weights = {630: draw(st.integers(1, 10**6)), 670: draw(st.integers(0, 1000))}
    made = entry(code=draw(st.sampled_from(CODES)), weights=weights, batch=draw(st.sampled_from(BATCHES)))
    return replace(made, date=draw(st.sampled_from(DAYS))) if kind == "I" else replace(made, code="", date="")


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Change reports and listings with new entries, and corrections, deletions and additions of what stands."""
    story = Story()
    for number in range(1, draw(st.integers(1, 12)) + 1):
        standing = list(story.live(number - 1))
        action = draw(st.sampled_from(["new", "new", "listing", "change"])) if standing else "new"
        kind, period = ("P", draw(st.sampled_from(DAYS))) if action == "listing" else ("I", "20251231")
        made = [draw(lines(kind)) for _ in range(draw(st.integers(1, 3)))]
        if action == "change":
            target = draw(st.sampled_from(standing))
            of = story.facts[target[0] - 1]
            kind, period = of.kind, of.period_to
            status = draw(st.sampled_from("CDA"))
            place = (target[0], len(of.entries) + 50 + number) if status == "A" else target
            made = [replace(draw(lines(kind)), status=status, target=place)]
        facts = report(number, *made, kind=kind, document=f"{number}".encode())
        story.facts.append(replace(facts, period_from="20250101", period_to=period))
    return story


@settings(max_examples=60)
@given(story=stories(), data=st.data())
async def test_the_book_on_any_day_as_of_any_height(story: Story, data: st.DataObject) -> None:
    books = ListBooks((AREA,))
    for facts in story.facts:
        books.accept(facts)
    day = data.draw(st.sampled_from([*DAYS, "20241230", "20251231"]))
    height = data.draw(st.integers(0, books.blocks))

    pit, whole = story.book(day, height, by_batch=False)
    found = await ask_inventory(books, AREA, by="category", day=day, as_of=height)
    assert found.pit == pit
    assert {("", line.label): line.mg for line in found.lines} == dict(whole)

    _, parts = story.book(day, height, by_batch=True)
    found = await ask_inventory(books, AREA, by="batch", day=day, as_of=height)
    assert {(line.batch, line.label): line.mg for line in found.lines} == dict(parts)
    name = data.draw(st.sampled_from(BATCHES))
    one = await ask_inventory(books, AREA, by="batch", day=day, as_of=height, batch=name)
    assert one.lines == tuple(line for line in found.lines if line.batch == name)

    found = await ask_inventory(books, AREA, by="kmp", day=day, as_of=height)
    total: Counter[tuple[str, int]] = Counter()
    for line in found.lines:
        total["", line.label] += line.mg
    assert Counter({place: mg for place, mg in total.items() if mg}) == whole


@settings(max_examples=60)
@given(story=stories(), data=st.data())
async def test_balances_and_statements_close_between_the_books(story: Story, data: st.DataObject) -> None:
    books = ListBooks((AREA,))
    for facts in story.facts:
        books.accept(facts)
    height = data.draw(st.integers(0, books.blocks))
    if any(facts.kind == "P" for facts, _ in story.live(height).values()):
        balance = await ask_balance(books, AREA, pit=None, as_of=height)
        before = max(day for day in ["20241231", *DAYS] if day < balance.first)
        ((_, begin), (_, end)) = (story.book(day, height, by_batch=False) for day in (before, balance.pit))
        derived = {(line.code, line.label): line.derived_mg for line in balance.lines}
        for label in (630, 670):
            assert derived.get(("PB", label), 0) == begin["", label]
            assert derived.get(("PE", label), 0) == end["", label]
    statement = await ask_statement(books, AREA, day="20250630", as_of=height)
    _, end = story.book("20250630", height, by_batch=False)
    assert {line.label: line.end_mg for line in statement.lines if line.end_mg} == {
        label: mg for (_, label), mg in end.items()
    }
    for line in statement.lines:
        assert line.begin_mg + line.increases_mg - line.decreases_mg + line.adjusted_mg == line.end_mg


@settings(max_examples=60)
@given(story=stories(), data=st.data())
async def test_chains_hold_every_corrected_entry_once_and_end_in_what_stands(story: Story, data: st.DataObject) -> None:
    books = ListBooks((AREA,))
    for facts in story.facts:
        books.accept(facts)
    height = data.draw(st.integers(0, books.blocks))
    entries = [(facts, line) for facts in story.facts[:height] for line in facts.entries]
    touched = {(facts.number, line.number) for facts, line in entries if line.status != "N"}
    touched |= {line.target for _, line in entries if line.status in "CD" and line.target is not None}
    found = await ask_corrections(books, AREA, number=None, entry=None, as_of=height)
    links = [(link.report, link.entry) for chain in found for link in chain.links]
    assert sorted(links) == sorted(touched)
    standing = {(link.report, link.entry) for chain in found for link in chain.links if link.standing == "live"}
    assert standing == touched & story.live(height).keys()
    assert all(link.standing != "live" for chain in found for link in chain.links[:-1])
    for chain in found:
        last = chain.links[-1]
        for number, place in [(last.report, last.entry), (chain.links[0].report, chain.links[0].entry)]:
            assert chain in await ask_corrections(books, AREA, number=number, entry=place, as_of=height)
