"""JetStream's JSON API, as far as declaring needs it: streams and consumers brought to the table, idempotently."""

import json
from typing import Any, Final, TypeAlias

from nats.aio.client import Client
from nats.errors import Error as NatsError

from slt.bus.interruptible import request
from slt.bus.streams import Consumer, Stream

ANSWER_WITHIN_S: Final = 5.0

STREAM_NOT_FOUND: Final = 10059
CONSUMER_NOT_FOUND: Final = 10014

Json: TypeAlias = dict[str, Any]


class ApiError(Exception):
    """JetStream refused a request. `err_code` as in the server's errors.json."""

    def __init__(self, err_code: int, description: str) -> None:
        super().__init__(f"{description} ({err_code})")
        self.err_code = err_code


class NoApi(Exception):
    """JetStream did not answer: the broker is away, or still starting."""


async def ask(client: Client, subject: str, body: Json) -> Json:
    """One request to `$JS.API.<subject>`. Raises ApiError, NoApi."""
    try:
        reply = await request(client, f"$JS.API.{subject}", json.dumps(body).encode(), within_s=ANSWER_WITHIN_S)
    except (NatsError, TimeoutError, OSError) as error:
        raise NoApi(f"$JS.API.{subject}: {type(error).__name__}") from error
    answer: Json = json.loads(reply.data)
    if refused := answer.get("error"):
        raise ApiError(int(refused.get("err_code", 0)), str(refused.get("description", "")))
    return answer


def stream_config(stream: Stream) -> Json:
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "retention": stream.retention,
        "discard": stream.discard,
        "storage": "file",
        "max_bytes": stream.bytes_max,
        "max_msgs": stream.messages_max,
        "max_age": nanoseconds(stream.age_max_s),
        "duplicate_window": nanoseconds(stream.duplicate_window_s),
    }


def consumer_config(consumer: Consumer) -> Json:
    return {
        "durable_name": consumer.name,
        "name": consumer.name,
        "filter_subject": consumer.filter,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "ack_wait": nanoseconds(consumer.ack_wait_s),
        "max_ack_pending": consumer.ack_pending_max,
        "max_deliver": -1,
    }


async def declare_stream(client: Client, stream: Stream) -> None:
    """Create `stream`, or bring it to the table. What the table does not name stays the deployer's (replicas)."""
    wanted = stream_config(stream)
    try:
        there: Json = (await ask(client, f"STREAM.INFO.{stream.name}", {}))["config"]
    except ApiError as error:
        if error.err_code != STREAM_NOT_FOUND:
            raise
        await ask(client, f"STREAM.CREATE.{stream.name}", wanted)
        return
    if any(there.get(name) != value for name, value in wanted.items()):
        await ask(client, f"STREAM.UPDATE.{stream.name}", there | wanted)


async def declare_consumer(client: Client, consumer: Consumer) -> None:
    """Create `consumer`, or bring it to the table."""
    await ask(
        client,
        f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}",
        {"stream_name": consumer.stream, "config": consumer_config(consumer), "action": ""},
    )


def nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
