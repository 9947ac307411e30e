"""What is kept of entries is a function of the live ones: a dumb model that adds them up says the same."""

from dataclasses import replace
from typing import Any

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from slt.inventory.keys import Kind, fields_of, kind_of
from slt.inventory.outcome import ACCOUNTS
from slt.reports.facts import EntryFacts
from slt.reports.signs import BATCH_SIGN
from tests.unit.inventory.building import Ledger, report
from tests.unit.inventory.saying import change, deletion, ledger

DERIVED = (Kind.BOOK, Kind.BATCH, Kind.FLOWS, Kind.ACCOUNT, Kind.TRANSIT)

ENTRIES = st.builds(
    change,
    st.sampled_from(["RD", "RF", "SD", "LN", "NP", "DI", "RM", "RP", "TW", "FW", "EQ", "LD"]),
    st.sampled_from(["B1", "B2", "B3"]),
    st.dictionaries(st.sampled_from([630, 670, 700]), st.integers(1, 50), min_size=1),
    on=st.sampled_from(["20250901", "20251006", "20251007", "20251120"]),
    items=st.integers(0, 3),
    by=st.just("XLF1"),
    to=st.just("XLF1"),
)


class Live:
    """Every live entry by its address."""

    def __init__(self) -> None:
        self.entries: dict[tuple[int, int], EntryFacts] = {}

    def flows(self) -> dict[tuple[str, str, int], int]:
        total: dict[tuple[str, str, int], int] = {}
        for one in self.entries.values():
            for label, mg in one.weights if one.code not in ("RM", "RP") else ():
                place = (one.date, one.code, label)
                total[place] = total.get(place, 0) + mg
        return total

    def batches(self) -> dict[str, tuple[int, dict[int, int]]]:
        total: dict[str, tuple[int, dict[int, int]]] = {}
        for one in self.entries.values():
            count, held = total.get(one.batch, (0, {}))
            for label, mg in one.weights:
                held[label] = held.get(label, 0) + BATCH_SIGN[one.code] * mg
            total[one.batch] = (count + 1, held)
        return {name: (count, {k: v for k, v in held.items() if v}) for name, (count, held) in total.items()}

    def accounts(self) -> dict[tuple[str, int], int]:
        total: dict[tuple[str, int], int] = {}
        for one in self.entries.values():
            if one.code in ACCOUNTS:
                account, sign = ACCOUNTS[one.code]
                for label, mg in one.weights:
                    total[account, label] = total.get((account, label), 0) + sign * mg
        return {place: mg for place, mg in total.items() if mg}


@given(st.data())
def test_books_flows_batches_and_accounts_of_a_random_history_are_those_of_its_live_entries(
    data: st.DataObject,
) -> None:
    made, live = ledger(), Live()
    number = 41
    for _ in range(data.draw(st.integers(1, 5))):
        entries = _entries(data, live)
        made.accept(report(number, *entries))
        for place, one in enumerate(entries, start=1):
            if one.target is not None and one.status != "A":
                del live.entries[one.target]
            if one.status != "D":
                live.entries[number, place] = one
        number += 1
        _agree(made, live)
    if live.entries:
        made.accept(report(number, *map(deletion, live.entries)))
    assert not [k for k in made.records if kind_of(k) in DERIVED]


def _entries(data: st.DataObject, live: Live) -> list[EntryFacts]:
    free = list(live.entries)
    found = []
    for _ in range(data.draw(st.integers(1, 3))):
        status = data.draw(st.sampled_from("NCD" if free else "N"))
        if status == "D":
            found.append(deletion(free.pop()))
            continue
        one = data.draw(ENTRIES)
        if status == "C":
            one = replace(one, status="C", target=free.pop())
        found.append(one)
    return found


def _agree(made: Ledger, live: Live) -> None:
    records = [(kind_of(k), fields_of(k), cbor2.loads(v)) for k, v in made.records.items()]
    of: dict[Kind, list[tuple[list[Any], Any]]] = {kind: [] for kind in Kind}
    for kind, fields, value in records:
        of[kind].append((fields, value))
    flows = {(day, code, label): mg for _, days in of[Kind.FLOWS] for day, rows in days for code, label, mg in rows}
    assert flows == {place: mg for place, mg in live.flows().items() if mg}
    batches = {f[2]: (v[0], {label: mg for label, mg, _ in v[1] if mg}) for f, v in of[Kind.BATCH]}
    assert batches == live.batches()
    assert {(f[2], label): mg for f, v in of[Kind.ACCOUNT] for label, mg in v} == live.accounts()
