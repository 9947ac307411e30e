import httpx
import pytest
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from slt.runtime.health import Health
from slt.runtime.http import make_app
from slt.runtime.metrics import Metrics
from slt.runtime.telemetry import Telemetry


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def client(health: Health) -> httpx.AsyncClient:
    router = APIRouter()

    @router.get("/v1/status")
    async def status() -> dict[str, int]:
        return {"height": 7}

    telemetry = Telemetry("ledger", sink=None, trace_ratio=0.0, metrics=Metrics(CollectorRegistry()))
    app = make_app(service="ledger", health=health, telemetry=telemetry, router=router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger")


async def test_a_healthy_service_is_live_and_ready(client: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"ok": True, "reasons": {}, "waiting": {}})


async def test_a_stage_that_waits_is_ready_and_says_what_for(client: httpx.AsyncClient, health: Health) -> None:
    health.waiting["validation"] = "no copy of the registry yet"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["waiting"]) == (200, {"validation": "no copy of the registry yet"})


async def test_what_is_not_ready_is_named_and_the_service_lives(client: httpx.AsyncClient, health: Health) -> None:
    health.ready_while("database", lambda: "locked")
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/readyz")).json()["reasons"] == {"database": "locked"}
    assert (await client.get("/livez")).status_code == 200


async def test_what_is_not_live_is_not_ready_either(client: httpx.AsyncClient, health: Health) -> None:
    health.live_while("bus", lambda: "closed: AuthorizationError")
    assert (await client.get("/livez")).status_code == 503
    assert (await client.get("/readyz")).status_code == 503


async def test_a_service_that_stops_is_not_ready_and_lives(client: httpx.AsyncClient, health: Health) -> None:
    health.stopping = True
    assert (await client.get("/readyz")).json()["reasons"] == {"stopping": "asked to stop"}
    assert (await client.get("/livez")).status_code == 200


async def test_the_services_own_routes_metrics_and_description_are_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/status")).json() == {"height": 7}
    assert "text/plain" in (await client.get("/metrics")).headers["content-type"]
    assert {"/livez", "/readyz", "/metrics", "/v1/status"} <= set((await client.get("/openapi.json")).json()["paths"])
