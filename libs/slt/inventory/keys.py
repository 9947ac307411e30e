"""What the state is made of: kinds of records, the one function that makes their keys, and where a kind begins.

A record is a key and a value, both deterministic CBOR arrays. The first element of a key is its kind, and every kind
has a fixed number of elements, so all records of a kind, or of an MBA within it, stand side by side in bytewise order.
The table with examples is in `slt/statements/README.md`, section "State records"; its vectors are in
`tests/vectors/state`.

Every key is made by `key`, which may later be keyed so that other members see commitments only (architecture
section 6): only `kind_of` and `fields_of` take one apart.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import cbor2


class Kind(IntEnum):
    """The first element of every key. Numbers are part of the state root: they are never reused."""

    CHAIN = 1
    IDENTITY = 2
    REVOKED = 3
    MEMBER = 4
    MBA = 5
    PARAMETER = 6
    SPENT = 7
    HEAD = 8
    REPORT = 9
    ENTRIES = 10
    ENTRY = 11
    # 12 was a document: the report of its number names it.
    BOOK = 13
    OPENING = 14
    CONTENT = 15
    BATCH = 16
    FLOWS = 17
    PIT = 18
    ACCOUNT = 19
    TRANSIT = 20
    OBLIGATION = 21
    LEDGER = 22
    MEMBERS = 23
    DUE = 24
    ANNOUNCED = 25
    TARGET = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKind:
    """One line of the table: what stands in the key after the kind, what stands in the value, and why it is there."""

    key: tuple[str, ...]
    value: str
    meaning: str


_KINDS: Final[dict[int, Kind]] = {int(kind): kind for kind in Kind}

_IN_NEXT_BYTE: Final = 24  # CBOR writes larger numbers in a byte of their own

KEYS_REMEMBERED: Final = 32_768  # one is asked for several times within a block, those of an area for every report

ENTRIES_PER_RECORD: Final = 64  # one hash for the entries of most reports, and a change touches few of a large one

RECORDS: Final[dict[Kind, RecordKind]] = {
    Kind.CHAIN: RecordKind(
        key=("member id",),
        value="[seq, batch digest]",
        meaning="the last ordered batch of a member; before the first one 0 and chain_id",
    ),
    Kind.IDENTITY: RecordKind(
        key=("kid",), value="identity array of genesis", meaning="who a key is, and what it may do"
    ),
    Kind.REVOKED: RecordKind(
        key=("kid",), value="[statement id]", meaning="the statement that revoked a key; absent while it is good"
    ),
    Kind.MEMBER: RecordKind(key=("member id",), value="member array of genesis", meaning="a member"),
    Kind.MBA: RecordKind(
        key=("state", "mba"),
        value="MBA array of genesis",
        meaning="reference data of a material balance area; two States may use one code",
    ),
    Kind.PARAMETER: RecordKind(
        key=("name",),
        value="[value]",
        meaning="a parameter; rules_version and reference_version are among them",
    ),
    Kind.SPENT: RecordKind(
        key=("statement id",),
        value="[iat, verdict code, log index or null]",
        meaning="a statement with a final verdict; leaves in the first block later than iat + submission_window_s",
    ),
    Kind.HEAD: RecordKind(
        key=("state", "mba"),
        value="[last report number, changes to, [[pit, flags]...]]",
        meaning="where an area stands: the next report is this number plus one; the end of its latest change report; "
        "its last 40 physical inventories: 1 listed + 2 closed by a balance + 4 that balance needs correction",
    ),
    Kind.REPORT: RecordKind(
        key=("state", "mba", "number"),
        value="[statement id, kind, date, period from, period to, entry count, [entry...], document digest]",
        meaning="an accepted report, with its first 64 entries as in its facts, and the document it was (rule C03)",
    ),
    Kind.ENTRIES: RecordKind(
        key=("state", "mba", "number", "chunk"),
        value="[[entry...]]",
        meaning="entries 64 * chunk + 1 to 64 * chunk + 64 of a longer report, chunk from 1 on",
    ),
    Kind.ENTRY: RecordKind(
        key=("state", "mba", "number", "entry"),
        value="[what, by number, by entry, by statement id]",
        meaning='what happened to an entry: 1 superseded, 2 deleted; 3: this number was added, and "by" is the entry',
    ),
    Kind.BOOK: RecordKind(
        key=("state", "mba", "element label"),
        value="[[label, mg]...]",
        meaning="book inventory of a category: the element and its isotopes by label; zeros and empty books are absent",
    ),
    Kind.OPENING: RecordKind(
        key=("state", "mba", "chunk"),
        value="[pit, [opening entry...]]",
        meaning="the opening inventory, 64 entries of its file to a record, chunk from 0 on",
    ),
    Kind.CONTENT: RecordKind(
        key=("state", "mba", "content digest"),
        value="[report number]",
        meaning="the first report that said this, whatever its number and date (rule C04)",
    ),
    Kind.BATCH: RecordKind(
        key=("state", "mba", "batch"),
        value="[reported, [[label, mg, items]...], [[code, date, number, entry]...]]",
        meaning="a batch: how many live entries name it, what it holds, the last 32 of them; code empty: listed",
    ),
    Kind.FLOWS: RecordKind(
        key=("state", "mba", "YYYYMM"),
        value="[[day, [[code, label, mg]...]]...]",
        meaning="live inventory changes of a month by day, without the sign of their code and without RM and RP",
    ),
    Kind.PIT: RecordKind(
        key=("state", "mba", "date"),
        value="[listed, listing, closed, balance, [[label, mg]...], [[code, label, mg]...]]",
        meaning="a physical inventory: live entries of its listing and that report, of its balance and that report; "
        "the sum of the listing, and what the balance says by code of 411",
    ),
    Kind.ACCOUNT: RecordKind(
        key=("state", "mba", "account"),
        value="[[label, mg]...]",
        meaning="outstanding beside the book: W retained waste, U exempted for use, Q exempted for quantity",
    ),
    Kind.OBLIGATION: RecordKind(
        key=("state", "mba", "obligation"),
        value="[[label, mg]...]",
        meaning="what of the book is under a safeguards obligation, as far as reports state one; zeros are absent",
    ),
    Kind.TRANSIT: RecordKind(
        key=("shipper", "receiver", "batch"),
        value="[[side...], [side...]]",
        meaning="what was shipped and received under one name, the last 16 of each; a side: "
        "[date, number, entry, material, items, [[label, mg]...]]",
    ),
    Kind.LEDGER: RecordKind(
        key=(),
        value="[chain_id, model, oldest iat]",
        meaning="which ledger this is; statements older than that second are out of window, whatever the window: "
        "their verdicts were forgotten when it was shorter",
    ),
    Kind.MEMBERS: RecordKind(
        key=(),
        value="[epoch, highest id, [member id...], members_root]",
        meaning="the member set and how many came before it; no id is used again",
    ),
    Kind.DUE: RecordKind(
        key=("height",),
        value="[statement id...]",
        meaning="announced changes that take effect at the start of the block of that height, in this order",
    ),
    Kind.ANNOUNCED: RecordKind(
        key=("statement id",),
        value="[payload of the governance statement]",
        meaning="a change that waits for its height",
    ),
    Kind.TARGET: RecordKind(
        key=("target",),
        value="[statement id]",
        meaning="what an announced change is about: CBOR of ['identity', kid], ['area', State, MBA], "
        "['parameter', name], ['rules'] or ['members']",
    ),
}


@lru_cache(maxsize=KEYS_REMEMBERED)
def key(kind: Kind, *values: str | int | bytes) -> bytes:
    """The key of one record: CBOR of the kind and `values`, as many as the table has for this kind."""
    assert len(values) == len(RECORDS[kind].key), f"a {kind.name} key has {RECORDS[kind].key}"
    return cbor2.dumps([int(kind), *values])


def prefix(kind: Kind, *values: str | int | bytes) -> bytes:
    """What every key of `kind` that goes on with `values` begins with. No other kind's key begins so."""
    missing = len(RECORDS[kind].key) - len(values)
    assert missing >= 0, f"a {kind.name} key has {RECORDS[kind].key}"
    whole = cbor2.dumps([int(kind), *values, *([0] * missing)])
    return whole[: len(whole) - missing]  # the CBOR of a 0 is one byte


def kind_of(record_key: bytes) -> Kind:
    """The kind of a key that `key` made: the byte after the array's head, or the one after 0x18 from 24 on.

    Raises ValueError for a number that is no kind's.
    """
    first = record_key[1]
    number = first if first < _IN_NEXT_BYTE else record_key[2]
    return _KINDS.get(number) or Kind(number)  # A table is three times as fast, and every record of a block is asked.


def fields_of(record_key: bytes) -> list[Any]:
    """What stands in a key after its kind. For readers of the books, who see their own member's records."""
    fields: list[Any] = cbor2.loads(record_key)[1:]
    return fields


def table() -> str:
    """The Markdown table of all kinds, as `slt/statements/README.md` has it."""
    lines = ["| Kind | Record | Key, after the kind | Value | What it is for |", "|---|---|---|---|---|"]
    for kind, record in RECORDS.items():
        inside = ", ".join(record.key)
        lines.append(f"| {int(kind)} | {kind.name.lower()} | {inside} | {record.value} | {record.meaning} |")
    return "\n".join(lines) + "\n"
