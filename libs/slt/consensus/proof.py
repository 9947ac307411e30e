"""What a verified receipt proves, as values and in words."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from slt.statements.governance import Announcement, in_words
from slt.statements.verdicts import TABLE, Code

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorser:
    iss: str
    kid: bytes
    iat: int  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Every link held. Nothing here is anybody's word alone: it follows from the receipt's bytes and the genesis file.

    `accepted` says which verdict was proved: a receipt proves a rejection as well as an acceptance.
    """

    origin: str
    chain_id: bytes
    model: str
    # who said what
    statement_id: bytes
    iss: str
    kid: bytes
    iat: int  # seconds, by the author's clock
    sub: str
    media_type: str
    body_digest: bytes
    announced: Announcement | None = None  # what a governance statement says; None: it is a report
    body_length: int | None  # of the body that was checked against the statement; None: no body was given
    endorsers: tuple[Endorser, ...]
    # what was decided
    accepted: bool
    code: Code
    rules_version: int
    evidence: bytes | None  # id of the statement that this one conflicts with
    findings: tuple[tuple[str, str, str, str], ...]  # rule, severity, entry, label
    facts_digest: bytes | None
    # where and when
    height: int
    block_id: bytes
    time_ms: int
    verdict_index: int
    verdict_count: int
    log_index: int | None
    log_size: int
    log_root: bytes
    certificate: str  # who made the block final, in words
    checkpoint_by: str  # name of the member that signed the checkpoint

    @property
    def endorsed(self) -> str:
        """What its endorsers did, in a word."""
        return "endorsed" if self.announced is None else "approved"

    @property
    def lines(self) -> tuple[str, ...]:
        """One sentence for each thing that was proved, the verdict first."""
        return (
            self._verdict(),
            *self._findings(),
            *self._next_step(),
            self._statement(),
            self._body(),
            *self._endorsed(),
            *self._place(),
        )

    def _verdict(self) -> str:
        row = TABLE[self.code]
        verdict = "Accepted" if self.accepted else f"Rejected ({row.label}, code {int(self.code)})"
        return f"{verdict} by ledger {self.origin}, rule set {self.rules_version}."

    def _findings(self) -> tuple[str, ...]:
        conflict = f"It conflicts with statement {self.evidence.hex()}." if self.evidence is not None else ""
        found = [
            f"{severity.capitalize()} {rule}" + "".join(f", {part}" for part in (entry, label) if part)
            for rule, severity, entry, label in self.findings
        ]
        return tuple(line for line in (conflict, "; ".join(found) + "." if found else "") if line)

    def _next_step(self) -> tuple[str, ...]:
        return () if self.accepted else (f"What to do: {TABLE[self.code].next_step}",)

    def _statement(self) -> str:
        return (
            f"Statement {self.statement_id.hex()} was signed by {self.iss} (key {self.kid.hex()}) for this ledger, "
            f"dated {moment(self.iat * 1000, whole=True)}."
        )

    def _body(self) -> str:
        if self.announced is not None:
            height = self.announced.effective_height
            return f"It changes the ledger from block {height} on: {in_words(self.announced.change)}."
        if self.body_length is None:
            digest = self.body_digest.hex()
            return f"It names the body with digest {digest} ({self.media_type}); no body was given to compare."
        return f"The body given ({self.body_length} bytes, {self.media_type}) is the one that it names."

    def _endorsed(self) -> tuple[str, ...]:
        return tuple(
            f"It was {self.endorsed} by {one.iss} (key {one.kid.hex()}), dated {moment(one.iat * 1000, whole=True)}."
            for one in self.endorsers
        )

    def _place(self) -> tuple[str, ...]:
        size, root = self.log_size, self.log_root.hex()
        entry = f"It is entry {self.log_index} of the log, which then had {size} entries and root {root}."
        block = f"Block {self.height} ({moment(self.time_ms)}, id {self.block_id.hex()})"
        place = f"number {self.verdict_index + 1} of {self.verdict_count}"
        return (
            f"{block} holds this verdict, {place}.",
            entry if self.log_index is not None else "It is not in the log: only accepted statements are.",
            f"{self.certificate}, under genesis {self.chain_id.hex()}.",
            f"The checkpoint over the log of {size} entries is signed by {self.checkpoint_by}.",
        )


def moment(time_ms: int, *, whole: bool = False) -> str:
    """A time as people write it: 2026-11-22 16:35:00.123 UTC; with `whole` to the second."""
    at = EPOCH + timedelta(milliseconds=time_ms)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if whole else f"{at:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03d} UTC"
