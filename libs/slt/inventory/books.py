"""Reading the books and the registry out of records: what people and the other services ask of the state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cbor2

from slt.inventory.keys import Kind, fields_of, kind_of
from slt.inventory.records import StoredReport, report_of
from slt.statements.genesis import Identity, Mba, Member
from slt.statements.governance import Announcement, parse_announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLine:
    """Book inventory of one element or isotope in one category of one area."""

    state: str
    mba: str
    category: int  # element label
    label: int  # the element itself, or an isotope of it
    mg: int  # may be negative: what was reported says so


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One accepted report of the index."""

    state: str
    mba: str
    number: int
    report: StoredReport


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCopy:
    """What the other services keep a read copy of. Revoked identities are not in it."""

    identities: tuple[Identity, ...]
    mbas: tuple[Mba, ...]
    members: tuple[Member, ...]
    parameters: dict[str, int]  # rules_version and reference_version among them
    announced: tuple[Announcement, ...]  # changes that wait for their height, by height


def book_lines(records: Iterable[tuple[bytes, bytes]]) -> Iterator[BookLine]:
    """The lines of BOOK records, in the order of the records."""
    for record_key, value in records:
        state, mba, category = fields_of(record_key)
        for label, mg in cbor2.loads(value):
            yield BookLine(state=state, mba=mba, category=category, label=label, mg=mg)


def report_lines(records: Iterable[tuple[bytes, bytes]]) -> Iterator[ReportLine]:
    """The reports of REPORT records, in the order of the records."""
    for record_key, value in records:
        state, mba, number = fields_of(record_key)
        yield ReportLine(state=state, mba=mba, number=number, report=report_of(cbor2.loads(value)))


REGISTRY_KINDS = (Kind.IDENTITY, Kind.REVOKED, Kind.MBA, Kind.MEMBER, Kind.PARAMETER, Kind.DUE, Kind.ANNOUNCED)


def registry_of(records: Iterable[tuple[bytes, bytes]]) -> RegistryCopy:
    """The registry out of the records of REGISTRY_KINDS; others are left aside."""
    identities: list[Identity] = []
    revoked: set[bytes] = set()
    mbas: list[Mba] = []
    members: list[Member] = []
    parameters: dict[str, int] = {}
    due: dict[int, list[bytes]] = {}
    payloads: dict[bytes, bytes] = {}
    for record_key, raw in records:
        value = cbor2.loads(raw)
        match kind_of(record_key):
            case Kind.IDENTITY:
                identities.append(Identity.from_value(value))
            case Kind.REVOKED:
                revoked.add(fields_of(record_key)[0])
            case Kind.MBA:
                mbas.append(Mba.from_value(value))
            case Kind.MEMBER:
                members.append(Member.from_value(value))
            case Kind.PARAMETER:
                parameters[fields_of(record_key)[0]] = value[0]
            case Kind.DUE:
                due[fields_of(record_key)[0]] = value
            case Kind.ANNOUNCED:
                payloads[fields_of(record_key)[0]] = value[0]
            case _:
                continue
    return RegistryCopy(
        identities=tuple(sorted((i for i in identities if i.kid not in revoked), key=lambda i: i.name)),
        mbas=tuple(sorted(mbas, key=lambda m: (m.state, m.mba))),
        members=tuple(sorted(members, key=lambda m: m.id)),
        parameters=parameters,
        announced=tuple(parse_announcement(payloads[one]) for height in sorted(due) for one in due[height]),
    )
