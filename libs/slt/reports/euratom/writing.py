"""Code 10 entries as a Euratom report, and what is lost on the way.

What is lost is found by reading the report back and comparing: whatever does not come back is named, with its reason.
So the list is complete, and what has no finding is exactly what both forms can express.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from slt.reports import codes as code10
from slt.reports.entry import Target, read_date, read_number, read_numbered, read_period, read_reference, read_target
from slt.reports.euratom import codes
from slt.reports.euratom.area import Area
from slt.reports.euratom.comparison import differences, lost
from slt.reports.euratom.declaration import Declaration, Line, euratom_date, problem_with
from slt.reports.euratom.fields import ANNEXES, Annex
from slt.reports.euratom.materials import to_euratom
from slt.reports.euratom.reading import read_declaration
from slt.reports.euratom.rebatching import rebatchings
from slt.reports.euratom.weights import Weights, by_category, letter_of, weights_of, write_weights
from slt.reports.findings import Finding
from slt.reports.labelled import LabelledEntry
from slt.reports.labels import WEIGHTS
from slt.reports.signs import CATEGORY_CHANGES, ENRICHED, UNIFIED

Numbering = Mapping[tuple[int, int], Sequence[int]]
"""(report, entry) -> the numbers of its lines: what a correction of that entry has to name."""

NUMBER_MAX: Final = 99_999_999
"""Field 4 has eight digits."""


class NotExpressible(ValueError):
    """Nothing of the report has a Euratom form. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A report as Euratom has it."""

    declaration: Declaration
    findings: tuple[Finding, ...]
    """What it cannot express: entry and label of the Code 10 report, the value, what comes back, and why."""
    numbering: Numbering
    """Of this report, for the corrections of later ones."""


@dataclass(slots=True, kw_only=True)
class _Piece:
    """Entries that are written, and come back, together; most often one."""

    entries: list[LabelledEntry]
    lines: list[dict[str, str]] = field(default_factory=list)


def write_declaration(entries: Sequence[LabelledEntry], area: Area, *, earlier: Numbering | None = None) -> Written:
    """The Euratom report of a Code 10 report. `earlier`: the lines of entries that this report corrects.

    Raises NotExpressible for a textual report and for one without readable number, date or type.
    """
    return _Writer(entries, area, earlier or {}).write()


class _Writer:
    def __init__(self, entries: Sequence[LabelledEntry], area: Area, earlier: Numbering) -> None:
        self._entries = [entry for entry in entries if entry["001"].startswith("OI/")]
        self._notes = [entry for entry in entries if not entry["001"].startswith("OI/")]
        # Of two notes on one entry the first is its comment; the comparison names the other.
        self._noted = {note.get("099", ""): note.get("391", "") for note in reversed(self._notes)}
        self._area = area
        self._earlier = earlier
        self._findings: list[Finding] = []
        self._targets: set[Target] = set()
        if not self._entries:
            raise NotExpressible("Euratom has no textual report: a note belongs to a line, or goes by letter.")
        head = self._entries[0]
        reference = read_reference(head["001"])
        if reference is None or reference.report > NUMBER_MAX or not read_date(head.get("003", "")):
            raise NotExpressible("The report's number (001, up to 8 digits) or date (003) cannot be read.")
        if head.get("010") not in ANNEXES:
            raise NotExpressible("The report is no inventory change report, listing or balance (010).")
        self._report = reference.report
        self._annex: Annex = ANNEXES[head["010"]]
        self._enriched = _enriched_letter(self._entries)

    def write(self) -> Written:
        pieces = self._pieces()
        lines: list[Line] = []
        numbering: dict[tuple[int, int], list[int]] = {}
        count = 0
        for piece in pieces:
            places = range(len(lines) + 1, len(lines) + 1 + len(piece.lines))
            lines += [line | {"LINE NUMBER": str(place)} for line, place in zip(piece.lines, places, strict=True)]
            for _ in piece.entries:
                count += 1
                numbering[self._report, count] = list(places)
        header = self._header(len(lines))
        declaration = Declaration(kind=self._annex.kind, header=header, lines=tuple(lines))
        self._compare([entry for piece in pieces for entry in piece.entries], declaration)
        return Written(declaration=declaration, findings=tuple(self._findings), numbering=numbering)

    def _compare(self, kept: Sequence[LabelledEntry], declaration: Declaration) -> None:
        """Name what does not come back."""
        back = read_declaration(declaration, self._area).entries
        entries = [entry for entry in back if entry["001"].startswith("OI/")]
        for number, (entry, other) in enumerate(zip(kept, entries, strict=True), start=1):
            self._findings += differences(entry, other, number=number)
        numbers = {_number(entry): new for new, entry in reversed(list(enumerate(kept, start=1)))}
        said = {entry["099"]: entry["391"] for entry in back if entry["001"].startswith("NC/")}
        for note in self._notes:
            old = note.get("099", "")
            new = numbers.get(read_number(old[2:]) or 0, 0) if old.startswith("E/") else 0
            if not new or said.pop(f"E/{new}", None) != note.get("391"):
                self._findings.append(
                    lost(
                        note,
                        "391",
                        note.get("391", ""),
                        "A comment belongs to one line, has at most 256 characters, and there is one for an entry.",
                    )
                )

    def _header(self, lines: int) -> dict[str, str]:
        head = self._entries[0]
        header = {
            "REPORT TYPE": self._annex.kind,
            "REPORT DATE": euratom_date(read_date(head["003"]) or ""),
            "REPORT NUMBER": str(self._report),
            "LINE COUNT": str(lines),
        }
        self._put(header, "MBA", head.get("307", ""))
        self._put(header, "REPORTING PERSON", head.get("006", ""))
        if period := read_period(head.get("015", "")):
            if self._annex.kind == "P":
                header["PIT DATE"] = euratom_date(period[1])
            else:
                header["START REPORT"], header["END REPORT"] = map(euratom_date, period)
        if "MBA" not in header:
            raise NotExpressible("The report names no area of four characters (307).")
        return header

    def _pieces(self) -> list[_Piece]:
        kind = self._annex.kind
        if kind != "I" and len(self._entries) == 1 and self._entries[0].get("309", "").startswith("U"):
            line = {"ITEMS": "0"} if kind == "P" else {}
            self._put(line, "COMMENT", self._note(self._entries[0]))
            return [_Piece(entries=[self._entries[0]], lines=[line])]
        pieces: list[_Piece] = []
        for some in rebatchings(self._entries) if kind == "I" else ([entry] for entry in self._entries):
            pieces += (
                self._rebatched(some, len(pieces) + 1) if len(some) > 1 else self._single(some[0], len(pieces) + 1)
            )
        return pieces

    def _single(self, entry: LabelledEntry, transaction: int) -> list[_Piece]:
        """One entry: none where it cannot be written; for each category one in a balance."""
        status, code = entry.get("309", "")[:1], entry.get("411", "")
        theirs = codes.CHANGES.get(code) or (codes.BALANCE.get(code) if self._annex.kind == "M" else None)
        if self._annex.kind == "M" and theirs == "CC":
            theirs = None
        if status == "U":
            return self._dropped(entry, "309", "Euratom has no invalid entries: the entry is left out.")
        if status in {"C", "D", "A"} and (refused := self._not_corrected(entry, status)):
            return self._dropped(entry, "309", refused)
        if status == "D":
            return [_Piece(entries=[entry], lines=self._deletions(entry, 1))]
        if self._annex.kind != "P" and theirs is None:
            return self._dropped(entry, "411", "Euratom has no code for this, or no line that could say it: left out.")
        parts = by_category(weights_of(entry))
        if code in CATEGORY_CHANGES and not parts.keys() >= set(CATEGORY_CHANGES[code]):
            return self._dropped(entry, "411", "A category change states the weights of both categories: left out.")
        if self._annex.kind == "M" and len(parts) > 1:
            text = (
                "A balance is for one category: the entry is divided, and the following entries change their numbers."
            )
            self._findings.append(lost(entry, "002", entry.get("002", ""), text))
            divided = [_only(entry, weights) for weights in parts.values()]
            return [piece for one in divided for piece in self._single(one, transaction)]
        lines = self._lines(entry, theirs or "", transaction)
        if status in {"C", "A"}:
            lines = self._corrected(entry, lines)
        return [_Piece(entries=[entry], lines=lines)]

    def _not_corrected(self, entry: LabelledEntry, status: str) -> str:
        """Why a correction is left out; "" when it is written, and then its target is taken."""
        target = read_target(entry["309"].partition("/")[2])
        if target is None or max(target.report, target.entry) > NUMBER_MAX:
            return "The correction names no entry of up to eight digits: it is left out."
        if status == "A":
            return ""
        if target in self._targets:
            return "The report corrects this entry twice: the second correction is left out."
        self._targets.add(target)
        return ""

    def _dropped(self, entry: LabelledEntry, label: str, text: str) -> list[_Piece]:
        self._findings.append(lost(entry, label, entry.get(label, ""), text))
        return []

    def _lines(self, entry: LabelledEntry, code: str, transaction: int) -> list[dict[str, str]]:
        """The lines of one entry: one for each category, items and comment on the first."""
        common = self._common(entry, transaction)
        if self._annex.kind != "P":
            common["IC CODE"] = code
        comment = self._note(entry)
        if self._annex.kind == "I":
            comment = self._of_change(entry, common, comment)
        weights = weights_of(entry)
        ours = entry.get("411", "")
        lines = []
        for category, part in self._categories(ours, weights):
            line = dict(common)
            line["ELEMENT CATEGORY"] = self._letter(category, part)
            composition = self._annex.kind == "I"
            write_weights(category, part, line, composition=composition, negated=ours in codes.NEGATED)
            if change := CATEGORY_CHANGES.get(ours):
                self._previous_category(change[0], weights, line)
            lines.append(line)
        lines = lines or [common]
        items = read_number(entry.get("470", ""))
        if self._annex.kind != "M" and items is not None:
            self._put(lines[0], "ITEMS", str(items))
        self._put(lines[0], "COMMENT", comment)
        return lines

    def _categories(self, code: str, weights: Weights) -> Iterator[tuple[int, Weights]]:
        change = CATEGORY_CHANGES.get(code)
        for category, part in by_category(weights).items():
            if change is None or category == change[1]:
                yield category, part

    def _previous_category(self, before: int, weights: Weights, line: dict[str, str]) -> None:
        part = by_category(weights).get(before, {})
        line["PREVIOUS CATEGORY"] = letter_of(before, part)
        if before == ENRICHED:
            other: dict[str, str] = {}
            write_weights(before, part, other, composition=True, negated=False)
            for tag in ("ISOTOPE", "FISSILE WEIGHT", "ISOTOPIC COMPOSITION"):
                line.pop(tag, None)
                if tag in other:
                    line[tag] = other[tag]

    def _common(self, entry: LabelledEntry, transaction: int) -> dict[str, str]:
        line: dict[str, str] = {}
        if self._annex.kind == "M":
            return line
        line["TRANSACTION ID" if self._annex.kind == "I" else "PIL_ITEM_ID"] = str(transaction)
        self._put(line, "BATCH", entry.get("446", ""))
        self._put(line, "KMP", entry.get("407", ""))
        basis = entry.get("469", "").partition("/")[0]
        if basis in code10.MEASUREMENT_BASES:
            line["MEASUREMENT"] = basis
        if material := to_euratom(entry.get("430", "")):
            line["MATERIAL FORM"], line["MATERIAL CONTAINER"], line["MATERIAL STATE"] = material
        return line

    def _of_change(self, entry: LabelledEntry, line: dict[str, str], comment: str) -> str:
        """Dates and partner; returns the comment, which names a foreign partner first (fields 17 and 18)."""
        if date := read_date(entry.get("412", "")):
            line["ACCOUNTING DATE"] = euratom_date(date)
        code = entry.get("411", "")
        label, tag = ("370", "MBA FROM") if code in code10.RECEIPTS else ("372", "MBA TO")
        if code not in code10.RECEIPTS | code10.SHIPMENTS:
            return comment
        partner = entry.get(label, "")
        country, _, mba = partner.partition("/")
        inside = mba and {country, self._area.country} <= codes.COMMUNITY and self._area.partner(mba) == partner
        if inside or code in code10.DOMESTIC:
            line["IC CODE"] = code[0] + "D"
            self._put(line, tag, mba)
            shipped_as = entry.get("447", "")
            if label == "370" and shipped_as and shipped_as != code10.UNKNOWN_BATCH:
                self._put(line, "BATCH", shipped_as)
            return comment
        self._put(line, tag, country)
        return f"{partner} {comment}".rstrip() if mba else comment

    def _corrected(self, entry: LabelledEntry, lines: list[dict[str, str]]) -> list[dict[str, str]]:
        """C: the deletions, then the additions. A: late lines."""
        deletes = entry["309"].startswith("C")
        deletions = self._deletions(entry, len(lines)) if deletes else []
        target = read_target(entry["309"].partition("/")[2])
        numbers = self._earlier.get((target.report, target.entry), ()) if target and deletes else ()
        for at, line in enumerate(lines):
            line["CORRECTION"] = "A" if deletes else "L"
            if target:
                line["PREVIOUS REPORT"], line["PREVIOUS ENTRY"] = str(target.report), str(target.entry)
            if at < len(numbers):
                line["PREVIOUS LINE"] = str(numbers[at])
            if "ACCOUNTING DATE" in line:
                line["ORIGINAL DATE"] = line["ACCOUNTING DATE"]
        return deletions + lines

    def _deletions(self, entry: LabelledEntry, count: int) -> list[dict[str, str]]:
        """A line D for each line that is deleted, as far as their numbers are known."""
        target = read_target(entry["309"].partition("/")[2])
        numbers = self._earlier.get((target.report, target.entry), ()) if target else ()
        lines: list[dict[str, str]] = [{"CORRECTION": "D"} for _ in (numbers or range(count))]
        for at, line in enumerate(lines):
            if target:
                line["PREVIOUS REPORT"], line["PREVIOUS ENTRY"] = str(target.report), str(target.entry)
            if numbers:
                line["PREVIOUS LINE"] = str(numbers[at])
        if not numbers:
            text = "The number of the line that is deleted (PREVIOUS LINE) is known only with the earlier report."
            self._findings.append(lost(entry, "309", entry["309"], text))
        if entry["309"].startswith("D"):
            self._put(lines[0], "COMMENT", self._note(entry))
        return lines

    def _rebatched(self, entries: Sequence[LabelledEntry], transaction: int) -> list[_Piece]:
        """RM and RP entries that belong together as RB lines: one side of them is a single batch."""
        away = [entry for entry in entries if entry["411"] == "RM"]
        into = [entry for entry in entries if entry["411"] == "RP"]
        lines: list[dict[str, str]] = []
        for before in away:
            for after in into:
                # The weights and the items are those of the side that has several batches.
                many = before if len(away) > 1 else after
                merged = dict(many) | {"446": after.get("446", "")}
                merged |= {label: after[label] for label in ("407", "430", "469") if label in after}
                some = self._lines(merged | {"411": "RP", "002": after.get("002", "")}, "RB", transaction)
                for line in some:
                    self._put(line, "PREVIOUS BATCH", before.get("446", ""))
                if lines and len(away) > 1:
                    some[0].pop("COMMENT", None)
                lines += some
        return [_Piece(entries=list(entries), lines=lines)]

    def _note(self, entry: LabelledEntry) -> str:
        return self._noted.get(f"E/{_number(entry)}", "")

    def _letter(self, category: int, part: Weights) -> str:
        if self._annex.kind == "M" and category in {ENRICHED, UNIFIED}:
            return self._enriched
        return letter_of(category, part)

    def _put(self, target: dict[str, str], tag: str, content: str) -> None:
        """Set a field that fits; what does not fit is left out, and named by the comparison."""
        spec = self._annex.line.get(tag) or self._annex.header.get(tag)
        if spec is not None and content and problem_with(spec, content) is None:
            target[tag] = content


def _number(entry: LabelledEntry) -> int:
    return (read_numbered(entry.get("002", "")) or (0, 0))[0]


def _only(entry: LabelledEntry, weights: Weights) -> LabelledEntry:
    kept = {str(label) for label in weights}
    return {label: content for label, content in entry.items() if label not in WEIGHTS or label in kept}


def _enriched_letter(entries: Sequence[LabelledEntry]) -> str:
    """H or L for a whole balance: that of its largest weight, since differences of grams show no enrichment."""
    largest, letter = -1, "L"
    for entry in entries:
        weights = weights_of(entry)
        for category in (ENRICHED, UNIFIED):
            if category in weights and abs(weights[category].mg) > largest:
                largest, letter = abs(weights[category].mg), letter_of(category, weights)
    return letter
