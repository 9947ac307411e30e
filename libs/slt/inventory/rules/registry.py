"""The shape of a stateful rule, and the register of all of them; the twin of slt.reports.rules.registry.

A rule is one small function that looks at a Case and yields a Conflict for each thing that it objects to. Its number,
the place in the specification and its severity stand in its decorator; its docstring says what it asks. The text of a
conflict ends in what the author does next.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from slt.inventory.case import Case
from slt.reports.findings import Finding, Severity
from slt.reports.profiles import profile_of
from slt.statements.verdicts import Code, code_of_rule, place_of


class Conflict(NamedTuple):
    """What a rule objects to. The collector adds rule, severity and entry, and makes it a finding."""

    text: str
    label: str = ""
    value: str = ""
    expected: str = ""
    entry: int | None = None
    """OI entry number; None for the report as a whole."""
    evidence: bytes | None = None
    """Statement id of what the report conflicts with: of the same area, so that its author may see it."""
    severity: Severity | None = None
    """Where it differs from the rule's own."""


class Rule(NamedTuple):
    """One registered function."""

    id: str
    severity: Severity
    reference: str
    """Where the rule is stated."""
    sentence: str
    """What the rule asks: the first line of the function's docstring."""
    references: bool
    """About numbers and references: asked always. The others look at what the report makes of the books, which makes
    sense for the next report of the area whose references are good."""
    kinds: str
    """010 of the reports that the rule is about."""
    since: int = 1
    """The first version of the rule set that has it."""
    until: int | None = None
    """The last one; None: it counts in all later ones."""

    def counts(self, version: int) -> bool:
        """Whether this version of the rule set has it."""
        return self.since <= version and (self.until is None or version <= self.until)

    @property
    def code(self) -> Code:
        return code_of_rule(self.id)


Check = Callable[[Case], Iterable[Conflict]]

_RULES: Final[list[tuple[Rule, Check]]] = []
_ASKED: Final[dict[tuple[str, bool], list[tuple[Rule, Check]]]] = {
    (kind, references): [] for kind in "IPMT" for references in (True, False)
}


def rule(
    number: str,
    reference: str,
    *,
    severity: Severity = "error",
    references: bool = False,
    kinds: str = "IPMT",
    since: int = 1,
    until: int | None = None,
) -> Callable[[Check], Check]:
    """Register a function as rule `number` (C01 to C30). One that can reject has severity "error": its milder
    conflicts say so themselves. One of severity "warning" never rejects, and admission need not ask it; a profile may
    rule otherwise. `kinds`: the report types (010) that it is about. `since` and `until`: the versions of the rule set
    that have it; both kinds of rules have one version (slt.reports.rules).
    """

    def register(check: Check) -> Check:
        assert check.__doc__, f"{number}: a rule says in its docstring what it asks"
        sentence = check.__doc__.splitlines()[0]
        made = (Rule(number, severity, reference, sentence, references, kinds, since, until), check)
        for rules in (_RULES, *(_ASKED[kind, references] for kind in kinds)):
            rules.append(made)
            rules.sort(key=lambda pair: place_of(pair[0].code))
        return check

    return register


def registered() -> Sequence[tuple[Rule, Check]]:
    """Every rule of any version, in the order in which the first that fails gives a verdict its code."""
    return _RULES


@lru_cache(512)
def asked(kind: str, *, references: bool, profile: str, version: int) -> tuple[tuple[Rule, Check], ...]:
    """The rules of a version about reports of this type and about references, or not about them, in the same order.

    Each has the severity that the profile gives it; those that are off are left out.
    """
    rulings = profile_of(profile).rulings
    ruled = ((rule, check, rulings.get(rule.id, rule.severity)) for rule, check in _ASKED[kind, references])
    return tuple(
        (rule if ruling == rule.severity else rule._replace(severity=ruling), check)
        for rule, check, ruling in ruled
        if ruling != "off" and rule.counts(version)
    )


def finding(found: Conflict, by: Rule) -> Finding:
    """What `found` says to the author. `by` as `asked` gives it."""
    return Finding(
        rule=by.id,
        severity=found.severity or by.severity,
        entry="" if found.entry is None else f"OI/{found.entry}",
        label=found.label,
        value=found.value,
        expected=found.expected,
        text=found.text,
    )
