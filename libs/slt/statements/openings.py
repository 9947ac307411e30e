"""Opening files: the entries of an area's last physical inventory listing, from which its books start."""

from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.registry import CODE, DATE
from slt.statements.tags import tagged_hash

OPENING_BYTES_MAX: Final = 64 * 1024 * 1024
ENTRIES_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningEntry:
    """A batch at a key measurement point. `weights` are (weight label, milligrams); `material` is as in label 430.

    What of a batch is under another safeguards obligation is an entry of its own (`obligation`: Euratom field 30).
    """

    batch: str
    kmp: str
    material: str
    items: int
    weights: tuple[tuple[int, int], ...]
    obligation: str = ""

    def to_value(self) -> list[Value]:
        weights: list[Value] = [[label, milligrams] for label, milligrams in self.weights]
        return [self.batch, self.kmp, self.material, self.items, weights, self.obligation]

    @classmethod
    def from_value(cls, value: Value) -> "OpeningEntry":
        batch, kmp, material, items, weights, obligation = shapes.array(value, "opening entry", 6)
        return cls(
            batch=shapes.text(batch, "opening entry: batch", low=1, high=16),
            kmp=shapes.text(kmp, "opening entry: kmp", high=2),
            material=shapes.text(material, "opening entry: material", high=16),
            items=shapes.integer(items, "opening entry: items", high=2**32 - 1),
            weights=tuple(_weight(item) for item in shapes.array(weights, "opening entry: weights", high=64)),
            obligation=shapes.text(obligation, "opening entry: obligation", high=2),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The physical inventory of `mba` taken on `pit` ("YYYYMMDD").

    A batch stands once at a measurement point under an obligation.
    """

    mba: str
    pit: str
    entries: tuple[OpeningEntry, ...]

    def __post_init__(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for entry in self.entries:
            place = (entry.batch, entry.kmp, entry.obligation)
            if place in seen:
                raise DecodeError(f"opening of {self.mba}: batch {entry.batch} stands twice at KMP {entry.kmp}")
            seen.add(place)

    @property
    def encoded(self) -> bytes:
        """The bytes of the file, computed at each call."""
        return encode([1, self.mba, self.pit, [entry.to_value() for entry in self.entries]])

    @property
    def digest(self) -> Digest:
        """H("opening", file): what genesis names."""
        return tagged_hash("opening", self.encoded)


def parse_opening(data: bytes) -> Opening:
    """Read an opening file. Raises DecodeError."""
    first, mba, pit, entries = shapes.opened(data, "opening", 4, bytes_max=OPENING_BYTES_MAX)
    shapes.version(first, "opening")
    return Opening(
        mba=shapes.text(mba, "opening: mba", high=4, pattern=CODE),
        pit=shapes.text(pit, "opening: pit", low=8, high=8, pattern=DATE),
        entries=tuple(
            OpeningEntry.from_value(item) for item in shapes.array(entries, "opening: entries", high=ENTRIES_MAX)
        ),
    )


def _weight(value: Value) -> tuple[int, int]:
    label, milligrams = shapes.array(value, "opening weight", 2)
    return (
        shapes.integer(label, "opening weight: label", high=999),
        shapes.integer(milligrams, "opening weight: milligrams", low=-(2**63), high=2**63 - 1),
    )
