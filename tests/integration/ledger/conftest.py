"""A world, a broker of either kind, and a deadline for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.ledger.config import Config
from slt.bus.streams import TABLE
from slt.runtime.run import ServiceBus
from tests.integration.ledger.harness import ledger_config
from tests.support.blocks import World, make_world
from tests.support.buses import World as Buses
from tests.support.buses import world_of


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def config(tmp_path: Path, world: World) -> Config:
    return ledger_config(tmp_path, world)


@pytest.fixture
def either(tmp_path: Path, world: World, database_url: str | None) -> Config:
    """`config`, once on each database."""
    return ledger_config(tmp_path, world, **({} if database_url is None else {"SLT_DATABASE_URL": database_url}))


@pytest.fixture(params=["memory", "jetstream"])
async def buses(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Buses]:
    """Either broker, with the streams as they are."""
    async with world_of(request.param, tmp_path / "nats", TABLE) as opened:
        yield opened


@pytest.fixture
async def bus(buses: Buses) -> ServiceBus:
    return await buses.bus("ledger")
