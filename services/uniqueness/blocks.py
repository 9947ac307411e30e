"""Reads a final block and compares it with what our own evaluation made of it. Pure; the books read blocks with it too.

A block that is not what its certificate says is a bad copy: a good one will come. A block that is what its certificate
says and has another state root than ours means that this member and the one that ordered it do not agree about the
state: nothing that this service says would be worth anything from then on, so it stops.
"""

from collections.abc import Sequence

from services.uniqueness.evaluations import Key
from slt.bus.compression import inflate
from slt.bus.messages import Block, EvaluateBatch, EvaluateItem, Item, Malformed, WireFinding
from slt.consensus.certificates import CertificateError, verify_certificate
from slt.inventory.evaluate import Evaluation
from slt.inventory.state import StateHead
from slt.reports.facts import FACTS_LENGTH_MAX
from slt.statements import cbor
from slt.statements.batches import batch_digest, parse_batch
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis
from slt.statements.governance import GovernanceStatement, parse_ordered
from slt.statements.headers import Header, parse_header
from slt.statements.tags import list_root
from slt.statements.verdicts import Verdict, facts_digest, findings_digest, parse_verdict


class BadBlock(Exception):
    """This copy of a block is not what a certificate makes final. Nothing of it is used; a good copy will come."""

    def __init__(self, height: int, text: str) -> None:
        super().__init__(f"block {height}: {text}")
        self.height = height


class StateDiverged(Exception):
    """A certified block and our own evaluation of it differ. The process stops, and a person must look.

    Either a database was changed by hand, or two members run programs that judge differently.
    """

    def __init__(self, height: int, *, what: str, expected: str, got: str) -> None:
        super().__init__(
            f"block {height} is certified with {what} {expected}, and our evaluation gives {got}. A restart alone "
            "does not help: compare the versions of the members' programs, then rebuild this database from the "
            "ledger's blocks (move it away and start again)"
        )


def read_verdicts(block: Block, *, height: int, parent_id: bytes, genesis: Genesis) -> tuple[Header, list[Verdict]]:
    """The header and the verdicts of the block at `height`, on top of `parent_id`. Raises BadBlock.

    Checked here: what read_header checks, and that verdicts can be read.
    """
    header = read_header(block, height=height, parent_id=parent_id, genesis=genesis)
    return header, _verdicts(block)


def read_header(block: Block, *, height: int, parent_id: bytes, genesis: Genesis) -> Header:
    """The header of the block at `height`, on top of `parent_id`. Raises BadBlock.

    Checked here: certificate, place in the chain, verdicts as the header commits to them, one item for each.
    """
    try:
        header = parse_header(block.header)
        verify_certificate(header, cbor.decode(block.certificate), genesis)
    except (DecodeError, CertificateError) as error:
        raise BadBlock(block.height, str(error)) from error
    _require(block, header.height == block.height == height, f"it does not follow height {height - 1}")
    _require(block, header.parent_id == parent_id, f"its parent is not {parent_id.hex()}")
    _require(
        block, header.verdicts_root == list_root("verdicts", block.verdicts), "its verdicts are not those of its header"
    )
    _require(
        block,
        sum(len(given.items) for given in block.batches) == len(block.verdicts),
        "it has other numbers of items and verdicts",
    )
    return header


def read_block(block: Block, final: StateHead, genesis: Genesis) -> tuple[Header, Key, list[EvaluateBatch]]:
    """The header of the block after `final`, and what is to be evaluated. Raises BadBlock.

    Checked here: what read_header checks, and batches as the header commits to them. Verdicts are not read: they are
    compared with our own (`compare`), or read before we make any (`check_facts`).
    """
    header = read_header(block, height=final.height + 1, parent_id=final.block_id, genesis=genesis)
    try:
        batches = [parse_batch(given.batch) for given in block.batches]
    except DecodeError as error:
        raise BadBlock(block.height, str(error)) from error
    digests = [batch_digest(given.batch) for given in block.batches]
    _require(
        block,
        header.batches_root == list_root("batches", [cbor.encode(digest) for digest in digests]),
        "its batches are not those of its header",
    )
    _require(
        block,
        all(len(given.items) == len(batch.entries) for given, batch in zip(block.batches, batches, strict=True)),
        "it has other numbers of statements and items",
    )
    evaluated = [
        EvaluateBatch(
            author=batch.author,
            seq=batch.seq,
            digest=digest,
            previous=batch.previous,
            items=[EvaluateItem.of(item) for item in given.items],
        )
        for given, batch, digest in zip(block.batches, batches, digests, strict=True)
    ]
    key = Key(parent_id=header.parent_id, height=header.height, time_ms=header.time_ms, batches=tuple(digests))
    return header, key, evaluated


def check_facts(block: Block) -> None:
    """The facts beside each statement are those that its verdict binds, and changes what was signed. Raises BadBlock.

    Needed only for a block that is evaluated from this copy: with other facts our state would seem to diverge.
    """
    items = (item for given in block.batches for item in given.items)
    for item, verdict in zip(items, _verdicts(block), strict=True):
        facts_of(block, item, verdict)
        check_change(block, item)


def check_change(block: Block, item: Item) -> None:
    """An item has a change exactly when its statement announces it."""
    try:
        statement = parse_ordered(item.statement)
    except DecodeError as error:
        raise BadBlock(block.height, str(error)) from error
    announced = statement.payload if isinstance(statement, GovernanceStatement) else b""
    _require(
        block,
        (item.change, item.statement_id) == (announced, statement.id),
        "a change in it is not the one that was signed",
    )


def facts_of(block: Block, item: Item, verdict: Verdict) -> bytes | None:
    """The CBOR of the facts beside a statement, which are those that its verdict binds; None: it binds none.

    Raises BadBlock.
    """
    _require(block, item.statement_id == verdict.statement_id, "an item is of another statement than its verdict")
    if verdict.facts_digest is None:
        return None
    try:
        facts = inflate(item.facts_z, bytes_max=FACTS_LENGTH_MAX)
    except Malformed as error:
        raise BadBlock(block.height, str(error)) from error
    digest = facts_digest(item.facts_salt, facts)
    _require(block, digest == verdict.facts_digest, "facts in it are not those that a verdict binds")
    return facts


def check_findings(block: Block, item: Item, verdict: Verdict, findings: Sequence[WireFinding]) -> None:
    """Rule, severity, entry and label of each finding must be those that the verdict binds. Raises BadBlock.

    Value, expected value and text are bound by nothing: they are as the ledger of this member keeps them.
    """
    if verdict.findings_digest is not None:
        digest = findings_digest(item.findings_salt, [row[:4] for row in findings])
        _require(block, digest == verdict.findings_digest, "findings in it are not those that a verdict binds")


def compare(header: Header, block: Block, evaluation: Evaluation) -> None:
    """Raises StateDiverged unless our evaluation gives what the certified header says."""
    verdicts_root = list_root("verdicts", evaluation.encoded_verdicts)
    for what, certified, ours in (
        ("state root", header.state_root, evaluation.state_root),
        ("verdicts root", header.verdicts_root, verdicts_root),
        ("parameters root", header.parameters_root, evaluation.parameters_root),
        ("members root", header.members_root, evaluation.members_root),
        ("next members root", header.next_members_root, evaluation.next_members_root),
    ):
        if ours != certified:
            got = f"{ours.hex()}{_first_difference(block, evaluation)}"
            raise StateDiverged(header.height, what=what, expected=certified.hex(), got=got)
    if evaluation.log_size != header.log_size:
        raise StateDiverged(header.height, what="log size", expected=str(header.log_size), got=str(evaluation.log_size))


def _first_difference(block: Block, evaluation: Evaluation) -> str:
    for place, (theirs, encoded) in enumerate(zip(block.verdicts, evaluation.encoded_verdicts, strict=True)):
        if theirs != encoded:
            ours = evaluation.verdicts[place]
            return f" (first at statement {place}, {ours.statement_id.hex()}: code {ours.code})"
    return " (no verdict differs)"


def _verdicts(block: Block) -> list[Verdict]:
    try:
        return [parse_verdict(verdict) for verdict in block.verdicts]
    except DecodeError as error:
        raise BadBlock(block.height, str(error)) from error


def _require(block: Block, holds: bool, text: str) -> None:
    if not holds:
        raise BadBlock(block.height, text)
