"""Turns final blocks into rows. Pure.

A block is verified with the code of the writer (services.uniqueness.blocks): certificate, place in the chain,
verdicts, and that facts and findings are those that the verdicts bind. It is not evaluated: what a report did stands in
its facts.
"""

from collections.abc import Mapping, Sequence

from services.uniqueness.blocks import BadBlock, check_change, check_findings, facts_of, read_verdicts
from services.uniqueness.books.rows import Gathered, Moment
from services.uniqueness.books.store import Head
from slt.bus.messages import Block
from slt.statements.genesis import Genesis
from slt.statements.governance import SetArea, SetReference, parse_announcement
from slt.statements.registry import Mba
from slt.statements.verdicts import Code


def gather(
    head: Head, blocks: Sequence[Block], genesis: Genesis, areas: Mapping[tuple[str, str], int]
) -> tuple[Head, Gathered]:
    """The rows of consecutive blocks that follow `head`, and the head after them. Raises BadBlock, UnknownArea.

    `areas`: the number of each area that is known. One that a governance statement brings gets the next number.
    """
    gathered, areas = Gathered(), dict(areas)
    for block in blocks:
        header, verdicts = read_verdicts(block, height=head.height + 1, parent_id=head.block_id, genesis=genesis)
        if len(block.findings) != len(verdicts):
            raise BadBlock(block.height, "it has other numbers of verdicts and findings")
        items = (item for batch in block.batches for item in batch.items)
        for item, verdict, findings in zip(items, verdicts, block.findings, strict=True):
            if verdict.code != Code.ACCEPTED:
                continue
            facts = facts_of(block, item, verdict)
            check_findings(block, item, verdict, findings)
            if facts is None:
                check_change(block, item)
                _govern(gathered, areas, item.change)
                continue
            assert verdict.log_index is not None, "an accepted verdict has a log index"
            moment = Moment(header.height, header.time_ms, verdict.log_index, verdict.statement_id)
            gathered.add_report(facts, findings, moment, areas)
        head = Head(height=header.height, block_id=header.block_id, log_size=header.log_size, time_ms=header.time_ms)
    return head, gathered


def _govern(gathered: Gathered, areas: dict[tuple[str, str], int], change: bytes) -> None:
    """What an accepted governance statement changes of the areas. Of the books nothing else is governed."""
    announcement = parse_announcement(change)
    match announcement.change:
        case SetArea(mba=mba):
            mbas: tuple[Mba, ...] = (mba,)
        case SetReference(mbas=mbas):
            pass
        case _:
            return
    for mba in mbas:
        area = areas.setdefault((mba.state, mba.mba), max(areas.values(), default=0) + 1)
        gathered.add_area(area, announcement.effective_height, mba)
