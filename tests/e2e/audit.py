"""Check a whole ledger from genesis on, with nothing but genesis, opening inventories and the ledger's blocks.

What an auditor would do with the pure libraries: no database and no service is believed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from slt.bus import Bus
from slt.bus.compression import inflate
from slt.bus.messages import Block, BlockGet, BlockReply, Item, decode, encode
from slt.bus.requests import Dialogue
from slt.bus.subjects import BLOCK_GET
from slt.client.folder import MEMBER, Folder
from slt.consensus.certificates import verify_certificate
from slt.inventory.evaluate import evaluate
from slt.inventory.genesis import genesis_head, genesis_state
from slt.inventory.state import StateHead, WholeState
from slt.inventory.vetting import Vetted, VettedBatch
from slt.merkle.hashing import leaf_hash
from slt.merkle.tree import Frontier
from slt.statements.batches import parse_batch, verify_batch
from slt.statements.cbor import decode as decode_cbor
from slt.statements.genesis import Genesis
from slt.statements.governance import GovernanceStatement, parse_ordered, verify_ordered
from slt.statements.headers import Header, genesis_log_entry, parse_header
from slt.statements.openings import Opening, parse_opening
from slt.statements.signatures import kid_of, signer_from_pem
from slt.statements.tags import list_root
from slt.statements.verdicts import Verdict, parse_verdict
from tests.support.signed import Signed

ASK_WITHIN_S = 10.0
BLOCKS_AT_ONCE = 50
FACTS_BYTES_MAX = 256 * 1024 * 1024


async def fetch_blocks(bus: Bus, folder: Folder) -> list[Block]:
    """Every block that the ledger has stored, asked for as the member's uniqueness service may."""
    asking = Signed(bus, _uniqueness(folder))
    blocks: list[Block] = []
    while True:
        asked = BlockGet(from_height=len(blocks) + 1, count=BLOCKS_AT_ONCE)
        reply = decode(BlockReply, await asking.request(BLOCK_GET, encode(asked), timeout_s=ASK_WITHIN_S))
        blocks += [decode(Block, block) for block in reply.blocks]
        if len(blocks) >= reply.highest:
            return blocks


def _uniqueness(folder: Folder) -> Dialogue:
    keys = folder.member / "services"
    return Dialogue(
        folder.genesis(),
        member=MEMBER,
        service="uniqueness",
        signer=signer_from_pem((keys / "uniqueness.pem").read_bytes()),
        certificate=(keys / "uniqueness.cert").read_bytes(),
    )


@dataclass(slots=True, kw_only=True)
class Audit:
    """What the audit found, after every check held."""

    heights: int
    log_size: int
    final: dict[bytes, tuple[Verdict, Header]] = field(default_factory=dict)  # by statement id
    statements: int = 0


def audit_folder(folder: Folder, blocks: Sequence[Block]) -> Audit:
    openings = [parse_opening(path.read_bytes()) for path in sorted(folder.openings.glob("*.cbor"))]
    return audit(folder.genesis(), openings, blocks)


def audit(genesis: Genesis, openings: Iterable[Opening], blocks: Sequence[Block]) -> Audit:
    """Replay `blocks` from height 1 and check everything that a header names. What fails is an AssertionError."""
    records = genesis_state(genesis, openings)
    head = genesis_head(genesis, records)
    frontier = Frontier.EMPTY.extended([leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))])
    found = Audit(heights=len(blocks), log_size=1)
    for height, block in enumerate(blocks, 1):
        header = parse_header(block.header)
        assert (block.height, header.height) == (height, height), "heights are contiguous"
        assert header.parent_id == head.block_id, f"block {height} stands on its parent"
        verify_certificate(header, decode_cbor(block.certificate), genesis)
        batches = _batches(genesis, block, header)
        head = _replay(records, head, header, batches, block)
        accepted = _verdicts(block, header, found)
        frontier = frontier.extended([leaf_hash(statement) for statement in accepted])
        assert (header.log_size, header.log_root) == (frontier.size, frontier.root()), f"the log after block {height}"
    found.log_size = frontier.size
    return found


def _batches(genesis: Genesis, block: Block, header: Header) -> list[VettedBatch]:
    """The batches, each signed by its author and holding the statements of its items, each signed by its own author."""
    batches = []
    for one in block.batches:
        batch = parse_batch(one.batch)
        author = genesis.member(batch.author)
        verify_batch(batch, genesis.chain_id, author.consensus_key, one.signature)
        assert [entry.statement for entry in batch.entries] == [item.statement for item in one.items]
        for item in one.items:
            statement = parse_ordered(item.statement)
            assert statement.id == item.statement_id
            assert item.change == (statement.payload if isinstance(statement, GovernanceStatement) else b"")
            assert kid_of(item.spki) == statement.kid, "that the key counts is what the replayed state says"
            verify_ordered(statement, item.spki)
        batches.append(
            VettedBatch(
                author=batch.author,
                seq=batch.seq,
                digest=batch.digest,
                previous=batch.previous,
                items=tuple(_vetted(item) for item in one.items),
            )
        )
    assert header.batches_root == list_root("batches", [encode_digest(batch.digest) for batch in batches])
    return batches


def _replay(
    records: dict[bytes, bytes], head: StateHead, header: Header, batches: Sequence[VettedBatch], block: Block
) -> StateHead:
    """Evaluate the block anew: the same verdicts, the same state root."""
    evaluation = evaluate(WholeState(records), head, height=header.height, time_ms=header.time_ms, batches=batches)
    assert [verdict.encoded for verdict in evaluation.verdicts] == block.verdicts, f"verdicts of block {header.height}"
    assert evaluation.state_root == header.state_root, f"state root of block {header.height}"
    for record_key, value in evaluation.changes.items():
        if value is None:
            records.pop(record_key, None)
        else:
            records[record_key] = value
    return evaluation.head(header.block_id)


def _verdicts(block: Block, header: Header, found: Audit) -> list[bytes]:
    """The accepted statements of the block. No statement has two final verdicts, and log indices count up."""
    assert header.verdicts_root == list_root("verdicts", block.verdicts)
    items = [item for batch in block.batches for item in batch.items]
    accepted = []
    size = found.log_size
    for item, encoded in zip(items, block.verdicts, strict=True):
        verdict = parse_verdict(encoded)
        assert verdict.statement_id == item.statement_id
        found.statements += 1
        if verdict.final:
            assert verdict.statement_id not in found.final, "a statement has one final verdict"
            found.final[verdict.statement_id] = (verdict, header)
        if verdict.log_index is not None:
            assert verdict.log_index == size, "log indices count up"
            size += 1
            accepted.append(item.statement)
    found.log_size = size
    return accepted


def _vetted(item: Item) -> Vetted:
    return Vetted(
        statement_id=item.statement_id,
        kid=item.kid,
        iss=item.iss,
        iat=item.iat,
        endorsers=tuple(item.endorsers),
        unknown_endorsers=tuple(item.unknown_endorsers),
        bad_endorsement=item.bad_endorsement,
        signature=item.signature,
        facts=inflate(item.facts_z, bytes_max=FACTS_BYTES_MAX) if item.facts_z else None,
        change=item.change,
        no_facts=item.no_facts,
        rules_version=item.rules_version,
        reference_version=item.reference_version,
        findings=tuple(item.findings),
        findings_salt=item.findings_salt,
        facts_salt=item.facts_salt,
    )


def encode_digest(digest: bytes) -> bytes:
    """CBOR of 32 bytes."""
    return b"\x58\x20" + digest
