"""Logins and permissions, as deployed brokers have them: an NKey for each service, and nothing it does not need."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from slt.bus import BusDown
from slt.bus.jetstream import JetStreamBus, connect
from slt.bus.nkey import BadNKey, nkey_from_seed, nkey_seed
from tests.support.buses import DEADLINE_S
from tests.support.nats import NatsServer, nats_server

FACILITY, STRANGER = nkey_seed(b"f" * 32), nkey_seed(b"x" * 32)
OPERATOR = nkey_seed(b"o" * 32)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path) as running:
        running.stop()
        config = tmp_path / "nats-server.conf"
        config.write_text(
            config.read_text()
            + f"""
authorization {{
  users = [
    {{ nkey: {nkey_from_seed(OPERATOR).public} }}
    {{ nkey: {nkey_from_seed(FACILITY).public}, permissions: {{
        publish: ["slt.submit.XL.XLR1", "$JS.API.STREAM.INFO.ANSWERS", "$JS.API.CONSUMER.CREATE.ANSWERS.>",
                  "$JS.API.CONSUMER.MSG.NEXT.ANSWERS.>"]
        subscribe: ["_INBOX.>"] }} }}
  ]
}}
"""
        )
        await running.start()
        yield running


def seed_file(folder: Path, seed: str) -> Path:
    path = folder / f"{seed[2:10]}.nk"
    path.write_text(seed)
    return path


@pytest.fixture
async def operator(server: NatsServer, tmp_path: Path) -> AsyncIterator[JetStreamBus]:
    async with connect(server.url, name="operator", nkey_seed_file=seed_file(tmp_path, OPERATOR)) as bus:
        await bus.declare()
        yield bus


async def test_a_facility_submits_and_reads_its_answers_with_few_rights(
    server: NatsServer, operator: JetStreamBus, tmp_path: Path
) -> None:
    async with connect(server.url, name="facility", nkey_seed_file=seed_file(tmp_path, FACILITY)) as bus:
        assert await bus.publish("slt.submit.XL.XLR1", b"report") == 1
        await operator.publish("slt.receipt.XL.XLR1", b"receipt")
        async with bus.answers(["slt.receipt.XL.XLR1"], after=0) as answers, asyncio.timeout(DEADLINE_S):
            assert (await anext(answers)).data == b"receipt"
        assert bus.forbidden == ""


async def test_a_forbidden_publish_is_not_silent(server: NatsServer, operator: JetStreamBus, tmp_path: Path) -> None:
    seed = seed_file(tmp_path, FACILITY)
    async with connect(server.url, name="facility", nkey_seed_file=seed, patience_s=0.5) as bus:
        with pytest.raises(BusDown, match=r"permissions violation.*slt\.submit\.xl\.xlf1"):
            await bus.publish("slt.submit.XL.XLF1", b"report of another area")
        assert "slt.submit.xl.xlf1" in bus.forbidden.lower()
        assert await bus.publish("slt.submit.XL.XLR1", b"report") == 1


async def test_a_stranger_is_not_let_in(server: NatsServer, tmp_path: Path) -> None:
    seed = seed_file(tmp_path, STRANGER)
    async with connect(server.url, name="stranger", nkey_seed_file=seed, patience_s=0.5) as bus:
        with pytest.raises(BusDown):
            await bus.publish("slt.submit.XL.XLR1", b"report")
        assert not bus.connected
        assert "Authorization" in bus.last_error


async def test_a_seed_file_that_holds_none_is_named(tmp_path: Path) -> None:
    async def enter() -> None:
        async with connect("nats://127.0.0.1:1", name="x", nkey_seed_file=seed_file(tmp_path, "SUnonsense")):
            pytest.fail("connected")

    with pytest.raises(BadNKey):
        await enter()


async def test_an_address_that_can_never_work_fails_the_bus() -> None:
    async with connect("nats://a b:port", name="x", patience_s=0.2) as bus:
        async with asyncio.timeout(DEADLINE_S):
            await bus.failed.wait()
        assert bus.last_error
        with pytest.raises(BusDown):
            await bus.publish("slt.submit.XL.XLR1", b"report")


@pytest.mark.parametrize("with_context", [True, False], ids=["by a context", "by the URL"])
async def test_who_asks_for_tls_does_not_fall_back_to_plain_text(tmp_path: Path, with_context: bool) -> None:
    async with nats_server(tmp_path / "plain") as plain:
        tls = ssl.create_default_context() if with_context else None
        url = plain.url if with_context else plain.url.replace("nats://", "tls://")
        async with connect(url, name="x", tls=tls, patience_s=0.5) as bus:
            with pytest.raises(BusDown):
                await bus.publish("slt.submit.XL.XLR1", b"report")
            assert not bus.connected
            assert "offers no TLS" in bus.last_error


async def test_over_tls_the_brokers_certificate_is_checked(tmp_path: Path) -> None:
    ours, another = _authority(tmp_path, "ours"), _authority(tmp_path, "another")
    async with nats_server(tmp_path / "tls") as server:
        server.stop()
        config = tmp_path / "tls/nats-server.conf"
        key = ours.with_suffix(".key")
        config.write_text(config.read_text() + f'tls {{ cert_file: "{ours}", key_file: "{key}" }}\n')
        await server.start()
        async with connect(server.url, name="x", tls=ssl.create_default_context(cafile=ours)) as bus:
            await bus.declare()
            assert await bus.publish("slt.submit.XL.XLR1", b"report") == 1
        tls = ssl.create_default_context(cafile=another)
        async with connect(server.url, name="x", tls=tls, patience_s=0.5) as bus:
            with pytest.raises(BusDown):
                await bus.publish("slt.submit.XL.XLR1", b"report")
            assert "CERTIFICATE_VERIFY_FAILED" in bus.last_error


def _authority(folder: Path, name: str) -> Path:
    """A self-signed certificate for 127.0.0.1; its key stands beside it."""
    key = ed25519.Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, None)
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
