"""What an outsider can check about a final block, decided without touching anything. Start reading here.

`examine` looks at the block as a whole: header, certificate, batch chain, roots, log. `vetting.vet` looks at one
statement of it: signature, endorsements, body, facts, findings. A block passes when neither has raised.

The state root is beyond an outsider: `slt fsck` replays that. Section 4.6 of the architecture.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NoReturn

from slt.bus.messages import Block, Item, WireFinding
from slt.consensus.certificates import CertificateError, verify_certificate
from slt.consensus.charter import Charter
from slt.consensus.terms import Terms
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.tree import Frontier
from slt.statements import cbor, governance
from slt.statements.batches import Batch, BatchEntry, batch_digest, batch_sign_bytes, parse_batch
from slt.statements.genesis import Genesis
from slt.statements.governance import Announcement
from slt.statements.headers import Header, parse_header
from slt.statements.signatures import BadSignature, verify_ed25519
from slt.statements.tags import list_root
from slt.statements.terms import BadTerm, PrivateCertificate
from slt.statements.verdicts import (
    Code,
    Verdict,
    parse_verdict,
)


class BadBlock(Exception):
    """A block that does not verify. `fault` is one word or two for the metric, the message is for the operator.

    Nothing of the block is stored. Either the copy was damaged on its way, then a good one will come, or consensus is
    wrong, then a person must look.
    """

    def __init__(self, height: int, fault: str, message: str) -> None:
        super().__init__(f"block {height}: {message}")
        self.height = height
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The last batch of one author."""

    seq: int  # 0 = none yet
    digest: bytes  # chain_id for seq 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the stored chain ends: all that the next block is checked against."""

    height: int
    block_id: bytes
    time_ms: int
    entries: int  # statements ordered so far
    frontier: Frontier  # of the log
    charter: Charter  # parameters and versions, as the log says
    chains: Mapping[int, ChainHead] = field(default_factory=dict)  # by author
    terms: Terms = field(default_factory=Terms)  # that blocks were certified under: a deposed sequencer is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One statement of a block, as the block orders it."""

    statement: governance.Ordered
    entry: BatchEntry
    verdict: Verdict
    verdict_cbor: bytes
    item: Item
    findings: Sequence[WireFinding]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedBatch:
    batch: Batch
    digest: Digest
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A block whose header, certificate, batches, roots and log verify. Its statements are still to be vetted."""

    header: Header
    certificate: bytes
    batches: tuple[ExaminedBatch, ...]
    ordered: tuple[Ordered, ...]
    before: Frontier
    leaves: tuple[Digest, ...]  # what this block appends to the log
    head: Head  # where the chain ends with this block


def examine(block: Block, head: Head, genesis: Genesis) -> Examined:
    """Check `block` as the one after `head`, but for what `vet` checks. Raises BadBlock at the first fault."""
    header = _header(block, head, genesis)
    charter = head.charter.at(header.height)
    if header.parameters_root != charter.parameters_root:
        bad(header, "parameters", "its parameters are not those that genesis and the changes in the log give")
    terms = _certificate(block, header, head, genesis)
    batches, chains = _batches(block, head, header, genesis)
    ordered = _ordered(block, header, [given.batch for given in batches], genesis)
    leaves = _leaves(header, head, ordered)
    after = head.frontier.extended(leaves)
    if header.log_size != after.size:
        bad(header, "log size", f"its header says {header.log_size} log entries, its verdicts make {after.size}")
    if header.log_root != after.root():
        bad(header, "log root", "its header's log root is not that of the log extended by what it accepts")
    return Examined(
        header=header,
        certificate=block.certificate,
        batches=batches,
        ordered=ordered,
        before=head.frontier,
        leaves=leaves,
        head=Head(
            height=header.height,
            block_id=header.block_id,
            time_ms=header.time_ms,
            entries=head.entries + len(ordered),
            frontier=after,
            charter=charter.announced(_accepted_changes(ordered)),
            chains=chains,
            terms=terms,
        ),
    )


def _accepted_changes(ordered: Sequence[Ordered]) -> Iterator[Announcement]:
    for one in ordered:
        if one.verdict.code == Code.ACCEPTED and isinstance(one.statement, governance.GovernanceStatement):
            yield one.statement.announcement


def one_final_verdict_each(examined: Examined, spent: Collection[bytes]) -> None:
    """A statement's first final verdict is its only one: in this block, and beside the blocks before it.

    `spent` holds those of the block's statement ids that an earlier block gave a final verdict. Raises BadBlock.
    """
    seen = set(spent)
    for one in examined.ordered:
        if one.verdict.final:
            if one.statement.id in seen:
                bad(examined.header, "second verdict", f"it gives statement {one.statement.id.hex()} a second verdict")
            seen.add(one.statement.id)


# The block as a whole


def _header(block: Block, head: Head, genesis: Genesis) -> Header:
    try:
        header = parse_header(block.header)
    except cbor.DecodeError as error:
        raise BadBlock(block.height, "header", f"its header cannot be read: {error}") from error
    if header.height != block.height:
        bad(header, "header", f"it came as block {block.height} and its header says {header.height}")
    if header.chain_id != genesis.chain_id:
        bad(header, "ledger", f"it belongs to ledger {header.chain_id.hex()}, this one is {genesis.chain_id.hex()}")
    if header.height != head.height + 1:
        bad(header, "height", f"the chain ends at height {head.height}")
    if header.parent_id != head.block_id:
        bad(header, "parent", f"its parent is {header.parent_id.hex()}, the chain ends with {head.block_id.hex()}")
    if header.time_ms <= head.time_ms:
        bad(header, "time", f"its time {header.time_ms} is not after its parent's {head.time_ms}")
    if header.members_root != genesis.members_root or header.next_members_root != genesis.members_root:
        bad(header, "members", "its member set is not that of genesis, and in a private ledger the set never changes")
    if header.evidence_root != list_root("evidence", []):
        bad(header, "evidence", "it commits to evidence, and a block of a private ledger carries none")
    return header


def _certificate(block: Block, header: Header, head: Head, genesis: Genesis) -> Terms:
    """The terms known after this block, which its certificate does not contradict (consensus.md 6.2, reader rule)."""
    try:
        certificate = cbor.decode(block.certificate)
        verify_certificate(header, certificate, genesis)
        term = PrivateCertificate.from_value(certificate).term
        terms = head.terms.with_term(term, genesis)
        ruling = terms.at(header.height)
    except (cbor.DecodeError, CertificateError, BadTerm) as error:
        raise BadBlock(header.height, "certificate", f"its certificate does not hold: {error}") from error
    if ruling.term != term.term:
        bad(
            header,
            "certificate",
            f"it is certified under term {term.term}, and its height belongs to term {ruling.term}",
        )
    return terms


def _batches(
    block: Block, head: Head, header: Header, genesis: Genesis
) -> tuple[tuple[ExaminedBatch, ...], Mapping[int, ChainHead]]:
    chains = dict(head.chains)
    members = {member.id: member for member in genesis.members}
    batches: list[ExaminedBatch] = []
    for position, given in enumerate(block.batches):
        try:
            batch = parse_batch(given.batch)
        except cbor.DecodeError as error:
            raise BadBlock(header.height, "batch", f"batch {position} cannot be read: {error}") from error
        if batch.author not in members:
            bad(header, "batch author", f"batch {position} is by member {batch.author}, who is not in the member list")
        digest = batch_digest(given.batch)
        last = chains.get(batch.author, ChainHead(seq=0, digest=genesis.chain_id))
        if batch.seq != last.seq + 1 or batch.previous != last.digest:
            bad(
                header,
                "batch chain",
                f"batch {position} is number {batch.seq} of member {batch.author} after {batch.previous.hex()}, "
                f"where {last.seq + 1} after {last.digest.hex()} comes next",
            )
        try:
            signed = batch_sign_bytes(genesis.chain_id, digest)
            verify_ed25519(members[batch.author].consensus_key, signed, given.signature)
        except BadSignature as error:
            raise BadBlock(
                header.height, "batch signature", f"the signature of batch {position} does not hold: {error}"
            ) from error
        if len(given.items) != len(batch.entries):
            bad(header, "items", f"batch {position} has {len(batch.entries)} entries and {len(given.items)} items")
        chains[batch.author] = ChainHead(seq=batch.seq, digest=digest)
        batches.append(ExaminedBatch(batch=batch, digest=digest, signature=given.signature))
    if header.batches_root != list_root("batches", [cbor.encode(batch.digest) for batch in batches]):
        bad(header, "batches root", "the header's batches root is not that of the batches that came with it")
    return tuple(batches), chains


def _ordered(block: Block, header: Header, batches: Sequence[Batch], genesis: Genesis) -> tuple[Ordered, ...]:
    entries = [entry for batch in batches for entry in batch.entries]
    items = list(chain.from_iterable(given.items for given in block.batches))
    if not len(entries) == len(block.verdicts) == len(block.findings):
        bad(
            header,
            "verdicts",
            f"{len(entries)} statements, {len(block.verdicts)} verdicts and {len(block.findings)} lists of findings",
        )
    if header.verdicts_root != list_root("verdicts", block.verdicts):
        bad(header, "verdicts root", "the header's verdicts root is not that of the verdicts that came with it")
    together = zip(entries, items, block.verdicts, block.findings, strict=True)
    return tuple(
        _one(header, position, entry, item, verdict, findings, genesis)
        for position, (entry, item, verdict, findings) in enumerate(together)
    )


def _one(
    header: Header,
    position: int,
    entry: BatchEntry,
    item: Item,
    verdict_cbor: bytes,
    findings: Sequence[WireFinding],
    genesis: Genesis,
) -> Ordered:
    if item.statement != entry.statement or tuple(item.endorsements) != tuple(entry.endorsements):
        bad(header, "item", f"the item beside statement {position} is that of another statement")
    try:
        statement = governance.parse_ordered(entry.statement)
        verdict = parse_verdict(verdict_cbor)
    except cbor.DecodeError as error:
        raise BadBlock(
            header.height, "statement", f"statement {position} or its verdict cannot be read: {error}"
        ) from error
    if verdict.statement_id != statement.id:
        bad(header, "verdict", f"verdict {position} is about {verdict.statement_id.hex()}, not {statement.id.hex()}")
    if statement.aud != genesis.audience and verdict.final:
        bad(header, "audience", f"statement {statement.id.hex()} was made for {statement.aud}, not {genesis.audience}")
    announced = statement.payload if isinstance(statement, governance.GovernanceStatement) else b""
    if item.change != announced:
        bad(header, "item", f"the change beside statement {statement.id.hex()} is not the one that it announces")
    return Ordered(
        statement=statement, entry=entry, verdict=verdict, verdict_cbor=verdict_cbor, item=item, findings=findings
    )


def _leaves(header: Header, head: Head, ordered: Sequence[Ordered]) -> tuple[Digest, ...]:
    """The leaves that the accepted statements append, whose verdicts must name their places in the log."""
    leaves: list[Digest] = []
    for one in ordered:
        if one.verdict.code == Code.ACCEPTED:
            place = head.frontier.size + len(leaves)
            if one.verdict.log_index != place:
                name, given = one.statement.id.hex(), one.verdict.log_index
                bad(header, "log index", f"the verdict on {name} names log index {given}, where {place} comes next")
            leaves.append(leaf_hash(one.statement.raw))
    return tuple(leaves)


def bad(header: Header, fault: str, message: str) -> NoReturn:
    """Raise BadBlock about the block with `header`."""
    raise BadBlock(header.height, fault, message)
