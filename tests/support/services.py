"""What a service needs to start: genesis, key and certificate in a folder, and the environment that names them."""

import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from slt.bus.stage import StageSigner
from slt.runtime.settings import BaseConfig, load
from slt.statements.refusals import make_service_certificate
from tests.support.blocks import World, seed, signer

YEAR_MS = 365 * 86_400_000


def certificate_of(world: World, service: str, *, member: int = 0, key: str = "", now_ms: int | None = None) -> bytes:
    """The certificate over the key named `key` (that of `service`), in date for a year around now."""
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return make_service_certificate(
        world.governance,
        chain_id=world.genesis.chain_id,
        member=member,
        service=service,
        key=signer(key or f"service {service}").public,
        not_before=now - YEAR_MS,
        not_after=now + YEAR_MS,
    ).encoded


def stage_signer(world: World, service: str) -> StageSigner:
    return StageSigner(world.genesis.chain_id, 0, service, signer(f"service {service}"), certificate_of(world, service))


def service_env(folder: Path, world: World, service: str, **extra: str) -> dict[str, str]:
    """Write what `service` needs under `folder`, and return its environment with `extra` on top."""
    home = folder / service
    home.mkdir(parents=True, exist_ok=True)
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed(f"service {service}"))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "genesis.cbor").write_bytes(world.genesis.encoded)
    (home / "service.pem").write_bytes(pem)
    (home / "service.cert").write_bytes(certificate_of(world, service))
    return {
        "SLT_GENESIS": str(home / "genesis.cbor"),
        "SLT_SERVICE_KEY": str(home / "service.pem"),
        "SLT_SERVICE_CERTIFICATE": str(home / "service.cert"),
        "SLT_DATA_DIR": str(home / "data"),
        "SLT_ADDRESS_FILE": str(home / "address.json"),
        "SLT_TRACE_RATIO": "1",
        "SLT_SPANS_FILE": str(folder / "spans.jsonl"),
    } | extra


def service_config(folder: Path, world: World, service: str, **extra: str) -> BaseConfig:
    return load(BaseConfig, service_env(folder, world, service, **extra))
