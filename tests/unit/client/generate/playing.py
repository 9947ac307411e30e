"""A generated world played into a ledger's state: `slt init` makes genesis of it, and every report is evaluated."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from slt.client.folder import Folder
from slt.client.generate import Report, render
from slt.client.local.init import init
from slt.inventory.evaluate import evaluate
from slt.inventory.genesis import genesis_head, genesis_state
from slt.inventory.keys import Kind, key, kind_of
from slt.inventory.state import WholeState
from slt.inventory.transits import Transit, TransitState
from slt.inventory.vetting import VettedBatch
from slt.reports import Facts, Judgement, Reference, judge
from slt.statements.cbor import decode
from slt.statements.openings import parse_opening
from slt.statements.verdicts import Code
from tests.unit.inventory.building import statement

MADE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of one report."""

    report: Report
    judgement: Judgement
    code: Code
    rules: tuple[str, ...]
    """That the findings of its verdict name, warnings too."""


class Ledger:
    """The state of a ledger whose world file is `directory`/world.toml."""

    def __init__(self, directory: Path) -> None:
        folder = Folder(directory / "ledger")
        genesis = init(folder.root, world_file=directory / "world.toml", model="private", members=1, now=MADE)
        openings = [parse_opening(file.read_bytes()) for file in sorted(folder.openings.glob("*.cbor"))]
        self.records = genesis_state(genesis, openings)
        self._reference = Reference.of(genesis.mbas, genesis.reference_version)
        self._reporters = {
            (one.state, mba): one for one in genesis.identities for mba in one.mbas if one.role == "reporter"
        }
        self._head = genesis_head(genesis, self.records)
        self._chain = (0, bytes(genesis.chain_id))

    def play(self, reports: Iterator[Report]) -> Iterator[Played]:
        """Judge each report and evaluate it in a block of its own."""
        for report in reports:
            judgement = judge(render(report), self._reference)
            assert judgement.facts is not None, (report.name, judgement.findings)
            yield self._order(report, judgement, judgement.facts)

    def transits(self) -> Counter[TransitState | None]:
        values = (value for record_key, value in self.records.items() if kind_of(record_key) is Kind.TRANSIT)
        return Counter(Transit(_values(value), domestic=True).state for value in values)

    def book(self, state: str, mba: str, category: int) -> dict[int, int]:
        value = self.records.get(key(Kind.BOOK, state, mba, category))
        return {} if value is None else dict(_values(value))

    def _order(self, report: Report, judgement: Judgement, facts: Facts) -> Played:
        seq, previous = self._chain
        reporter = self._reporters[report.state, report.mba]
        vetted = statement(facts, by=reporter, name=f"{report.mba}/{report.number}", iat=int(MADE.timestamp()))
        digest = sha256(previous + vetted.statement_id).digest()
        self._chain = (seq + 1, digest)
        done = evaluate(
            WholeState(self.records),
            self._head,
            height=self._head.height + 1,
            time_ms=max(self._head.time_ms, int(MADE.timestamp()) * 1000) + 1,
            batches=[VettedBatch(author=0, seq=seq + 1, digest=digest, previous=previous, items=(vetted,))],
        )
        self._head = done.head(digest)
        for record_key, value in done.changes.items():
            if value is None:
                del self.records[record_key]
            else:
                self.records[record_key] = value
        (verdict,), (findings,) = done.verdicts, done.findings
        return Played(
            report=report, judgement=judgement, code=Code(verdict.code), rules=tuple(one[0] for one in findings)
        )


def _values(value: bytes) -> Any:
    return decode(value)
