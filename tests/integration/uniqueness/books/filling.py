"""Books out of facts: the sample year, or what a test makes up, in tables and in lists to compare them with."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.first import first_books
from services.uniqueness.books.loading import Loader
from services.uniqueness.books.store import Store
from slt.client.local.sample import YEAR
from slt.reports.facts import Facts
from slt.statements.genesis import Genesis, Mba
from slt.statements.openings import Opening
from tests.support.blocks import make_world
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.sample_world import LATER, facts_of, world


def genesis_of(mbas: Iterable[Mba]) -> Genesis:
    """A ledger with these areas, and nobody in it who may report."""
    return replace(make_world("books").genesis, mbas=tuple(sorted(mbas, key=lambda a: (a.state, a.mba))), identities=())


async def loader(engine: AsyncEngine, mbas: Sequence[Mba], openings: Sequence[Opening] = ()) -> Loader:
    """New books with these areas."""
    store, genesis = Store(engine), genesis_of(mbas)
    head, is_new = await store.begin(genesis.chain_id, lambda: first_books(genesis, openings))
    assert is_new
    return Loader(store, head, await store.areas())


async def fill(engine: AsyncEngine, reports: Sequence[Facts], lists: ListBooks, *, together: bool) -> None:
    """Accept `reports`, one a block, in the tables of `engine` and in `lists`; all in one transaction if `together`."""
    loading = await loader(engine, lists.mbas, lists.openings)
    blocks = [(1_760_000_000_000 + height, [facts]) for height, facts in enumerate(reports, start=1)]
    for facts in reports:
        lists.accept(facts)
    if together:
        await loading.blocks(blocks)
    else:
        for time_ms, facts_of_block in blocks:
            await loading.block(time_ms, facts_of_block)


def sample_year() -> tuple[list[Facts], ListBooks]:
    """The reports of the sample year and the corrections after it, in their order, and empty lists for them."""
    return [facts_of(name) for name in (*YEAR, *LATER)], ListBooks(*world())


def apart(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` to its end in a loop of its own: for fixtures of a whole module."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: asyncio.run(work())).result()
