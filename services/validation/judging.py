"""Items judged on a thread: body opened, document judged, facts and findings filled in. Pure, and slow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from services.validation.core import Vetting, refused_unread, vet
from services.validation.terms import Judge, Terms, terms_of
from slt.bus.compression import compress, inflate
from slt.bus.messages import Item, Malformed, Validity, WireFinding
from slt.reports.limits import oversize
from slt.runtime.copies import Registry
from slt.statements.statement import parse_statement

AHEAD_BYTES_MAX: Final = 64 * 1024
"""Of compressed facts: a larger report is judged under what is announced when it is asked for. It takes seconds, and
facts and body of the largest already fill a message: twice the facts would not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """All that judging takes besides the items: a registry, what counts by it and when, and the rule sets we have."""

    registry: Registry
    terms: tuple[Terms, ...]  # those that count now, then the announced ones in order
    rule_sets: Mapping[int, Judge]

    @classmethod
    def of(cls, registry: Registry, rule_sets: Mapping[int, Judge]) -> "Bench":
        terms = terms_of(registry.rules_version, registry.reference, registry.announced)
        return cls(registry=registry, terms=terms, rule_sets=rule_sets)

    def under(self, versions: tuple[int, int]) -> Terms | None:
        """Now's or announced terms of these versions (rule set, reference data), if we can judge under them."""
        known = (one for one in self.terms if one.rules_version in self.rule_sets)
        return next((one for one in known if one.versions == versions), None)


def judge_all(items: Sequence[Item], bench: Bench, today: str | None = None) -> list[Item]:
    """Judge `items` under the terms of now and, beside it, under the next announced ones. Never raises for them."""
    return [judge_item(item, bench, today) for item in items]


def judge_item(item: Item, bench: Bench, today: str | None = None) -> Item:
    """One of them. `facts_z` stays empty when the item is to be refused; then the findings say why.

    A governance statement has no document: it is passed on as it is.
    """
    if item.change:
        return item
    now, *later = bench.terms
    filled = _within_limits(judge_under(item, now, bench, today), bench.registry)
    ahead = [one for one in later[:1] if one.rules_version in bench.rule_sets]
    if not ahead or not 0 < len(filled.facts_z) <= AHEAD_BYTES_MAX:
        return filled
    return msgspec.structs.replace(filled, ahead=[Validity.of(judge_under(item, one, bench, today)) for one in ahead])


def judge_under(item: Item, terms: Terms, bench: Bench, today: str | None) -> Item:
    """Judge `item` under `terms`, whose rule set we have. Limits of size are the door's, and not asked here."""
    vetting = _vetted(item, terms, bench, today)
    judgement = vetting.judgement
    return msgspec.structs.replace(
        item,
        facts_z=compress(judgement.facts.encoded) if judgement.facts is not None else b"",
        no_facts=vetting.no_facts,
        findings=[_wire(finding.to_wire()) for finding in judgement.findings],
        findings_salt=vetting.findings_salt,
        facts_salt=vetting.facts_salt,
        rules_version=terms.rules_version,
        reference_version=terms.reference.version,
    )


def _within_limits(item: Item, registry: Registry) -> Item:
    """`item` without its facts, and with findings first that say why, if it is larger than the ledger takes."""
    sizes = {
        "submission_bytes_max": len(item.statement) + sum(map(len, item.endorsements)) + len(item.body_z),
        "facts_bytes_max": len(item.facts_z),
    }
    too_large = oversize(sizes, lambda name: limit_of(registry, name))
    if not too_large:
        return item
    findings = [*(_wire(finding.to_wire()) for finding in too_large), *item.findings]
    return msgspec.structs.replace(item, facts_z=b"", findings=findings)


def _vetted(item: Item, terms: Terms, bench: Bench, today: str | None) -> Vetting:
    statement = parse_statement(item.statement)
    try:
        body = inflate(item.body_z, bytes_max=limit_of(bench.registry, "body_bytes_max"))
    except Malformed as error:
        return refused_unread(statement, str(error))
    return vet(
        statement,
        body,
        state=item.state,
        mba=item.mba,
        reference=terms.reference,
        judge=bench.rule_sets[terms.rules_version],
        today=today,
    )


def limit_of(registry: Registry, name: str) -> int:
    """A parameter of the ledger that is a size in bytes."""
    return int(registry.parameters[name])


def _wire(parts: list[str]) -> WireFinding:
    rule, severity, entry, label, value, expected, text = parts
    return rule, severity, entry, label, value, expected, text
