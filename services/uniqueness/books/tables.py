"""The tables of the books: reports and entries in two times, and sums of them.

    head      how far the books have come; it changes in one transaction with everything else
    areas     the registry's areas, each version in ledger time
    reports   accepted reports; append-only
    entries   accounting entries and opening inventories; append-only, but that an entry's life ends once
    added     the second address of an entry that was added (309 A); append-only
    flows     what a block added to the sums of an area; append-only
    totals    the sums of `flows`, for questions about now

Two times: `day` is the accounting date (YYYYMMDD as a number), heights are ledger time. An entry is live in
`[from_height, to_height)`. `report` is a report's index in the log, which is unique over all areas and grows with its
number in each; the opening inventory of area n has report -n. The whole entry, as it stands in the report's facts, is
in `facts`: the columns beside it are what questions search by, so a new field of facts needs no new column.

Sums are kept by area, kind of report and period: a month (YYYYMM) for change reports and opening inventories, the day
of the physical inventory for listings and balances. Under LINES stands how many entries account for material, under
EMPTY how many are marked U. A sum may have more than 64 bits: it is `high * 2**32 + low`, and neither part is brought
back into range, so that both may be added up.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger, Table, Text

from slt.runtime.octets import Octets

METADATA: Final = MetaData()

LINES: Final = 0
"""In place of a label: how many entries account for material."""
EMPTY: Final = -1
"""In place of a label: how many entries are marked U, an empty listing or balance."""
LOW_BITS: Final = 32

HEAD: Final = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("chain_id", Octets, nullable=False),
    Column("height", BigInteger, nullable=False),  # of the last final block whose reports are in the tables
    Column("block_id", Octets, nullable=False),
    Column("log_size", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),  # of the block
)

AREAS: Final = Table(
    "areas",
    METADATA,
    Column("area", Integer, primary_key=True, autoincrement=False),  # from 1 on, a number of this database
    Column("from_height", BigInteger, primary_key=True, autoincrement=False),
    Column("to_height", BigInteger),  # null while this version holds
    Column("state", Text, nullable=False),
    Column("mba", Text, nullable=False),
    Column("value", Octets, nullable=False),  # CBOR: the MBA array of genesis
)

REPORTS: Final = Table(
    "reports",
    METADATA,
    Column("report", BigInteger, primary_key=True, autoincrement=False),
    Column("area", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("date", Integer, nullable=False),
    Column("period_from", Integer, nullable=False),  # 0 in a textual report, as is period_to
    Column("period_to", Integer, nullable=False),
    Column("day", Integer, nullable=False),  # period_to; of a textual report its date
    Column("entry_count", Integer, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),  # of the block
    Column("statement_id", Octets, nullable=False),
    Column("statement_key", BigInteger, nullable=False),  # its first 8 bytes: what the index holds
    Column("facts", Octets, nullable=False),  # CBOR: the facts array, without the entries
    Column("findings", Octets, nullable=False),  # CBOR: the findings that came with the verdict
)

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("area", Integer, primary_key=True, autoincrement=False),
    Column("report", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),  # of the report; 0: the opening inventory
    Column("kind", Text, nullable=False),  # I, P, M; O: the opening inventory
    Column("status", Text, nullable=False),  # 309
    Column("target_number", BigInteger),  # the report and entry that 309 names; null when it names none
    Column("target_entry", Integer),
    Column("code", Text),  # 411; null when there is none, as are the texts below
    Column("day", Integer, nullable=False),
    Column("batch", Text),  # 446
    Column("shipper_batch", Text),  # 447
    Column("shipper", Text),  # 370, whole: XL/XLR1
    Column("receiver", Text),  # 372
    Column("facts", Octets, nullable=False),  # CBOR: the entry array of facts
    Column("from_height", BigInteger, nullable=False),
    Column("to_height", BigInteger),
    Column("by_number", BigInteger),  # report number and entry number that superseded or deleted it
    Column("by_entry", Integer),
)

ADDED: Final = Table(
    "added",
    METADATA,
    Column("area", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # the address that 309 asked for
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("at_report", BigInteger, nullable=False),  # where it stands
    Column("at_entry", Integer, nullable=False),
)

FLOWS: Final = Table(
    "flows",
    METADATA,
    Column("area", Integer, primary_key=True, autoincrement=False),
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("period", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, primary_key=True),
    Column("category", SmallInteger, primary_key=True, autoincrement=False),
    Column("label", SmallInteger, primary_key=True, autoincrement=False),
    Column("high", BigInteger, nullable=False),
    Column("low", BigInteger, nullable=False),
)

TOTALS: Final = Table(
    "totals",
    METADATA,
    Column("area", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("period", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, primary_key=True),
    Column("category", SmallInteger, primary_key=True, autoincrement=False),
    Column("label", SmallInteger, primary_key=True, autoincrement=False),
    Column("high", BigInteger, nullable=False),
    Column("low", BigInteger, nullable=False),
)
