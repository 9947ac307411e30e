"""What a service that keeps nothing durable still knows: its last decisions, and the route that tells of them."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import JSONResponse

RECENT_MAX: Final = 10_000  # decisions; a few MB, for whoever asks soon after


class Recent:
    """The last RECENT_MAX decisions of this process, by submission and, where it was verified, by statement."""

    def __init__(self, size_max: int = RECENT_MAX) -> None:
        self._size_max = size_max
        self._decisions: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()
        self._submission_of: OrderedDict[bytes, bytes] = OrderedDict()

    def add(self, submission_id: bytes, statement_id: bytes | None, decision: Mapping[str, Any]) -> None:
        self._keep(self._decisions, submission_id, decision)
        if statement_id is not None:
            self._keep(self._submission_of, statement_id, submission_id)

    def get(self, some_id: bytes) -> Mapping[str, Any] | None:
        """The last decision about a submission, or about a statement."""
        return self._decisions.get(self._submission_of.get(some_id, some_id))

    def _keep(self, table: "OrderedDict[bytes, Any]", key: bytes, value: object) -> None:
        table[key] = value
        table.move_to_end(key)
        if len(table) > self._size_max:
            table.popitem(last=False)


def add_report_route(router: APIRouter, recent: Recent) -> None:
    """GET reports/{id}: what this process decided last about a submission or a statement."""

    @router.get(
        "/reports/{id}",
        summary="The last decision of this process about a submission or a statement; older ones are forgotten",
        responses={404: {"description": "not among the recent decisions"}},
    )
    async def report(
        some_id: Annotated[str, Path(alias="id", pattern="^[0-9a-f]{64}$", description="hex of either id")],
    ) -> JSONResponse:
        decision = recent.get(bytes.fromhex(some_id))
        if decision is None:
            raise HTTPException(404, "not among the recent decisions of this process")
        return JSONResponse(decision)
