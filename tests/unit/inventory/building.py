"""A small ledger in memory for the tests of slt.inventory: one member, State XL with the areas XLR1 and XLF1."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import cbor2

from slt.inventory.evaluate import Evaluation, evaluate, keys_read
from slt.inventory.keys import Kind, key
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.members import first_members
from slt.inventory.registry import LedgerRecord, area_records
from slt.inventory.state import Records, StateHead, View, WholeState
from slt.inventory.vetting import Vetted, VettedBatch, WireFinding
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteSigner
from slt.reports.facts import EntryFacts, Facts
from slt.statements.genesis import Identity, Mba, Member, all_parameters
from slt.statements.signatures import Signer, signer_from_seed
from slt.statements.verdicts import Code

DAY_S = 86_400
NOW_S = 1_763_000_000  # 13 November 2025
WINDOW_S = 30 * DAY_S
SKEW_S = 300
CHAIN_ID = sha256(b"chain").digest()


def identity(
    name: str = "reactor",
    *,
    role: str = "reporter",
    state: str = "XL",
    mbas: tuple[str, ...] = ("XLR1",),
    not_before: int = NOW_S - 365 * DAY_S,
    not_after: int = NOW_S + 365 * DAY_S,
) -> Identity:
    spki = f"key of {name}".encode()
    return Identity(
        name=name,
        certificate=b"certificate",
        kid=sha256(spki).digest(),
        spki=spki,
        role=role,
        state=state,
        mbas=mbas,
        not_before=not_before,
        not_after=not_after,
    )


def area(
    mba: str,
    *,
    state: str = "XL",
    endorsement: str = "none",
    last_report_number: int = 40,
    kind: str = "bulk",
    type: str = "fabrication",  # noqa: A002  # the word of the reference data
    profile: str = "iaea",
    last_pit: str = "",
) -> Mba:
    """A bulk area, in which batches are not followed strictly, unless `kind` says otherwise."""
    return Mba(
        state=state,
        mba=mba,
        facility="XLR-",
        type=type,
        kind=kind,
        flow_kmps=("1",),
        inventory_kmps=("A",),
        opened="20000101",
        profile=profile,
        endorsement=endorsement,
        last_report_number=last_report_number,
        last_pit=last_pit,
    )


def governor(number: int = 0) -> Signer:
    """The governance key of a member."""
    return signer_from_seed(bytes([100 + number]) * 32)


def member(number: int = 0, *, weight: int = 1) -> Member:
    return Member(
        id=number,
        name=f"member {number}",
        consensus_key=signer_from_seed(bytes([150 + number]) * 32).public,
        weight=weight,
        checkpoint_vkey=NoteSigner.of("ledger.example/xl", bytes([200 + number]) * 32).vkey,
        governance_key=governor(number).public,
    )


def entry(
    number: int = 1,
    *,
    status: str = "N",
    target: tuple[int, int] | None = None,
    code: str = "RD",
    weights: Mapping[int, int] | None = None,
    batch: str = "B1",
) -> EntryFacts:
    return EntryFacts(
        number=number,
        status=status,
        target=target,
        code=code,
        date="20251006",
        kmp="1",
        material="B/Q/2/F",
        batch=batch,
        shipper_batch="",
        shipper="",
        receiver="",
        measurement="N",
        items=1,
        weights=tuple(sorted((weights if weights is not None else {630: 1000, 670: 40}).items())),
    )


def report(
    number: int = 41,
    *entries: EntryFacts,
    mba: str = "XLR1",
    country: str = "XL",
    kind: str = "I",
    document: bytes | None = None,
) -> Facts:
    """A report of these entries, numbered in their order; without any, of one receipt."""
    text = document if document is not None else f"{country} {mba} {number} {entries}".encode()
    numbered = [replace(e, number=place) for place, e in enumerate(entries, start=1)]
    return Facts(
        rules_version=1,
        reference_version=1,
        country=country,
        mba=mba,
        number=number,
        kind=kind,
        period_from="20251001",
        period_to="20251031",
        date="20251107",
        document_digest=Digest(sha256(b"document" + text).digest()),
        content_digest=Digest(sha256(b"content" + text).digest()),
        entries=tuple(numbered) or (entry(),),
        notes_digest=Digest(sha256(b"notes").digest()),
    )


_made = iter(range(10**9))


def statement(
    facts: Facts | None = None,
    *,
    by: Identity | None = None,
    name: str | None = None,
    iat: int = NOW_S,
    signature: str = "good",
    endorsers: Iterable[Identity] = (),
    bad_endorsement: bool = False,
    no_facts: int = 0,
    findings: tuple[WireFinding, ...] = (),
    iss: str | None = None,
    body: bool = True,
) -> Vetted:
    """A statement over `facts` (report 41 of XLR1) by `by` (the reactor). `name` makes its id; fresh when None."""
    who = by or identity()
    facts = None if no_facts else facts or report()
    salt = b"s" * 32 if body else b""
    return Vetted(
        statement_id=sha256((name or f"statement {next(_made)}").encode()).digest(),
        kid=who.kid,
        iss=who.name if iss is None else iss,
        iat=iat,
        endorsers=tuple(e.kid for e in endorsers),
        bad_endorsement=bad_endorsement,
        signature=signature,  # type: ignore[arg-type]  # a word of the three
        facts=None if facts is None else facts.encoded,
        no_facts=no_facts,
        rules_version=1,
        reference_version=1,
        findings=findings,
        findings_salt=salt,
        facts_salt=salt,
    )


@dataclass
class Ledger:
    """A ledger of one member that evaluates, applies, and checks after every block that the lanes are the state's."""

    identities: tuple[Identity, ...] = field(default_factory=lambda: (identity(), identity("plant", mbas=("XLF1",))))
    mbas: tuple[Mba, ...] = field(default_factory=lambda: (area("XLR1"), area("XLF1", last_report_number=100)))
    members: tuple[Member, ...] = field(default_factory=lambda: (member(),))
    model: str = "private"

    def __post_init__(self) -> None:
        values: dict[bytes, object] = {
            **{key(Kind.CHAIN, member.id): [0, CHAIN_ID] for member in self.members},
            key(Kind.LEDGER): LedgerRecord(chain_id=CHAIN_ID, model=self.model).to_value(),
            key(Kind.MEMBERS): first_members(self.members).to_value(),
        }
        values |= {key(Kind.MEMBER, member.id): member.to_value() for member in self.members}
        parameters = all_parameters({"skew_s": SKEW_S, "submission_window_s": WINDOW_S, "activation_blocks": 3})
        for name, number in {**parameters, "rules_version": 1, "reference_version": 1}.items():
            values[key(Kind.PARAMETER, name)] = [number]
        values |= {key(Kind.IDENTITY, i.kid): i.to_value() for i in self.identities}
        for mba in self.mbas:
            values |= area_records(mba)
        self.records = {k: cbor2.dumps(v) for k, v in values.items()}
        self.head = StateHead(
            height=0,
            block_id=CHAIN_ID,
            lanes=updated(EMPTY_LANES, added=self.records.items()),
            log_size=1,
            time_ms=0,
        )
        self.previous = (0, CHAIN_ID)

    def batch(self, *items: Vetted) -> VettedBatch:
        """The next batch of member 0."""
        seq, previous = self.previous
        digest = sha256(previous + b"".join(item.statement_id for item in items)).digest()
        self.previous = (seq + 1, digest)
        return VettedBatch(author=0, seq=seq + 1, digest=digest, previous=previous, items=items)

    def view(self, batches: Iterable[VettedBatch]) -> View:
        """Only what `keys_read` names, so that a key that it forgets fails a test."""
        keys = keys_read(tuple(batches), height=self.head.height + 1)
        return Records({k: self.records.get(k) for k in keys}, spent={}, spent_limit_s=NOW_S)

    def evaluate(self, *batches: VettedBatch, time_ms: int | None = None) -> Evaluation:
        time_ms = time_ms or max(NOW_S * 1000 + 1000, self.head.time_ms + 1000)
        return evaluate(
            WholeState(self.records), self.head, height=self.head.height + 1, time_ms=time_ms, batches=batches
        )

    def commit(self, evaluation: Evaluation) -> None:
        for record_key, value in evaluation.changes.items():
            if value is None:
                del self.records[record_key]
            else:
                self.records[record_key] = value
        assert updated(EMPTY_LANES, added=self.records.items()) == evaluation.lanes
        self.head = evaluation.head(sha256(b"block" + self.head.block_id).digest())

    def block(self, *items: Vetted, time_ms: int | None = None) -> Evaluation:
        """Evaluate one batch of these statements and make it final."""
        evaluation = self.evaluate(self.batch(*items), time_ms=time_ms)
        self.commit(evaluation)
        return evaluation

    def block_of(self, *batches: VettedBatch) -> Evaluation:
        """A block of these batches, or of none."""
        evaluation = self.evaluate(*batches)
        self.commit(evaluation)
        return evaluation

    def accept(self, *facts: Facts, by: Identity | None = None) -> list[Vetted]:
        """Make these reports final, in one block, and return their statements."""
        items = [statement(f, by=by or identity()) for f in facts]
        assert codes(self.block(*items)) == [Code.ACCEPTED] * len(items)
        return items

    def book(self, category: int, mba: str = "XLR1") -> dict[int, int]:
        value = self.records.get(key(Kind.BOOK, "XL", mba, category))
        return {} if value is None else dict(cbor2.loads(value))


def codes(evaluation: Evaluation) -> list[int]:
    return [verdict.code for verdict in evaluation.verdicts]


def rules(evaluation: Evaluation, place: int = 0) -> list[str]:
    """The rules that the findings of one statement name."""
    return [finding[0] for finding in evaluation.findings[place]]
