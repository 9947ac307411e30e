"""The state at height 0, and the sample year on top of it: the books are those of reports.md section 8."""

import datetime
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from slt.inventory.books import BookLine, book_lines, registry_of, report_lines
from slt.inventory.evaluate import Evaluation, evaluate
from slt.inventory.genesis import OpeningFault, genesis_head, genesis_state
from slt.inventory.keys import Kind, kind_of
from slt.inventory.lthash import state_root
from slt.inventory.state import StateHead, WholeState
from slt.inventory.vetting import Vetted, VettedBatch
from slt.merkle.notes import NoteSigner
from slt.reports.facts import Facts
from slt.statements.genesis import Genesis, Identity, Member, TermAuthority, all_parameters
from slt.statements.openings import Opening, OpeningEntry
from slt.statements.verdicts import Code
from tests.unit.inventory.sample_world import LATER, YEAR, facts_of, world

VECTORS = Path(__file__).parents[2] / "vectors" / "state" / "sample-year.json"
NOW_S = 1_771_000_000  # 13 February 2026: after the last report of the samples
ORIGIN = "safeguards.example/xl"


def _key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())


def _public(name: str) -> bytes:
    return _key(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _certificate(name: str) -> bytes:
    """Self-signed and the same every time: Ed25519 has no randomness."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    first = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, _key(name).public_key(), 1)
    dated = builder.not_valid_before(first).not_valid_after(first + datetime.timedelta(days=36500))
    return dated.sign(_key(name), None).public_bytes(Encoding.DER)


@cache
def genesis() -> Genesis:
    mbas, _ = world()
    return Genesis(
        origin=ORIGIN,
        model="private",
        parameters=all_parameters({}),
        members=(
            Member(
                id=0,
                name="agency",
                consensus_key=_public("consensus"),
                checkpoint_vkey=NoteSigner.of(ORIGIN, sha256(b"checkpoint").digest()).vkey,
                governance_key=_public("governance"),
            ),
        ),
        term_authority=TermAuthority(threshold=1, keys=(_public("term authority"),)),
        anchors={"XL": _certificate("anchor")},
        identities=tuple(
            Identity.of(
                name=mba.mba.lower(),
                certificate=_certificate(mba.mba),
                role="reporter",
                state="XL",
                mbas=(mba.mba,),
                not_before=NOW_S - 1000,
                not_after=NOW_S + 1000,
            )
            for mba in mbas
        ),
        mbas=mbas,
    )


def _vetted(facts: Facts, name: str) -> Vetted:
    who = next(i for i in genesis().identities if facts.mba in i.mbas)
    return Vetted(
        statement_id=sha256(name.encode()).digest(),
        kid=who.kid,
        iss=who.name,
        iat=NOW_S,
        endorsers=(),
        bad_endorsement=False,
        signature="good",
        facts=facts.encoded,
        no_facts=0,
        rules_version=1,
        reference_version=1,
        findings=(),
        findings_salt=b"f" * 32,
        facts_salt=b"g" * 32,
    )


class Chain:
    """Blocks of one batch each on top of the sample world's genesis."""

    def __init__(self) -> None:
        self.records = genesis_state(genesis(), world()[1])
        self.head = genesis_head(genesis(), self.records)
        self.batch = (0, bytes(genesis().chain_id))

    def block(self, names: tuple[str, ...]) -> Evaluation:
        """The samples of these names, made final."""
        return self.block_of({name.replace("-", "/"): facts_of(name) for name in names})

    def block_of(self, named: Mapping[str, Facts]) -> Evaluation:
        """These reports, made final; the names make the ids of their statements."""
        seq, previous = self.batch
        names = [name.replace("/", "-") for name in named]
        self.batch = (seq + 1, sha256(previous + "".join(names).encode()).digest())
        batch = VettedBatch(
            author=0,
            seq=seq + 1,
            digest=self.batch[1],
            previous=previous,
            items=tuple(_vetted(facts, name) for name, facts in named.items()),
        )
        height = self.head.height + 1
        evaluation = evaluate(
            WholeState(self.records), self.head, height=height, time_ms=NOW_S * 1000 + height, batches=(batch,)
        )
        self.records |= {k: v for k, v in evaluation.changes.items() if v is not None}
        self.records = {k: v for k, v in self.records.items() if evaluation.changes.get(k, v) is not None}
        self.head = evaluation.head(sha256(height.to_bytes(8, "big")).digest())
        return evaluation

    def books(self) -> dict[tuple[str, int], int]:
        """(MBA, label) -> grams."""
        lines = book_lines((k, v) for k, v in self.records.items() if kind_of(k) is Kind.BOOK)
        return {(line.mba, line.label): line.mg // 1000 for line in lines}


PREVIOUS = {  # PB of the table in reports.md section 8, grams
    ("XLR1", 630): 5_409_500,
    ("XLR1", 670): 175_711,
    ("XLR1", 700): 18_425,
    ("XLF1", 630): 1_855_400,
    ("XLF1", 670): 81_638,
    ("XLS1", 630): 1_729_750,
    ("XLS1", 670): 13_820,
    ("XLS1", 700): 18_398,
}
ADJUSTED = {  # BA of the table: the book at the end of the year
    ("XLR1", 630): 5_409_660,
    ("XLR1", 670): 175_722,
    ("XLR1", 700): 18_408,
    ("XLF1", 630): 2_152_389,
    ("XLF1", 670): 94_707,
    ("XLS1", 630): 3_459_250,
    ("XLS1", 670): 27_611,
    ("XLS1", 700): 36_823,
}
ROUNDING = {
    ("XLF1", 630): 1,
    ("XLF1", 670): 1,
}  # RALD -1: the two discards, 625 g each, are 1250 g and reported as 1251


def test_the_books_begin_with_the_sum_of_the_opening_inventories() -> None:
    assert Chain().books() == PREVIOUS


def test_the_sample_year_ends_with_the_adjusted_books_of_the_balances() -> None:
    chain = Chain()
    assert {v.code for v in chain.block(YEAR).verdicts} == {Code.ACCEPTED}
    assert chain.books() == {place: grams + ROUNDING.get(place, 0) for place, grams in ADJUSTED.items()}


def test_the_year_in_any_order_between_areas_gives_the_same_state() -> None:
    roots = set()
    for order in itertools.permutations(("XLR1", "XLF1", "XLS1")):
        chain = Chain()
        chain.batch = (0, bytes(genesis().chain_id))
        evaluation = chain.block(tuple(sorted(YEAR, key=lambda name: order.index(name[:4]))))
        assert {v.code for v in evaluation.verdicts} == {Code.ACCEPTED}
        roots.add(frozenset(chain.books().items()))
    assert len(roots) == 1


def test_corrections_of_the_sample_change_the_books_by_their_difference() -> None:
    chain = Chain()
    chain.block(YEAR)
    before = chain.books()
    assert {v.code for v in chain.block(LATER).verdicts} == {Code.ACCEPTED}
    changed = {place: grams - before.get(place, 0) for place, grams in chain.books().items()}
    assert {place: grams for place, grams in changed.items() if grams} == {
        ("XLR1", 670): 2,  # 46 corrects 20242 to 20244
        ("XLF1", 630): 459_940 + 1_530_110,  # 110 takes back a shipment, 111 adds a receipt
        ("XLF1", 670): 20_237 + 67_325,
        ("XLT1", 610): -100_000,  # 9: natural to depleted
        ("XLT1", 620): 100_000,
    }


def test_the_sample_year_and_what_follows_give_no_error_and_the_flags_that_reports_md_section_8_expects() -> None:
    """Every SD of the year has an equal RD, so nothing is told of transits; C13 is not raised before a deadline."""
    chain = Chain()
    assert _flags(chain, YEAR) == []
    assert _flags(chain, LATER) == [
        ("XLR1-46", "C27", "OI/1", "670"),  # makes a receipt differ from the shipment that it matches
        ("XLT1-9", "C16", "OI/1", "610"),  # 100 kg out of an empty book
    ]


def test_the_order_between_areas_brings_no_flags_either() -> None:
    for order in itertools.permutations(("XLR1", "XLF1", "XLS1")):
        assert _flags(Chain(), tuple(sorted(YEAR, key=lambda name: order.index(name[:4])))) == []


def _flags(chain: Chain, names: tuple[str, ...]) -> list[tuple[str, str, str, str]]:
    evaluation = chain.block(names)
    assert {verdict.code for verdict in evaluation.verdicts} == {Code.ACCEPTED}
    told = zip(names, evaluation.findings, strict=True)
    return [(name, found[0], found[2], found[3]) for name, findings in told for found in findings]


def test_the_state_gives_back_what_genesis_says_about_people_and_places() -> None:
    copy = registry_of(Chain().records.items())
    assert copy.mbas == tuple(sorted(genesis().mbas, key=lambda m: (m.state, m.mba)))
    assert set(copy.identities) == set(genesis().identities)
    assert copy.members == genesis().members
    assert copy.parameters == dict(genesis().parameters) | {"rules_version": 1, "reference_version": 1}


def test_the_report_index_lists_what_was_accepted() -> None:
    chain = Chain()
    chain.block(YEAR)
    lines = list(report_lines(sorted((k, v) for k, v in chain.records.items() if kind_of(k) is Kind.REPORT)))
    assert [f"{line.mba}-{line.number}" for line in lines] == sorted(YEAR)


def test_book_lines_name_the_category_of_an_isotope() -> None:
    lines = list(book_lines((k, v) for k, v in Chain().records.items() if kind_of(k) is Kind.BOOK))
    assert BookLine(state="XL", mba="XLR1", category=630, label=670, mg=175_711_000) in lines


def test_an_opening_that_is_missing_foreign_or_of_another_date_is_refused() -> None:
    openings = world()[1]
    with pytest.raises(OpeningFault, match="is missing"):
        genesis_state(genesis(), openings[1:])
    with pytest.raises(OpeningFault, match="does not name"):
        genesis_state(genesis(), (*openings, replace(openings[0], pit="20200101")))
    moved = replace(openings[0], pit="20200101")
    mbas = tuple(replace(m, opening=moved.digest) if m.mba == moved.mba else m for m in genesis().mbas)
    with pytest.raises(OpeningFault, match="correct the digest"):
        genesis_state(replace(genesis(), mbas=mbas), (moved, *openings[1:]))


def test_a_large_opening_stands_in_records_of_64_entries() -> None:
    mba = world()[0][0]
    entries = tuple(
        OpeningEntry(batch=f"B{n}", kmp="A", material="B/Q/2/F", items=1, weights=((630, n),)) for n in range(130)
    )
    opening = Opening(mba=mba.mba, pit=mba.last_pit, entries=entries)
    mbas = (replace(mba, opening=opening.digest),)
    identities = tuple(i for i in genesis().identities if mba.mba in i.mbas)
    records = genesis_state(replace(genesis(), mbas=mbas, identities=identities), [opening])
    assert sum(kind_of(k) is Kind.OPENING for k in records) == 3


def _vectors() -> dict[str, object]:
    """What tests/vectors/state/sample-year.json holds: roots after genesis, the year, and the later reports."""
    chain = Chain()

    def now(head: StateHead) -> dict[str, object]:
        return {
            "height": head.height,
            "state_root": state_root(head.lanes).hex(),
            "records": {k.hex(): chain.records[k].hex() for k in sorted(chain.records)},
        }

    states = [now(chain.head)]
    for names in (YEAR, LATER):
        chain.block(names)
        states.append(now(chain.head))
    return {"genesis": genesis().encoded.hex(), "chain_id": genesis().chain_id.hex(), "states": states}


def test_state_roots_and_records_are_those_of_the_vectors() -> None:
    assert _vectors() == json.loads(VECTORS.read_text())


if __name__ == "__main__":  # python -m tests.unit.inventory.test_genesis_state: write the vectors anew
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    VECTORS.write_text(json.dumps(_vectors(), indent=1) + "\n")
