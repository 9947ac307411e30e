"""The ledger's tables: each byte once, in the order in which it was decided.

Every statement that a block orders, void ones included, is an *entry* with a number: 0 for the first one after
genesis, one more for each. Numbers follow the order of blocks, batches and statements, so a block is a range of them.
What must outlive everything (statement, endorsements, verdict) stands in `entries`; what a treaty may one day ask to
erase (bodies, facts, texts of findings) stands in tables of its own, beside it.

What can be computed from what is stored is not stored: statement and submission ids (but for their first 8 bytes, which
find the row), batch bytes, the frontier before a block (it is the one after the block before), paths and receipts.

Every row carries a CRC-32 over its other columns (`checks`): what no certificate binds cannot rot unseen either.

All tables but `marks` are append-only, and heights and entry numbers have no gaps: the triggers of the first migration
see to that, on SQLite and on PostgreSQL. Times are milliseconds since 1970 UTC.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table, Text

from slt.runtime.octets import Octets

METADATA: Final = MetaData()

Number: Final = BigInteger().with_variant(
    Integer, "sqlite"
)  # on SQLite only INTEGER PRIMARY KEY is the row's own number


def _crc() -> Column[int]:
    return Column("crc", BigInteger, nullable=False)


BLOCKS: Final = Table(
    "blocks",
    METADATA,
    Column("height", Number, primary_key=True, autoincrement=False),  # 0 is genesis; no gaps
    Column("block_id", Octets, nullable=False),  # 32 bytes; chain_id at height 0
    Column("time_ms", BigInteger, nullable=False),  # of the header; 0 at height 0
    Column("first_entry", BigInteger, nullable=False),  # the block's entries are [first_entry, first_entry + entries)
    Column("entries", Integer, nullable=False),
    Column("log_size", BigInteger, nullable=False),  # leaves of the log after this block
    Column("frontier", Octets, nullable=False),  # Frontier.encoded after this block
    Column("header", Octets, nullable=False),  # CBOR; the genesis file at height 0
    Column("certificate", Octets, nullable=False),  # CBOR, the first one that came; empty at height 0
    Column("checkpoint", Text, nullable=False),  # the signed note over log_size and its root
    Column("received_ms", BigInteger, nullable=False),  # this service's clock, as is stored_ms
    Column("stored_ms", BigInteger, nullable=False),  # just before the commit
    _crc(),
)

BATCHES: Final = Table(
    "batches",
    METADATA,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),  # in its block, from 0
    Column("author", BigInteger, nullable=False),  # member id
    Column("seq", BigInteger, nullable=False),
    Column("digest", Octets, nullable=False),
    Column("signature", Octets, nullable=False),
    Column("entries", Integer, nullable=False),
    _crc(),
    sqlite_with_rowid=False,
)
Index("batches_by_author", BATCHES.c.author, BATCHES.c.seq, unique=True)

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("entry", Number, primary_key=True, autoincrement=False),
    Column("height", BigInteger, nullable=False),  # the block that ordered it
    Column("statement_key", BigInteger, nullable=False),  # first 8 bytes of the statement id, signed, big-endian
    Column("submission_key", BigInteger, nullable=False),  # the same of the submission id
    Column("statement", Octets, nullable=False),  # as received: the log leaf, if accepted
    Column("endorsements", Octets),  # CBOR array of byte strings; NULL = none
    Column("verdict", Octets, nullable=False),  # CBOR
    Column("code", SmallInteger, nullable=False),  # of the verdict; 0 = accepted
    Column("body_length", BigInteger, nullable=False),
    Column("body_digest", Octets),  # of the body that came; NULL = the one that the statement names
    Column("beside", Octets, nullable=False),  # MessagePack of rows.Beside: what came beside, outside every hash
    _crc(),
)
Index("entries_by_statement", ENTRIES.c.statement_key)
Index("entries_by_submission", ENTRIES.c.submission_key)
# Governance statements: the few that have no body. Who starts reads them, and knows the ledger's parameters.
Index(
    "entries_without_body",
    ENTRIES.c.entry,
    sqlite_where=ENTRIES.c.body_length == 0,
    postgresql_where=ENTRIES.c.body_length == 0,
)


def _beside(name: str, *columns: Column[bytes]) -> Table:
    return Table(name, METADATA, Column("entry", Number, primary_key=True, autoincrement=False), *columns, _crc())


BODIES: Final = _beside("bodies", Column("body_z", Octets, nullable=False))  # zstd, as received
FACTS: Final = _beside("facts", Column("facts_z", Octets, nullable=False))  # zstd(CBOR)
# In place of a body that was erased: slt.statements.erasures. The database lets go of a body only beside such a row.
ERASURES: Final = _beside("erasures", Column("erasure", Octets, nullable=False))
FINDINGS: Final = _beside("findings", Column("findings", Octets, nullable=False))  # MessagePack of rows.Findings

KEYS: Final = Table(
    "keys",
    METADATA,
    Column("kid", Octets, primary_key=True),
    Column("spki", Octets, nullable=False),
    _crc(),
    sqlite_with_rowid=False,
)

# The one table that is rewritten. `published`: the receipts of every block up to this height were published; it may
# lag behind what was published, and never leads.
MARKS: Final = Table(
    "marks",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    _crc(),
    sqlite_with_rowid=False,
)

APPEND_ONLY: Final = (BLOCKS, BATCHES, ENTRIES, BODIES, FACTS, FINDINGS, KEYS, ERASURES)
