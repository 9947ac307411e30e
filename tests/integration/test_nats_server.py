"""The broker that the other tests stand on keeps what it promised across a kill."""

from pathlib import Path

import nats

from tests.support.nats import MAX_PAYLOAD_BYTES, NatsServer
from tests.support.nats import nats_server as own_server


async def test_a_message_of_the_largest_size_survives_a_kill(tmp_path: Path) -> None:
    async with own_server(tmp_path, sync_always=True) as server:
        largest = bytes(MAX_PAYLOAD_BYTES - 1024)
        connection = await nats.connect(server.url, allow_reconnect=False)
        stream = connection.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept"])
        await stream.publish("kept", largest)
        await connection.close()

        server.kill()
        assert server.pid is None
        await server.start()

        connection = await nats.connect(server.url, allow_reconnect=False)
        kept = await connection.jetstream().get_msg("KEPT", 1)
        await connection.close()
        assert kept.data == largest


async def test_the_shared_server_listens_on_loopback(nats_server: NatsServer) -> None:
    connection = await nats.connect(nats_server.url)
    assert connection.is_connected
    assert nats_server.url.startswith("nats://127.0.0.1:")
    await connection.close()
