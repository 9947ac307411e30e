"""The rows that questions are answered from, and `Books`, through which they come.

Two times run through all of them. *Effective time* is the accounting date, YYYYMMDD: when it happened in the facility.
*Ledger time* is the height: an entry is live from the block that accepted it until the block that superseded or deleted
it, `[from_height, to_height)`. `as_of` is a height, and asks what the ledger knew after that block.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from slt.inventory.vetting import WireFinding
from slt.reports.facts import EntryFacts
from slt.reports.signs import category_of
from slt.statements.registry import Mba

OPENING: Final = "O"
"""Kind of the entries of an opening inventory, their report number is 0; and code of their flows."""

ACCOUNTING: Final = frozenset("NCA")
"""Statuses (309) of entries that account for material. A deletion (D) or an entry to be ignored (U) never does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEntry:
    """One entry of an accepted report or of an opening inventory, and its life in ledger time."""

    state: str
    mba: str
    number: int
    """Report number; 0 for an opening inventory, whose entries are numbered from 1 in the order of its file."""
    kind: str
    """I, P, M, or O for an opening inventory."""
    date: str
    """Accounting date: 412 of an inventory change; the PIT of a listing or an opening inventory; of a balance the end
    of its period. The end of the report's period where 412 is left out (status D or U)."""
    entry: EntryFacts
    """As reported. Of an opening inventory: status N, batch, kmp, material, items and weights; the rest empty."""
    from_height: int
    to_height: int | None
    """The block that superseded or deleted it; None while it is live."""
    by: tuple[int, int] | None
    """(report, entry) of the same area that superseded or deleted it."""

    @property
    def address(self) -> tuple[str, str, int, int]:
        """The order in which rows come, and what `after` of a query means."""
        return (self.state, self.mba, self.number, self.entry.number)

    def accounts_at(self, height: int) -> bool:
        """Whether it is live after that block and accounts for material."""
        ended = self.to_height is not None and self.to_height <= height
        return self.from_height <= height and not ended and self.entry.status in ACCOUNTING

    def weights(self) -> tuple[tuple[int, int, int], ...]:
        """(category, label, mg), unsigned by the code."""
        present = {label for label, _ in self.entry.weights}
        return tuple((category_of(label, present), label, mg) for label, mg in self.entry.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookReport:
    """One accepted report."""

    state: str
    mba: str
    number: int
    kind: str
    date: str
    period_from: str
    """015; "" in a textual report."""
    period_to: str
    entry_count: int
    statement_id: bytes
    height: int
    log_index: int
    time_ms: int
    """Of its block."""
    findings: tuple[WireFinding, ...]
    """Warnings of the rules and flags, as they came with the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What live entries of one code state for one label, summed over the dates that were asked for."""

    code: str
    """411; RM and RP among them. O: the opening inventory, dated on its PIT."""
    category: int
    label: int
    mg: int
    """As reported, without the sign of the code. An exact integer of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Physical:
    """One physical inventory of an area, as of a height: what its listing says, and what its balance says."""

    pit: str
    listing: int
    """Report number of the latest live listing; 0 for the opening inventory, and where there is none."""
    listed: bool
    """There is a live listing: one of its entries accounts for material, or is marked U (an empty listing)."""
    balance: int
    """Report number of the latest live balance that ends on that day; 0: none."""
    lines: int
    sums: tuple[tuple[int, int, int], ...]
    """(category, label, mg) of the listing; what sums up to zero is left out."""
    ending: tuple[tuple[int, int, int], ...]
    """(category, label, mg) of PE in the balance; zeros are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """Which entries. Everything that is given must hold; None asks nothing."""

    as_of: int
    state: str | None = None
    mba: str | None = None
    kinds: frozenset[str] | None = None
    codes: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    """309."""
    numbers: frozenset[int] | None = None
    addresses: frozenset[tuple[int, int]] | None = None
    """(report, entry), as reported."""
    targets: frozenset[tuple[int, int]] | None = None
    """(report, entry) that 309 names."""
    batch: str | None = None
    """446."""
    shipper_batch: str | None = None
    """447."""
    partner: str | None = None
    """What 370 or 372 says, whole: XL/XLF1."""
    first: str | None = None
    """Accounting date on or after."""
    last: str | None = None
    """Accounting date on or before."""
    every_version: bool = False
    """Also what is superseded or deleted, and entries of status D and U; else what accounts for material `as_of`."""
    after: tuple[str, str, int, int] | None = None
    """`BookEntry.address` of the last row of the page before."""
    limit: int | None = None

    def takes(self, row: BookEntry) -> bool:
        """Whether `row` is asked for; `after` and `limit` are the caller's."""
        return (
            (row.from_height <= self.as_of if self.every_version else row.accounts_at(self.as_of))
            and (self.state is None or row.state == self.state)
            and (self.mba is None or row.mba == self.mba)
            and (self.kinds is None or row.kind in self.kinds)
            and (self.codes is None or row.entry.code in self.codes)
            and (self.statuses is None or row.entry.status in self.statuses)
            and (self.numbers is None or row.number in self.numbers)
            and (self.addresses is None or (row.number, row.entry.number) in self.addresses)
            and (self.targets is None or row.entry.target in self.targets)
            and (self.batch is None or row.entry.batch == self.batch)
            and (self.shipper_batch is None or row.entry.shipper_batch == self.shipper_batch)
            and (self.partner is None or self.partner in (row.entry.shipper, row.entry.receiver))
            and (self.first is None or row.date >= self.first)
            and (self.last is None or row.date <= self.last)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuery:
    """Which reports. Everything that is given must hold; None asks nothing."""

    as_of: int
    state: str | None = None
    mba: str | None = None
    kinds: frozenset[str] | None = None
    numbers: frozenset[int] | None = None
    statement_id: bytes | None = None
    first: str | None = None
    """End of the period (of a textual report: its date) on or after."""
    last: str | None = None
    after: tuple[str, str, int] | None = None
    """(state, mba, number) of the last row of the page before."""
    limit: int | None = None

    def takes(self, row: BookReport) -> bool:
        """Whether `row` is asked for; `after` and `limit` are the caller's."""
        day = row.period_to or row.date
        return (
            row.height <= self.as_of
            and (self.state is None or row.state == self.state)
            and (self.mba is None or row.mba == self.mba)
            and (self.kinds is None or row.kind in self.kinds)
            and (self.numbers is None or row.number in self.numbers)
            and (self.statement_id is None or row.statement_id == self.statement_id)
            and (self.first is None or day >= self.first)
            and (self.last is None or day <= self.last)
        )


class Books(Protocol):
    """The rows of one ledger. Every method answers as of a height, which is at most `height()`."""

    async def height(self) -> int:
        """The last block that the rows contain."""

    async def areas(self, *, as_of: int) -> list[Mba]:
        """The registry's areas, by (state, mba)."""

    async def reports(self, query: ReportQuery) -> list[BookReport]:
        """By (state, mba, number)."""

    async def entries(self, query: EntryQuery) -> list[BookEntry]:
        """By address."""

    async def flows(self, *, state: str, mba: str, first: str, last: str, as_of: int) -> list[Flow]:
        """Sums over the entries of change reports, and of the opening inventory, with accounting dates from `first` to
        `last`, both included, that account for material as of that height. By (code, category, label), without zeros.
        """

    async def physicals(self, *, state: str, mba: str, as_of: int) -> list[Physical]:
        """By PIT. One that genesis names (`last_pit`) without an opening inventory is listed, with no lines."""
