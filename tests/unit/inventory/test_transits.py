"""C27 and C28, both ways, and the states of a transit (reports.md 4.2): derived, and never a condition."""

from dataclasses import replace
from random import Random

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.inventory.evaluate import evaluate
from slt.inventory.keys import Kind, key
from slt.inventory.settings import IAEA
from slt.inventory.state import NeedRecords, Records
from slt.inventory.transits import Side, Transit, TransitState, by_quantity, state_on
from slt.reports.facts import Facts
from tests.unit.inventory.building import NOW_S, Ledger, area, identity, report, rules, statement
from tests.unit.inventory.saying import change, deletion, flags, ledger, told

SHIPPED = change("SD", "FB1", on="20250929", to="XLR1", basis="M")


def receipt(**changed: object) -> Facts:
    fields = {"on": "20251006", "by": "XLF1", "basis": "N"} | changed
    return report(41, change("RD", "FB1", **fields))  # type: ignore[arg-type]  # change's own arguments


def under_way() -> Ledger:
    """XLF1 has shipped FB1 to XLR1."""
    made = ledger()
    assert flags(made, report(101, change("RF", "RAW", {630: 9000, 670: 300}), mba="XLF1")) == []
    assert flags(made, report(102, SHIPPED, mba="XLF1")) == []
    return made


def state(made: Ledger, day: str = "20251010", batch: str = "FB1") -> TransitState | None:
    value = made.records.get(key(Kind.TRANSIT, "XL/XLF1", "XL/XLR1", batch))
    return None if value is None else state_on(Transit(cbor2.loads(value), domestic=True), day, IAEA)


def test_a_shipment_is_open_until_it_is_received_and_then_it_matches() -> None:
    made = under_way()
    assert state(made) is TransitState.OPEN_SHIPMENT
    assert flags(made, receipt()) == []
    assert state(made) is TransitState.MATCHED


def test_case_12_a_receipt_without_a_shipment_is_open_and_no_flag() -> None:
    made = ledger()
    assert flags(made, receipt()) == []
    assert state(made) is TransitState.OPEN_RECEIPT


def test_an_open_transit_is_overdue_after_its_term() -> None:
    made = under_way()
    assert state(made, "20251129") is TransitState.OPEN_SHIPMENT  # 61 days after 29 September
    assert state(made, "20251130") is TransitState.OVERDUE
    flags(made, receipt())
    assert state(made, "20300101") is TransitState.MATCHED


def test_whichever_side_comes_first_the_state_is_the_same() -> None:
    made = ledger()
    flags(made, receipt())
    flags(made, report(101, change("RF", "RAW", {630: 9000, 670: 300}), mba="XLF1"))
    flags(made, report(102, SHIPPED, mba="XLF1"))
    other = under_way()
    flags(other, receipt())
    assert {k: v for k, v in made.records.items() if k[1] == Kind.TRANSIT} == {
        k: v for k, v in other.records.items() if k[1] == Kind.TRANSIT
    }


@pytest.mark.parametrize(
    ("changed", "label"),
    [
        ({"weights": {630: 1000, 670: 41}}, "670"),
        ({"weights": {630: 1000, 670: 40, 700: 1}}, "700"),
        ({"items": 2}, "470"),
        ({"material": "B/Q/1/F"}, "430"),
    ],
)
def test_a_receipt_that_differs_is_flagged_in_that_label(changed: dict[str, object], label: str) -> None:
    made = under_way()
    code, findings = told(made, receipt(**changed))
    assert [(found[0], found[1], found[2], found[3]) for found in findings] == [("C27", "warning", "OI/1", label)]
    assert state(made) is TransitState.DIFFERENT
    assert code == 0


def test_case_11_a_receipt_before_the_shipment_is_flagged() -> None:
    made = under_way()
    _, findings = told(made, receipt(on="20250928"))
    assert [found[:5] for found in findings] == [("C27", "warning", "OI/1", "412", "20250928")]


def test_case_10_the_same_shipment_received_twice_is_flagged() -> None:
    made = under_way()
    flags(made, receipt())
    assert flags(made, report(42, change("RD", "FB1", on="20251007", by="XLF1", basis="N"))) == ["C27"]
    assert state(made) is TransitState.OPEN_RECEIPT


def test_no_finding_tells_what_the_other_area_reported() -> None:
    """The shipper's weights, items, material, date and reports appear nowhere in what the receiver is told."""
    made = ledger()
    flags(made, report(101, change("RF", "RAW", {630: 9000, 670: 300}), mba="XLF1"))
    odd = change("SD", "FB1", {630: 7777, 670: 333}, on="20251231", to="XLR1", items=17, material="D/Q/2/A")
    flags(made, report(102, odd, mba="XLF1"))
    code, findings = told(made, receipt())
    assert code == 0
    assert {found[3] for found in findings} == {"412", "430", "470", "630", "670"}
    words = " ".join(word for found in findings for word in found)
    for secret in ("7.777", "0.333", "17", "D/Q/2/A", "20251231", "102", "XLF1;"):
        assert secret not in words


def test_a_correction_of_either_side_makes_them_match() -> None:
    made = under_way()
    assert flags(made, receipt(weights={630: 999, 670: 40})) == ["C27"]
    right = change("RD", "FB1", on="20251006", by="XLF1", basis="N", status="C", target=(41, 1))
    assert flags(made, report(42, right)) == []
    assert state(made) is TransitState.MATCHED


def test_a_deleted_side_leaves_the_other_open_and_both_leave_nothing() -> None:
    made = under_way()
    flags(made, receipt())
    flags(made, report(42, deletion((41, 1))))
    assert state(made) is TransitState.OPEN_SHIPMENT
    flags(made, report(103, deletion((102, 1)), mba="XLF1"))
    assert state(made) is None


def test_a_receipt_without_the_shippers_name_goes_with_the_open_shipment_of_its_items_and_weights() -> None:
    assert flags(under_way(), receipt(their="UNKNOWN")) == []


@pytest.mark.parametrize(
    "changed", [{"weights": {630: 1000, 670: 41}}, {"items": 2}, {"on": "20250928"}, {"by": "XLS1"}]
)
def test_a_receipt_without_the_shippers_name_that_is_of_no_open_shipment_is_flagged(changed: dict[str, object]) -> None:
    assert flags(under_way(), receipt(their="UNKNOWN", **changed)) == ["C27"]


def test_a_receipt_without_the_shippers_name_does_not_take_what_was_received_by_name() -> None:
    made = under_way()
    flags(made, receipt())
    again = replace(receipt(their="UNKNOWN"), number=42)
    assert flags(made, replace(again, entries=(replace(again.entries[0], batch="B9"),))) == ["C27"]


def test_two_receipts_without_names_need_two_shipments() -> None:
    made = under_way()
    both = [change("RD", name, on="20251006", by="XLF1", basis="N", their="UNKNOWN") for name in ("B1", "B2")]
    assert flags(made, report(41, *both)) == ["C27"]
    made = under_way()
    flags(made, report(103, replace(SHIPPED, batch="FB2", date="20250930"), mba="XLF1"))
    assert flags(made, report(41, *both)) == []


def test_a_shipment_that_was_corrected_or_deleted_counts_as_it_is() -> None:
    made = under_way()
    flags(made, report(103, deletion((102, 1)), mba="XLF1"))
    assert flags(made, receipt(their="UNKNOWN")) == ["C27"]
    made = under_way()
    right = change("SD", "FB1", {630: 1001}, on="20250929", to="XLR1", status="C", target=(102, 1))
    flags(made, report(103, right, mba="XLF1"))
    assert flags(made, receipt(their="UNKNOWN", weights={630: 1001})) == []


def test_a_receipt_without_the_shippers_name_that_is_corrected_leaves_its_shipment_to_another() -> None:
    made = under_way()
    flags(made, receipt(their="UNKNOWN"))
    flags(made, report(42, deletion((41, 1))))
    assert "C27" not in flags(made, replace(receipt(their="UNKNOWN"), number=43))


def test_a_description_that_differs_is_told_also_without_the_name() -> None:
    _, findings = told(under_way(), receipt(their="UNKNOWN", material="B/Q/1/F"))
    assert [(found[0], found[3]) for found in findings] == [("C27", "430")]


def test_what_a_receipt_without_a_name_reads_of_the_shipper_is_named_until_it_is_there() -> None:
    made = under_way()
    batch = made.batch(statement(receipt(their="UNKNOWN")))
    known: dict[bytes, bytes | None] = {}

    def rules_told() -> list[str] | None:
        """None: records were missing, which are there the next time."""
        view = Records(known, spent={}, spent_limit_s=NOW_S)
        try:
            return rules(evaluate(view, made.head, height=3, time_ms=made.head.time_ms + 1000, batches=[batch]))
        except NeedRecords as needed:
            known.update({k: made.records.get(k) for k in needed.keys})
            return None

    assert next(told for _ in range(60) if (told := rules_told()) is not None) == []
    shipment = key(Kind.TRANSIT, "XL/XLF1", "XL/XLR1", "FB1")
    assert {shipment, key(Kind.REPORT, "XL", "XLF1", 102), key(Kind.ENTRY, "XL", "XLF1", 102, 1)} <= known.keys()


SHIPMENTS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 2)), max_size=6)


@given(SHIPMENTS, SHIPMENTS)
def test_by_quantity_as_many_receipts_find_a_shipment_as_can(
    shipped: list[tuple[int, int]], received: list[tuple[int, int]]
) -> None:
    sides = [
        [Side(f"2025010{day}", n, 1, "B/Q/2/F", 1, ((630, mg),)) for n, (day, mg) in enumerate(some)]
        for some in (shipped, received)
    ]
    found = by_quantity(*sides)
    assert len({one for one, _ in found}) == len({other for _, other in found}) == len(found)
    assert all(one.load == other.load and one.date <= other.date for one, other in found)
    assert len(found) == most(*sides)


def most(shipments: list[Side], receipts: list[Side]) -> int:
    """The largest number of pairs, by trying them all."""
    if not receipts:
        return 0
    first, *rest = receipts
    fits = [one for one in shipments if one.load == first.load and one.date <= first.date]
    taken = (1 + most([other for other in shipments if other is not one], rest) for one in fits)
    return max((most(shipments, rest), *taken))


def test_uranium_and_plutonium_in_two_entries_match_each_other() -> None:
    made = ledger()
    flags(made, report(101, change("RF", "RAW", {630: 9000, 670: 300, 700: 50}), mba="XLF1"))
    parts = ({630: 1000, 670: 40}, {700: 5})
    flags(made, report(102, *(change("SD", "FB1", w, on="20250929", to="XLR1") for w in parts), mba="XLF1"))
    assert flags(made, report(41, *(change("RD", "FB1", w, by="XLF1", basis="N") for w in parts))) == []
    assert state(made) is TransitState.MATCHED


def test_an_export_and_an_import_that_this_ledger_knows_are_matched_by_c28() -> None:
    made = under_way()
    abroad = area("XFR1", state="XF", last_report_number=0)
    foreign = identity("abroad", state="XF", mbas=("XFR1",))
    made = Ledger(identities=(identity(), foreign), mbas=(area("XLR1"), abroad))
    made.accept(report(41, replace(change("SF", "FB2", on="20250930"), receiver="XF/XFR1")))
    wrong = change("RF", "FB2", {630: 1}, on="20251007", basis="N", material="O/G/R/B", their="FB2")
    received = report(1, replace(wrong, shipper="XL/XLR1"), mba="XFR1", country="XF")
    evaluation = made.block(statement(received, by=foreign))
    assert rules(evaluation) == ["C28", "C28"]  # two weights; 430 may differ abroad


def test_a_name_that_comes_again_between_two_areas_keeps_a_small_record() -> None:
    made = ledger()
    flags(made, report(101, change("RF", "RAW", {630: 10**9, 670: 10**6}), mba="XLF1"))
    for n in range(40):
        on = f"2025{1 + n // 28:02}{1 + n % 28:02}"
        flags(made, report(102 + n, change("SD", "PW", on=on, to="XLR1", items=0), mba="XLF1"))
    value = cbor2.loads(made.records[key(Kind.TRANSIT, "XL/XLF1", "XL/XLR1", "PW")])
    assert len(value[0]) == 16


def test_of_a_name_that_comes_again_the_oldest_pairs_are_forgotten_together() -> None:
    transit = Transit(None, domestic=True)
    for n in range(1, 41):
        for shipped in (True, False):
            side = Side(f"2025{n:04}", n, 1, "B/Q/2/F", 1, ((630, n),))
            transit.count(1, side, shipped=shipped)
            value = transit.to_value()
            assert value is not None
            transit = Transit(value, domestic=True)
            assert transit.state is (TransitState.OPEN_SHIPMENT if shipped else TransitState.MATCHED)


SIDES = st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(1, 3)), max_size=6)


@given(SIDES, st.randoms(use_true_random=False))
def test_a_transit_is_a_function_of_its_live_entries_in_whatever_order_they_came(
    sides: list[tuple[bool, int, int]], shuffled: Random
) -> None:
    made = [
        (shipped, Side(f"2025010{day}", n, 1, "B/Q/2/F", 1, ((630, mg),))) for n, (shipped, day, mg) in enumerate(sides)
    ]
    orders = [list(made), list(made)]
    shuffled.shuffle(orders[1])
    values = []
    for order in orders:
        transit = Transit(None, domestic=True)
        for shipped, side in order:
            transit.count(1, side, shipped=shipped)
        values.append(transit.to_value())
    assert values[0] == values[1]
    again = Transit(values[0], domestic=True)
    for shipped, side in made:
        again.count(-1, side, shipped=shipped)
    assert again.to_value() is None


def test_a_report_of_many_shipments_under_one_name_is_judged_in_bounded_time() -> None:
    made = ledger()
    days = [f"2025{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)]
    entries = [change("SD", "PW", on=on, to="XLR1", material=f"{n}") for on in days for n in range(6)]
    code, _ = told(made, report(101, *entries, mba="XLF1"))
    assert code == 0
    value = cbor2.loads(made.records[key(Kind.TRANSIT, "XL/XLF1", "XL/XLR1", "PW")])
    assert len(value[0]) == 16
