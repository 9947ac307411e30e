"""Follow one report through the services: what each knows of it, when it had it, and what holds it up."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slt.client.folder import SERVICES, Addresses
from slt.client.outbox import WAITING, Entry
from slt.client.services import ask

TIMELINE = "timeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A line of the ledger's timeline. Times are milliseconds since 1970 UTC, by the member's clock."""

    name: str
    received_ms: int
    done_ms: int
    waited_ms: int | None
    """From the end of the stage before until this one received it: bus, linger and queue. None for the first."""

    @property
    def took_ms(self) -> int:
        return self.done_ms - self.received_ms

    @property
    def received(self) -> str:
        return datetime.fromtimestamp(self.received_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.name,
            "received_ms": self.received_ms,
            "done_ms": self.done_ms,
            "took_ms": self.took_ms,
            "waited_ms": self.waited_ms,
        }


async def ask_everybody(addresses: Addresses, *, statement: str, submission: str) -> dict[str, dict[str, Any]]:
    """What each service knows of the report, and the ledger's timeline, by service name and "timeline".

    Authentication and validation know a report that they refused by its submission id only.
    """

    async def one(service: str) -> dict[str, Any]:
        said = await ask(addresses, service, f"/v1/reports/{statement}")
        if said.get("unknown") and submission:
            said = await ask(addresses, service, f"/v1/reports/{submission}")
        return said

    async with asyncio.TaskGroup() as group:
        asked = {service: group.create_task(one(service)) for service in SERVICES}
        timeline = group.create_task(ask(addresses, "ledger", f"/v1/timeline/{statement}"))
    return {**{service: task.result() for service, task in asked.items()}, TIMELINE: timeline.result()}


def stages_of(said: dict[str, dict[str, Any]]) -> list[Stage]:
    """The stages of the timeline in the order that the report took."""
    stages: list[Stage] = []
    for line in said[TIMELINE].get("stages", []):
        before = stages[-1].done_ms if stages else None
        stages.append(
            Stage(
                name=str(line["stage"]),
                received_ms=int(line["received_ms"]),
                done_ms=int(line["done_ms"]),
                waited_ms=None if before is None else max(0, int(line["received_ms"]) - before),
            )
        )
    return stages


def blocked_by(row: Entry | None, said: dict[str, dict[str, Any]], stages: list[Stage]) -> str:
    """Why there is no answer yet, in one sentence; or that there is one."""
    if stages and stages[-1].name == SERVICES[-1]:
        return "It is in the ledger: nothing blocks it."
    if row is not None and row.standing != WAITING:
        return f"It was {row.standing}: nothing more will happen until it is sent again."
    away = [service for service in SERVICES if "problem" in said[service] and not said[service].get("unknown")]
    if away:
        return f"{away[0]} cannot be asked ({said[away[0]]['problem']}): a report waits for it to come back."
    for held in said["uniqueness"].get("held", []):
        until = datetime.fromtimestamp(held["until_ms"] / 1000, UTC)
        return (
            f"Uniqueness holds it until {until:%H:%M:%S} UTC: report {held['waits_for']} of the same area is not there "
            "yet. Submit that one; without it this one is then refused, and its number stays free."
        )
    knows = [service for service in SERVICES if "problem" not in said[service]]
    if knows:
        return f"{knows[-1]} was the last to see it; it is on its way to the next service."
    if row is not None and row.attempts == 0:
        return "The broker has not taken it yet: it waits in the outbox here (slt submit sends it)."
    return "No service knows of it: it is on its way to the first, or waits in the broker."
