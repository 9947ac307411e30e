"""For the rules of issue 2, documents that break them and documents that come close and keep them.

The other rules: cases_of_entries.py, cases_of_reports.py. `test_rules.py` runs all of them.
"""

from typing import Final, NamedTuple

from slt.reports import write_report
from tests.unit.reports.samples import changed, document, edited, entries, everywhere, replaced


class Case(NamedTuple):
    rule: str
    sentence: str
    data: bytes
    today: str | None = None


def _without(name: str, at: int) -> bytes:
    report = entries(name)
    del report[at]
    return write_report(report)


def twice(name: str, at: int, **labels: str) -> bytes:
    """The sample with entry `at` repeated at the end, its labels changed, and the entries counted anew."""
    report = entries(name)
    report.append({**report[at], **{key.removeprefix("_"): value for key, value in labels.items()}})
    for number, entry in enumerate(report, start=1):
        entry["002"] = str(number) if number > 1 else f"1/{len(report)}"
    return write_report(report)


def _bare(name: str) -> dict[str, str | None]:
    """309:U, and everything left out that an invalid entry need not have."""
    kept = {"001", "002", "003", "006", "010", "015", "207", "307", "309"}
    return {"_309": "U", **{f"_{label}": None for label in entries(name)[3].keys() - kept}}


SHIPMENT: Final = "XLR1-41"  # four SD entries
RECEIPT: Final = "XLR1-42"  # four RD entries
BURNUP: Final = "XLR1-43"  # LN with notes, NP
LISTING: Final = "XLR1-44"
BALANCE: Final = "XLR1-45"
IMPORT: Final = "XLF1-101"
DIFFERENCE: Final = "XLF1-102"  # DI with a note, RM, RP
EXPORT: Final = "XLF1-103"
ADJUSTED: Final = "XLF1-109"  # MBR with RALD
EMPTY: Final = "XLT1-7"
CORRECTION: Final = "XLR1-46"
DELETION: Final = "XLF1-110"
BLEND: Final = "XLT1-9"  # ND
TEXT: Final = "XLT1-10"

BROKEN: Final = [
    Case("V01", "text between two elements", replaced(SHIPMENT, "#006:", "# DOE #006:")),
    Case("V01", "a hash inside a note", replaced(BURNUP, "AFTER CYCLE 14,", "AFTER # CYCLE 14,")),
    Case("V01", "two hashes", replaced(SHIPMENT, "#006:", "##006:")),
    Case("V01", "the end is cut off", document(SHIPMENT)[:-10]),
    Case("V01", "an empty file", b""),
    Case("V01", "only blanks", b" \r\n \n"),
    Case("V01", "a tab between elements", replaced(SHIPMENT, "#006:", "#\t006:")),
    Case("V02", "a line before the first entry", b"010:I#" + document(SHIPMENT)),
    Case("V02", "a label twice", replaced(SHIPMENT, "#006:DOE,J#", "#006:DOE,J#006:DOE,J#")),
    Case("V03", "a label that is not in the form", changed(SHIPMENT, 1, _471="1")),
    Case("V03", "a domestic label of another form", replaced(SHIPMENT, "#006:", "#900:X#006:")),
    Case("V03", "text of a note in an accounting entry", changed(SHIPMENT, 1, _391="NOTE")),
    Case("V03", "a weight in a note", changed(BURNUP, 8, _630="1G")),
    Case("V03", "an accounting entry in a textual report", everywhere(SHIPMENT, _010="T")),
    *(
        Case("V04", f"{label} is missing", changed(SHIPMENT, 2, **{f"_{label}": None}))
        for label in ("002", "003", "006", "010", "015", "207", "307", "309")
    ),
    *(
        Case("V04", f"{label} is missing", changed(SHIPMENT, 2, **{f"_{label}": None}))
        for label in ("407", "411", "412", "430", "446", "469", "470")
    ),
    Case("V04", "no weight", changed(SHIPMENT, 0, _630=None, _670=None, _700=None)),
    Case("V04", "407 is missing in a listing", changed(LISTING, 0, _407=None)),
    Case("V04", "411 is missing in a balance", changed(BALANCE, 0, _411=None)),
    Case("V04", "a note without text", changed(BURNUP, 8, _391=None)),
    Case("V04", "a textual report without its type", changed(TEXT, 0, _010=None)),
    Case("V04", "notes alone that say ICR", changed(TEXT, 0, _010="I")),
    Case("V04", "a deletion without period", changed(DELETION, 0, _015=None)),
    Case("V05", "412 in a listing", changed(LISTING, 0, _412="20251215")),
    Case("V05", "446 in a balance", changed(BALANCE, 0, _446="RC01")),
    Case("V05", "447 in a shipment", changed(SHIPMENT, 0, _447="SP01")),
    Case("V05", "a report type in a note", changed(BURNUP, 8, _010="I")),
    Case("V06", "small letters", everywhere(SHIPMENT, _006="Doe,J")),
    Case("V06", "a colon in a batch name", changed(SHIPMENT, 0, _446="SP:01")),
    Case("V06", "a slash in a batch name", changed(SHIPMENT, 0, _446="SP/01")),
    Case("V06", "a semicolon in a note", changed(BURNUP, 8, _391="RC01; RC02")),
    Case("V06", "letters of another alphabet", replaced(SHIPMENT, "DOE,J", "D\xc3\x96E,J")),
    Case("V06", "a line end inside a value", replaced(SHIPMENT, "DOE,J", "DOE,\nJ")),
    Case("V06", "a NUL byte", replaced(SHIPMENT, "DOE,J", "DOE\0J")),
    Case("V06", "a byte order mark", b"\xef\xbb\xbf" + document(SHIPMENT)),
    Case("V06", "sixteen-bit characters", document(SHIPMENT).decode().encode("utf-16")),
    Case("V06", "an area code with a full stop", everywhere(SHIPMENT, _307="XL.1")),
    Case("V06", "zero for O in the material", changed(DIFFERENCE, 0, _430="0/G/R/B")),
    Case("V06", "zero for O in the reference number", changed(SHIPMENT, 0, _001="0I/XL;41")),
    Case("V07", "a batch name of 17 characters", changed(SHIPMENT, 0, _446="S" * 17)),
    Case("V07", "a shipper's batch name of 17", changed(RECEIPT, 0, _447="S" * 17)),
    Case("V07", "a name of 31", everywhere(SHIPMENT, _006="D" * 31)),
    Case("V07", "a record id of 41", changed(SHIPMENT, 0, _310="1" * 41)),
    Case("V07", "a note of 2001", changed(BURNUP, 8, _391="A" * 2001)),
    Case("V07", "an operator's code of 13", changed(SHIPMENT, 0, _435="N/" + "A" * 13)),
    Case("V07", "a description of 101", changed(SHIPMENT, 0, _436="A" * 101)),
    Case("V07", "a facility of 3", everywhere(SHIPMENT, _207="XLR")),
    Case("V07", "an area of 5", everywhere(SHIPMENT, _307="XLR11")),
    Case("V07", "a measurement point of 3", changed(SHIPMENT, 0, _407="123")),
    Case("V07", "an empty batch name", changed(SHIPMENT, 0, _446="")),
    Case("V07", "a partner without slash", changed(SHIPMENT, 0, _372="XLXLS1")),
    Case("V07", "a country of three letters", changed(SHIPMENT, 0, _372="XLL/XLS1")),
    Case("V08", "30 February", changed(SHIPMENT, 0, _412="20250230")),
    Case("V08", "month 13", everywhere(SHIPMENT, _003="20251301")),
    Case("V08", "a date with hyphens", changed(SHIPMENT, 0, _412="2025-03-10")),
    Case("V08", "day before month", everywhere(SHIPMENT, _003="08042025")),
    Case("V08", "a period of three dates", everywhere(SHIPMENT, _015="20250301/20250331/20250401")),
    Case("V08", "a period with a bad end", everywhere(SHIPMENT, _015="20250301/20250332")),
    Case("V08", "an open period", everywhere(SHIPMENT, _015="20250301/")),
    Case("V08", "a change report with one date", everywhere(SHIPMENT, _015="20250331")),
    Case("V08", "two styles", changed(SHIPMENT, 0, _412="250310")),
    Case("V09", "an entry number in words", changed(SHIPMENT, 1, _002="TWO")),
    Case("V09", "entry number zero", changed(SHIPMENT, 1, _002="0")),
    Case("V09", "a negative number of items", changed(SHIPMENT, 0, _470="-1")),
    Case("V09", "half an item", changed(SHIPMENT, 0, _470="1.5")),
    Case("V09", "a report number in words", everywhere(SHIPMENT, _001="OI/XL;FORTY")),
    Case("V09", "report number zero", everywhere(SHIPMENT, _001="OI/XL;0")),
    Case("V09", "a reference number without country", everywhere(SHIPMENT, _001="OI;41")),
    Case("V10", "four decimals with G", changed(SHIPMENT, 0, _630="432310.1234G")),
    Case("V10", "seven decimals with K", changed(BLEND, 0, _610="100.0000001K")),
    Case("V10", "a decimal comma", changed(SHIPMENT, 0, _630="432310,5G")),
    Case("V10", "an exponent", changed(SHIPMENT, 0, _630="4E5G")),
    Case("V10", "no unit", changed(SHIPMENT, 0, _630="432310")),
    Case("V10", "a leading zero", changed(SHIPMENT, 0, _630="0432310G")),
    Case("V10", "no digit after the point", changed(SHIPMENT, 0, _630="432310.G")),
    Case("V10", "a plus sign", changed(SHIPMENT, 0, _630="+432310G")),
    Case("V10", "sixteen digits", changed(SHIPMENT, 0, _630="1234567890123456G")),
    Case("V10", "more than the ledger can hold", changed(BLEND, 0, _610="1000000000000K")),
    Case("V11", "kilograms of enriched uranium", changed(SHIPMENT, 0, _630="432.310K")),
    Case("V11", "grams of natural uranium", changed(BLEND, 0, _610="100000G")),
    Case("V11", "kilograms of an isotope of natural uranium", changed(BLEND, 0, _770="0.7K")),
    Case("V12", "an unknown report type", everywhere(SHIPMENT, _010="X")),
    Case("V12", "an unknown status", changed(SHIPMENT, 0, _309="X")),
    Case("V12", "N where only Y says something", changed(BURNUP, 0, _390="N")),
    Case("V12", "an unknown change", changed(SHIPMENT, 0, _411="XX")),
    Case("V12", "a Euratom code", changed(SHIPMENT, 0, _411="NL")),
    Case("V12", "an unknown physical form", changed(SHIPMENT, 0, _430="A/Q/3/G")),
    Case("V12", "an unknown chemical form", changed(SHIPMENT, 0, _430="B/S/3/G")),
    Case("V12", "an unknown containment", changed(SHIPMENT, 0, _430="B/Q/9/G")),
    Case("V12", "an unknown quality", changed(SHIPMENT, 0, _430="B/Q/3/Z")),
    Case("V12", "three codes", changed(SHIPMENT, 0, _430="B/Q/3")),
    Case("V12", "codes without slashes", changed(SHIPMENT, 0, _430="BQ3G")),
    Case("V12", "an estimated basis of Euratom", changed(SHIPMENT, 0, _469="E")),
    Case("V12", "zero for O in the material", changed(DIFFERENCE, 0, _430="0/G/R/B")),
    Case("V12", "an operator's code without N", changed(SHIPMENT, 0, _435="X")),
    Case("V13", "PB in a change report", changed(SHIPMENT, 0, _411="PB")),
    Case("V13", "RALD in a change report", changed(SHIPMENT, 0, _411="RALD")),
    Case("V13", "RM in a balance", changed(ADJUSTED, 1, _411="RM")),
    Case("V13", "an adjustment of nothing", changed(ADJUSTED, 6, _411="RAXX")),
    Case("V13", "an adjustment of RM", changed(ADJUSTED, 6, _411="RARM")),
    Case("V14", "a negative shipment", changed(SHIPMENT, 0, _630="-432310G", _670="-3440G", _700="-4610G")),
    Case("V14", "a negative PE", changed(BALANCE, 5, _630="-5409660G", _670="-175722G")),
    Case("V14", "a negative item of a listing", changed(LISTING, 0, _630="-1G", _670="-1G")),
    Case("V15", "an unknown area", everywhere(SHIPMENT, _307="XLR9")),
    Case("V15", "another facility", everywhere(SHIPMENT, _207="XLF-")),
    Case("V15", "an unknown measurement point", changed(SHIPMENT, 0, _407="9")),
    Case("V15", "before the area was opened", changed(SHIPMENT, 0, _412="19890310")),
    Case("V15", "a listing before the area was opened", everywhere(EMPTY, _015="19891231")),
    Case("V16", "the country of another State", everywhere(SHIPMENT, _001="OI/XF;41")),
    Case("V20", "a receipt without shipper's batch", changed(RECEIPT, 0, _447=None)),
    Case("V20", "a receipt without shipper", changed(RECEIPT, 0, _370=None)),
    Case("V20", "an import without shipper", changed(IMPORT, 0, _370=None)),
    Case("V20", "a shipment without receiver", changed(SHIPMENT, 0, _372=None)),
    Case("V20", "an export without receiver", changed(EXPORT, 0, _372=None)),
    Case("V20", "a loss with a shipper's batch", changed(BURNUP, 0, _447="RC01")),
    Case("V21", "a domestic receipt from abroad", changed(RECEIPT, 0, _370="XF/XFE1")),
    Case("V21", "a domestic shipment to an unknown area", changed(SHIPMENT, 0, _372="XL/XLS9")),
    Case("V21", "a domestic shipment to a State alone", changed(SHIPMENT, 0, _372="XL")),
    Case("V21", "a shipment to itself", changed(SHIPMENT, 0, _372="XL/XLR1")),
    Case("V21", "an import from the own State", changed(IMPORT, 0, _370="XL/XLR1")),
    Case("V21", "an export to the own State", changed(EXPORT, 0, _372="XL/XLR1")),
    Case("V22", "a correction without reference", changed(CORRECTION, 0, _309="C")),
    Case("V22", "a new entry with one", changed(SHIPMENT, 0, _309="N/XL;40/1")),
    Case("V22", "a reference to another State", changed(CORRECTION, 0, _309="C/XF;42/3")),
    Case("V22", "a reference without entry", changed(CORRECTION, 0, _309="C/XL;42")),
    Case("V22", "a reference to entry 0", changed(CORRECTION, 0, _309="C/XL;42/0")),
    Case("V22", "a deletion without reference", changed(DELETION, 0, _309="D")),
    Case("V22", "an addition without reference", changed("XLF1-111", 0, _309="A")),
    Case("V23", "enriched uranium without isotope", changed(SHIPMENT, 0, _670=None)),
    Case(
        "V23", "unified uranium with U-236 only", changed(SHIPMENT, 0, _600="432310G", _680="1G", _630=None, _670=None)
    ),
    Case("V24", "more U-235 than uranium", changed(SHIPMENT, 0, _670="432313G")),
    Case("V24", "isotopes that exceed the element together", changed(SHIPMENT, 0, _680="430000G")),
    Case("V24", "more plutonium-239 than plutonium", changed(SHIPMENT, 0, _720="4613G")),
    Case("V24", "fissile uranium in natural uranium", changed(BLEND, 0, _770="100002.001G")),
    Case("V50", "a gap", changed(SHIPMENT, 3, _002="5")),
    Case("V50", "a number twice", changed(SHIPMENT, 2, _002="2")),
    Case("V50", "the total is wrong", changed(SHIPMENT, 0, _002="1/5")),
    Case("V50", "the total is missing", changed(SHIPMENT, 0, _002="1")),
    Case("V50", "an entry is missing", _without(SHIPMENT, 2)),
    Case("V50", "notes are not counted from 1", changed(BURNUP, 8, _002="9/4")),
    *(
        Case("V51", f"two values of {label}", changed(SHIPMENT, 2, **{f"_{label}": value}))
        for label, value in (
            ("001", "OI/XL;42"),
            ("003", "20250409"),
            ("010", "P"),
            ("015", "20250301/20250330"),
            ("207", "XLF-"),
            ("307", "XLF1"),
        )
    ),
    Case("V51", "a note of another report", changed(BURNUP, 8, _001="NC/XL;44")),
    Case("V52", "the same change twice", twice(SHIPMENT, 0)),
    Case("V52", "the same change with other weights", twice(SHIPMENT, 0, _630="1G", _670="1G", _700="1G")),
    Case("V55", "a note about an entry that is not there", changed(BURNUP, 8, _099="E/17")),
    Case("V55", "a note about an entry without 390", changed(BURNUP, 0, _390=None)),
    Case("V55", "390 without a note", changed(BURNUP, 4, _390="Y")),
    Case("V55", "a reference that says nothing", changed(BURNUP, 8, _099="X")),
    Case("V55", "a textual reference that says nothing", changed(TEXT, 0, _099="E/1")),
    Case("V60", "an empty listing with another entry", changed(LISTING, 0, _309="U")),
    Case("V60", "an empty listing with a weight", changed(EMPTY, 0, _630="1G", _670="1G")),
]

SOUND: Final = [
    Case("V01", "carriage returns and blanks between elements", document(SHIPMENT).replace(b"#", b"# \r\n ")),
    Case("V01", "no line ends at all", document(SHIPMENT).replace(b"\n", b"")),
    Case("V02", "labels in another order", replaced(SHIPMENT, "002:1/4#003:20250408#", "003:20250408#002:1/4#")),
    Case("V03", "every optional label", changed(SHIPMENT, 0, _310="A1", _435="N/UO2", _436="ASSEMBLY", _445="L")),
    Case("V04", "a deletion with nothing but its reference", document(DELETION)),
    Case("V04", "an invalid entry of a change report", changed(SHIPMENT, 3, **_bare(SHIPMENT))),
    Case("V05", "447 in an import", document(IMPORT)),
    Case("V06", "every permitted sign", changed(BURNUP, 8, _391='+-* =><.,()$%"?& 0129 AZ')),
    Case("V07", "the longest values", changed(BURNUP, 8, _391="A" * 2000)),
    Case("V07", "an import from a State alone", changed(IMPORT, 0, _370="XF")),
    Case("V08", "six digits throughout", document(SHIPMENT).replace(b":2025", b":25").replace(b"/2025", b"/25")),
    Case("V08", "a listing with one date", document(LISTING)),
    Case("V09", "numbers with leading zeros", changed(SHIPMENT, 1, _002="02")),
    Case("V10", "three decimals with G", changed(SHIPMENT, 0, _630="432310.123G")),
    Case("V10", "six decimals with K", changed(BLEND, 0, _610="100.000001K")),
    Case("V10", "fifteen digits", changed(SHIPMENT, 0, _630="123456789012345G")),
    Case("V11", "thorium in kilograms", changed(SHIPMENT, 0, _800="1K")),
    Case("V12", "a sealed source", changed(SHIPMENT, 0, _430="Q/S/O/A")),
    Case("V12", "measurement point and method", changed(SHIPMENT, 0, _469="M/2/A1")),
    Case("V13", "RALD in a balance", document(ADJUSTED)),
    Case("V14", "a negative difference", changed(DIFFERENCE, 0, _630="-550G", _670="-24G")),
    Case(
        "V14",
        "a negative MUF",
        edited(
            ADJUSTED,
            {9: {"_630": "2152807G", "_670": "94725G"}, 10: {"_630": "-418G", "_670": "-18G"}},
        ),
    ),
    Case("V15", "on the day the area was opened", everywhere(SHIPMENT, _412="19900101", _015="19900101/19900131")),
    Case("V16", "the State that owns the area", document(SHIPMENT)),
    Case("V20", "a batch name that is not known", changed(RECEIPT, 0, _447="UNKNOWN")),
    Case("V21", "an export to a State alone", changed(EXPORT, 0, _372="XF")),
    Case("V22", "an invalid entry that refers to another", changed(EMPTY, 0, _309="U/XL;6/1")),
    Case("V23", "enriched uranium with U-233 and U-235 together", changed(SHIPMENT, 0, _670=None, _660="3440G")),
    Case("V24", "within one unit of the last places", changed(SHIPMENT, 0, _670="432312G")),
    Case("V24", "a sum stated besides its parts", changed(SHIPMENT, 0, _640="1G", _660="3441G")),
    Case("V24", "rounding adjustments of opposite sign", changed(ADJUSTED, 6, _670="1G")),
    Case("V50", "the total on every entry", changed(SHIPMENT, 3, _002="4/4")),
    Case("V51", "a note with the same number", document(BURNUP)),
    Case("V52", "the same batch on another day", twice(SHIPMENT, 0, _412="20250311")),
    Case("V52", "LN and NP of one batch on one day", document(BURNUP)),
    Case("V55", "a note on the whole report", changed(BURNUP, 0, _390=None).replace(b"099:E/1#", b"099:R#")),
    Case("V55", "a textual note on an entry", changed(TEXT, 0, _099="E/7/1")),
    Case("V60", "an empty balance", document("XLT1-8")),
]
