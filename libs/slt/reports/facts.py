"""Facts: what validation read out of a document, in canonical form. The only thing that the state machine sees.

The array (formats.md, "Facts, findings, verdicts"; layout 1, which rules version 1 uses):

    [rules version, reference version, country, mba, number, kind, [period from, period to], date,
     document digest, content digest, [entry...], notes digest]

    entry: [number, status, [report, entry] or null, code, date, kmp, material, batch, shipper's batch, shipper,
            receiver, measurement, items, [[label, milligrams]...],
            [[obligation, previous obligation, [[label, milligrams]...]]...]]

Text that the document leaves out is "", a number of items that it leaves out is 0. Dates are YYYYMMDD.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

import cbor2

from slt.merkle.hashing import Digest
from slt.reports.quantities import MG_MAX, WEIGHT_LABELS
from slt.statements import cbor
from slt.statements.tags import tagged_hash

ENTRIES_MAX: Final = 120_000
"""Entries of one report: a whole block holds no more (parameter block_entries_max)."""

NUMBER_MAX: Final = 999_999_999
"""Largest report number, entry number and number of items."""

FACTS_LENGTH_MAX: Final = 64 << 20
"""Bytes of encoded facts. 120,000 entries of 4 weights take about 15 MB."""

MEASUREMENT_MAX: Final = 16
"""469 whole: basis, measurement point, method. The form gives no length for the method (reports.md 1.3)."""

OBLIGATIONS_MAX: Final = 32
"""Safeguards obligations of one entry, the previous ones of a change counted apart. Agreements know about a dozen."""

OBLIGATION_MAX: Final = 2
"""Characters of an obligation code (Euratom field 30)."""

_ITEMS_MAX: Final = 64 * ENTRIES_MAX
_QUICK_MAX: Final = 64 * 1024  # bytes: most reports; a list of so many empty arrays takes 4 MB
_QUICK_DEPTH: Final = 8  # a weight of an obligation stands in the sixth array
_KINDS: Final = frozenset("IPMT")
_STATUSES: Final = frozenset("NUCDA")
_WEIGHTS: Final = frozenset(WEIGHT_LABELS)
_DIGEST: Final = 32
# Exact types: CBOR true and false are integers to Python, and none here.
_TYPES: Final = [int, int, str, str, int, str, list, str, bytes, bytes, list, bytes]
_ENTRY_TYPES: Final = [
    [int, str, target, str, str, str, str, str, str, str, str, str, int, list, list] for target in (type(None), list)
]


class BadFacts(ValueError):
    """The bytes are no facts of a layout that this code knows."""


class Share(NamedTuple):
    """What of an entry's weights is under one safeguards obligation."""

    obligation: str
    """Euratom field 30; "" where an obligation ends without another one."""
    previous: str
    """Field 32: the obligation before a change of obligation (BR CR PR SR); "" otherwise."""
    weights: tuple[tuple[int, int], ...]
    """(label, milligrams), by label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """One accounting entry (OI). A note is no entry here: notes are in the document's notes digest."""

    number: int
    """002, from 1."""
    status: str
    """309: N, U, C, D or A."""
    target: tuple[int, int] | None
    """309: (report, entry) of the same area that a C, D or A entry names."""
    code: str
    """411: SD, PB, RALD; "" in a PIL."""
    date: str
    """412, YYYYMMDD; "" outside an ICR."""
    kmp: str
    material: str
    """430 as written: B/Q/3/G."""
    batch: str
    shipper_batch: str
    shipper: str
    """370 as written: XL/XLF1, or XF alone where the foreign area is unknown."""
    receiver: str
    measurement: str
    """469 as written: T, or M/5/A."""
    items: int
    weights: tuple[tuple[int, int], ...]
    """(label, milligrams), by label. May be negative for DI, MF and RAxx."""
    obligations: tuple[Share, ...] = ()
    """By obligation and previous obligation, those without either left out. Empty for every Code 10 report: the form
    has no such label."""

    @property
    def obligation(self) -> str:
        """Euratom field 30, where the whole entry has the same; "" where it has none, or several."""
        return self.obligations[0].obligation if len(self.obligations) == 1 else ""

    @property
    def previous_obligation(self) -> str:
        """Euratom field 32, likewise."""
        return self.obligations[0].previous if len(self.obligations) == 1 else ""

    def to_value(self) -> cbor.Value:
        return (
            self.number,
            self.status,
            self.target,
            self.code,
            self.date,
            self.kmp,
            self.material,
            self.batch,
            self.shipper_batch,
            self.shipper,
            self.receiver,
            self.measurement,
            self.items,
            self.weights,
            self.obligations,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One report, read and found without errors under `rules_version` and `reference_version`."""

    rules_version: int
    reference_version: int
    country: str
    mba: str
    number: int
    kind: str
    """010: I, P, M or T."""
    period_from: str
    """015. A PIL that gives one date has it in both; "" in a textual report."""
    period_to: str
    date: str
    """003."""
    document_digest: Digest
    content_digest: Digest
    entries: tuple[EntryFacts, ...]
    """OI entries in the order of the document; empty in a textual report."""
    notes_digest: Digest

    @property
    def encoded(self) -> bytes:
        return cbor.encode(
            [
                self.rules_version,
                self.reference_version,
                self.country,
                self.mba,
                self.number,
                self.kind,
                [self.period_from, self.period_to],
                self.date,
                self.document_digest,
                self.content_digest,
                [entry.to_value() for entry in self.entries],
                self.notes_digest,
            ]
        )


def document_digest(mba: str, document: bytes) -> Digest:
    """Names a document within its area (C03)."""
    return tagged_hash("document", b"%s\0%s" % (mba.encode(), document))


def content_digest(mba: str, content: bytes) -> Digest:
    """Names what a document says apart from its number and date (C04). `content`: see slt.reports.reader."""
    return tagged_hash("content", b"%s\0%s" % (mba.encode(), content))


def notes_digest(notes: Iterable[tuple[int, str, str]]) -> Digest:
    """Names the concise notes of a report: (entry number, 099, 391) in the order of the document."""
    return tagged_hash("notes", cbor.encode([list(note) for note in notes]))


def parse_facts(data: bytes) -> Facts:
    """Decode what `Facts.encoded` made. Raises BadFacts for anything else, within bounded time and memory."""
    if len(data) > FACTS_LENGTH_MAX:
        raise BadFacts(f"{len(data)} bytes of facts, and {FACTS_LENGTH_MAX} are allowed")
    value = _decoded(data)
    if type(value) is not list or list(map(type, value)) != _TYPES:
        raise BadFacts("not the array of layout 1")
    rules, reference, country, mba, number, kind, period, date, document, content, entries, notes = value
    if list(map(type, period)) != [str, str]:
        raise BadFacts("the period is not two texts")
    period_from, period_to = period
    _require(rules == 1, "rules version, which has no layout here")
    _require(reference >= 0, "reference version")
    _require(_text(country, 2) and _text(mba, 4), "country or area")
    _require(0 < number <= NUMBER_MAX, "report number")
    _require(kind in _KINDS, "kind")
    _require(_date(period_from) and _date(period_to) and _date(date), "dates")
    _require(len(document) == len(content) == len(notes) == _DIGEST, "digests")
    _require(len(entries) <= ENTRIES_MAX, "number of entries")
    return Facts(
        rules_version=rules,
        reference_version=reference,
        country=country,
        mba=mba,
        number=number,
        kind=kind,
        period_from=period_from,
        period_to=period_to,
        date=date,
        document_digest=Digest(document),
        content_digest=Digest(content),
        entries=tuple(map(_entry, entries)),
        notes_digest=Digest(notes),
    )


def _decoded(data: bytes) -> Any:
    """The value that `data` is the one encoding of. Raises BadFacts.

    cbor2 reads what is small in half the time, and is believed when it writes what it has read as the same bytes: of
    numbers, texts, byte strings, null and arrays of them it writes the one encoding, and parse_facts takes nothing
    else. What it does not read, or reads and writes otherwise, is left to our decoder.
    """
    if len(data) <= _QUICK_MAX:
        try:
            value = cbor2.loads(
                data,
                max_depth=_QUICK_DEPTH,
                allow_indefinite=False,
                strict_hashable_types=True,
                semantic_decoders=_NO_TAGS,
            )
            if cbor2.dumps(value) == data:
                return value
        except cbor2.CBORError:
            pass  # Our decoder says what is wrong.
    try:
        return cbor.decode(data, items_max=_ITEMS_MAX)
    except cbor.DecodeError as error:
        raise BadFacts(str(error)) from error


class _NoTags(dict[int, Any]):
    """Whatever is tagged is no facts: nothing of it is looked at."""

    def __missing__(self, tag: int) -> Any:
        return self._refuse

    @staticmethod
    def _refuse(*_: object) -> NoReturn:
        raise cbor2.CBORDecodeError("tagged")


_NO_TAGS: Final = _NoTags()


def _entry(value: Any) -> EntryFacts:
    if type(value) is not list or list(map(type, value)) not in _ENTRY_TYPES:
        raise BadFacts("an entry is not the array of layout 1")
    (
        number,
        status,
        target,
        code,
        date,
        kmp,
        material,
        batch,
        shipper_batch,
        shipper,
        receiver,
        measurement,
        items,
        weights,
        obligations,
    ) = value
    _require(0 < number <= NUMBER_MAX and 0 <= items <= NUMBER_MAX, "entry number or items")
    _require(status in _STATUSES and _date(date), "status or date of an entry")
    _require(
        len(code) <= 4
        and len(kmp) <= 2
        and len(material) <= 7
        and len(batch) <= 16
        and len(shipper_batch) <= 16
        and len(shipper) <= 7
        and len(receiver) <= 7
        and len(measurement) <= MEASUREMENT_MAX,
        "length of a text in an entry",
    )
    return EntryFacts(
        number=number,
        status=status,
        target=_target(target),
        code=code,
        date=date,
        kmp=kmp,
        material=material,
        batch=batch,
        shipper_batch=shipper_batch,
        shipper=shipper,
        receiver=receiver,
        measurement=measurement,
        items=items,
        weights=_weights(weights),
        obligations=_obligations(obligations) if obligations else (),
    )


def _target(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    _require(list(map(type, value)) == [int, int], "target of an entry")
    report, entry = value
    _require(0 < report <= NUMBER_MAX and 0 < entry <= NUMBER_MAX, "target of an entry")
    return report, entry


def _weights(values: list[Any]) -> tuple[tuple[int, int], ...]:
    weights = []
    before = 0
    for value in values:
        if type(value) is not list or len(value) != 2:
            raise BadFacts("a weight is not [label, milligrams]")
        label, mg = value
        if type(label) is not int or type(mg) is not int:
            raise BadFacts("a weight is not [label, milligrams]")
        if not (before < label and label in _WEIGHTS and -MG_MAX <= mg <= MG_MAX):
            raise BadFacts("a weight: label out of order or unknown, or milligrams out of range")
        weights.append((label, mg))
        before = label
    return tuple(weights)


def _obligations(values: list[Any]) -> tuple[Share, ...]:
    _require(len(values) <= OBLIGATIONS_MAX, "number of obligations of an entry")
    shares: list[Share] = []
    before = ("", "")
    for value in values:
        if type(value) is not list or list(map(type, value)) != [str, str, list]:
            raise BadFacts("an obligation is not [obligation, previous obligation, weights]")
        obligation, previous, weights = value
        _require(max(len(obligation), len(previous)) <= OBLIGATION_MAX, "length of an obligation")
        _require(before < (obligation, previous), "order of obligations")
        before = (obligation, previous)
        shares.append(Share(obligation, previous, _weights(weights)))
    return tuple(shares)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BadFacts(f"{what}: out of range")


def _text(value: str, length_max: int) -> bool:
    return 0 < len(value) <= length_max


def _date(value: str) -> bool:
    return value == "" or (len(value) == 8 and value.isascii() and value.isdigit())
