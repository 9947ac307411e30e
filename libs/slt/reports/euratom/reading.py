"""A Euratom report as Code 10 entries: lines become entries, codes and signs those of Code 10.

What Code 10 has no label for is named in findings; what no rule could judge is an error among them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from slt.reports.euratom import codes
from slt.reports.euratom.area import Area
from slt.reports.euratom.declaration import Declaration, Line, code10_date
from slt.reports.euratom.groups import Group, groups_of
from slt.reports.euratom.losses import Losses
from slt.reports.euratom.materials import Material, from_euratom, to_euratom
from slt.reports.euratom.obligations import Obligations, Unsaid
from slt.reports.euratom.weights import added, letter_of, read_weights, weights_of
from slt.reports.findings import Finding, shown
from slt.reports.labelled import LabelledEntry
from slt.reports.signs import CATEGORY_CHANGES, ENRICHED, OBLIGATION_CHANGES, UNIFIED

_CATEGORY_CODE: Final = {pair: code for code, pair in CATEGORY_CHANGES.items()}
_NOT_IN_NOTES: Final = str.maketrans({":": "-", ";": ",", "/": "-"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a declaration says in Code 10."""

    entries: tuple[LabelledEntry, ...]
    """OI entries, then notes; labels ascending."""
    findings: tuple[Finding, ...]
    """What Code 10 cannot say (warnings), and what cannot be judged (errors)."""
    places: Mapping[str, tuple[int, ...]]
    """OI/3, NC/1 -> the numbers of the lines that it came from."""
    unsaid: Mapping[int, Unsaid]
    """Number of an accounting entry -> its obligations, for which Code 10 has no label."""


class _Made(NamedTuple):
    """An entry without the labels of the header, the text of its note, and its lines."""

    entry: dict[str, str]
    comment: str
    places: tuple[int, ...]
    unsaid: Unsaid | None


def read_declaration(declaration: Declaration, area: Area) -> Reading:
    """The entries of `declaration`. Never raises for what it holds."""
    return _Reader(declaration, area).read()


class _Reader:
    def __init__(self, declaration: Declaration, area: Area) -> None:
        self._kind = declaration.kind
        self._header = declaration.header
        self._lines = declaration.lines
        self._area = area
        self._losses = Losses(declaration.annex)
        self._lose = self._losses.add
        first, last = (code10_date(self._header.get(tag, "")) for tag in ("START REPORT", "END REPORT"))
        self._obligations = Obligations(self._losses, (first, last))

    def read(self) -> Reading:
        made = list(self._entries())
        report = str(int(self._header["REPORT NUMBER"]))
        own = {"003": code10_date(self._header["REPORT DATE"]), "307": self._header["MBA"], "207": self._area.facility}
        head = own | {"010": self._kind} | self._period()
        if person := self._header.get("REPORTING PERSON"):
            head["006"] = person
        own_number = f"{self._area.country};{report}"
        entries = [
            one.entry | head | {"001": f"OI/{own_number}", "002": _numbered(number, len(made))}
            for number, one in enumerate(made, start=1)
        ]
        places = {f"OI/{number}": one.places for number, one in enumerate(made, start=1)}
        notes = []
        noted = [(number, one.comment) for number, one in enumerate(made, start=1) if one.comment]
        for place, (number, comment) in enumerate(noted, start=1):
            entries[number - 1]["390"] = "Y"
            note = own | {"001": f"NC/{own_number}", "002": _numbered(place, len(noted))}
            notes.append(note | {"099": f"E/{number}", "391": comment})
            places[f"NC/{place}"] = made[number - 1].places
        self._losses.add_what_has_no_label(self._lines)
        return Reading(
            entries=tuple(dict(sorted(entry.items())) for entry in (*entries, *notes)),
            findings=self._losses.all(),
            places=places,
            unsaid={number: one.unsaid for number, one in enumerate(made, start=1) if one.unsaid},
        )

    def _period(self) -> dict[str, str]:
        if self._kind == "P":
            pit = self._header.get("PIT DATE")
            return {"015": code10_date(pit)} if pit else {}
        dates = [code10_date(self._header.get(tag, "")) for tag in ("START REPORT", "END REPORT")]
        return {"015": "/".join(dates)} if any(dates) else {}

    def _entries(self) -> Iterator[_Made]:
        if self._kind != "I" and len(self._lines) == 1 and _SAYS_SOMETHING.isdisjoint(self._lines[0]):
            yield _Made({"309": "U"}, self._comment(self._lines[0], 1), (1,), None)
            return
        for (_, rebatching), some in groupby(groups_of(self._lines, self._kind), key=_rebatching):
            if rebatching:
                yield from self._rebatched(list(some))
            else:
                for group in some:
                    entry, comment = self._entry(group)
                    yield _Made(entry, comment, tuple(group.places), self._unsaid([group], entry))

    def _unsaid(self, groups: Sequence[Group], entry: dict[str, str]) -> Unsaid | None:
        """What the lines of an entry say of obligations."""
        pairs = [pair for group in groups for pair in zip(group.lines, group.places, strict=True)]
        if not any("OBLIGATION" in line or "PREVIOUS OBLIGATION" in line for line, _ in pairs):
            return None
        (first, place), status, code = pairs[0], entry["309"][:1], entry.get("411", "")
        changes = status == "U" and self._kind == "I" and first.get("IC CODE") in OBLIGATION_CHANGES
        if status == "D" or (status == "U" and not changes):
            return None
        shares = self._obligations.shares(
            [line for line, _ in pairs], place, lambda at: self._weighed(code, *pairs[at])
        )
        if not changes:
            return Unsaid(shares=shares)
        said = self._described(first, place)
        self._dated(said, first, place)
        return self._obligations.change(self._status(groups[0]), first["IC CODE"], said, shares, place)

    def _entry(self, group: Group) -> tuple[dict[str, str], str]:
        first, place = group.lines[0], group.places[0]
        entry = {"309": self._status(group)}
        if group.status == "D":
            return entry, self._comment(first, place)
        entry |= self._described(first, place)
        entry |= self._items(group)
        code, comment = "", self._comment(first, place)
        if self._kind != "P":
            code = self._code(first, place)
            if code == "U":
                return {"309": "U"}, comment
            entry["411"] = code
        if self._kind == "I":
            self._dated(entry, first, place)
            comment = self._partnered(entry, first, comment, place)
        return entry | self._weights_of([group], code), comment

    def _status(self, group: Group) -> str:
        if not group.status:
            return "N"
        line, place = group.lines[0], group.places[0]
        report, entry = line.get("PREVIOUS REPORT", ""), line.get("PREVIOUS ENTRY", "")
        if not report or not entry:
            self._lose(
                "PREVIOUS ENTRY",
                place,
                "",
                "It is not clear which entry this corrects: the ledger counts entries, not lines. State PREVIOUS "
                "REPORT and PREVIOUS ENTRY.",
                rule="V22",
                severity="error",
            )
            return group.status
        if group.unpaired:
            self._lose(
                "CORRECTION",
                place,
                "A",
                "An addition A forms a pair with a deletion D of the same entry, and there is none. Add the deletion, "
                "or write L for a late line.",
                rule="V62",
                severity="error",
            )
        return f"{group.status}/{self._area.country};{int(report)}/{int(entry)}"

    def _described(self, line: Line, place: int) -> dict[str, str]:
        """407, 430, 446, 469: what ICR and PIL say alike."""
        entry = {}
        if (kmp := line.get("KMP", "&")) != "&":
            entry["407"] = kmp
        if batch := line.get("BATCH"):
            entry["446"] = batch
        if basis := line.get("MEASUREMENT"):
            entry["469"] = codes.BASES.get(basis, basis)
            if entry["469"] != basis:
                text = "Code 10 does not tell estimated from measured: the basis is that of the measured twin."
                self._lose("MEASUREMENT", place, basis, text, expected=entry["469"])
        material = Material(*(line.get(tag, "") for tag in ("MATERIAL FORM", "MATERIAL CONTAINER", "MATERIAL STATE")))
        if any(material):
            description = from_euratom(material)
            if description is None:
                text = "Form, container and state are not codes of the regulation. Correct them."
                self._lose("MATERIAL FORM", place, "/".join(material), text, rule="V12", severity="error")
            else:
                entry["430"] = description
                if to_euratom(description) != material:
                    text = "Code 10 has no description of its own for this material: it is put as the nearest."
                    self._lose("MATERIAL FORM", place, "/".join(material), text, expected=description)
        return entry

    def _items(self, group: Group) -> dict[str, str]:
        """470: the sum over the lines. V62: only lines of the highest category state items (field 24)."""
        stated = [(line, place) for line, place in zip(group.lines, group.places, strict=True) if "ITEMS" in line]
        if not stated:
            return {}
        highest = min(_rank(line) for line in group.lines)
        for line, place in stated:
            if _rank(line) != highest and line["ITEMS"].strip("0"):
                text = "Items stand on the line of the category of highest strategic value only (P, H, L, N, D, T)."
                self._lose("ITEMS", place, line["ITEMS"], text, rule="V62", severity="error")
        return {"470": str(sum(int(line["ITEMS"]) for line, _ in stated))}

    def _code(self, line: Line, place: int) -> str:
        """411; "U" for a line that is no entry of Code 10; the code as written where it has no counterpart."""
        code = line.get("IC CODE", "")
        if self._kind == "M" and code in codes.BALANCE.values():
            return "RABA" if code == "RA" else code
        if code in codes.CATEGORY_CODES:
            return self._category_change(code, line, place)
        if code in codes.NEAREST:
            nearest = codes.NEAREST[code]
            text = f"Code 10 has no {code}: it is put as {nearest}, retained waste."
            self._lose("IC CODE", place, code, text, expected=nearest)
            return nearest
        if code in codes.NO_BOOK and self._kind == "I":
            text = f"{code} moves nothing in books without obligations: its entry is marked as invalid (309:U)."
            self._lose("IC CODE", place, code, text, expected="U")
            return "U"
        if code not in codes.CODE10:
            text = (
                f"{shown(code) or 'A line without IC CODE'} has no counterpart in Code 10, and would change the book. "
                "Report what happened by a change that both have."
            )
            self._lose("IC CODE", place, code, text, rule="V12", severity="error")
        return codes.CODE10.get(code, code)

    def _category_change(self, code: str, line: Line, place: int) -> str:
        after, before = (codes.CATEGORY.get(line.get(tag, ""), 0) for tag in ("ELEMENT CATEGORY", "PREVIOUS CATEGORY"))
        change = _CATEGORY_CODE.get((before, after))
        if change is None and before and before == after:
            text = "Code 10 has one category of enriched uranium: its entry is marked as invalid (309:U)."
            self._lose("PREVIOUS CATEGORY", place, line.get("PREVIOUS CATEGORY", ""), text, expected="U")
            return "U"
        if change is None:
            text = "A category change leaves one category of uranium and enters another. Correct the categories."
            self._lose(
                "PREVIOUS CATEGORY", place, line.get("PREVIOUS CATEGORY", ""), text, rule="V29", severity="error"
            )
            return code
        if code != "CC":
            text = "Code 10 does not say by which process a category changes."
            self._lose("IC CODE", place, code, text, expected=change)
        return change

    def _dated(self, entry: dict[str, str], line: Line, place: int) -> None:
        """412: the original date where there is one, which is that of the change (field 20)."""
        original, accounting = line.get("ORIGINAL DATE", ""), line.get("ACCOUNTING DATE", "")
        if original or accounting:
            entry["412"] = code10_date(original or accounting)
        if original and accounting and original != accounting:
            text = "Code 10 has the date of the change, not the one on which it became known."
            self._lose("ACCOUNTING DATE", place, accounting, text)

    def _partnered(self, entry: dict[str, str], line: Line, comment: str, place: int) -> str:
        """370, 372, 447; returns the comment without the partner that it may begin with."""
        code = entry["411"]
        receipt, shipment = code in {"RD", "RF"}, code in {"SD", "SF"}
        if receipt and "BATCH" in line:
            entry["447"] = line["BATCH"]
        label, tag = ("370", "MBA FROM") if receipt else ("372", "MBA TO")
        partner = line.get(tag, "")
        if not (receipt or shipment) or not partner:
            return comment
        if code in {"RD", "SD"}:
            entry[label] = self._area.partner(partner)
            if entry[label][:2] != self._area.country:
                entry["411"] = code[0] + "F"
                text = "A transfer inside the Community that crosses a border is foreign in Code 10."
                self._lose("IC CODE", place, code, text, expected=entry["411"])
            return comment
        written = line.get("COMMENT", "").split(" ", maxsplit=1)
        country, slash, area = written[0].partition("/")
        if slash and len(country) == 2 and len(area) == 4 and partner in {country, area}:
            entry[label] = written[0]
            return "".join(written[1:]).translate(_NOT_IN_NOTES)
        owners = self._area.states.get(partner, ())
        entry[label] = f"{owners[0]}/{partner}" if len(owners) == 1 else partner
        return comment

    def _weights_of(self, groups: Sequence[Group], code: str) -> dict[str, str]:
        """The weights of all lines of these groups, added label by label."""
        weights: dict[str, list[str]] = {}
        for group in groups:
            for line, at in zip(group.lines, group.places, strict=True):
                for label, content in self._weighed(code, line, at).items():
                    weights.setdefault(label, []).append(content)
            if {"H", "L"} <= {line.get("ELEMENT CATEGORY") for line in group.lines}:
                text = "Code 10 has one category of enriched uranium: the weights of H and L are added."
                self._lose("ELEMENT CATEGORY", group.places[0], "H and L", text)
        return {
            label: contents[0] if len(contents) == 1 else added(contents, int(label))
            for label, contents in weights.items()
        }

    def _weighed(self, code: str, line: Line, place: int) -> dict[str, str]:
        letter = line.get("ELEMENT CATEGORY", "")
        category = self._category(letter)
        if not letter and line.keys().isdisjoint({"ELEMENT WEIGHT", "FISSILE WEIGHT", "ISOTOPIC COMPOSITION"}):
            return {}  # no weight: V04 speaks about it
        if not category:
            text = "This is no category of nuclear material. Write P, H, L, N, D or T."
            self._lose("ELEMENT CATEGORY", place, letter, text, rule="V12", severity="error")
            return {}
        if code in CATEGORY_CHANGES:
            return _changed_category(category, self._category(line["PREVIOUS CATEGORY"]), line)
        read = read_weights(category, line, negated=code in codes.NEGATED)
        if self._kind != "M" and letter in "HL" and letter_of(category, weights_of(read)) != letter:
            text = "Code 10 has one category of enriched uranium, and the weights do not show this one."
            self._lose("ELEMENT CATEGORY", place, letter, text)
        return read

    def _category(self, letter: str) -> int:
        category = codes.CATEGORY.get(letter, 0)
        return UNIFIED if self._area.unified and letter in {"H", "L"} else category

    def _rebatched(self, groups: Sequence[Group]) -> Iterator[_Made]:
        """RM of each batch that loses, then RP of each that gains, summed over the lines of one transaction."""
        for label, tag, code in (("446", "PREVIOUS BATCH", "RM"), ("446", "BATCH", "RP")):
            batches: dict[str, list[Group]] = {}
            for group in groups:
                batches.setdefault(group.lines[0].get(tag, ""), []).append(group)
            for batch, some in batches.items():
                first, place = some[0].lines[0], some[0].places[0]
                entry = {"309": self._status(some[0]), "411": code} | self._described(first, place)
                entry[label] = batch
                self._dated(entry, first, place)
                entry |= self._items_of(some)
                entry |= self._weights_of(some, code)
                comments = [self._comment(group.lines[0], group.places[0]) for group in some]
                comment = "" if code == "RM" else next(filter(None, comments), "")
                places = tuple(place for group in some for place in group.places)
                yield _Made(entry, comment, places, self._unsaid(some, entry))

    def _items_of(self, groups: Sequence[Group]) -> dict[str, str]:
        found = [items["470"] for group in groups if (items := self._items(group))]
        return {"470": str(sum(map(int, found)))} if found else {}

    def _comment(self, line: Line, place: int) -> str:
        comment = line.get("COMMENT", "")
        said = comment.translate(_NOT_IN_NOTES)
        if said != comment and line.get("IC CODE") not in {"RF", "SF"}:
            self._lose(
                "COMMENT", place, comment, "`:`, `;` and `/` divide in Code 10: they are replaced.", expected=said
            )
        return said


_SAYS_SOMETHING: Final = frozenset({"ELEMENT CATEGORY", "IC CODE", "BATCH", "ELEMENT WEIGHT", "CORRECTION"})
"""A listing or balance with one line and none of these is empty (general remark of annex V)."""


def _changed_category(after: int, before: int, line: Line) -> dict[str, str]:
    """Equal masses of both categories; the fissile weight is that of the enriched one, or of the one entered."""
    one, other = (before, after) if before == ENRICHED else (after, before)
    mass = {"ELEMENT WEIGHT": line["ELEMENT WEIGHT"]} if "ELEMENT WEIGHT" in line else {}
    return read_weights(other, mass, negated=False) | read_weights(one, line, negated=False)


def _rebatching(group: Group) -> tuple[str, bool]:
    line = group.lines[0]
    rebatching = line.get("IC CODE") == "RB" and not group.status
    return (line.get("TRANSACTION ID", "") if rebatching else "", rebatching)


def _rank(line: Line) -> int:
    return codes.VALUE.find(line.get("ELEMENT CATEGORY") or "T")


def _numbered(number: int, total: int) -> str:
    return f"{number}/{total}" if number == 1 else str(number)
