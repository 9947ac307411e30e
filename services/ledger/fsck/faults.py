"""What is wrong with a stored block, decided from its rows alone. Pure: no database here.

Three looks at each block, and a row is named by the first that fails:

1. The checksum of every row: a byte that changed after it was stored, whatever it means.
2. The block out of its rows, through the same checks as when it came (`core.examine`, `vetting.vet`).
3. The rows out of the block, through the same code that stored it, compared column by column: what nothing certified
   binds, what was added, what is missing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from services.ledger.checks import CRC, crc_of, sealed
from services.ledger.core import BadBlock, Examined, Head, examine, one_final_verdict_each
from services.ledger.rows import block_row, keys_of, tables_of
from services.ledger.vetting import Kept, vet_some
from slt.bus.messages import Block
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.notes import NoteError, NoteVerifier, open_note
from slt.merkle.tree import Frontier
from slt.statements.erasures import BadErasure, Erasure, verify_erasure
from slt.statements.genesis import Genesis
from slt.statements.signatures import kid_of

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]  # by table, those of one block, in order of their keys

# How a row is named to a person.
KEYS: Final = {
    "blocks": ("height",),
    "batches": ("height", "position"),
    "entries": ("entry",),
    "bodies": ("entry",),
    "facts": ("entry",),
    "findings": ("entry",),
    "erasures": ("entry",),
    "keys": ("kid",),
    "marks": ("name",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row that is not what it should be, and why."""

    table: str
    row: str  # its key: "entry 41"; "" = of the whole table
    height: int  # of the block that it belongs to; -1 = of none
    text: str

    def __str__(self) -> str:
        return f"{self.table} {self.row}: {self.text}".replace("  ", " ")


def name_of(table: str, row: Mapping[str, Any]) -> str:
    """The row's key in words."""
    return ", ".join(
        f"{key} {row[key].hex() if isinstance(row[key], bytes) else row[key]}" for key in KEYS[table] if key in row
    )


def rotten(rows: Rows, *, height: int) -> Iterator[Fault]:
    """Rows whose bytes are not those that were stored."""
    for table, some in rows.items():
        for row in some:
            if crc_of(row) != row[CRC]:
                yield Fault(
                    table=table,
                    row=name_of(table, row),
                    height=height,
                    text="its bytes are not those that were stored: the checksum differs",
                )


def unlike(rows: Rows, expected: Rows, *, height: int) -> Iterator[Fault]:
    """Rows that are missing, too many, or differ from what the block makes."""
    for table, wanted in expected.items():
        names = [name_of(table, row) for row in wanted]
        found = {name_of(table, row): row for row in rows.get(table, ())}
        for name, want in zip(names, wanted, strict=True):
            row = found.pop(name, None)
            if row is None:
                yield Fault(table=table, row=name, height=height, text="the row is missing")
            elif differing := [column for column in want if want[column] != row[column]]:
                text = f"{', '.join(differing)}: not what the block itself says"
                yield Fault(table=table, row=name, height=height, text=text)
        for name in found:
            yield Fault(table=table, row=name, height=height, text="the block has no such row")


def check_genesis(row: Mapping[str, Any], expected: Mapping[str, Any], verifier: NoteVerifier) -> Iterator[Fault]:
    """The row of height 0. `expected`: what this genesis makes, but for times and the signed note."""
    free = ("received_ms", "stored_ms", "checkpoint", CRC)
    for column in expected:
        if column not in free and row[column] != expected[column]:
            yield Fault(table="blocks", row="height 0", height=0, text=f"{column}: not what genesis says")
    yield from _checkpoint(row, verifier)


def check_block(
    rows: Rows, block: Block, head: Head, genesis: Genesis, verifier: NoteVerifier, earlier: Collection[bytes]
) -> tuple[Examined | None, list[Fault]]:
    """The block that its rows make, and what is wrong with it. None: it does not verify.

    `earlier`: of its statements, those that another block gave a final verdict.
    """
    (row,) = rows["blocks"]
    height = row["height"]
    try:
        examined = examine(block, head, genesis)
        one_final_verdict_each(examined, earlier)
        erasures: dict[bytes, Erasure] = {erasure.statement_id: erasure for erasure in _erasures(rows, genesis)}
        kept = vet_some(examined, 0, len(examined.ordered), erasures)
    except (BadBlock, BadErasure) as error:
        return None, [Fault(table="blocks", row=f"height {height}", height=height, text=str(error))]
    faults = list(unlike(rows, _expected(rows, examined, kept, head), height=height))
    held = {row["entry"] for row in rows["bodies"]}
    for erasure in rows["erasures"]:
        if erasure["entry"] in held:
            text = "the body that it says was erased is held"
            faults.append(Fault(table="erasures", row=name_of("erasures", erasure), height=height, text=text))
    faults += _checkpoint(row, verifier)
    return examined, faults


def check_keys(rows: Sequence[Mapping[str, Any]], needed: Collection[bytes] | None) -> Iterator[Fault]:
    """The table of keys. `needed`: the kids that the whole chain uses; None: not all of it was read."""
    for row in rows:
        if kid_of(row["spki"]) != row["kid"]:
            yield Fault(table="keys", row=name_of("keys", row), height=-1, text="kid: not the digest of this key")
        elif needed is not None and row["kid"] not in needed:
            yield Fault(table="keys", row=name_of("keys", row), height=-1, text="nobody signed with this key")


def kids_of(examined: Examined) -> set[bytes]:
    """The keys that the receipts of a block need."""
    return set(keys_of(examined.ordered))


def _erasures(rows: Rows, genesis: Genesis) -> Iterator[Erasure]:
    for row in rows["erasures"]:
        yield verify_erasure(row["erasure"], genesis)


def _expected(rows: Rows, examined: Examined, kept: Sequence[Kept], head: Head) -> Rows:
    (row,) = rows["blocks"]
    ours = block_row(
        examined,
        first_entry=head.entries,
        checkpoint=row["checkpoint"],  # looked at by itself
        received_ms=row["received_ms"],  # our own clock, bound by nothing but the checksum
        stored_ms=row["stored_ms"],
    )
    tables = dict(tables_of(examined, kept, first_entry=head.entries))
    del tables["erasures"]  # made once, by hand of an operator: looked at by themselves
    with_body = {row["entry"] for row in (*tables["bodies"], *rows["erasures"])}
    stored = {entry["entry"]: entry for entry in rows["entries"]}
    for entry in tables["entries"]:
        if entry["entry"] not in with_body and entry["entry"] in stored:
            # The submission id covers a body that was not the statement's and was not kept: only the checksum binds it.
            entry["submission_key"] = stored[entry["entry"]]["submission_key"]
            sealed(entry)
    return {"blocks": [ours], **tables}


def _checkpoint(row: Mapping[str, Any], verifier: NoteVerifier) -> Iterator[Fault]:
    """The signed note over the log after this block."""
    try:
        text = open_note(row["checkpoint"], [verifier], exact=True)
    except NoteError as error:
        yield _of(row, f"checkpoint: {error}")
        return
    root = Frontier.decoded(row["log_size"], row["frontier"]).root()
    if text != Checkpoint(origin=verifier.name, size=row["log_size"], root=root).text():
        yield _of(row, "checkpoint: it is not that of this block's log")


def _of(row: Mapping[str, Any], text: str) -> Fault:
    return Fault(table="blocks", row=f"height {row['height']}", height=row["height"], text=text)
