"""What the validation service is told at start."""

from dataclasses import dataclass
from typing import Annotated

from slt.runtime.settings import BaseConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    """The settings of every service, and validation's own."""

    gather: Annotated[
        int,
        setting(
            "SLT_GATHER",
            unit="messages",
            minimum=1,
            maximum=64,
            reason="of up to 64 reports each, judged together; more saves hand-overs and costs latency",
        ),
    ] = 4
    vets_at_once: Annotated[
        int,
        setting(
            "SLT_VETS_AT_ONCE",
            minimum=1,
            maximum=64,
            reason="questions of consensus judged side by side, beside the pipeline: a full one cannot hold them up",
        ),
    ] = 1
    checks_at_once: Annotated[
        int,
        setting(
            "SLT_CHECKS_AT_ONCE",
            minimum=1,
            maximum=64,
            reason="documents of POST /v1/check judged side by side; the pipeline goes on beside them",
        ),
    ] = 1
    checks_waiting: Annotated[
        int,
        setting("SLT_CHECKS_WAITING", minimum=0, reason="checks that may wait; each holds its document, so few do"),
    ] = 8
