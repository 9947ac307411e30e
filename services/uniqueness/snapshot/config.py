"""What a program that works on the state is told: a part of the service's own settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from slt.runtime.settings import OfflineDatabase, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(OfflineDatabase):
    """Genesis and folder, and where the database is."""

    openings: Annotated[
        Path | None,
        setting("SLT_OPENINGS", must_exist=True, reason="folder of the opening inventories (*.cbor); for a replay"),
    ] = None
