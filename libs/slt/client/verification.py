"""Verify a receipt offline: its bytes, the report's body, and the genesis file. No network, no database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slt.client.errors import WrongUse
from slt.consensus.proof import Proof
from slt.consensus.receipts import BrokenLink, VerifierCache, verify_receipt
from slt.statements.genesis import Genesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Exactly one of `proof` and `broken` is there."""

    receipt: Path
    proof: Proof | None = None
    broken: BrokenLink | None = None

    def to_json(self) -> dict[str, Any]:
        """One object for a program: what was proved, or which link broke and why."""
        if self.proof is None:
            assert self.broken is not None
            return {
                "receipt": str(self.receipt),
                "holds": False,
                "broken_link": self.broken.link,
                "text": self.broken.message,
            }
        proof = self.proof
        return {
            "receipt": str(self.receipt),
            "holds": True,
            "verdict": "accepted" if proof.accepted else "rejected",
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


def verify_file(
    receipt: Path, genesis: Genesis, *, body: Path | None = None, cache: VerifierCache | None = None
) -> Verified:
    """Check every link of the receipt in a file. A broken link is an answer, not an error.

    Raises WrongUse when a file cannot be read.
    """
    try:
        data = receipt.read_bytes()
        document = body.read_bytes() if body is not None else None
    except OSError as error:
        raise WrongUse(f"{error.filename}: {error.strerror}") from None
    try:
        return Verified(receipt=receipt, proof=verify_receipt(data, genesis, body=document, cache=cache))
    except BrokenLink as broken:
        return Verified(receipt=receipt, broken=broken)
