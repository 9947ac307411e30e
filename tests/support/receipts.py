"""Receipts of a `blocks.Chain`, made by the ledger's own code without its database."""

from services.ledger.core import Examined, Head, examine
from services.ledger.keeper import signing
from services.ledger.receipts import decided_of_examined, proofs_of_examined
from services.ledger.rows import keys_of
from services.ledger.vetting import vet_some
from slt.bus.messages import Block
from slt.consensus.charter import Charter
from slt.merkle.hashing import leaf_hash
from slt.merkle.tree import Frontier
from slt.statements.headers import genesis_log_entry
from tests.support.blocks import Chain, World


def genesis_head(world: World) -> Head:
    """Where the chain of a new ledger ends."""
    genesis = world.genesis
    return Head(
        height=0,
        block_id=genesis.chain_id,
        time_ms=0,
        entries=0,
        charter=Charter.of(genesis),
        frontier=Frontier.EMPTY.extended([leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))]),
    )


def examined(world: World, chain: Chain, block: Block) -> Examined:
    """`block` of `chain`, checked after those before it."""
    head = genesis_head(world)
    for before in chain.blocks[: block.height - 1]:
        head = examine(before, head, world.genesis).head
    return examine(block, head, world.genesis)


def receipts_of(world: World, chain: Chain, block: Block) -> dict[bytes, bytes]:
    """The receipt of every statement of `block` with a final verdict, by statement id."""
    checked = examined(world, chain, block)
    kept = vet_some(checked, 0, len(checked.ordered))
    proofs = proofs_of_examined(checked, signing(world.genesis, world.checkpoint)(checked.head.frontier))
    issued = proofs.issued(decided_of_examined(checked, kept), keys_of(checked.ordered))
    return {one.statement_id: one.receipt for one in issued}
