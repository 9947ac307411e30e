"""A request that ends when its task is cancelled, which nats-py's own does not always do before Python 3.12."""

import asyncio

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError


async def request(client: Client, subject: str, data: bytes, *, within_s: float) -> Msg:
    """The reply. Raises NatsError, OSError or TimeoutError when there is none, and CancelledError whenever cancelled.

    `asyncio.wait_for`, beneath nats-py, swallows a cancellation before Python 3.12 when the answer comes in the same
    turn: a loop around the request would never end, and whoever waits for it at a stop would not either.
    """
    cancelled = _cancellations()
    try:
        async with asyncio.timeout(within_s):
            reply = await client.request(subject, data, timeout=within_s)
    except (NatsError, OSError, TimeoutError):
        if _cancellations() > cancelled:
            raise asyncio.CancelledError from None
        raise
    if _cancellations() > cancelled:
        raise asyncio.CancelledError
    return reply


def _cancellations() -> int:
    """How often this task was told to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
