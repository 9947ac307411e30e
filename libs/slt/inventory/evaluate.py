"""Evaluation: what ordered statements do to the state (architecture section 6). Start reading here.

A pure function of the parent state, the height, the time and what vetting found. It looks at nothing else: no pool, no
clock, no document, no configuration; so every member that evaluates the same block gets the same state root.

    keys_read       what to load before; evaluate raises NeedRecords for the rest
    evaluate        verdicts, changes, and the new state root

A fault of a statement is a verdict. A fault of a batch or of the header makes the proposal invalid and raises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from slt.inventory import lthash
from slt.inventory.effects import apply
from slt.inventory.governance import announce, take_effect
from slt.inventory.judgement import Ruling, Terms, judge, read_terms
from slt.inventory.keys import Kind, key
from slt.inventory.members import find_members, find_members_root
from slt.inventory.reading import aliases_read, keys_of_statement, keys_of_terms
from slt.inventory.state import Changes, Draft, NeedRecords, StateHead, View
from slt.inventory.vetting import BadVetting, Vetted, VettedBatch, WireFinding
from slt.merkle.hashing import Digest
from slt.reports.rules import RULES_VERSIONS
from slt.statements.verdicts import Code, Verdict, facts_digest, findings_digest

# What the author of a batch could have seen before passing it on (architecture section 4, "Answers").
CHARGED: Final = frozenset(
    {
        Code.BAD_SIGNATURE,
        Code.ENDORSEMENT_MISSING,
        Code.ENDORSEMENT_BAD,
        Code.BODY_MISSING,
        Code.BODY_WRONG,
        Code.APPROVAL_MISSING,
        Code.APPROVAL_BAD,
    }
)


class ProposalFault(Exception):
    """The proposal is invalid: its proposer made a mistake or cheats. Nothing was evaluated."""


class BatchFault(ProposalFault):
    """One batch is not the next of its author's chain, or its author is no member."""

    def __init__(self, batch: VettedBatch, text: str) -> None:
        super().__init__(f"batch {batch.seq} of member {batch.author}: {text}")
        self.author = batch.author
        self.seq = batch.seq


class NeedVetting(Exception):
    """Have statements vetted again, and propose them as they are then. Nobody's fault.

    Vetting did not know `kids`, and the state has them; `stale` are the ids of reports that were not vetted under
    `rules_version` and `reference_version`, which hold for this block.
    """

    def __init__(
        self, kids: Iterable[bytes], stale: Iterable[bytes], *, rules_version: int, reference_version: int
    ) -> None:
        self.kids = frozenset(kids)
        self.stale = frozenset(stale)
        self.rules_version = rules_version
        self.reference_version = reference_version
        super().__init__(
            f"{len(self.kids)} keys are registered that vetting did not know, and {len(self.stale)} statements were "
            f"not vetted under rule set {rules_version} and reference data {reference_version}"
        )


class UnknownRules(Exception):
    """A rule set is in force that this program does not have. It judges nothing until it is replaced."""

    def __init__(self, version: int) -> None:
        known = ", ".join(map(str, sorted(RULES_VERSIONS)))
        super().__init__(
            f"rule set {version} is in force and this program has {known}: install the release that has it, on "
            "every service of this member"
        )
        self.version = version


class Charge(NamedTuple):
    """A void verdict that the author of the batch could have foreseen."""

    author: int
    seq: int
    statement_id: bytes
    code: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a block does. Verdicts and findings are in the order of the statements."""

    height: int
    time_ms: int
    verdicts: tuple[Verdict, ...]
    encoded_verdicts: tuple[bytes, ...]
    findings: tuple[tuple[WireFinding, ...], ...]  # of each statement: those of vetting, then those of evaluation
    changes: Changes
    lanes: bytes
    state_root: Digest
    log_size: int  # after the block
    parameters_root: Digest  # after the block, as is next_members_root
    members_root: Digest  # of those who make the block
    next_members_root: Digest
    charges: tuple[Charge, ...]

    def head(self, block_id: bytes) -> StateHead:
        """Where the state stands after this block, once the header has given it its id."""
        return StateHead(
            height=self.height, block_id=block_id, lanes=self.lanes, log_size=self.log_size, time_ms=self.time_ms
        )


def keys_read(batches: Sequence[VettedBatch], *, height: int) -> set[bytes]:
    """The records that evaluating `batches` as the block of `height` reads, as far as they tell.

    Raises BadFacts and BadVetting.
    """
    keys = {key(Kind.DUE, height), key(Kind.MEMBERS), *keys_of_terms()}
    keys.update(key(Kind.CHAIN, batch.author) for batch in batches)
    for batch in batches:
        for vetted in batch.items:
            keys |= keys_of_statement(vetted)
    return keys


def evaluate(view: View, head: StateHead, *, height: int, time_ms: int, batches: Sequence[VettedBatch]) -> Evaluation:
    """Evaluate `batches` in order on top of the state `view`, which stands at `head`.

    What was announced for this height takes effect first; everything is judged under the terms that hold then. Raises
    NeedRecords (load and repeat), NeedVetting, UnknownRules, ProposalFault, and BadFacts or BadVetting for what vetting
    cannot have made.
    """
    if height != head.height + 1 or time_ms <= head.time_ms:
        raise ProposalFault(f"height {height} at {time_ms} ms cannot follow height {head.height} at {head.time_ms} ms")
    draft = Draft(view)
    if missing := aliases_read(view, batches):
        raise NeedRecords(missing)
    members_root = find_members_root(draft)
    forgotten_iat = read_terms(draft).expiry_limit_s(head.time_ms)
    take_effect(draft, height=height, time_ms=time_ms, forgotten_iat=forgotten_iat)
    terms = read_terms(draft)
    if terms.versions[0] not in RULES_VERSIONS:
        raise UnknownRules(terms.versions[0])
    _bounded(terms, batches)
    expired = view.spent_before(terms.expiry_limit_s(time_ms))
    _claim_batches(draft, batches)
    _want_vetting(draft, terms, batches)

    verdicts: list[Verdict] = []
    findings: list[tuple[WireFinding, ...]] = []
    charges: list[Charge] = []
    log_size = head.log_size
    for batch in batches:
        for vetted in batch.items:
            ruling = judge(draft, terms, vetted, height=height, time_ms=time_ms)
            accepted = ruling.code is Code.ACCEPTED
            if accepted and vetted.change:
                announce(draft, vetted)
            elif accepted:
                assert ruling.case is not None, "only the rules accept a report"
                apply(ruling.case)
            if ruling.final:
                spent = [vetted.iat, int(ruling.code), log_size if accepted else None]
                draft.put(key(Kind.SPENT, vetted.statement_id), spent)
            if ruling.code in CHARGED:
                charges.append(Charge(batch.author, batch.seq, vetted.statement_id, ruling.code))
            told = _told(vetted, ruling)
            verdicts.append(_verdict(terms, vetted, ruling, told, log_size if accepted else None))
            findings.append(told)
            log_size += accepted
    for record_key in expired:  # Statements that cannot be ordered any more.
        draft.put(record_key, None)

    changes = draft.changes()
    lanes = lthash.updated(
        head.lanes,
        removed=[(k, old) for k in changes if (old := draft.before(k)) is not None],
        added=[(k, new) for k, new in changes.items() if new is not None],
    )
    return Evaluation(
        height=height,
        time_ms=time_ms,
        verdicts=tuple(verdicts),
        encoded_verdicts=tuple([verdict.encoded for verdict in verdicts]),
        findings=tuple(findings),
        changes=changes,
        lanes=lanes,
        state_root=lthash.state_root(lanes),
        log_size=log_size,
        parameters_root=terms.parameters_root,
        members_root=members_root,
        next_members_root=find_members_root(draft),
        charges=tuple(charges),
    )


def _claim_batches(draft: Draft, batches: Sequence[VettedBatch]) -> None:
    """Check that each batch is the next of its author's chain, and move the chain heads. Raises BatchFault."""
    for batch in batches:
        record_key = key(Kind.CHAIN, batch.author)
        chain = draft.get(record_key)
        if chain is None:
            raise BatchFault(batch, "its author is no member")
        seq, digest = chain
        if batch.seq != seq + 1:
            raise BatchFault(batch, f"the last ordered batch is {seq}")
        if batch.previous != digest:
            raise BatchFault(batch, f"it follows {batch.previous.hex()}, and batch {seq} is {digest.hex()}")
        draft.put(record_key, [batch.seq, batch.digest])


def _bounded(terms: Terms, batches: Sequence[VettedBatch]) -> None:
    """A block touches at most block_entries_max entries, or is one batch. Raises ProposalFault."""
    if len(batches) < 2:
        return  # what is too large for any block travels alone
    entries = sum(1 if (facts := v.read_facts()) is None else len(facts.entries) for b in batches for v in b.items)
    entries_max = terms.values["block_entries_max"]
    if entries > entries_max:
        raise ProposalFault(f"{len(batches)} batches touch {entries} entries; block_entries_max is {entries_max}")


def _want_vetting(draft: Draft, terms: Terms, batches: Sequence[VettedBatch]) -> None:
    """Raise NeedVetting for every key that vetting did not find and the state has, and for what was vetted otherwise.

    Raises BadVetting for facts of other versions than vetting says.
    """
    items = [vetted for batch in batches for vetted in batch.items]
    strangers: set[bytes] = set()
    for vetted in items:
        strangers.update(vetted.unknown_endorsers)
        if vetted.signature == "no key":
            strangers.add(vetted.kid)
    known = [kid for kid in strangers if draft.get(key(Kind.IDENTITY, kid)) is not None]
    if strangers and any(vetted.change for vetted in items):
        members = find_members(draft)
        known += [kid for kid in strangers if members.by_kid(kid) is not None]
    stale = [vetted.statement_id for vetted in items if not _vetted_under(vetted, terms.versions)]
    if known or stale:
        rules_version, reference_version = terms.versions
        raise NeedVetting(known, stale, rules_version=rules_version, reference_version=reference_version)


def _vetted_under(vetted: Vetted, versions: tuple[int, int]) -> bool:
    """Whether the report was judged under these versions of rule set and reference data, if it was judged at all."""
    if not vetted.findings_salt:
        return True  # a governance statement, or no body to judge
    facts = vetted.read_facts()
    said = (vetted.rules_version, vetted.reference_version)
    if facts is not None and (facts.rules_version, facts.reference_version) != said:
        raise BadVetting(f"facts of statement {vetted.statement_id.hex()} are of other versions than {said}")
    return said == versions


def _told(vetted: Vetted, ruling: Ruling) -> tuple[WireFinding, ...]:
    ours = (cast(WireFinding, tuple(finding.to_wire())) for finding in ruling.findings)
    return (*vetted.findings, *ours)


def _verdict(
    terms: Terms, vetted: Vetted, ruling: Ruling, told: Sequence[WireFinding], log_index: int | None
) -> Verdict:
    """Every verdict commits to the facts and findings that it was judged by, void ones too: a replay needs the same."""
    has_findings = vetted.findings_salt != b""
    rows = [finding[:4] for finding in told]
    return Verdict(
        statement_id=Digest(vetted.statement_id),
        code=ruling.code,
        log_index=log_index,
        evidence=None if ruling.evidence is None else Digest(ruling.evidence),
        rules_version=terms.versions[0],
        facts_digest=None if vetted.facts is None else facts_digest(vetted.facts_salt, vetted.facts),
        findings_digest=findings_digest(vetted.findings_salt, rows) if has_findings else None,
    )
