"""What vetting found about a statement: all that evaluation may know of it (architecture section 6)."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from slt.reports.facts import Facts, parse_facts
from slt.statements.cbor import DecodeError
from slt.statements.governance import Announcement, parse_announcement

# rule, severity ("error" or "warning"), entry, label, value, expected, text: slt.reports.Finding.to_wire().
WireFinding: TypeAlias = tuple[str, str, str, str, str, str, str]
SignatureResult: TypeAlias = Literal["good", "bad", "no key"]

NO_SALT: Final = b""  # there was no body to take the salts from


class BadVetting(ValueError):
    """Fields that do not go together: whoever vetted this has a fault, or somebody else wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vetted:
    """One statement as this member's authentication and validation found it.

    A pure function of the bytes, the registry and the rule set; `good` and `bad` never change for a statement, because
    its kid is the digest of its key.
    """

    statement_id: bytes  # 32 bytes
    kid: bytes  # 32 bytes: of the key that signs, by the statement's own word
    iss: str
    iat: int  # seconds
    endorsers: tuple[bytes, ...]  # kids whose endorsement (approval, of a governance statement) has a good signature
    unknown_endorsers: tuple[bytes, ...] = ()  # kids of endorsements by keys that vetting's copy of the registry lacked
    bad_endorsement: bool  # some other endorsement has a bad signature, or is not one of this statement
    signature: SignatureResult  # "no key": vetting did not find the kid in its copy of the registry
    change: bytes = b""  # of a governance statement: its payload, CBOR of the change. b"" = this is a report
    facts: bytes | None  # CBOR; None when there are none, and then `no_facts` says why
    no_facts: int  # verdict code; of a report 0 exactly when there are facts
    rules_version: int = 0  # under which facts and findings were made, as was reference_version; 0 of a governance
    reference_version: int = 0  # statement, and where validation was never asked
    findings: tuple[WireFinding, ...]  # of the stateless rules
    findings_salt: bytes  # 32 bytes, or b"" when there is no body
    facts_salt: bytes  # 32 bytes, or b"" when there is no body
    _announced: list[Announcement] = field(default_factory=list, init=False, repr=False, compare=False)
    _read: list[Facts] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.change:
            if self.facts is not None or self.no_facts or self.findings or self.findings_salt or self.facts_salt:
                raise BadVetting("a governance statement has no body, and neither facts nor findings of it")
            return
        if (self.facts is None) != (self.no_facts != 0):
            raise BadVetting(f"facts {'without' if self.facts is None else 'with'} a reason: no_facts={self.no_facts}")
        if self.facts is not None and not (self.facts_salt and self.findings_salt):
            raise BadVetting("facts come from a body, and a body has salts")

    def share_reading(self, other: "Vetted") -> None:
        """Take over what `other` has read, if its facts are the same bytes."""
        if other._read and self.facts == other.facts:
            self._read[:] = other._read

    def read_change(self) -> Announcement | None:
        """What a governance statement announces; None of a report. Raises BadVetting if it is no change."""
        if not self.change:
            return None
        if not self._announced:
            try:
                self._announced.append(parse_announcement(self.change))
            except DecodeError as error:
                raise BadVetting(f"statement {self.statement_id.hex()} announces nothing: {error}") from error
        return self._announced[0]

    def read_facts(self) -> Facts | None:
        """The facts, read once however often one asks. Raises DecodeError if they are no facts."""
        if self.facts is None:
            return None
        if not self._read:
            self._read.append(parse_facts(self.facts))
        return self._read[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class VettedBatch:
    """One batch of a proposal, with what vetting found about each of its statements, in their order."""

    author: int  # member id
    seq: int
    digest: bytes
    previous: bytes  # digest of the author's batch before it; chain_id for seq 1
    items: tuple[Vetted, ...]
