"""A state to read from: views, and the draft in which one evaluation collects what it changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import cbor2

from slt.inventory.keys import Kind, key, kind_of

Changes: TypeAlias = Mapping[bytes, bytes | None]  # key -> new value; None: the record leaves the state
Value: TypeAlias = Any  # a decoded record value: the list that RECORDS describes

T = TypeVar("T")

_MISSING: Final = object()


class NeedRecords(Exception):
    """The caller has not loaded these records yet: load them, and ask again. Nobody's fault."""

    def __init__(self, keys: Iterable[bytes] = (), *, spent_limit_s: int | None = None) -> None:
        """`spent_limit_s`: also all SPENT records with an iat below it."""
        self.keys = frozenset(keys)
        self.spent_limit_s = spent_limit_s
        super().__init__(f"not loaded: {len(self.keys)} records, spent statements before {spent_limit_s}")


class View(Protocol):
    """The records of one state, or the loaded part of them. Does not change while somebody reads."""

    def get(self, record_key: bytes) -> bytes | None:
        """The value, or None if the state has no such record. Raises NeedRecords when that is not known yet."""

    def spent_before(self, limit_s: int) -> Mapping[bytes, bytes]:
        """All SPENT records, by key, whose iat is below `limit_s`. Raises NeedRecords when not loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateHead:
    """Where a state stands: after the block `block_id` of `height`."""

    height: int  # 0: genesis
    block_id: bytes  # chain_id at height 0
    lanes: bytes  # 2048 bytes; their hash is the state root
    log_size: int  # leaves in the log, the genesis entry included: the index of the next accepted statement
    time_ms: int  # of the block; 0 at height 0


class Records:
    """A View of what was loaded: `known` holds None for a key that was asked for and is not in the state."""

    def __init__(
        self, known: Changes, *, spent: Mapping[bytes, bytes] | None = None, spent_limit_s: int | None = None
    ) -> None:
        """`spent` are all SPENT records with an iat below `spent_limit_s`; both None while nobody asked."""
        self._known = {**known, **spent} if spent else known
        self._spent = spent or {}
        self._spent_limit_s = spent_limit_s

    def get(self, record_key: bytes) -> bytes | None:
        value = self._known.get(record_key, _MISSING)
        if value is _MISSING:
            raise NeedRecords([record_key])
        return value  # type: ignore[return-value]  # not the sentinel: a value of the mapping

    def spent_before(self, limit_s: int) -> Mapping[bytes, bytes]:
        if self._spent_limit_s is None or limit_s > self._spent_limit_s:
            raise NeedRecords(spent_limit_s=limit_s)
        if limit_s == self._spent_limit_s:
            return self._spent
        return {k: v for k, v in self._spent.items() if iat_of(v) < limit_s}

    def under(self, layers: Sequence[Changes]) -> View:
        """These records under the changes of younger blocks, the youngest first."""
        return Layered(self, layers) if layers else self


def require(view: View, keys: Iterable[bytes]) -> None:
    """Raise NeedRecords for all of `keys` that `view` has not loaded: for many at once, where one by one took long."""
    missing: list[bytes] = []
    for record_key in keys:
        try:
            view.get(record_key)
        except NeedRecords:
            missing.append(record_key)
    if missing:
        raise NeedRecords(missing)


class WholeState:
    """A View of a whole state in memory: genesis, tests, and replay of small ledgers."""

    def __init__(self, records: Mapping[bytes, bytes]) -> None:
        self._records = records

    def get(self, record_key: bytes) -> bytes | None:
        return self._records.get(record_key)

    def spent_before(self, limit_s: int) -> Mapping[bytes, bytes]:
        return {k: v for k, v in self._records.items() if kind_of(k) is Kind.SPENT and iat_of(v) < limit_s}


class Layered:
    """A View of `base` under the changes of younger blocks, the youngest first."""

    def __init__(self, base: View, layers: Sequence[Changes]) -> None:
        self._base = base
        self._layers = layers

    def get(self, record_key: bytes) -> bytes | None:
        for layer in self._layers:
            value = layer.get(record_key, _MISSING)
            if value is not _MISSING:
                return value  # type: ignore[return-value]  # not the sentinel: a value of the layer
        return self._base.get(record_key)

    def spent_before(self, limit_s: int) -> Mapping[bytes, bytes]:
        found = dict(self._base.spent_before(limit_s))
        for layer in reversed(self._layers):  # the youngest has the last word
            for record_key, value in layer.items():
                if kind_of(record_key) is not Kind.SPENT:
                    continue
                if value is not None and iat_of(value) < limit_s:
                    found[record_key] = value
                else:
                    found.pop(record_key, None)
        return found


class Draft:
    """One evaluation's own state: the parent's, and over it what this block has changed so far.

    Values are decoded lists here; each key is decoded and encoded once, however many statements touch it.
    """

    def __init__(self, parent: View) -> None:
        self.parent = parent
        self._values: dict[bytes, Value | None] = {}
        self._read: dict[bytes, tuple[Value, Any]] = {}
        self._written: dict[bytes, None] = {}  # in order of the first writing
        self._absent: set[bytes] = set()  # written or asked for, and known not to be in the parent
        self._new_reports: set[tuple[str, str, int]] = set()  # state, mba, number: nothing of theirs is in the parent

    def get(self, record_key: bytes) -> Value | None:
        """The decoded value as of now; not to be changed in place. Raises NeedRecords."""
        value = self._values.get(record_key, _MISSING)
        if value is _MISSING:
            raw = self.parent.get(record_key)
            value = self._values[record_key] = None if raw is None else cbor2.loads(raw)
        return value

    def read(self, record_key: bytes, as_what: Callable[[Value], T]) -> T | None:
        """The value as `as_what` reads it, read once: for records that blocks do not change. Raises NeedRecords."""
        value = self.get(record_key)
        if value is None:
            return None
        read = self._read.get(record_key)
        if read is None or read[0] is not value:
            read = self._read[record_key] = (value, as_what(value))
        found: T = read[1]
        return found

    def put(self, record_key: bytes, value: Value | None) -> None:
        """Write `value`, or remove the record with None."""
        self._values[record_key] = value
        self._written[record_key] = None

    def add(self, record_key: bytes, value: Value) -> None:
        """Write a record that the parent does not have, which the caller knows: it need not be loaded."""
        self._absent.add(record_key)
        self.put(record_key, value)

    def add_report(self, state: str, mba: str, number: int) -> None:
        """From here on the parent is not asked what happened to entries of this report."""
        self._new_reports.add((state, mba, number))

    def entry_fate(self, state: str, mba: str, number: int, entry: int) -> Value | None:
        """The ENTRY record of this entry. Raises NeedRecords."""
        record_key = key(Kind.ENTRY, state, mba, number, entry)
        if (state, mba, number) in self._new_reports and record_key not in self._values:
            self._absent.add(record_key)
            return None
        return self.get(record_key)

    def changes(self) -> dict[bytes, bytes | None]:
        """What differs from the parent, encoded. A key written back to its old value is no change."""
        changed: dict[bytes, bytes | None] = {}
        for record_key in self._written:
            value = self._values[record_key]
            encoded = None if value is None else cbor2.dumps(value)
            if encoded != self.before(record_key):
                changed[record_key] = encoded
        return changed

    def before(self, record_key: bytes) -> bytes | None:
        """The parent's value. Raises NeedRecords for a key that was written without having been read."""
        return None if record_key in self._absent else self.parent.get(record_key)


def iat_of(spent_value: bytes) -> int:
    """The iat, in seconds, of a SPENT record: what `spent_before` goes by, and what a store may index."""
    iat: int = cbor2.loads(spent_value)[0]
    return iat
