"""V06 to V12: the content of one label, taken alone (reports.md 1.3, 1.4, 3.1).

Pure functions of label and content: the judge remembers their answers, since the entries of a report repeat them.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from slt.reports import codes
from slt.reports.entry import READ_MAX, read_date, read_number, read_numbered, read_reference
from slt.reports.facts import MEASUREMENT_MAX, NUMBER_MAX
from slt.reports.findings import shown
from slt.reports.labels import NAMES, SEPARATORS, WEIGHTS
from slt.reports.quantities import DECIMALS_MAX, INTEGER_DIGITS_MAX, MG_MAX, MG_PER_UNIT, format_mg, unit_of
from slt.reports.rules.registry import Problem, field_rule

FREE_TEXT: Final = frozenset({"391", "436"})
"""Labels whose signs the profile permits; a rule about entries looks at them."""

_NOT_IN_AREA_CODES: Final = re.compile(r"[^A-Z0-9-]")


@lru_cache(64)
def _not_permitted(signs: frozenset[str], separators: str) -> re.Pattern[str]:
    return re.compile(f"[^A-Z0-9{re.escape(''.join(sorted(signs)))}{re.escape(separators)}]")


@field_rule("V06", "reports.md 3.1, 2.5; REGDOC-2.13.1 reserved characters", labels=NAMES.keys() - FREE_TEXT)
def permitted_characters(label: str, value: str) -> Iterator[Problem]:
    """Capitals, digits and the permitted signs only; no separator inside a value."""
    return characters(label, value, codes.SIGNS)


def characters(label: str, value: str, signs: frozenset[str]) -> Iterator[Problem]:
    """The first character of `value` that is no capital, digit, one of `signs`, or separator of its items."""
    match = _not_permitted(signs, SEPARATORS.get(label, "")).search(value)
    if match is None:
        return
    character = match[0]
    if character in "\r\n":
        why = "A line ends inside this value. Write the value on one line; if a `#` is missing before it, add it."
    elif character == ":":
        why = "A colon stands inside this value. If a `#` is missing before the next label, add it; else leave it out."
    elif character in "/;":
        why = f"`{character}` divides items and must not stand inside this value. Use a blank or a hyphen."
    elif character.isascii() and character.islower():
        why = "Small letters are not allowed. Write capitals."
    elif not character.isascii():
        why = "This value has a character that is not ASCII. Write it in Latin capitals, digits and permitted signs."
    else:
        why = "This value has a character that is not permitted. Leave it out, or write it in words."
    yield Problem(why, label, shown(value), f"A-Z 0-9 {' '.join(sorted(signs - {' '}))} and blank")


def _area_codes(label: str, value: str) -> list[str]:
    """The State, facility and area codes within a value."""
    if label in {"370", "372"}:
        return value[:READ_MAX].split("/")
    if label == "001":
        return [value.partition("/")[2].partition(";")[0]]
    if label == "309":
        return [value.partition("/")[2].partition(";")[0]] if "/" in value else []
    return [value]


@field_rule("V06", "reports.md 3.1", labels=("001", "207", "307", "309", "370", "372"))
def characters_of_area_codes(label: str, value: str) -> Iterator[Problem]:
    """Codes of States, facilities and areas are capitals, digits and hyphens."""
    for code in _area_codes(label, value):
        if _NOT_IN_AREA_CODES.search(code):
            yield Problem(
                "The code of a State, facility or area has only capitals, digits and hyphens. Correct it.",
                label,
                shown(value),
                "A-Z 0-9 -",
            )
            return


@field_rule("V06", "reports.md 1.1, 3.1", labels=("001", "010", "309", "390", "411", "430", "469"))
def letter_o_not_zero(label: str, value: str) -> Iterator[Problem]:
    """The letter O, which the form prints as a crossed zero, is not the digit 0 in a code."""
    code = value.partition("/")[0] if label in {"001", "309", "469"} else value
    if "0" in code:
        yield Problem(
            "A zero stands where the letter O is meant. The form prints the letter O crossed through, like a zero.",
            label,
            shown(value),
            shown(value.replace(code, code.replace("0", "O"), 1)),
        )


_LENGTHS: Final = {
    "006": (1, 30),
    "207": (4, 4),
    "307": (4, 4),
    "310": (1, 40),
    "391": (1, 2000),
    "407": (1, 2),
    "436": (1, 100),
    "445": (1, 1),
    "446": (1, 16),
    "447": (1, 16),
    "469": (1, MEASUREMENT_MAX),
}
"""Label -> fewest and most characters (reports.md 1.3). That of 469 is ours: the form gives none."""


@field_rule("V07", "reports.md 3.1, 1.3", labels=_LENGTHS)
def lengths(label: str, value: str) -> Iterator[Problem]:
    """Values keep the lengths of the form."""
    least, most = _LENGTHS[label]
    if least <= len(value) <= most:
        return
    expected = f"{most} characters" if least == most else f"1 to {most} characters"
    if not value:
        text = f"Label {label} ({NAMES[label]}) is empty. Fill it in, or leave the label out where it is optional."
    else:
        text = f"{len(value)} characters in label {label} ({NAMES[label]}). Shorten or complete it to {expected}."
    yield Problem(text, label, shown(value), expected)


@field_rule("V07", "reports.md 3.1, 1.3", labels=("001", "309", "370", "372", "435"))
def lengths_of_items(label: str, value: str) -> Iterator[Problem]:
    """A country has two characters, a partner's area four, an operator's code twelve at most."""
    first, slash, rest = value.partition("/")
    if label == "435":
        if len(rest) > 12:
            yield Problem(
                "The operator's material code has at most 12 characters. Shorten it.", label, shown(value), "N/code"
            )
        return
    if label in {"001", "309"}:
        if slash and len(rest.partition(";")[0]) != 2:
            yield Problem("The country code has two characters. Correct it.", label, shown(value), "XL")
        return
    if len(first) != 2 or (slash and len(rest) != 4):
        yield Problem(
            "A partner is a country of two characters, a slash, and an area of four. Correct it; "
            "abroad the country alone will do where the area is not known.",
            label,
            shown(value),
            "CC/XXXX",
        )


@field_rule("V08", "reports.md 3.1, 1.3", labels=("003", "412"))
def real_dates(label: str, value: str) -> Iterator[Problem]:
    """Dates exist, in 8 or 6 digits; YY 70 to 99 are 19YY."""
    if read_date(value[:READ_MAX]) is None:
        yield Problem(f"There is no such date. Correct label {label}.", label, shown(value), "YYYYMMDD or YYMMDD")


@field_rule("V08", "reports.md 3.1, 1.3", labels=("015",))
def real_period(label: str, value: str) -> Iterator[Problem]:
    """A period is one or two dates that exist."""
    for item in value[:READ_MAX].split("/", 2)[:2]:
        if read_date(item) is None:
            yield Problem("There is no such date. Correct the period.", label, shown(value), "YYYYMMDD/YYYYMMDD")
            return
    if value.count("/") > 1:
        yield Problem(
            "A period has two dates, first and last day. Correct it.", label, shown(value), "YYYYMMDD/YYYYMMDD"
        )


@field_rule("V09", "reports.md 3.1, 1.3", labels=("001",))
def reference_number(label: str, value: str) -> Iterator[Problem]:
    """001 is OI or NC, a country and a report number from 1."""
    reference = read_reference(value[:READ_MAX])
    if reference is None or not reference.report:
        yield Problem(
            "The reference number cannot be read. Write OI for accounting entries or NC for notes, a slash, the "
            "country, a semicolon, and the number of the report, which is a whole number from 1.",
            label,
            shown(value),
            "OI/CC;number",
        )


@field_rule("V09", "reports.md 3.1, 1.3", labels=("002",))
def entry_number(label: str, value: str) -> Iterator[Problem]:
    """002 is a whole number from 1, and a total that is one too."""
    numbered = read_numbered(value[:READ_MAX])
    if numbered is None or not numbered[0]:
        yield Problem(
            "The entry number cannot be read. Write a whole number from 1, on the first entry with a slash and "
            "the total.",
            label,
            shown(value),
            "n/total or n",
        )


@field_rule("V09", "reports.md 3.1, 1.3", labels=("470",))
def number_of_items(label: str, value: str) -> Iterator[Problem]:
    """470 is a whole number from 0."""
    if read_number(value[:READ_MAX]) is None:
        yield Problem(
            "The number of items is a whole number. Write 0 for bulk material, or where a number means nothing.",
            label,
            shown(value),
            f"0 to {NUMBER_MAX}",
        )


_NUMBER: Final = re.compile(rf"-?(0|[1-9][0-9]{{0,{INTEGER_DIGITS_MAX - 1}}})(?:\.([0-9]+))?")


@field_rule("V10", "reports.md 3.1, 1.4", labels=WEIGHTS)
def weights(label: str, value: str) -> Iterator[Problem]:
    """A weight is a number with a decimal point and its unit, in whole milligrams."""
    number, unit = value[:-1], value[-1:]
    expected = f"for example 1234.5{unit_of(int(label))}"
    if unit not in DECIMALS_MAX:
        yield Problem("The weight does not end with its unit. Add G or K.", label, shown(value), expected)
        return
    match = _NUMBER.fullmatch(number)
    if match is None:
        yield Problem(
            "The weight is no number as the form wants it. Write digits without a leading zero, a point before the "
            f"decimals, no comma, no exponent, and at most {INTEGER_DIGITS_MAX} digits before the point.",
            label,
            shown(value),
            expected,
        )
    elif len(match[2] or "") > DECIMALS_MAX[unit]:
        yield Problem(
            f"{len(match[2])} decimals, and {unit} allows {DECIMALS_MAX[unit]}. Round to a milligram.",
            label,
            shown(value),
            f"at most {DECIMALS_MAX[unit]} decimals",
        )
    elif int(match[1]) * MG_PER_UNIT[unit] > MG_MAX:
        largest = format_mg(MG_MAX, unit)
        yield Problem(
            f"The weight is larger than this ledger can hold. Correct it; {largest} is the largest.",
            label,
            shown(value),
            largest,
        )


@field_rule("V11", "reports.md 3.1, 1.4", labels=WEIGHTS)
def unit_of_label(label: str, value: str) -> Iterator[Problem]:
    """Kilograms for 610, 620 and 800; grams for every other weight."""
    unit = unit_of(int(label))
    if value[-1:] in DECIMALS_MAX and value[-1:] != unit:
        words = "kilograms (K)" if unit == "K" else "grams (G)"
        yield Problem(f"Label {label} is stated in {words}. Convert the weight.", label, shown(value), unit)


_LISTS: Final = {"010": frozenset(codes.KINDS), "390": frozenset("Y"), "411": codes.CODES_411}
_EXPECTED: Final = {
    "010": "I, P, M or T",
    "390": "Y",
    "411": "a code of the form, such as RD, SD, LN, PB, MF or RALD",
}


@field_rule("V12", "reports.md 3.1, 1.2 to 1.6", labels=_LISTS)
def codes_in_lists(label: str, value: str) -> Iterator[Problem]:
    """010, 390 and 411 are codes of their lists."""
    if value not in _LISTS[label]:
        if label == "411" and value.startswith("RA"):
            return  # V13 says which adjustments there are.
        yield Problem(
            f"This code is not in the list of label {label} ({NAMES[label]}). Use one of the list.",
            label,
            shown(value),
            _EXPECTED[label],
        )


@field_rule("V12", "reports.md 3.1, 1.8", labels=("309",))
def status_in_list(label: str, value: str) -> Iterator[Problem]:
    """309 begins with N, U, C, D or A."""
    if value.partition("/")[0] not in codes.STATUSES:
        yield Problem(
            "This is no entry status. Write N (new), U (invalid or empty), C (correction), D (deletion) or "
            "A (addition).",
            label,
            shown(value),
            "N, U, C, D or A",
        )


_POSITIONS: Final = (
    ("physical form", codes.PHYSICAL_FORMS),
    ("chemical form", codes.CHEMICAL_FORMS),
    ("containment", codes.CONTAINMENTS),
    ("status and quality", codes.QUALITIES),
)


@field_rule("V12", "reports.md 3.1, 1.7", labels=("430",))
def material_in_lists(label: str, value: str) -> Iterator[Problem]:
    """430 is four codes of four lists; sealed sources are the pair Q/S."""
    items = value[:READ_MAX].split("/")
    if len(items) != len(_POSITIONS):
        yield Problem(
            "The material description is not four codes. Write physical form, chemical form, containment and quality "
            "with slashes between them.",
            label,
            shown(value),
            "a/b/c/d",
        )
        return
    for (name, known), item in zip(_POSITIONS, items, strict=True):
        if item in known or (name == "chemical form" and items[:2] == ["Q", "S"]):
            continue
        yield Problem(
            f"`{shown(item)}` is no {name} of a material description. Look the code up in the form.",
            label,
            shown(value),
            " ".join(sorted(known)),
        )


@field_rule("V12", "reports.md 3.1, 1.9", labels=("469",))
def measurement_in_list(label: str, value: str) -> Iterator[Problem]:
    """469 begins with N, L, M or T; measurement point and method may follow."""
    basis, *others = value[:READ_MAX].split("/")
    if basis not in codes.MEASUREMENT_BASES or len(others) > 2 or (others and not others[-1]):
        yield Problem(
            "This is no measurement identification. Write N, L, M or T; a measurement point and a method may follow.",
            label,
            shown(value),
            "B, B/kmp or B/kmp/method",
        )


@field_rule("V12", "reports.md 1.3", labels=("435",))
def operators_code(label: str, value: str) -> Iterator[Problem]:
    """435 is Y, or N with the operator's code."""
    if value != "Y" and not (value.startswith("N/") and len(value) > 2):
        yield Problem(
            "This is no operator's material code. Write Y, or N, a slash and the code.",
            label,
            shown(value),
            "Y or N/code",
        )
