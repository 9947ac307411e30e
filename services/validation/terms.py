"""Under which rule set and reference data a report is judged: those that count now, and those that are announced. Pure.

A change of either is announced heights ahead (architecture section 5). From then on reports are judged under both, so
that nothing stands still at the activation; and a program that does not know an announced rule set says so at once.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from slt.reports import RULES_VERSIONS, Judgement, Reference
from slt.reports.euratom import judge_as
from slt.statements.governance import ActivateRules, Announcement, SetArea, SetReference


class Judge(Protocol):
    """One rule set."""

    def __call__(
        self, document: bytes, media_type: str, reference: Reference, *, today: str | None = None
    ) -> Judgement: ...


RULE_SETS: Final[Mapping[int, Judge]] = {
    version: partial(judge_as, rules_version=version) for version in RULES_VERSIONS
}
"""The rule sets of this program. A release that brings a new one keeps the one before it, for the time of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What reports are judged under from a height on."""

    from_height: int  # 0: they count now
    rules_version: int
    reference: Reference

    @property
    def versions(self) -> tuple[int, int]:
        return self.rules_version, self.reference.version


def terms_of(rules_version: int, reference: Reference, announced: Sequence[Announcement]) -> tuple[Terms, ...]:
    """What counts now, and after it what counts from each announced height on, in order."""
    now = Terms(from_height=0, rules_version=rules_version, reference=reference)
    return (now, *_following(now, announced))


def _following(terms: Terms, announced: Sequence[Announcement]) -> Iterator[Terms]:
    for height in sorted({one.effective_height for one in announced}):
        later = terms
        for one in announced:
            if one.effective_height == height:
                later = _changed(later, one, height)
        if later is not terms:
            yield later
        terms = later


def _changed(terms: Terms, announcement: Announcement, height: int) -> Terms:
    match announcement.change:
        case ActivateRules(version=version):
            return Terms(from_height=height, rules_version=version, reference=terms.reference)
        case SetArea(mba=mba):
            areas = [mba]
        case SetReference(mbas=mbas):
            areas = list(mbas)
        case _:
            return terms
    table = {(one.state, one.mba): one for one in (*terms.reference.mbas.values(), *areas)}
    reference = Reference.of(table.values(), terms.reference.version + 1)
    return Terms(from_height=height, rules_version=terms.rules_version, reference=reference)


def unknown_now(terms: Sequence[Terms], known: Collection[int]) -> str | None:
    """Why this program must not judge under the ledger's rule set, or None."""
    version = terms[0].rules_version
    if version in known:
        return None
    return f"the ledger is at rule set {version}, this program has {_list(known)}: install the release"


def unknown_ahead(terms: Sequence[Terms], known: Collection[int]) -> str | None:
    """Which announced rule set this program does not know, or None: then it stops at that height."""
    for later in terms:
        if later.rules_version not in known:
            when = f"counts from height {later.from_height} on" if later.from_height else "counts now"
            return f"rule set {later.rules_version} {when}, this program has {_list(known)}: install the release"
    return None


def _list(known: Collection[int]) -> str:
    return " and ".join(map(str, sorted(known)))
