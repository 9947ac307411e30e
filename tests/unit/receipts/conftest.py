"""Receipts as the ledger makes them, for the verifier to judge."""

from dataclasses import dataclass

import pytest

from slt.bus.messages import Item
from slt.statements.genesis import Genesis
from slt.statements.verdicts import Code
from tests.support.blocks import Chain, World, accepted, make_world, rejected
from tests.support.receipts import receipts_of


@dataclass(frozen=True, kw_only=True)
class Case:
    """A receipt with its genesis and the body it is about."""

    world: World
    item: Item
    receipt: bytes

    @property
    def genesis(self) -> Genesis:
        return self.world.genesis

    @property
    def body(self) -> bytes:
        return self.world.body(self.item)


def make_cases(world: World) -> tuple[Case, Case]:
    """One accepted, endorsed and with a warning; one rejected. Both from block 3 of a small chain."""
    chain = Chain(world)
    chain.add([accepted(world.item(number)) for number in (1, 2)])
    chain.add([accepted(world.item(number)) for number in (3, 4, 5)])
    warning = ("V55", "warning", "OI/2", "469", "", "a measurement basis", "The basis is missing.")
    good = world.item(6, endorsed=True, findings=[warning])
    bad = world.item(7)
    block = chain.add(
        [accepted(world.item(8)), accepted(good), rejected(bad, Code.C01, evidence=good.statement_id)], batch_reports=2
    )
    receipts = receipts_of(world, chain, block)
    return (
        Case(world=world, item=good, receipt=receipts[good.statement_id]),
        Case(world=world, item=bad, receipt=receipts[bad.statement_id]),
    )


@pytest.fixture(scope="session")
def cases() -> tuple[Case, Case]:
    return make_cases(make_world("receipts", authorities=3, threshold=2))


@pytest.fixture(scope="session")
def accepted_case(cases: tuple[Case, Case]) -> Case:
    return cases[0]


@pytest.fixture(scope="session")
def rejected_case(cases: tuple[Case, Case]) -> Case:
    return cases[1]
