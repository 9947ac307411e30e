"""A Euratom report as its fields: what the labelled and the XML form both read into and write from.

Field by field, a content is checked against its type and length; V62's count of lines and their numbers are checked
against the lines. What the codes mean is the matter of reading.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from slt.reports.euratom.fields import ANNEXES, CHARACTERS, Annex, Field, Kind
from slt.reports.facts import ENTRIES_MAX
from slt.reports.findings import Finding, shown
from slt.reports.quantities import MG_MAX

Line = Mapping[str, str]
"""Tag -> content. Contents are as the field has them: weights in grams, dates DDMMYYYY."""

LINES_MAX: Final = 2 * ENTRIES_MAX
"""Lines of one report: two elements for each entry that a block can hold."""

FAULTS_MAX: Final = 100
"""Faults of one document that are listed; reading stops at so many."""

MANDATORY: Final = ("MBA", "REPORT TYPE", "REPORT DATE", "REPORT NUMBER", "LINE COUNT")
"""Without these there is nothing that a rule could be asked about."""

_WEIGHT: Final = re.compile(r"-?(0|[1-9][0-9]{0,20})(?:\.([0-9]{1,3}))?")
_DIGITS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One report of annex III, IV or V."""

    kind: Kind
    header: Mapping[str, str]
    lines: tuple[Line, ...]

    @property
    def annex(self) -> Annex:
        return ANNEXES[self.kind]


class Malformed(ValueError):
    """The document is no report of its form. `findings` says everything that was found, each with its place."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(findings[0].text)
        self.findings = findings


def fault(rule: str, text: str, *, entry: str = "", label: str = "", value: str = "", expected: str = "") -> Finding:
    """An error in a Euratom document. `entry` is a line: `L/3`."""
    return Finding(
        rule=rule, severity="error", entry=entry, label=label, value=shown(value), expected=expected, text=text
    )


def name_of(place: int) -> str:
    """How findings name the line at `place`, from 1; "" for the header, place 0."""
    return f"L/{place}" if place else ""


class Builder:
    """Puts a declaration together out of what a parser meets, and collects what is wrong with it."""

    def __init__(self) -> None:
        self.annex: Annex | None = None
        self._header: dict[str, str] = {}
        self._lines: list[dict[str, str]] = []
        self._faults: list[Finding] = []

    def begin_line(self) -> None:
        """Raises Malformed for more lines than a report has."""
        if len(self._lines) == LINES_MAX:
            raise Malformed(fault("V50", f"The report has more than {LINES_MAX} lines. Split it.", expected="fewer"))
        self._lines.append({})

    def add(self, tag: str, content: str) -> None:
        """A field of the header, or, once a line was begun, of that line. Raises Malformed at FAULTS_MAX faults."""
        if not self._lines and tag == "REPORT TYPE" and content in ANNEXES:
            self.annex = ANNEXES[content]
        annex = self.annex
        place = len(self._lines)
        target = self._lines[-1] if place else self._header
        if annex is None:
            if tag not in {"MBA", "REPORT TYPE"}:
                self._say(
                    "V12", "The report does not begin with MBA and REPORT TYPE (I, M or P).", tag, content, "I M P"
                )
                raise Malformed(*self._faults)
            target[tag] = content
            return
        field = (annex.line if place else annex.header).get(tag)
        if field is None:
            where = "a line" if place else "the header"
            self._say(
                "V03", f"{shown(tag)} is no field of {where} of annex {annex.number}. Leave it out.", tag, content
            )
        elif tag in target:
            self._say("V02", f"{tag} stands twice here. Keep one of the two.", tag, content, "once")
        else:
            target[tag] = content
            if problem := problem_with(field, content):
                self._say(*problem)

    def _say(self, rule: str, text: str, tag: str, value: str, expected: str = "") -> None:
        label = self.annex.label(tag) if self.annex else ""
        entry = name_of(len(self._lines))
        self._faults.append(fault(rule, text, entry=entry, label=label, value=value, expected=expected))
        if len(self._faults) >= FAULTS_MAX:
            raise Malformed(*self._faults)

    def done(self) -> Declaration:
        """The declaration. Raises Malformed with everything that is wrong with it."""
        annex = self.annex
        missing = [tag for tag in MANDATORY if tag not in self._header]
        if annex is None or missing:
            missed = ", ".join(missing or ["REPORT TYPE"])
            raise Malformed(*self._faults, fault("V04", f"The header lacks {missed}. Add it.", expected=missed))
        if mba := problem_with(annex.header["MBA"], self._header["MBA"]):
            self._say(*mba)
        faults = [*self._faults, *count_problems(annex, self._header, self._lines)]
        if faults:
            raise Malformed(*faults[:FAULTS_MAX])
        return Declaration(kind=annex.kind, header=self._header, lines=tuple(self._lines))


def count_problems(annex: Annex, header: Mapping[str, str], lines: list[dict[str, str]]) -> list[Finding]:
    """V62: LINE COUNT is the number of lines, and they are numbered from 1 without a gap (fields 5 and 22)."""
    found = []
    if header["LINE COUNT"].lstrip("0") != (str(len(lines)) if lines else ""):
        found.append(
            fault(
                "V62",
                f"The report has {len(lines)} lines, and LINE COUNT says otherwise. Correct it, or add lines.",
                label=annex.label("LINE COUNT"),
                value=header["LINE COUNT"],
                expected=str(len(lines)),
            )
        )
    for place, line in enumerate(lines, start=1):
        if line.get("LINE NUMBER", "").lstrip("0") != str(place):
            found.append(
                fault(
                    "V62",
                    "Lines are numbered from 1 without a gap. Correct the number, or add the missing line.",
                    entry=name_of(place),
                    label=annex.label("LINE NUMBER"),
                    value=line.get("LINE NUMBER", ""),
                    expected=str(place),
                )
            )
            break  # One gap is one finding.
    return found


@lru_cache(8_192)
def problem_with(field: Field, content: str) -> tuple[str, str, str, str, str] | None:
    """(rule, text, tag, value, expected) when `content` is none of `field`; None when it is."""
    tag = field.tag
    if strange := next((character for character in content if character not in CHARACTERS), ""):
        text = f"{tag} has a character that is not one of the 55 of annex III, general remark 3. Replace it."
        return "V06", text, tag, strange, 'A-Z 0-9 and + - / * = > < . , ( ) : $ % " ; ? & blank'
    if not content:
        return "V07", f"{tag} is empty. Fill it in, or leave the field out.", tag, content, f"1 to {field.length}"
    if field.type != "weight" and len(content) > field.length:
        text = f"{tag} has {len(content)} characters. Shorten it."
        return "V07", text, tag, content, f"1 to {field.length} characters"
    if field.type == "N" and not _DIGITS.fullmatch(content):
        return "V09", f"{tag} is no whole number. Correct it.", tag, content, "digits"
    if field.type == "date" and not code10_date(content):
        return "V08", f"{tag} is no date. Write day, month and year in eight digits.", tag, content, "DDMMYYYY"
    if field.type == "weight" and read_grams(content) is None:
        text = f"{tag} is no weight in grams, or more than this ledger can hold. Write digits, a point, three decimals."
        return "V10", text, tag, content, "for example 1234.5"
    return None


def read_grams(text: str) -> tuple[int, int] | None:
    """(milligrams, decimals) of a weight in grams; None when it is none or above MG_MAX."""
    match = _WEIGHT.fullmatch(text)
    if match is None:
        return None
    decimals = match[2] or ""
    mg = int(match[1] + decimals.ljust(3, "0"))
    return None if mg > MG_MAX else (-mg if text.startswith("-") else mg, len(decimals))


def write_grams(mg: int, decimals: int) -> str:
    """`mg` in grams with so many decimals, more when it has more. No minus before zero."""
    whole, rest = divmod(abs(mg), 1_000)
    digits = f"{rest:03}"
    places = max(decimals, len(digits.rstrip("0")))
    return f"{'-' if mg < 0 else ''}{whole}{'.' + digits[:places] if places else ''}"


def code10_date(text: str) -> str:
    """DDMMYYYY as YYYYMMDD; "" when there is no such day."""
    if len(text) != 8 or not _DIGITS.fullmatch(text):
        return ""
    try:
        date(int(text[4:]), int(text[2:4]), int(text[:2]))
    except ValueError:
        return ""
    return text[4:] + text[2:4] + text[:2]


def euratom_date(text: str) -> str:
    """YYYYMMDD as DDMMYYYY."""
    return text[6:] + text[4:6] + text[:4]
