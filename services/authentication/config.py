"""What the authentication service is told at start."""

from dataclasses import dataclass
from typing import Annotated

from slt.runtime.settings import BaseConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    """The settings of every service, and authentication's own."""

    gather: Annotated[
        int,
        setting(
            "SLT_GATHER",
            unit="messages",
            minimum=1,
            maximum=64,
            reason="checked and sealed together; facilities often send one report a message",
        ),
    ] = 64
    vets_at_once: Annotated[
        int,
        setting(
            "SLT_VETS_AT_ONCE",
            minimum=1,
            maximum=64,
            reason="questions of consensus answered side by side, beside the pipeline: a full one cannot hold them up",
        ),
    ] = 1
    threads: Annotated[
        int,
        setting(
            "SLT_THREADS",
            minimum=1,
            maximum=64,
            reason="verify and inflate side by side; the libraries below release the interpreter's lock",
        ),
    ] = 2
