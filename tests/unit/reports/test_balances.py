"""The arithmetic of material balances against an oracle that adds up by hand (V53, V57, V58, V59, V61)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from slt.reports import judge, write_report
from slt.reports.quantities import format_quantity
from slt.reports.signs import DECREASES, INCREASES
from tests.unit.reports.samples import REFERENCE, Labels, changed, entries, only

GRAMS = st.integers(0, 10**12)
Amounts = dict[str, tuple[int, int]]
"""Code -> milligrams of 630 and of 670."""


@st.composite
def balances(draw: st.DrawFn) -> Amounts:
    """A balance that closes, with an entry for each code that it has, in the order of the form."""
    amounts: Amounts = {"PB": (draw(GRAMS), draw(GRAMS))}
    for code in draw(st.lists(st.sampled_from([*INCREASES, *DECREASES]), unique=True, max_size=6)):
        if code != "NP":  # of uranium that is V28's
            amounts[code] = (draw(GRAMS), draw(GRAMS))
    ordered = sorted(amounts, key=lambda code: (code != "PB", code in DECREASES))
    amounts = {code: amounts[code] for code in ordered}
    book = _sums(amounts)
    if draw(st.booleans()):
        amounts["BE"] = book
    if draw(st.booleans()):
        amounts["DI"] = (draw(st.integers(-(10**9), 10**9)), draw(st.integers(-(10**9), 10**9)))
        book = (book[0] - amounts["DI"][0], book[1] - amounts["DI"][1])
    amounts["BA"] = book
    amounts["PE"] = (draw(GRAMS), draw(GRAMS))
    amounts["MF"] = (book[0] - amounts["PE"][0], book[1] - amounts["PE"][1])
    return amounts


def _sums(amounts: Amounts) -> tuple[int, int]:
    element = isotope = 0
    for code, (first, second) in amounts.items():
        sign = -1 if code in DECREASES else 1
        element, isotope = element + sign * first, isotope + sign * second
    return element, isotope


def _document(amounts: Amounts) -> bytes:
    head = entries("XLF1-109")[0]
    report: list[Labels] = []
    for number, (code, (element, isotope)) in enumerate(amounts.items(), start=1):
        numbered = f"1/{len(amounts)}" if number == 1 else str(number)
        weights = {"630": format_quantity(element, 630), "670": format_quantity(isotope, 670)}
        report.append({**head, "002": numbered, "411": code, **weights})
    return write_report(report)


def _rules(amounts: Amounts) -> set[str]:
    return {finding.rule for finding in judge(_document(amounts), REFERENCE).findings} & {"V57", "V58", "V59", "V61"}


@given(balances())
def test_a_balance_that_closes_has_no_finding(amounts: Amounts) -> None:
    assert _rules(amounts) == set()


@given(balances(), st.data(), st.sampled_from([-1, 1]))
def test_one_milligram_anywhere_is_found(amounts: Amounts, data: st.DataObject, off: int) -> None:
    code = data.draw(st.sampled_from(list(amounts)))
    element, isotope = amounts[code]
    assert _rules({**amounts, code: (element + off, isotope)}) == {"V57"}
    assert _rules({**amounts, code: (element, isotope + off)}) == {"V61"}


@given(balances(), st.sampled_from(["BE", "BA", "MF"]), st.integers(-5000, 5000))
def test_what_is_off_by_rounding_is_stated_as_its_adjustment(amounts: Amounts, code: str, off: int) -> None:
    if code not in amounts:
        return
    element, isotope = amounts[code]
    adjusted = {**amounts, code: (element - off, isotope), f"RA{code}": (off, 0)}
    if code == "BA":  # MF is what is left of BA as it is stated.
        adjusted["MF"] = (amounts["MF"][0] - off, amounts["MF"][1])
    assert _rules(adjusted) == set()


def test_a_missing_entry_of_a_balance_is_named_once_with_its_value() -> None:
    data = only("XLF1-109", 0, 1, 2, 3, 4, 5, 6, 7, 9, 10)
    found = [
        (finding.rule, finding.entry, finding.label, finding.value, finding.expected)
        for finding in judge(data, REFERENCE).findings
    ]
    assert found == [("V57", "", "630", "", "BA 2152389G"), ("V61", "", "670", "", "BA 94707G")]
    assert all("Add the BA entry" in finding.text for finding in judge(data, REFERENCE).findings)


def test_a_wrong_entry_of_a_balance_is_named_with_the_right_value() -> None:
    [finding] = judge(changed("XLF1-109", 10, _630="-418G"), REFERENCE).findings[-1:]
    assert (finding.rule, finding.entry, finding.label) == ("V57", "OI/11", "630")
    assert (finding.value, finding.expected) == ("-418G", "MF 418G")
    assert "Correct the entry" in finding.text


def test_a_category_change_moves_two_books_in_one_entry() -> None:
    """XLT1 blends 100 of 250 kg of natural uranium into depleted; each entry holds both elements."""
    amounts = {"PB": ("250K", "40K"), "ND": ("100K", "100K"), "BA": ("150K", "140K"), "PE": ("150K", "140K")}
    head = {label: text for label, text in entries("XLT1-8")[0].items() if label != "309"} | {"309": "N"}
    report = [
        {**head, "002": f"{at}/{len(amounts)}" if at == 1 else str(at), "411": code, "610": natural, "620": depleted}
        for at, (code, (natural, depleted)) in enumerate(amounts.items(), start=1)
    ]
    assert judge(write_report(report), REFERENCE).findings == ()
    report[1] = {**report[1], "411": "DN"}
    found = {(finding.rule, finding.label) for finding in judge(write_report(report), REFERENCE).findings}
    assert found == {("V57", "610"), ("V57", "620")}


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10**9)), min_size=1, max_size=8))
@settings(max_examples=60)
def test_rebatching_takes_out_what_it_puts_in(moves: list[tuple[bool, int]]) -> None:
    head = entries("XLF1-102")[1]
    report: list[Labels] = []
    left = {"630": 0, "670": 0}
    for number, (out, mg) in enumerate(moves, start=1):
        amounts = {"630": mg, "670": mg // 20}
        weights = {label: format_quantity(amount, int(label)) for label, amount in amounts.items()}
        numbered = f"1/{len(moves)}" if number == 1 else str(number)
        report.append({**head, "002": numbered, "411": "RM" if out else "RP", "446": f"B-{number}", **weights})
        for label, amount in amounts.items():
            left[label] += amount if out else -amount
    found = {finding.label for finding in judge(write_report(report), REFERENCE).findings if finding.rule == "V53"}
    assert found == {label for label, rest in left.items() if rest}
