"""Safeguards obligations (fields 30 and 32): what lines say that no label of Code 10 says, as the facts hold it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from slt.reports.entry import read_target
from slt.reports.euratom.declaration import Line
from slt.reports.euratom.losses import Losses
from slt.reports.facts import OBLIGATIONS_MAX, EntryFacts, Share
from slt.reports.judgement import judge_field
from slt.reports.quantities import ELEMENT_LABELS, MG_MAX, BadQuantity, quantity_mg

_FIELDS: Final = {
    "446": "BATCH",
    "407": "KMP",
    "430": "MATERIAL FORM",
    "469": "MEASUREMENT",
    "412": "ACCOUNTING DATE",
}
"""What a change of obligation says of its material: label -> field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaid:
    """The obligations of one entry."""

    shares: tuple[Share, ...]
    change: EntryFacts | None = None
    """The whole entry, of a change of obligation: Code 10 has no word for it, and sees an entry that is invalid."""

    def complete(self, entry: EntryFacts) -> EntryFacts:
        """`entry`, which was read out of Code 10, with what Code 10 leaves unsaid."""
        whole = entry if self.change is None else replace(self.change, number=entry.number)
        return replace(whole, obligations=self.shares)


class Obligations:
    """Reads the obligations of entries. What no state could hold is an error in `losses`."""

    def __init__(self, losses: Losses, period: tuple[str, str]) -> None:
        """`period`: first and last day of the report, YYYYMMDD."""
        self._losses = losses
        self._period = period

    def shares(
        self, lines: Sequence[Line], place: int, weighed: Callable[[int], Mapping[str, str]]
    ) -> tuple[Share, ...]:
        """The weights of `lines` by obligation.

        `place` is that of the first line in the report; `weighed` gives label -> weight as Code 10 has it, of the line
        at an index of `lines`.
        """
        found: dict[tuple[str, str], dict[int, int]] = {}
        for at, line in enumerate(lines):
            name = (line.get("OBLIGATION", ""), line.get("PREVIOUS OBLIGATION", ""))
            if not any(name):
                continue
            total = found.setdefault(name, {})
            for label, text in weighed(at).items():
                try:
                    total[int(label)] = total.get(int(label), 0) + quantity_mg(text, int(label))
                except BadQuantity:
                    continue  # V10 speaks of it
        if len(found) > OBLIGATIONS_MAX:
            text = f"An entry has at most {OBLIGATIONS_MAX} obligations. Divide it over several transactions."
            self._refuse("V62", "OBLIGATION", place, str(len(found)), text)
        if any(abs(mg) > MG_MAX for total in found.values() for mg in total.values()):
            text = "The weights of one obligation are more than this ledger can hold. Correct them."
            self._refuse("V10", "ELEMENT WEIGHT", place, "", text)
        return tuple(Share(*name, tuple(sorted(total.items()))) for name, total in sorted(found.items()))

    def change(self, status: str, code: str, said: Mapping[str, str], shares: Sequence[Share], place: int) -> Unsaid:
        """A change of obligation (BR CR PR SR). `status` is label 309, `said` what its line says besides."""
        for label, content in said.items():
            for rule, problem in judge_field(label, content):
                self._refuse(rule.id, _FIELDS[label], place, content, problem.text)
        day = said.get("412", "")
        if not day:
            self._refuse("V04", "ACCOUNTING DATE", place, "", "A change of obligation has a date. Add it.")
        elif status == "N" and not self._period[0] <= day <= self._period[1]:
            text = "A change of obligation is dated within the period of its report. Correct the one or the other."
            self._refuse("V31", "ACCOUNTING DATE", place, day, text)
        weights: dict[int, int] = {}
        for share in shares:
            for weight, mg in share.weights:
                weights[weight] = weights.get(weight, 0) + mg
        if not any(weights.get(label, 0) > 0 for label in ELEMENT_LABELS) or any(mg < 0 for mg in weights.values()):
            text = "A change of obligation states the weight of the element that changes, without a sign. Add it."
            self._refuse("V27", "ELEMENT WEIGHT", place, "", text)
        what, _, target = status.partition("/")
        named = read_target(target)
        entry = EntryFacts(
            number=0,
            status=what,
            target=None if named is None else (named.report, named.entry),
            code=code,
            date=day,
            kmp=said.get("407", ""),
            material=said.get("430", ""),
            batch=said.get("446", ""),
            shipper_batch="",
            shipper="",
            receiver="",
            measurement=said.get("469", ""),
            items=0,
            weights=tuple(sorted(weights.items())),
        )
        return Unsaid(shares=tuple(shares), change=entry)

    def _refuse(self, rule: str, tag: str, place: int, value: str, text: str) -> None:
        self._losses.add(tag, place, value, text, rule=rule, severity="error")
