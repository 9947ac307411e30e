"""What the uniqueness service answered, held against what it was asked: can a block be made of it? Rules E2 to E4."""

from collections.abc import Iterable

import cbor2

from slt.consensus.events import Evaluated
from slt.consensus.records import BatchFormed
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.tree import Frontier
from slt.statements.cbor import DecodeError
from slt.statements.verdicts import Verdict


class WrongEvaluation(ValueError):
    """An evaluation that no block can be made of: our uniqueness service is at fault. The sentence says how."""


def log_after(log: Frontier, included: Iterable[BatchFormed], event: Evaluated) -> Frontier:
    """`log` after the accepted statements. Raises WrongEvaluation unless every verdict is where it belongs."""
    for what, root in (("state", event.state_root), ("parameters", event.parameters_root)):  # E2
        if len(root) != 32:
            raise WrongEvaluation(f"a {what} root of {len(root)} bytes")
    named = [
        (id_, entry)
        for formed in included
        for id_, entry in zip(formed.statement_ids, formed.batch.entries, strict=True)
    ]
    if len(named) != len(event.verdicts):  # E3: one verdict for each statement, in order
        raise WrongEvaluation(f"{len(event.verdicts)} verdicts for {len(named)} statements")
    leaves: list[Digest] = []
    for (statement_id, entry), encoded in zip(named, event.verdicts, strict=True):
        verdict = _verdict(encoded)
        if verdict.statement_id != statement_id:
            raise WrongEvaluation(f"a verdict on {verdict.statement_id.hex()} in the place of {statement_id.hex()}")
        if verdict.log_index is not None:
            if verdict.log_index != log.size + len(leaves):  # E4: the log has no gap
                raise WrongEvaluation(f"log index {verdict.log_index}; the next one is {log.size + len(leaves)}")
            leaves.append(leaf_hash(entry.statement))
    return log.extended(leaves)


def _verdict(encoded: bytes) -> Verdict:
    """Read a verdict and refuse one that is not in canonical form: its bytes go under verdicts_root as they are."""
    try:
        value = cbor2.loads(encoded)
        if cbor2.dumps(value) != encoded:  # a verdict has no map, so the plain encoder gives its one encoding
            raise WrongEvaluation("a verdict that is not in canonical form")
        return Verdict.from_value(value)
    except (DecodeError, cbor2.CBORError) as error:
        raise WrongEvaluation(f"not a verdict: {error}") from error
