"""What a verifier found, one line for each link: it held, it broke, or it was not proved, and why.

The lines follow the order of checking. A line that says "not proved" is as much a part of the answer as one that holds:
what a receipt does not carry, nobody may read into it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from slt.consensus.proof import Proof, moment
from slt.consensus.receipts import BrokenLink, Link
from slt.statements.governance import in_words
from slt.statements.verdicts import TABLE

LINKS: Final[tuple[Link, ...]] = get_args(Link)
"""In the order in which verify_receipt looks at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One link. `holds` is None where nothing was proved: the text says why."""

    link: str
    holds: bool | None
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"link": self.link, "holds": self.holds, "text": self.text}


def held(link: str, text: str) -> Line:
    return Line(link=link, holds=True, text=text)


def not_proved(link: str, text: str) -> Line:
    return Line(link=link, holds=None, text=text)


def lines_of(proof: Proof) -> tuple[Line, ...]:
    """Every link of a receipt v1 that was verified."""
    return (
        held("receipt", "The bytes are one receipt of version 1, and none of them is free."),
        held("ledger", f"Receipt and block are of ledger {proof.origin}, chain id {proof.chain_id.hex()}."),
        held("statement", f"It holds statement {proof.statement_id.hex()} by {proof.iss}, made for that ledger."),
        _content(proof),
        held("key", f"The key {proof.kid.hex()} is the one that the statement names."),
        held("signature", f"That key signed the statement, dated {moment(proof.iat * 1000, whole=True)}."),
        _endorsements(proof),
        held("verdict", _verdict(proof)),
        held(
            "verdict path",
            f"That verdict is number {proof.verdict_index + 1} of {proof.verdict_count} of block {proof.height}.",
        ),
        held(
            "certificate",
            f"{proof.certificate}: block {proof.height}, id {proof.block_id.hex()}, of {moment(proof.time_ms)}.",
        ),
        _log(proof),
        held("checkpoint", f"{proof.checkpoint_by} signed the log of {proof.log_size} entries, the block's own."),
        _findings(proof),
    )


def lines_of_broken(broken: BrokenLink, order: Sequence[str] = LINKS) -> tuple[Line, ...]:
    """Links before the broken one held; those after it were not looked at."""
    before = order[: order.index(broken.link)]
    return (
        *(held(link, "It holds.") for link in before),
        Line(link=broken.link, holds=False, text=broken.message),
        *(not_proved(link, "Not looked at, after the broken link.") for link in order[len(before) + 1 :]),
    )


def body_line(digest: bytes, media_type: str, length: int | None) -> Line:
    if length is None:
        return not_proved("body", f"No body was given. The statement names the one with digest {digest.hex()}.")
    return held("body", f"The body given ({length} bytes, {media_type}) is the one that the statement names.")


def _content(proof: Proof) -> Line:
    if proof.announced is None:
        return body_line(proof.body_digest, proof.media_type, proof.body_length)
    return held("body", f"There is none: the statement itself says {in_words(proof.announced.change)}.")


def _endorsements(proof: Proof) -> Line:
    names = ", ".join(f"{one.iss} (key {one.kid.hex()})" for one in proof.endorsers)
    return held("endorsements", f"{proof.endorsed.capitalize()} by {names}." if names else "The receipt holds none.")


def _verdict(proof: Proof) -> str:
    found = "accepted" if proof.accepted else f"rejected ({TABLE[proof.code].label}, code {int(proof.code)})"
    conflict = f", in conflict with statement {proof.evidence.hex()}" if proof.evidence is not None else ""
    return f"The verdict on that statement is final: {found} by rule set {proof.rules_version}{conflict}."


def _log(proof: Proof) -> Line:
    if proof.log_index is None:
        return not_proved("log", "A rejected statement is not in the log; verdict path and certificate prove it.")
    log = f"the log of {proof.log_size} entries with root {proof.log_root.hex()}"
    return held("log", f"The statement is entry {proof.log_index} of {log}, to which that block commits.")


def _findings(proof: Proof) -> Line:
    rules = ", ".join(rule for rule, *_ in proof.findings)
    return held("findings", f"The verdict commits to these findings: {rules}." if rules else "There are none.")
