"""A stored block as CBOR, and back: what an archive holds of each height. Pure.

    block   [height, header, certificate, checkpoint, received_ms, stored_ms, [batch...], [[kid, SPKI]...], [entry...]]
    batch   [author, seq, signature, number of entries]
    entry   [statement, [endorsement...], verdict, body length, body digest or null, body or null, facts or null,
             findings, stateless findings or null, beside, erasure or null]

header, certificate, statements, endorsements, verdicts and erasures are byte strings of the CBOR of formats.md; body
and facts are zstd frames, as they came; findings are rows of seven texts; body digest is null where it is the one that
the statement names. `beside` is what came outside every hash, in the order of the struct rows.Beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from services.ledger.rows import Beside, Findings, StoredBlock, StoredEntry, item_of
from services.ledger.store import StoredBatch
from slt.bus.messages import Block, BlockBatch
from slt.statements import cbor, shapes
from slt.statements.batches import batch_digest
from slt.statements.cbor import DecodeError, Value
from slt.statements.governance import parse_ordered
from slt.statements.verdicts import parse_verdict

BLOCK_ITEMS_MAX: Final = 16_000_000  # CBOR items of one block: findings of its 120,000 entries are the most of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One block out of an archive."""

    block: Block
    checkpoint: str
    received_ms: int
    stored_ms: int
    erasures: Mapping[bytes, bytes]  # by statement id


def block_record(
    block: StoredBlock, batches: Sequence[StoredBatch], entries: Sequence[StoredEntry], keys: Mapping[bytes, bytes]
) -> bytes:
    """The record of a stored block. `keys`: kid -> SPKI of at least everybody who signed here."""
    used = sorted({kid for entry in entries for kid in _signers(entry) if kid in keys})
    return cbor.encode(
        [
            block.height,
            block.header,
            block.certificate,
            block.checkpoint,
            block.received_ms,
            block.stored_ms,
            [[batch.author, batch.seq, batch.signature, batch.entries] for batch in batches],
            [[kid, keys[kid]] for kid in used],
            [_entry_value(entry) for entry in entries],
        ]
    )


def read_record(data: bytes, *, first_entry: int, previous: Mapping[int, bytes], chain_id: bytes) -> Archived:
    """The block of a record. `previous`: the digest of the last batch of each author before it. Raises DecodeError.

    Read, not verified: that is for whoever takes the block.
    """
    fields = shapes.array(cbor.decode(data, items_max=BLOCK_ITEMS_MAX), "archived block", 9)
    height = shapes.integer(fields[0], "archived block: height", high=shapes.HEIGHT_MAX)
    keys = dict(_pair(one) for one in shapes.array(fields[7], "archived block: keys"))
    entries = [
        _entry(value, height=height, number=number)
        for number, value in enumerate(shapes.array(fields[8], "archived block: entries"), first_entry)
    ]
    batches, rest, heads = [], iter(entries), dict(previous)
    for value in shapes.array(fields[6], "archived block: batches"):
        author, seq, signature, count = shapes.array(value, "archived batch", 4)
        author = shapes.integer(author, "archived batch: author")
        inside = list(islice(rest, shapes.integer(count, "archived batch: entries", high=2**31)))
        items = [item_of(entry, keys) for entry in inside]
        submitted: list[Value] = [
            [item.statement, item.endorsements, item.body_length, item.body_digest] for item in items
        ]
        encoded = cbor.encode([author, seq, heads.get(author, chain_id), submitted])
        heads[author] = batch_digest(encoded)
        batches.append(BlockBatch(batch=encoded, signature=shapes.octets(signature, "signature", 64), items=items))
    return Archived(
        block=Block(
            height=height,
            header=shapes.octets(fields[1], "archived block: header"),
            certificate=shapes.octets(fields[2], "archived block: certificate"),
            batches=batches,
            verdicts=[entry.verdict_cbor for entry in entries],
            findings=[entry.findings.all for entry in entries],
        ),
        checkpoint=shapes.text(fields[3], "archived block: checkpoint", high=64 * 1024),
        received_ms=shapes.integer(fields[4], "archived block: received_ms", high=shapes.TIME_MS_MAX),
        stored_ms=shapes.integer(fields[5], "archived block: stored_ms", high=shapes.TIME_MS_MAX),
        erasures={entry.verdict.statement_id: entry.erasure for entry in entries if entry.erasure},
    )


def _entry_value(entry: StoredEntry) -> list[Value]:
    stateless = entry.findings.stateless
    return [
        entry.statement,
        list(entry.endorsements),
        entry.verdict_cbor,
        entry.body_length,
        entry.body_digest,
        entry.body_z or None,
        entry.facts_z or None,
        [list(row) for row in entry.findings.all],
        None if stateless is None else [list(row) for row in stateless],
        msgspec.to_builtins(entry.beside, builtin_types=(bytes,)),
        entry.erasure or None,
    ]


def _entry(value: Value, *, height: int, number: int) -> StoredEntry:
    fields = shapes.array(value, "archived entry", 11)
    verdict = shapes.octets(fields[2], "archived entry: verdict")
    try:
        beside = msgspec.convert(fields[9], Beside, builtin_types=(bytes,))
        findings = msgspec.convert([fields[7], fields[8]], Findings)
    except msgspec.ValidationError as error:
        raise DecodeError(f"archived entry: {error}") from None
    digest = fields[4]
    return StoredEntry(
        entry=number,
        height=height,
        statement=shapes.octets(fields[0], "archived entry: statement"),
        endorsements=tuple(
            shapes.octets(one, "archived entry: endorsement") for one in shapes.array(fields[1], "endorsements")
        ),
        verdict=parse_verdict(verdict),
        verdict_cbor=verdict,
        body_length=shapes.integer(fields[3], "archived entry: body length", high=2**40),
        body_digest=None if digest is None else shapes.digest(digest, "archived entry: body digest"),
        beside=beside,
        body_z=_octets_or_nothing(fields[5]),
        facts_z=_octets_or_nothing(fields[6]),
        findings=findings,
        erasure=_octets_or_nothing(fields[10]),
    )


def _signers(entry: StoredEntry) -> list[bytes]:
    return [parse_ordered(entry.statement).kid, *entry.beside.endorsers]


def _pair(value: Value) -> tuple[bytes, bytes]:
    kid, spki = shapes.array(value, "archived key", 2)
    return shapes.octets(kid, "archived key: kid", 32), shapes.octets(spki, "archived key: SPKI")


def _octets_or_nothing(value: Any) -> bytes:
    return b"" if value is None else shapes.octets(value, "archived entry")
