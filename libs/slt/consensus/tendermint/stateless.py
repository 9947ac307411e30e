"""Faults of a proposed header that no state could make right (consensus.md 3.1, 3.2): whoever signs one is at fault.

What depends on the parent (its id, its time, its batch chains) makes a proposal invalid too, but is no evidence:
whoever verifies evidence has no state.
"""

from collections.abc import Sequence

from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.proposals import Content
from slt.consensus.tendermint.votes import NO_ROUND, Vote
from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError, encode
from slt.statements.headers import Header, parse_header
from slt.statements.tags import list_root


def header_fault(vote: Vote, encoded: bytes, members: MemberSet) -> str:
    """Why `encoded`, which hashes to the block id of the proposal `vote`, can be no header of it; "" if it can.

    `members` is the set of the height that the ballot names.
    """
    try:
        header = parse_header(encoded)
    except DecodeError as error:
        return f"no header: {error}"
    ballot = vote.ballot
    for name, found, right in (
        ("chain_id", header.chain_id, ballot.chain_id),
        ("height", header.height, ballot.height),
        ("epoch", header.epoch, ballot.epoch),
        ("members_root", header.members_root, members.root),
    ):
        if found != right:
            return f"the header's {name} is not that of the ballot"
    proposer = members.index_of(header.proposer)
    if proposer is None:
        return f"the header's proposer {header.proposer} is no member"
    if ballot.vr == NO_ROUND and proposer != vote.sender:
        return f"the header names member {proposer} as proposer, and member {vote.sender} proposes it as new"
    return ""


def content_fault(content: Content, members: MemberSet, height: int) -> str:
    """Why no ballot at `height` could make a block of `content`; "" if one could. The same for every member."""
    header = content.header
    if header is None:
        return "the bytes are no header"
    if (header.chain_id, header.height, header.epoch) != (members.chain_id, height, members.epoch):
        return "the header is of another chain, height or epoch"
    if header.members_root != members.root:
        return "the header names another member set"
    if members.index_of(header.proposer) is None:
        return f"the header's proposer {header.proposer} is no member"
    return "a batch stands twice" if len(set(content.batches)) < len(content.batches) else ""


def repeated_batch(encoded_header: bytes, batches: Sequence[Digest]) -> str:
    """Whether the header commits to exactly `batches`, and one of them stands twice; "" if not."""
    try:
        header = parse_header(encoded_header)
    except DecodeError:
        return ""
    if header.batches_root != list_root("batches", [encode(digest) for digest in batches]):
        return ""
    return "a batch stands twice" if len(set(batches)) < len(batches) else ""


def parent_fault(header: Header, *, parent_id: Digest, parent_time_ms: int, parent_log_size: int) -> str:
    """Why `header` cannot follow its parent; "" if it can. Deterministic, and no evidence: it needs the parent."""
    if header.parent_id != parent_id:
        return "the header has another parent"
    if header.time_ms <= parent_time_ms:
        return f"its time {header.time_ms} is not after its parent's, {parent_time_ms}"
    if header.log_size < parent_log_size:
        return f"its log has {header.log_size} entries, fewer than its parent's {parent_log_size}"
    return ""
