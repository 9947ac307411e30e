"""How a block becomes rows and rows become the block again. Pure: no database here.

`Beside` and `Findings` are MessagePack, stored in the database: a field is only ever added at the end, with a default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from services.ledger.checks import Row, sealed
from services.ledger.core import Examined, Ordered
from services.ledger.vetting import Kept
from slt.bus.compression import inflate
from slt.bus.messages import Item, Signature, Timing, WireFinding
from slt.merkle.tree import Frontier
from slt.statements import cbor, shapes
from slt.statements.erasures import parse_erasure
from slt.statements.governance import GovernanceStatement, parse_ordered
from slt.statements.governance import Ordered as Signed
from slt.statements.statement import split_body
from slt.statements.submission import Submission
from slt.statements.verdicts import Verdict, facts_salt, findings_salt, parse_verdict

# Stages by number in `Beside.timings`, so that a name costs one byte.
STAGES: Final = ("authentication", "validation", "uniqueness", "consensus", "ledger")


class Beside(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What came beside a statement, outside every hash: this member's own findings about it."""

    state: str
    mba: str
    signature: Signature
    bad_endorsement: bool
    endorsers: list[bytes]
    no_facts: int
    rules_version: int
    reference_version: int
    timings: list[tuple[int | str, int, int]]  # stage; ms from the entry before to received; ms from received to done
    unknown_endorsers: list[bytes] = []


class Findings(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """All findings about a statement, and those of the stateless rules if they are others."""

    all: list[WireFinding]
    stateless: list[WireFinding] | None = None


NO_FINDINGS: Final = Findings(all=[])
NO_ERASURES: Final[Mapping[bytes, bytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlock:
    """One row of `blocks`, with the frontier before it."""

    height: int
    block_id: bytes
    time_ms: int
    first_entry: int
    entries: int
    before: Frontier
    after: Frontier
    header: bytes
    certificate: bytes
    checkpoint: str
    received_ms: int
    stored_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """One row of `entries` with what stands beside it."""

    entry: int
    height: int
    statement: bytes
    endorsements: tuple[bytes, ...]
    verdict: Verdict
    verdict_cbor: bytes
    body_length: int
    body_digest: bytes | None
    beside: Beside
    body_z: bytes = b""
    facts_z: bytes = b""
    findings: Findings = NO_FINDINGS
    erasure: bytes = b""  # in place of an erased body (slt.statements.erasures)


_packer: Final = msgspec.msgpack.Encoder()
_beside: Final = msgspec.msgpack.Decoder(Beside)
_findings: Final = msgspec.msgpack.Decoder(Findings)


def lookup_key(digest: bytes) -> int:
    """The first 8 bytes as a signed integer: an index of 8 bytes instead of 32 finds all but deliberate collisions.

    Whoever reads through it compares the whole digest.
    """
    return int.from_bytes(digest[:8], "big", signed=True)


def block_row(examined: Examined, *, first_entry: int, checkpoint: str, received_ms: int, stored_ms: int) -> Row:
    """The row of `blocks` for a block whose first statement is entry `first_entry`."""
    head = examined.head
    row: Row = {
        "height": head.height,
        "block_id": head.block_id,
        "time_ms": head.time_ms,
        "first_entry": first_entry,
        "entries": len(examined.ordered),
        "log_size": head.frontier.size,
        "frontier": head.frontier.encoded,
        "header": examined.header.encoded,
        "certificate": examined.certificate,
        "checkpoint": checkpoint,
        "received_ms": received_ms,
        "stored_ms": stored_ms,
    }
    return sealed(row)


def tables_of(
    examined: Examined, kept: Sequence[Kept], *, first_entry: int, erasures: Mapping[bytes, bytes] = NO_ERASURES
) -> Mapping[str, list[Row]]:
    """The rows of every table for a block, but for those of `blocks` and `keys`.

    `erasures`, by statement id, stand in the place of bodies that are not there.
    """
    numbered = list(enumerate(zip(examined.ordered, kept, strict=True), first_entry))
    return {
        "batches": [
            sealed(
                {
                    "height": examined.header.height,
                    "position": position,
                    "author": given.batch.author,
                    "seq": given.batch.seq,
                    "digest": given.digest,
                    "signature": given.signature,
                    "entries": len(given.batch.entries),
                }
            )
            for position, given in enumerate(examined.batches)
        ],
        "entries": [_entry_row(examined.header.height, number, one) for number, (one, _) in numbered],
        "bodies": [sealed({"entry": number, "body_z": kept.body_z}) for number, (_, kept) in numbered if kept.body_z],
        "erasures": [
            sealed({"entry": number, "erasure": erasures[one.statement.id]})
            for number, (one, kept) in numbered
            if not kept.body_z and one.statement.id in erasures
        ],
        "facts": [sealed({"entry": number, "facts_z": kept.facts_z}) for number, (_, kept) in numbered if kept.facts_z],
        "findings": [
            sealed({"entry": number, "findings": _packer.encode(_findings_of(one))})
            for number, (one, _) in numbered
            if one.findings or one.item.findings
        ],
    }


def key_rows(keys: Mapping[bytes, bytes]) -> list[Row]:
    """The rows of `keys`: kid -> SubjectPublicKeyInfo."""
    return [sealed({"kid": kid, "spki": spki}) for kid, spki in keys.items()]


def keys_of(ordered: Sequence[Ordered]) -> dict[bytes, bytes]:
    """By kid: the SubjectPublicKeyInfo of everybody whose signature a receipt of these statements will carry."""
    keys: dict[bytes, bytes] = {}
    for one in ordered:
        if one.verdict.final:
            keys[one.statement.kid] = one.item.spki
            keys.update(zip(one.item.endorsers, one.item.endorser_spkis, strict=True))
    return keys


def entry_of(row: Mapping[str, Any]) -> StoredEntry:
    """The entry of a row of `entries`, joined with whichever of the tables beside it were asked for."""
    findings = row.get("findings")
    verdict_cbor = bytes(row["verdict"])
    return StoredEntry(
        entry=row["entry"],
        height=row["height"],
        statement=bytes(row["statement"]),
        endorsements=_endorsements(row["endorsements"]),
        verdict=parse_verdict(verdict_cbor),
        verdict_cbor=verdict_cbor,
        body_length=row["body_length"],
        body_digest=row["body_digest"],
        beside=_beside.decode(row["beside"]),
        body_z=row.get("body_z") or b"",
        facts_z=row.get("facts_z") or b"",
        findings=NO_FINDINGS if findings is None else _findings.decode(findings),
        erasure=row.get("erasure") or b"",
    )


def item_of(stored: StoredEntry, keys: Mapping[bytes, bytes]) -> Item:
    """The item as it came beside the statement, but for its trace, and for a body that was not the statement's."""
    statement = parse_ordered(stored.statement)
    announced = statement.payload if isinstance(statement, GovernanceStatement) else b""
    salts = salts_of(stored, statement)
    beside = stored.beside
    stateless = stored.findings.all if stored.findings.stateless is None else stored.findings.stateless
    return Item(
        submission_id=submission_id_of(stored),
        statement_id=statement.id,
        statement=stored.statement,
        endorsements=list(stored.endorsements),
        body_z=stored.body_z,
        state=beside.state,
        mba=beside.mba,
        timings=timings_of(beside),
        kid=statement.kid,
        iss=statement.iss,
        iat=statement.iat,
        signature=beside.signature,
        endorsers=beside.endorsers,
        unknown_endorsers=beside.unknown_endorsers,
        bad_endorsement=beside.bad_endorsement,
        spki=keys.get(statement.kid, b""),
        endorser_spkis=[keys.get(kid, b"") for kid in beside.endorsers],
        body_length=stored.body_length,
        body_digest=statement.body_digest if stored.body_digest is None else stored.body_digest,
        facts_z=stored.facts_z,
        no_facts=beside.no_facts,
        findings=stateless,
        findings_salt=salts[0],
        facts_salt=salts[1],
        rules_version=beside.rules_version,
        reference_version=beside.reference_version,
        change=announced,
    )


def submission_id_of(stored: StoredEntry) -> bytes:
    """The id under which it came; empty where a body came that was not kept. A governance statement has no body."""
    if stored.erasure and not stored.body_z:
        return parse_erasure(stored.erasure).submission_id
    if stored.body_z or isinstance(parse_ordered(stored.statement), GovernanceStatement):
        return submission_of(stored).id
    return b""


def submission_of(stored: StoredEntry) -> Submission:
    """The submission as it came at the door. Needs the body."""
    return Submission(statement=stored.statement, endorsements=stored.endorsements, body_z=stored.body_z)


def salts_of(stored: StoredEntry, statement: Signed) -> tuple[bytes, bytes]:
    """The salts of findings and facts: they follow from the body, or stand in its erasure; empty where none is kept."""
    if not stored.body_z:
        if not stored.erasure:
            return b"", b""
        erasure = parse_erasure(stored.erasure)
        return erasure.findings_salt, erasure.facts_salt
    salt, _ = split_body(inflate(stored.body_z, bytes_max=stored.body_length))
    return findings_salt(salt, statement.id), facts_salt(salt, statement.id)


def timings_of(beside: Beside) -> list[Timing]:
    timings: list[Timing] = []
    last = 0
    for stage, wait, work in beside.timings:
        received = last + wait
        name = STAGES[stage] if isinstance(stage, int) else stage
        timings.append(Timing(stage=name, received_ms=received, done_ms=received + work))
        last = received
    return timings


def _endorsements(encoded: bytes | None) -> tuple[bytes, ...]:
    if encoded is None:
        return ()
    return tuple(shapes.octets(item, "endorsement") for item in shapes.array(cbor.decode(encoded), "endorsements"))


def _entry_row(height: int, number: int, one: Ordered) -> Row:
    item, entry = one.item, one.entry
    beside = Beside(
        state=item.state,
        mba=item.mba,
        signature=item.signature,
        bad_endorsement=item.bad_endorsement,
        endorsers=item.endorsers,
        no_facts=item.no_facts,
        rules_version=item.rules_version,
        reference_version=item.reference_version,
        timings=_packed(item.timings),
        unknown_endorsers=item.unknown_endorsers,
    )
    row: Row = {
        "entry": number,
        "height": height,
        "statement_key": lookup_key(one.statement.id),
        "submission_key": lookup_key(item.submission_id),
        "statement": entry.statement,
        "endorsements": cbor.encode(list(entry.endorsements)) if entry.endorsements else None,
        "verdict": one.verdict_cbor,
        "code": int(one.verdict.code),
        "body_length": entry.body_length,
        "body_digest": None if entry.body_digest == one.statement.body_digest else entry.body_digest,
        "beside": _packer.encode(beside),
    }
    return sealed(row)


def _findings_of(one: Ordered) -> Findings:
    everything, stateless = list(one.findings), list(one.item.findings)
    return Findings(all=everything, stateless=None if stateless == everything else stateless)


def _packed(timings: Sequence[Timing]) -> list[tuple[int | str, int, int]]:
    packed: list[tuple[int | str, int, int]] = []
    last = 0
    for timing in timings:
        stage = STAGES.index(timing.stage) if timing.stage in STAGES else timing.stage
        packed.append((stage, timing.received_ms - last, timing.done_ms - timing.received_ms))
        last = timing.received_ms
    return packed
