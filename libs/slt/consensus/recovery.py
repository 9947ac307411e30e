"""What a start makes of its three stores: the log, the height register, the signer's watermark.

They are written one after the other, so a crash leaves the register at most one height ahead of the certified log, and
the signer no further than the register. Anything else means that one of them was lost, or put back from a copy, or is
another ledger's: then nobody may sign. All three put back together look like one history; only the ledger can tell.
"""

from slt.consensus.effects import Claim
from slt.consensus.events import Watermark
from slt.consensus.records import Head, Proposed
from slt.statements.terms import TermCertificate


def disagreement(
    head: Head, block: Proposed | None, term: TermCertificate, claim: Claim | None, mark: Watermark | None
) -> str:
    """Why the stores cannot be of one history under `term`; "" if they can.

    `head` and `block` (the one after it, saved and not known to be certified) are the log's; `claim` is the register's
    last, `mark` the signer's.
    """
    return _register(head, block, claim) or _signer(head, term, claim, mark) or _term(head, term)


def _register(head: Head, block: Proposed | None, claim: Claim | None) -> str:
    """The last claim is that of the last certified block, or of the one after it."""
    if claim is None:
        return f"the height register is empty and the log stands at height {head.height}" if head.height else ""
    if block is not None and claim.height == block.height:
        same = (claim.block_id, claim.header) == (block.block_id, block.header)
    elif claim.height == head.height:
        same = claim.block_id == head.block_id
    else:
        log_end = block.height if block else head.height
        return f"the height register ends at height {claim.height} and the log at {log_end}: one of them was lost"
    return "" if same else f"height {claim.height} is claimed for another block than the log holds"


def _signer(head: Head, term: TermCertificate, claim: Claim | None, mark: Watermark | None) -> str:
    """The last signature is that of the last certified block, or of the claim after it."""
    if mark is None:
        return f"the signer's watermark is gone and the log stands at height {head.height}" if head.height else ""
    if mark.term > term.term:
        return f"the signer has signed under term {mark.term}; this process has term {term.term}"
    if claim is None or mark.height > claim.height:
        return f"the signer has signed height {mark.height}, which the height register does not hold"
    if mark.height < head.height:
        return f"the signer's watermark is at height {mark.height} and the log at {head.height}: it was put back"
    if mark.block_id != (head.block_id if mark.height == head.height else claim.block_id):
        return f"the signer has signed another block at height {mark.height} than the log holds"
    return ""


def _term(head: Head, term: TermCertificate) -> str:
    """The next block is one of this term's."""
    height = head.height + 1
    if height < term.start_height:
        return f"term {term.term} starts at height {term.start_height}; the next height is {height}"
    if height == term.start_height and head.block_id != term.parent_id:
        return f"term {term.term} starts on another block than the one at height {head.height}"
    return ""
