"""What every test stands on: no network in `unit` and `simulation`, one real broker for the others."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket

from tests.support.nats import NatsServer
from tests.support.postgres import PostgresServer

HERE = Path(__file__).parent
WITHOUT_SOCKETS = (HERE / "unit", HERE / "simulation")


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: no garbage collection looks at it again.

    There are many collections, pytest's own five at the end among them. A worker of pytest-xdist that is still busy
    with those after 5 s is interrupted, and says so in the middle of the summary.
    """
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Turn the network off where a test must not need one. The event loop keeps its own socket pair."""
    if any(folder in item.path.parents for folder in WITHOUT_SOCKETS):
        pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    pytest_socket.enable_socket()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One broker for the whole run. Whoever kills it takes `tests.support.nats.nats_server` instead."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    asyncio.run(server.start())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; each test makes a database of its own in it."""
    with PostgresServer() as server:
        yield server
