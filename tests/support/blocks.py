"""A small valid ledger out of generated keys: genesis, statements, and a chain of blocks as consensus publishes them.

    world = make_world()
    chain = Chain(world)
    block = chain.add([accepted(world.item(41)), rejected(world.item(42), Code.V07)])

Everything is deterministic: the same arguments give the same bytes. Facts are CBOR that nobody reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.x509.oid import NameOID

from slt.bus.compression import compress, inflate
from slt.bus.messages import Block, BlockBatch, Item, Timing, WireFinding
from slt.consensus.certificates import sign_private
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteSigner
from slt.merkle.tree import Frontier
from slt.statements.batches import Batch, BatchEntry, sign_batch
from slt.statements.cbor import encode
from slt.statements.genesis import Genesis, Identity, Mba, Member, TermAuthority
from slt.statements.governance import (
    NO_BODY,
    Announcement,
    Change,
    make_approval,
    make_governance,
    parse_governance,
)
from slt.statements.headers import Header, genesis_log_entry
from slt.statements.signatures import Signer, signer_from_pem, signer_from_seed
from slt.statements.statement import (
    CODE10,
    body_digest,
    make_body,
    make_endorsement,
    make_statement,
    parse_statement,
    split_body,
    subject_of,
)
from slt.statements.submission import Submission
from slt.statements.tags import list_root
from slt.statements.terms import PrivateCertificate, TermCertificate, sign_term
from slt.statements.verdicts import Code, Verdict, facts_digest, facts_salt, findings_digest, findings_salt

ORIGIN = "ledger.example/test"
BEGIN_MS = 1_760_000_000_000
REPORTER, AUTHORITY = "XL reporter", "XL authority"
MEMBER = "Agency"
STATE, MBA, OTHER_MBA = "XL", "XLR1", "XLF1"
VALID_S = (1_600_000_000, 3_400_000_000)  # identities outlive every test


def seed(name: str) -> Digest:
    return Digest(sha256(name.encode()).digest())


def signer(name: str) -> Signer:
    """The Ed25519 key of that name."""
    return signer_from_seed(seed(name))


@dataclass(frozen=True, kw_only=True)
class World:
    """One private ledger: its genesis and every key behind it."""

    genesis: Genesis
    reporter: Signer
    authority: Signer
    consensus: Signer
    governance: Signer
    checkpoint: NoteSigner
    term_authority: tuple[Signer, ...]
    term: TermCertificate

    def item(
        self,
        number: int,
        *,
        mba: str = MBA,
        document: bytes | None = None,
        salt: bytes | None = None,
        iat: int = BEGIN_MS // 1000,
        endorsed: bool = False,
        findings: Sequence[WireFinding] = (),
        facts: bytes | None = None,
        traceparent: str = "",
        by: Signer | None = None,
    ) -> Item:
        """Report `number` of `mba` as it leaves the uniqueness service. `facts` b"" says that there are none."""
        author = by or self.reporter
        name = f"{STATE}/{mba}/{number}"
        document = document if document is not None else f"001:OI/{STATE};{number}#307:{mba}#\n".encode() * 12
        body = make_body(salt or seed(f"salt {name}")[:16], document)
        own_salt, _ = split_body(body)
        statement = make_statement(
            author,
            iss=REPORTER,
            sub=subject_of(own_salt, name),
            aud=self.genesis.audience,
            iat=iat,
            media_type=CODE10,
            digest=body_digest(body),
        )
        statement_id = parse_statement(statement).id
        endorsements = [self.endorsement(statement_id, iat=iat)] if endorsed else []
        body_z = compress(body)
        facts_cbor = encode([1, 1, STATE, mba, number, "I", document.decode("ascii")]) if facts is None else facts
        return Item(
            submission_id=Submission(statement=statement, endorsements=tuple(endorsements), body_z=body_z).id,
            statement_id=statement_id,
            statement=statement,
            endorsements=endorsements,
            body_z=body_z,
            state=STATE,
            mba=mba,
            traceparent=traceparent,
            timings=[
                Timing(stage=stage, received_ms=BEGIN_MS + 10 * place, done_ms=BEGIN_MS + 10 * place + 4)
                for place, stage in enumerate(("authentication", "validation", "uniqueness", "consensus"))
            ],
            kid=author.kid,
            iss=REPORTER,
            iat=iat,
            endorsers=[self.authority.kid] if endorsed else [],
            spki=author.spki,
            endorser_spkis=[self.authority.spki] if endorsed else [],
            body_length=len(body),
            body_digest=body_digest(body),
            facts_z=compress(facts_cbor) if facts_cbor else b"",
            no_facts=0 if facts_cbor else int(Code.V01),
            findings=list(findings),
            findings_salt=findings_salt(own_salt, statement_id),
            facts_salt=facts_salt(own_salt, statement_id),
            rules_version=1,
            reference_version=1,
        )

    def change(
        self, change: Change, *, effective_height: int = 9, approved: bool = True, iat: int = BEGIN_MS // 1000
    ) -> Item:
        """A governance statement of the member, approved by the authority, as it leaves the uniqueness service."""
        announcement = Announcement(change=change, effective_height=effective_height, nonce=seed("nonce")[:16])
        raw = make_governance(
            self.governance, iss=MEMBER, aud=self.genesis.audience, iat=iat, announcement=announcement
        )
        statement = parse_governance(raw)
        approvals = [
            make_approval(self.authority, iss=AUTHORITY, aud=self.genesis.audience, iat=iat, statement_id=statement.id)
        ][: int(approved)]
        return Item(
            submission_id=Submission(statement=raw, endorsements=tuple(approvals), body_z=b"").id,
            statement_id=statement.id,
            statement=raw,
            endorsements=approvals,
            state="",
            mba="",
            timings=[Timing(stage="authentication", received_ms=BEGIN_MS, done_ms=BEGIN_MS + 4)],
            kid=self.governance.kid,
            iss=MEMBER,
            iat=iat,
            endorsers=[self.authority.kid][: int(approved)],
            spki=self.governance.spki,
            endorser_spkis=[self.authority.spki][: int(approved)],
            body_digest=NO_BODY,
            change=announcement.encoded,
        )

    def endorsement(self, statement_id: bytes, *, iat: int = BEGIN_MS // 1000, by: Signer | None = None) -> bytes:
        return make_endorsement(
            by or self.authority, iss=AUTHORITY, aud=self.genesis.audience, iat=iat, statement_id=statement_id
        )

    def body(self, item: Item) -> bytes:
        """Salt and document, as hashed."""
        return inflate(item.body_z, bytes_max=item.body_length)


@cache
def make_world(
    name: str = "world", *, authorities: int = 1, threshold: int = 1, algorithm: str = "ed25519", origin: str = ORIGIN
) -> World:
    """A ledger of one member. `name` seeds every key; `algorithm` is that of the reporter's key."""
    reporter_key = _key(algorithm, f"{name} reporter")
    anchor_key = ed25519.Ed25519PrivateKey.from_private_bytes(seed(f"{name} anchor"))
    authority_key = ed25519.Ed25519PrivateKey.from_private_bytes(seed(f"{name} authority"))
    consensus, governance = signer(f"{name} consensus"), signer(f"{name} governance")
    checkpoint = NoteSigner.of(origin, seed(f"{name} checkpoint"))
    term_authority = tuple(signer(f"{name} term authority {number}") for number in range(authorities))
    genesis = Genesis(
        origin=origin,
        model="private",
        parameters={},
        members=(
            Member(
                id=0,
                name=MEMBER,
                consensus_key=consensus.public,
                checkpoint_vkey=checkpoint.vkey,
                governance_key=governance.public,
            ),
        ),
        term_authority=TermAuthority(threshold=threshold, keys=tuple(one.public for one in term_authority)),
        anchors={STATE: _certificate("anchor", anchor_key, anchor_key)},
        identities=tuple(
            Identity.of(
                name=who,
                certificate=_certificate(who, key, anchor_key),
                role=role,
                state=STATE,
                mbas=mbas,
                not_before=VALID_S[0],
                not_after=VALID_S[1],
            )
            for who, key, role, mbas in (
                (AUTHORITY, authority_key, "authority", ()),
                (REPORTER, reporter_key, "reporter", (OTHER_MBA, MBA)),
            )
        ),
        mbas=tuple(
            Mba(
                state=STATE,
                mba=mba,
                facility="XLR-",
                type="reactor",
                kind="item",
                flow_kmps=("1",),
                inventory_kmps=("A",),
                opened="20200101",
            )
            for mba in (OTHER_MBA, MBA)
        ),
    )
    return World(
        genesis=genesis,
        reporter=signer_from_pem(_pem(reporter_key)),
        authority=signer_from_pem(_pem(authority_key)),
        consensus=consensus,
        governance=governance,
        checkpoint=checkpoint,
        term_authority=term_authority,
        term=make_term(genesis, term_authority[:threshold], consensus),
    )


def make_term(
    genesis: Genesis,
    authorities: Sequence[Signer],
    sequencer: Signer,
    *,
    term: int = 1,
    start_height: int = 1,
    parent_id: bytes | None = None,
    not_after: int | None = None,
) -> TermCertificate:
    return sign_term(
        list(enumerate(authorities)),
        chain_id=genesis.chain_id,
        term=term,
        sequencer_key=sequencer.public,
        start_height=start_height,
        parent_id=genesis.chain_id if parent_id is None else parent_id,
        not_after=not_after,
    )


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One item and the verdict on it, before the block gives it its place in the log."""

    item: Item
    code: Code
    evidence: bytes | None = None
    findings: list[WireFinding] = field(default_factory=list)
    with_body: bool = True


def accepted(item: Item) -> Decision:
    return Decision(item=item, code=Code.ACCEPTED, findings=list(item.findings))


def rejected(item: Item, code: Code, *, evidence: bytes | None = None, with_body: bool = True) -> Decision:
    """A rejection, or a void verdict, with the finding of its rule."""
    finding: WireFinding = (code.name, "error", "OI/1", "411", "XX", "a code of 1.5", "There is no such code.")
    return Decision(item=item, code=code, evidence=evidence, findings=[*item.findings, finding], with_body=with_body)


class Chain:
    """Makes the blocks of one ledger, each valid and on top of the one before."""

    def __init__(self, world: World) -> None:
        self.world = world
        genesis = world.genesis
        self.blocks: list[Block] = []
        self.frontier = Frontier.EMPTY.extended([leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))])
        self.parent_id: bytes = genesis.chain_id
        self.height = 0
        self.time_ms = BEGIN_MS
        self.batch_seq = 0
        self.batch_digest: bytes = genesis.chain_id
        self.state_root = seed("state")

    def add(
        self, decisions: Sequence[Decision], *, batch_reports: int = 64, term: TermCertificate | None = None
    ) -> Block:
        """The next block, with `decisions` in batches of `batch_reports`."""
        genesis = self.world.genesis
        batches = [
            self._batch([one.item for one in decisions[at : at + batch_reports]])
            for at in range(0, len(decisions), batch_reports)
        ]
        verdicts = self._verdicts(decisions)
        self.height += 1
        self.time_ms += 1000
        header = Header(
            chain_id=genesis.chain_id,
            height=self.height,
            parent_id=Digest(self.parent_id),
            epoch=0,
            time_ms=self.time_ms,
            proposer=0,
            members_root=genesis.members_root,
            next_members_root=genesis.members_root,
            parameters_root=genesis.parameters_root,
            batches_root=list_root("batches", [encode(batch.digest) for batch, _ in batches]),
            verdicts_root=list_root("verdicts", [verdict.encoded for verdict in verdicts]),
            state_root=Digest(self.state_root),
            log_size=self.frontier.size,
            log_root=self.frontier.root(),
            evidence_root=list_root("evidence", []),
        )
        self.parent_id = header.block_id
        block = Block(
            height=self.height,
            header=header.encoded,
            certificate=certify(header, self.world.consensus, term or self.world.term),
            batches=[given for _, given in batches],
            verdicts=[verdict.encoded for verdict in verdicts],
            findings=[one.findings for one in decisions],
        )
        self.blocks.append(block)
        return block

    def _batch(self, items: list[Item]) -> tuple[Batch, BlockBatch]:
        self.batch_seq += 1
        batch = Batch(
            author=0,
            seq=self.batch_seq,
            previous=Digest(self.batch_digest),
            entries=tuple(
                BatchEntry(
                    statement=item.statement,
                    endorsements=tuple(item.endorsements),
                    body_length=item.body_length,
                    body_digest=Digest(item.body_digest),
                )
                for item in items
            ),
        )
        self.batch_digest = batch.digest
        signature = sign_batch(batch, self.world.genesis.chain_id, self.world.consensus)
        return batch, BlockBatch(batch=batch.encoded, signature=signature, items=items)

    def _verdicts(self, decisions: Sequence[Decision]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for one in decisions:
            item = one.item
            log_index = None
            if one.code == Code.ACCEPTED:
                log_index = self.frontier.size
                self.frontier = self.frontier.extended([leaf_hash(item.statement)])
            facts = inflate(item.facts_z, bytes_max=2**26) if item.facts_z and one.with_body else None
            verdicts.append(
                Verdict(
                    statement_id=Digest(item.statement_id),
                    code=one.code,
                    log_index=log_index,
                    evidence=None if one.evidence is None else Digest(one.evidence),
                    rules_version=1,
                    facts_digest=None if facts is None else facts_digest(item.facts_salt, facts),
                    findings_digest=findings_digest(item.findings_salt, [row[:4] for row in one.findings])
                    if one.with_body and item.findings_salt
                    else None,
                )
            )
        return verdicts


def certify(header: Header, sequencer: Signer, term: TermCertificate) -> bytes:
    """The certificate that makes a block with `header` final."""
    signature = sign_private(
        sequencer, chain_id=header.chain_id, term=term.term, height=header.height, block_id=header.block_id
    )
    return PrivateCertificate(term=term, signature=signature).encoded


def recertified(block: Block, header: Header, world: World) -> Block:
    """`block` with another header, signed: what a sequencer that lies would publish."""
    return msgspec.structs.replace(
        block, height=header.height, header=header.encoded, certificate=certify(header, world.consensus, world.term)
    )


def with_header(block: Block, world: World, **changes: object) -> Block:
    """`block` with fields of its header changed, and signed again."""
    from slt.statements.headers import parse_header

    return recertified(block, replace(parse_header(block.header), **changes), world)  # type: ignore[arg-type]  # any field of Header


def _key(algorithm: str, name: str) -> ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey:
    match algorithm:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.from_private_bytes(seed(name))
        case "es256":
            return ec.derive_private_key(int.from_bytes(seed(name), "big") >> 1, ec.SECP256R1())
        case _:
            return mldsa.MLDSA65PrivateKey.from_seed_bytes(seed(name))


def _pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    name: str,
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey,
    issuer: ed25519.Ed25519PrivateKey,
) -> bytes:
    """X.509 DER; what stands in it beside the key does not matter here."""
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anchor")]),
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key.public_key(),
        serial_number=int.from_bytes(seed(name)[:8], "big"),
        not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2080, 1, 1, tzinfo=UTC),
    )
    return builder.sign(issuer, None).public_bytes(serialization.Encoding.DER)
