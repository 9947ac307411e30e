"""The tables of uniqueness: the state of the last final block, where it stands, and the reports that are held.

`records` is the whole state as slt.inventory defines it, key and value as they go into the state root. It changes in
one transaction with `head`, and can be rebuilt from the ledger's blocks. `held` is this member's own and nobody else's.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from slt.runtime.octets import Octets

METADATA: Final = MetaData()

RECORDS: Final = Table(
    "records",
    METADATA,
    Column("key", Octets, primary_key=True),
    Column("value", Octets, nullable=False),
    Column("spent_iat", BigInteger),  # of a SPENT record: seconds; null for the others
)
Index(
    "records_spent",
    RECORDS.c.spent_iat,
    sqlite_where=RECORDS.c.spent_iat.is_not(None),
    postgresql_where=RECORDS.c.spent_iat.is_not(None),
)

HEAD: Final = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("chain_id", Octets, nullable=False),
    Column("height", BigInteger, nullable=False),  # of the last final block whose changes are in `records`
    Column("block_id", Octets, nullable=False),
    Column("lanes", Octets, nullable=False),  # 2048 bytes: the set hash of `records`
    Column("log_size", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),  # of the block
    Column("header", Octets),  # CBOR of the block's header, as is its certificate; null at height 0, and
    Column("certificate", Octets),  # until the first block after an upgrade from revision 0001
)

HELD: Final = Table(
    "held",
    METADATA,
    Column("submission_id", Octets, primary_key=True),
    Column("statement_id", Octets, nullable=False),
    Column("state", Text, nullable=False),
    Column("mba", Text, nullable=False),
    Column("number", BigInteger, nullable=False),  # of the report; it waits for the one before
    Column("held_ms", BigInteger, nullable=False),  # this member's clock, as is until_ms
    Column("until_ms", BigInteger, nullable=False),  # that of the first submission of the statement
    Column("item", Octets, nullable=False),  # MessagePack of slt.bus.messages.Item
)
Index("held_by_statement", HELD.c.statement_id)
