"""Random histories, valid and invalid, of three areas: the ledger's state is what a dumb model computes from scratch.

Reports are changes, corrections of anything (dead, added and imagined entries among it), listings and balances, honest
or not, with numbers that follow, leave gaps or come again. They are ordered in random blocks, and at the end the same
statements in other blocks, and the areas in another order, have to lead to the same state.
"""

import os
from dataclasses import replace
from itertools import groupby
from random import Random
from typing import Any

import cbor2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from slt.inventory.evaluate import Evaluation, evaluate, keys_read
from slt.inventory.keys import Kind, fields_of, kind_of
from slt.inventory.periods import STALE
from slt.inventory.state import NeedRecords, Records
from slt.inventory.vetting import Vetted, VettedBatch
from slt.reports.facts import EntryFacts, Facts, Share
from slt.statements.verdicts import Code
from tests.simulation import inventory_model as model
from tests.unit.inventory.building import NOW_S, Ledger, area, identity, report, statement
from tests.unit.inventory.saying import balance, change, listing

EXAMPLES = int(os.environ.get("SLT_SIMULATION_SEEDS", "40"))
OPENING = "20241231"
LAST = {"XLR1": 40, "XLF1": 100, "XLS1": 20}
PEOPLE = {mba: identity(mba.lower(), mbas=(mba,)) for mba in LAST}
PITS = ("20250331", "20250630", "20250930")
ROUNDS_MAX = 8

WEIGHTS = st.dictionaries(st.sampled_from([630, 670, 700]), st.integers(1, 40), min_size=1)
CODES = ["RF", "RD", "RD", "SD", "SD", "SF", "LD", "NP", "DI", "RM", "RP", "TW", "FW", "EU", "DU", "BR", "CR"]
SHARES = st.dictionaries(st.sampled_from([("P", ""), ("S", ""), ("S", "P")]), WEIGHTS, max_size=2)


def new_ledger() -> Ledger:
    kinds = {"XLR1": "bulk", "XLF1": "bulk", "XLS1": "item"}
    return Ledger(
        identities=tuple(PEOPLE.values()),
        mbas=tuple(area(mba, last_report_number=n, kind=kinds[mba], last_pit=OPENING) for mba, n in LAST.items()),
    )


class Histories(RuleBasedStateMachine):
    """`accepted` is all that the model knows."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = new_ledger()
        self.accepted: dict[str, list[Facts]] = {mba: [] for mba in LAST}
        self.pending: list[tuple[Facts, Vetted]] = []
        self.history: list[list[Vetted]] = []  # block by block

    # Reports.

    @initialize()
    def fill(self) -> None:
        for mba in LAST:
            self.submit(report(self.next_number(mba), change("RF", "B1", {630: 500, 670: 30, 700: 50}), mba=mba))

    @rule(mba=st.sampled_from(sorted(LAST)), data=st.data())
    def changes(self, mba: str, data: st.DataObject) -> None:
        entries = [self.entry(mba, data) for _ in range(data.draw(st.integers(1, 3)))]
        self.submit(report(self.number(mba, data), *entries, mba=mba))

    @rule(mba=st.sampled_from(sorted(LAST)), data=st.data())
    def corrections(self, mba: str, data: st.DataObject) -> None:
        """Corrections, deletions and additions of change reports, some of entries that are not there."""
        self.settle(data)
        entries = []
        for _ in range(data.draw(st.integers(1, 2))):
            status = data.draw(st.sampled_from("CDA"))
            target = data.draw(self.targets(mba, "I", added=status == "A"))
            entry = self.entry(mba, data)
            entries.append(_deleted(entry, target) if status == "D" else replace(entry, status=status, target=target))
        self.submit(report(self.number(mba, data), *entries, mba=mba))

    @rule(mba=st.sampled_from(sorted(LAST)), on=st.sampled_from(PITS), data=st.data())
    def inventory(self, mba: str, on: str, data: st.DataObject) -> None:
        """A listing of anything, and a balance that closes over the change reports and it, or nearly so."""
        lots = data.draw(st.lists(st.tuples(st.sampled_from(["B1", "B2", "B3"]), WEIGHTS), max_size=2))
        number = self.next_number(mba)
        listed = listing(number, *lots, on=on, mba=mba)
        balanced = self.balance(mba, on, number + 1, listed)
        some: list[Facts] = data.draw(
            st.sampled_from([[listed, balanced], [balanced, listed], [listed], [balanced], [listed, listed]])
        )
        for place, facts in enumerate(some):
            said = _with_another_weight(facts, data) if data.draw(st.integers(0, 5)) == 0 else facts
            self.submit(_renumbered(said, number + place))

    @rule(mba=st.sampled_from(sorted(LAST)), kind=st.sampled_from("PM"), data=st.data())
    def inventory_corrections(self, mba: str, kind: str, data: st.DataObject) -> None:
        """Corrections of several entries of one listing or balance, in its period or not."""
        self.settle(data)
        of_kind = [facts for facts in self.accepted[mba] if facts.kind == kind]
        if not of_kind:
            return
        about = data.draw(st.sampled_from(of_kind))
        entries = []
        for _ in range(data.draw(st.integers(1, 2))):
            status = data.draw(st.sampled_from("CCDA"))
            target = data.draw(self.targets(mba, kind, added=status == "A", number=about.number))
            like = next((e for e in about.entries if e.number == target[1] and e.weights), None)
            if status == "D" or like is None:
                entries.append(_deleted(about.entries[0], target))
            else:
                weights = data.draw(st.sampled_from([like.weights, *_nearby(like.weights)]))
                entries.append(replace(like, status=status, target=target, weights=weights))
        made = _renumbered(replace(about, entries=tuple(entries)), self.next_number(mba))
        if data.draw(st.integers(0, 7)) == 0:
            made = replace(made, period_to=data.draw(st.sampled_from(PITS)))
        self.submit(made)

    @rule(mba=st.sampled_from(sorted(LAST)), more=st.integers(-3, 3), data=st.data())
    def honest_balance_correction(self, mba: str, more: int, data: st.DataObject) -> None:
        """All lines of one balance that change with a change of the period, and perhaps one of them forgotten."""
        self.settle(data)
        live = model.replay(self.accepted[mba])
        lines = [(address, line) for address, line in live.lines.items() if line.kind == "M" and line.entry.weights]
        if not lines:
            return
        (about, _), first = data.draw(st.sampled_from(lines))
        label = first.entry.weights[0][0]
        signs = {"BA": 1, "PE": 1, "PB": 0} | {code: model.signs().get(code, 0) for code in CODES}
        entries, changed = [], False
        for address, line in lines:
            code, weights = line.entry.code, dict(line.entry.weights)
            if line.pit != first.pit or label not in weights or not signs.get(code, 0):
                continue
            if code not in ("BA", "PE") and changed:
                continue
            changed = changed or code not in ("BA", "PE")
            weights[label] += signs[code] * more
            entries.append(replace(line.entry, status="C", target=address, weights=tuple(weights.items())))
        if not entries or not changed:
            return
        forgotten = data.draw(st.sampled_from([0, 0, 0, 1]))
        like = next(facts for facts in self.accepted[mba] if facts.number == about)
        made = replace(like, entries=tuple(entries[forgotten:]) or tuple(entries))
        self.submit(_renumbered(made, self.next_number(mba)))

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """A statement that was ordered before, or its document in a new statement."""
        old = data.draw(st.sampled_from([item for block in self.history for item in block]))
        facts = old.read_facts()
        assert facts is not None
        self.pending.append((facts, old if data.draw(st.booleans()) else _signed(facts)))

    @precondition(lambda self: self.pending)
    @rule()
    def block(self) -> None:
        """What waits is ordered, in one block."""
        self.order_all()

    @precondition(lambda self: self.pending)
    @rule()
    def part(self) -> None:
        """The half of it."""
        half = -(-len(self.pending) // 2)
        self.order(self.pending[:half])
        self.pending = self.pending[half:]

    def settle(self, data: st.DataObject) -> None:
        """Order what waits, mostly: then there is more to correct."""
        if data.draw(st.integers(0, 3)) and self.pending:
            self.order_all()

    def order_all(self) -> None:
        waiting, self.pending = self.pending, []
        self.order(waiting)

    # What reports are made of.

    def next_number(self, mba: str) -> int:
        """The number that follows what is accepted and what waits."""
        waiting = {facts.number for facts, _ in self.pending if facts.mba == mba}
        number = max([LAST[mba], *(facts.number for facts in self.accepted[mba])]) + 1
        while number in waiting:
            number += 1
        return number

    def number(self, mba: str, data: st.DataObject) -> int:
        return max(1, self.next_number(mba) + data.draw(st.sampled_from([0] * 12 + [-1, 1, -30])))

    def entry(self, mba: str, data: st.DataObject) -> EntryFacts:
        code, weights = data.draw(st.sampled_from(CODES)), data.draw(WEIGHTS)
        partner = data.draw(st.sampled_from(sorted(LAST.keys() - {mba})))
        made = change(
            code,
            data.draw(st.sampled_from(["B1", "B2", "B3"])),
            weights,
            on=data.draw(st.sampled_from(["20250214", "20250331", "20250401", "20250815", "20251006"])),
            items=data.draw(st.integers(0, 2)),
            to=partner if code in ("SD", "SF") else "",
            by=partner if code in ("RD", "RF") else "",
            their=data.draw(st.sampled_from(["B1", "B2", "UNKNOWN"])) if code in ("RD", "RF") else "",
        )
        shares = data.draw(SHARES)
        return replace(
            made, obligations=tuple(Share(*name, tuple(sorted(some.items()))) for name, some in sorted(shares.items()))
        )

    def targets(self, mba: str, kind: str, *, added: bool, number: int = 0) -> st.SearchStrategy[tuple[int, int]]:
        """(report, entry): live heads for the most part, others now and then."""
        of_kind = [facts for facts in self.accepted[mba] if facts.kind == kind]
        if added:
            free = [(facts.number, len(facts.entries) + place) for facts in of_kind for place in (1, 2)]
            near = [one for one in free if number in (0, one[0])]
        else:
            live = model.replay(self.accepted[mba])
            near = [address for address, line in live.lines.items() if line.kind == kind and number in (0, address[0])]
            near += [second for second, address in live.second.items() if address in near]
        anything = st.tuples(st.integers(LAST[mba] - 1, self.next_number(mba)), st.integers(1, 4))
        return st.one_of(*[st.sampled_from(near)] * 4, anything) if near else anything

    def balance(self, mba: str, on: str, number: int, listed: Facts) -> Facts:
        """What an honest accountant would write, were `listed` accepted."""
        reports = self.accepted[mba]
        pits = model.pits(reports, OPENING)
        closed = max(day for day, pit in pits.items() if pit.closed)
        first = f"{int(closed) + 1}" if closed in PITS[1:] else {"20241231": "20250101", "20250331": "20250401"}[closed]
        first = {"20250631": "20250701", "20250931": "20251001"}.get(first, first)
        moved: dict[tuple[str, int], int] = {}
        for place, mg in model.flows(model.replay(reports)).items():
            day, code, label = place
            if first <= day <= on:
                moved[code, label] = moved.get((code, label), 0) + mg
        lines = {(code, label): mg for (code, label), mg in moved.items() if mg}
        lines |= {("PB", label): mg for label, mg in pits[closed].told("PE").items()}
        for one in listed.entries:
            for label, mg in one.weights:
                lines["PE", label] = lines.get(("PE", label), 0) + mg
        pit = model.Pit(lines=dict(lines))
        for _ in range(2):  # BA first, which MF follows from
            for label, code, _, expected in model.equations_that_do_not_hold(pit):
                if expected:
                    pit.lines[code, label] = expected
                else:
                    pit.lines.pop((code, label), None)
        rows = [
            (code, {label: mg for (of, label), mg in pit.lines.items() if of == code})
            for code in sorted({c for c, _ in pit.lines})
        ]
        return balance(number, *rows, period=(first, on), mba=mba)

    def submit(self, facts: Facts) -> None:
        self.pending.append((facts, _signed(facts)))

    # Order, and what has to hold.

    def order(self, items: list[tuple[Facts, Vetted]]) -> None:
        evaluation = evaluated(self.ledger, [item for _, item in items])
        self.history.append([item for _, item in items])
        spent = {verdict_id for block in self.history[:-1] for verdict_id in (item.statement_id for item in block)}
        self.judge(items, evaluation, known=spent)
        for mba, reports in self.accepted.items():
            agree(self.ledger, mba, reports)

    def judge(self, items: list[tuple[Facts, Vetted]], evaluation: Evaluation, *, known: set[bytes]) -> None:
        final = {fields_of(k)[0] for k in self.ledger.records if kind_of(k) is Kind.SPENT}
        for (facts, item), verdict, found in zip(items, evaluation.verdicts, evaluation.findings, strict=True):
            reports = self.accepted[facts.mba]
            errors = {finding[0] for finding in found if finding[1] == "error"}
            assert item.statement_id in final or verdict.code == Code.C02
            if verdict.code == Code.DUPLICATE:
                assert item.statement_id in final
                continue
            assert (verdict.code == Code.ACCEPTED) == (not errors)
            last = max([LAST[facts.mba], *(one.number for one in reports)])
            if (fault := model.reference_fault(reports, last, facts)) is not None:
                assert Code(verdict.code).name == fault, found
                continue
            if facts.kind in ("P", "M"):
                assert errors - {"C11"} == model.inventory_faults(reports, OPENING, facts), found
            elif facts.mba == "XLS1":
                assert errors <= {"C17", "C18"}, found
            else:
                assert not errors, found
            if not errors:
                reports.append(facts)

    def teardown(self) -> None:
        if self.pending:
            self.order(self.pending)
        statements = [item for block in self.history for item in block]
        if not statements:
            return
        random = Random(len(statements))
        one_by_one, at_once = [[item] for item in statements], [statements]
        assert without_chain(replayed(one_by_one)) == without_chain(self.ledger)
        assert without_chain(replayed(at_once)) == without_chain(self.ledger)
        shuffled = _areas_shuffled(statements, random)
        assert without_chain(replayed([shuffled]), Kind.SPENT) == without_chain(self.ledger, Kind.SPENT)


def evaluated(ledger: Ledger, items: list[Vetted]) -> Evaluation:
    """Make a block of `items` final, loading as a store does: what keys_read names, then what is missing."""
    batch = ledger.batch(*items)
    evaluation = _evaluated_with_loading(ledger, batch)
    ledger.commit(evaluation)
    return evaluation


def _evaluated_with_loading(ledger: Ledger, batch: VettedBatch) -> Evaluation:
    height, time_ms = ledger.head.height + 1, max(NOW_S * 1000, ledger.head.time_ms) + 1000
    wanted = keys_read([batch], height=height)
    known: dict[bytes, bytes | None] = {}
    for _ in range(ROUNDS_MAX):
        known |= {k: ledger.records.get(k) for k in wanted}
        try:
            return evaluate(
                Records(known, spent={}, spent_limit_s=NOW_S),
                ledger.head,
                height=height,
                time_ms=time_ms,
                batches=[batch],
            )
        except NeedRecords as needed:
            wanted = set(needed.keys)
    raise AssertionError(f"still missing after {ROUNDS_MAX} rounds: {wanted}")


def replayed(blocks: list[list[Vetted]]) -> Ledger:
    ledger = new_ledger()
    for items in blocks:
        ledger.block(*items)
    return ledger


def without_chain(ledger: Ledger, *others: Kind) -> dict[bytes, bytes]:
    """The state but for the chain of batches, which tells how blocks were cut."""
    return {k: v for k, v in ledger.records.items() if kind_of(k) not in (Kind.CHAIN, *others)}


def agree(ledger: Ledger, mba: str, reports: list[Facts]) -> None:
    """The records of one area are what the model computes from its accepted reports."""
    live = model.replay(reports)
    records: dict[Kind, dict[tuple[Any, ...], Any]] = {kind: {} for kind in Kind}
    for record_key, value in ledger.records.items():
        records[kind_of(record_key)][tuple(fields_of(record_key))] = cbor2.loads(value)

    def of(kind: Kind) -> dict[tuple[Any, ...], Any]:
        return {place[2:]: value for place, value in records[kind].items() if place[:2] == ("XL", mba)}

    assert {(c, label): mg for (c,), row in of(Kind.BOOK).items() for label, mg in row} == model.books(live)
    assert {(a, label): mg for (a,), row in of(Kind.ACCOUNT).items() for label, mg in row} == model.accounts(live)
    assert {(o, label): mg for (o,), row in of(Kind.OBLIGATION).items() for label, mg in row} == model.obligations(live)
    flows = {(d, code, label): mg for days in of(Kind.FLOWS).values() for d, rows in days for code, label, mg in rows}
    assert flows == model.flows(live)
    batches = {
        name: (n, {label: mg for label, mg, _ in held if mg}, {label: i for label, _, i in held if i})
        for (name,), (n, held, _) in of(Kind.BATCH).items()
    }
    assert batches == model.batches(live)
    own = f"XL/{mba}"
    sides = {
        place: tuple(
            {(number, entry) for _, number, entry, *_ in some} if who == own else set()
            for some, who in zip(value, place, strict=False)
        )
        for place, value in records[Kind.TRANSIT].items()
    }
    assert {place: some for place, some in sides.items() if any(some)} == model.transits(live, own)
    pits = model.pits(reports, OPENING)
    kept = {
        day: (listed, closed, listing, balance, dict(sums), {(code, label): mg for code, label, mg in lines})
        for (day,), (listed, listing, closed, balance, sums, lines) in of(Kind.PIT).items()
    }
    assert kept == {
        day: (p.listed, p.closed, p.listing, p.balance, p.sums, p.lines) for day, p in pits.items() if p.flags
    }
    number, _, flags = of(Kind.HEAD)[()]
    assert number == max([LAST[mba], *(facts.number for facts in reports)])
    assert {day: f & ~STALE for day, f in flags if f & ~STALE} == {day: p.flags for day, p in pits.items() if p.flags}
    assert {place[0] for place in of(Kind.REPORT)} == {facts.number for facts in reports}
    fates = {place: value[0] for place, value in of(Kind.ENTRY).items()}
    assert {place for place, what in fates.items() if what in (1, 2)} == live.gone
    assert {place for place, what in fates.items() if what == 3} == live.second.keys()


def _signed(facts: Facts) -> Vetted:
    return statement(facts, by=PEOPLE[facts.mba])


def _deleted(like: EntryFacts, target: tuple[int, int]) -> EntryFacts:
    return replace(
        like, status="D", target=target, code="", date="", batch="", weights=(), obligations=(), items=0, measurement=""
    )


def _renumbered(facts: Facts, number: int) -> Facts:
    """The same under another number, its entries counted anew: another document that says what it says."""
    made = report(number, *facts.entries, mba=facts.mba, kind=facts.kind)
    return replace(made, period_from=facts.period_from, period_to=facts.period_to)


def _with_another_weight(facts: Facts, data: st.DataObject) -> Facts:
    place = data.draw(st.integers(0, len(facts.entries) - 1))
    entry = facts.entries[place]
    if not entry.weights:
        return facts
    changed = replace(entry, weights=data.draw(st.sampled_from(_nearby(entry.weights))))
    return replace(facts, entries=(*facts.entries[:place], changed, *facts.entries[place + 1 :]))


def _nearby(weights: tuple[tuple[int, int], ...]) -> list[tuple[tuple[int, int], ...]]:
    (label, mg), *rest = weights
    return [((label, mg + 1), *rest), (*[(label, mg)], *((other, more + 1) for other, more in rest))]


def _areas_shuffled(statements: list[Vetted], random: Random) -> list[Vetted]:
    """Another order between areas, the same within each."""
    by_area: dict[str, list[Vetted]] = {}
    for item in statements:
        facts = item.read_facts()
        assert facts is not None
        by_area.setdefault(facts.mba, []).append(item)
    order = [mba for mba, items in by_area.items() for _ in items]
    random.shuffle(order)
    queues = {mba: iter(items) for mba, items in by_area.items()}
    return [next(queues[mba]) for mba, same in groupby(order) for _ in same]


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
