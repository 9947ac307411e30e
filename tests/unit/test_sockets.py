"""Unit tests reach nobody, and the harness sees to it."""

import asyncio
import socket

import pytest
import pytest_socket


def test_a_unit_test_cannot_open_a_connection() -> None:
    with pytest.raises(pytest_socket.SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


async def test_a_unit_test_still_has_its_event_loop() -> None:
    await asyncio.sleep(0)
