"""A small private ledger for these tests: one member, one sequencer, keys from fixed seeds, items without meaning."""

from hashlib import sha256
from typing import Any

from slt.bus.messages import Item
from slt.consensus.authority import Authority, genesis_head
from slt.consensus.effects import Effects
from slt.consensus.events import Admission, Evaluated, Signed, Started, Stored
from slt.consensus.limits import Limits
from slt.consensus.records import Recovered
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteSigner
from slt.statements.batches import BatchEntry, batch_sign_bytes
from slt.statements.genesis import Genesis, Member, TermAuthority
from slt.statements.signatures import Signer, signer_from_seed
from slt.statements.terms import TermCertificate, sign_term
from slt.statements.verdicts import Code, Verdict

ORIGIN = "ledger.test/one"
NOW_MS = 1_760_000_000_000


def signer(name: str) -> Signer:
    return signer_from_seed(sha256(name.encode()).digest())


SEQUENCER = signer("consensus 0")
AUTHORITIES = tuple(signer(f"authority {index}") for index in range(3))


def make_genesis(*, threshold: int = 2, model: str = "private", **parameters: int) -> Genesis:
    return Genesis(
        origin=ORIGIN,
        model=model,
        parameters=parameters,
        members=(
            Member(
                id=0,
                name="the authority",
                consensus_key=SEQUENCER.public,
                checkpoint_vkey=NoteSigner.of(ORIGIN, sha256(b"checkpoint 0").digest()).vkey,
                governance_key=signer("governance 0").public,
            ),
        ),
        term_authority=(
            TermAuthority(threshold=threshold, keys=tuple(key.public for key in AUTHORITIES))
            if model == "private"
            else TermAuthority(threshold=0, keys=())
        ),
        anchors={},
        identities=(),
        mbas=(),
    )


GENESIS = make_genesis()


def make_term(genesis: Genesis = GENESIS, *, by: tuple[int, ...] = (0, 2), **changes: Any) -> TermCertificate:
    fields: dict[str, Any] = {
        "chain_id": genesis.chain_id,
        "term": 1,
        "sequencer_key": SEQUENCER.public,
        "start_height": 1,
        "parent_id": genesis.chain_id,
        "not_after": None,
    }
    return sign_term([(index, AUTHORITIES[index]) for index in by], **(fields | changes))


TERM = make_term()
LIMITS = Limits(block_bytes_max=10_000, block_entries_max=100, linger_ms=0)


def make_item(name: str, *, endorsements: tuple[bytes, ...] = (), body: int = 40, **fields: Any) -> Item:
    """An item that nobody could verify: consensus does not look into statements."""
    statement = b"statement " + name.encode()
    return Item(
        submission_id=sha256(b"submission " + name.encode()).digest(),
        statement_id=sha256(statement).digest(),
        statement=statement,
        endorsements=list(endorsements),
        body_z=b"z" * body,
        state="XL",
        mba="XLR1",
        body_length=100,
        body_digest=sha256(b"body " + name.encode()).digest(),
        **fields,
    )


def make_admission(*names: str, size_bytes: int = 1000, report_entries: int = 4) -> Admission:
    items = [make_item(name) for name in names]
    return Admission(
        statement_ids=tuple(item.statement_id for item in items),
        entries=tuple(
            BatchEntry(
                statement=item.statement,
                endorsements=(),
                body_length=item.body_length,
                body_digest=Digest(item.body_digest),
            )
            for item in items
        ),
        size_bytes=size_bytes,
        report_entries=report_entries,
    )


def fresh(genesis: Genesis = GENESIS) -> Recovered:
    return Recovered(head=genesis_head(genesis), stored=0, pending=(), proposed=None)


def make_driver(
    *,
    genesis: Genesis = GENESIS,
    term: TermCertificate | None = None,
    limits: Limits = LIMITS,
    recovered: Recovered | None = None,
    speaks: bool = True,
) -> Authority:
    """A driver that has started; with `speaks` the ledger has said that it has nothing yet."""
    driver = Authority(
        genesis=genesis,
        proposer=0,
        term=term or make_term(genesis),
        limits=limits,
        recovered=recovered or fresh(genesis),
    )
    driver.step(Started(now_ms=NOW_MS, last_claim=None, watermark=None))
    if speaks:
        driver.step(Stored(now_ms=NOW_MS, height=0))
    return driver


def verdicts_for(effects: Effects, *, log_size: int, void: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
    """Accept every statement that the first question of `effects` names, except those in `void`."""
    verdicts = []
    for statement_id in (one for formed in effects.send[0].batches for one in formed.statement_ids):
        accepted = statement_id not in void
        verdicts.append(
            Verdict(
                statement_id=Digest(statement_id),
                code=Code.ACCEPTED if accepted else Code.DUPLICATE,
                log_index=log_size if accepted else None,
                rules_version=1,
            ).encoded
        )
        log_size += accepted
    return tuple(verdicts)


def evaluated(driver: Authority, effects: Effects, **changes: Any) -> Evaluated:
    """The right answer to the first question of `effects`."""
    ask = effects.send[0]
    fields: dict[str, Any] = {
        "now_ms": ask.time_ms + 5,
        "height": ask.height,
        "time_ms": ask.time_ms,
        "seqs": ask.seqs,
        "verdicts": verdicts_for(effects, log_size=driver.head.log.size),
        "state_root": sha256(b"state" + ask.height.to_bytes(8, "big")).digest(),
        "parameters_root": driver.genesis.parameters_root,
        "beside": b"",
    }
    return Evaluated(**(fields | changes))


def signed(effects: Effects, *, genesis: Genesis = GENESIS, now_ms: int = NOW_MS + 10) -> Signed:
    """What the signer answers to `effects`."""
    from slt.consensus.certificates import sign_private

    request = effects.sign
    assert request is not None
    return Signed(
        now_ms=now_ms,
        height=request.height,
        block_id=request.block_id,
        signature=sign_private(
            SEQUENCER,
            chain_id=genesis.chain_id,
            term=request.term,
            height=request.height,
            block_id=request.block_id,
        ),
        batch_signatures=tuple(
            SEQUENCER.sign(batch_sign_bytes(genesis.chain_id, digest)) for digest in request.batch_digests
        ),
    )
