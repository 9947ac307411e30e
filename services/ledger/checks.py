"""A checksum for every row, so that no byte of a database can change unseen. Pure.

What a certificate or a signature binds is checked through hashes. Beside it stand bytes that nothing certified binds
(times, texts of findings, how a body was compressed), and keys that only find rows. A CRC-32 over all columns of a row
finds every change of up to 32 neighbouring bits in any of them, and names the row; it is against disks, not against
people. `slt fsck` compares it first, and recomputes everything else from the bytes afterwards.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from zlib import crc32

import msgspec

Row: TypeAlias = dict[str, Any]  # of one table: column to value, as SQLAlchemy takes it

CRC: Final = "crc"  # the column that every table of the ledger has

_packer: Final = msgspec.msgpack.Encoder()


def crc_of(row: Mapping[str, Any]) -> int:
    """CRC-32 (ISO 3309, as in zlib) over the MessagePack of [column, value] by column, without `crc` itself."""
    return crc32(_packer.encode([(str(name), row[name]) for name in sorted(row) if name != CRC]))


def sealed(row: Row) -> Row:
    """`row`, with its checksum."""
    row[CRC] = crc_of(row)
    return row
