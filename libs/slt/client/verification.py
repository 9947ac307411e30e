"""Verify a receipt in any form offline: its bytes, the report's body, and the genesis file. No network, no database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slt.client.errors import WrongUse
from slt.consensus.forms import Found, order_of, verify_any
from slt.consensus.forms import to_json as place_object
from slt.consensus.links import Line, lines_of_broken
from slt.consensus.proof import Proof
from slt.consensus.receipts import BrokenLink, VerifierCache
from slt.merkle.policy import BadPolicy, Policy, parse_policy
from slt.statements.genesis import Genesis
from slt.statements.governance import Ordered
from slt.statements.receipt_forms import Form, form_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Exactly one of `found` and `broken` is there. `lines` tell of every link, whichever it is."""

    receipt: Path
    form: Form
    lines: tuple[Line, ...]
    found: Found | None = None
    broken: BrokenLink | None = None

    @property
    def proof(self) -> Proof | None:
        """Everything that a receipt v1 proves, also one inside a published form. None: broken, or bare."""
        return None if self.found is None else self.found.proof

    def to_json(self) -> dict[str, Any]:
        """One object for a program: what was proved, or which link broke and why."""
        links = [line.to_json() for line in self.lines]
        said: dict[str, Any] = {"receipt": str(self.receipt), "form": self.form}
        if self.found is None:
            assert self.broken is not None
            return {
                **said,
                "holds": False,
                "broken_link": self.broken.link,
                "text": self.broken.message,
                "links": links,
            }
        return {
            **said,
            "holds": True,
            "verdict": self.found.standing,
            "bare": self.found.bare,
            **_object(self.found),
            **place_object(self.found.place),
            "links": links,
        }


def verify_file(
    receipt: Path,
    genesis: Genesis,
    *,
    body: Path | None = None,
    statement: Path | None = None,
    policy: Path | None = None,
    cache: VerifierCache | None = None,
) -> Verified:
    """Check every link of the receipt in a file. A broken link is an answer, not an error.

    `statement` is the file of the entry that a bare tlog-proof is about, `policy` a tlog-policy. Raises WrongUse when a
    file cannot be read, or when a bare tlog-proof comes without its entry: then there is nothing to answer about.
    """
    data = read(receipt)
    document = None if body is None else read(body)
    entry = None if statement is None else read(statement)
    rules = None if policy is None else _policy(policy)
    order = order_of(data)
    if form_of(data) == "tlog-proof" and entry is None and "receipt" not in order:
        raise WrongUse(f"{receipt} is a bare tlog-proof: name the statement that it is about with --statement FILE")
    try:
        found = verify_any(data, genesis, body=document, entry=entry, policy=rules, cache=cache)
    except BrokenLink as broken:
        lines = lines_of_broken(broken, order)
        return Verified(receipt=receipt, form=form_of(data), lines=lines, broken=broken)
    return Verified(receipt=receipt, form=found.form, lines=found.lines, found=found)


def read(path: Path) -> bytes:
    """Raises WrongUse."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUse(f"{error.filename}: {error.strerror}") from None


def _policy(path: Path) -> Policy:
    try:
        return parse_policy(read(path))
    except BadPolicy as error:
        raise WrongUse(f"{path}: {error}") from None


def _object(found: Found) -> dict[str, Any]:
    if found.proof is None:
        assert found.statement is not None, "what is bare has its statement"
        return _bare_object(found.statement)
    proof = found.proof
    return {
        "code": int(proof.code),
        "origin": proof.origin,
        "chain_id": proof.chain_id.hex(),
        "statement": proof.statement_id.hex(),
        "iss": proof.iss,
        "kid": proof.kid.hex(),
        "iat": proof.iat,
        "body_digest": proof.body_digest.hex(),
        "body_checked": proof.body_length is not None,
        "endorsers": [one.iss for one in proof.endorsers],
        "findings": [list(row) for row in proof.findings],
        "evidence": None if proof.evidence is None else proof.evidence.hex(),
        "rules_version": proof.rules_version,
        "height": proof.height,
        "block": proof.block_id.hex(),
        "time_ms": proof.time_ms,
        "verdict_index": proof.verdict_index,
        "verdict_count": proof.verdict_count,
        "log_index": proof.log_index,
        "log_size": proof.log_size,
        "log_root": proof.log_root.hex(),
        "checkpoint_by": proof.checkpoint_by,
    }


def _bare_object(statement: Ordered) -> dict[str, Any]:
    return {
        "statement": statement.id.hex(),
        "iss": statement.iss,
        "kid": statement.kid.hex(),
        "iat": statement.iat,
        "body_digest": statement.body_digest.hex(),
    }
