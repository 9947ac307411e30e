"""Which message makes the process die: a note on disk, made before a suspect is handled alone."""

import json
from pathlib import Path
from typing import Final

from slt.bus import Delivery
from slt.runtime.files import durable_write

REASON_CHARS_MAX: Final = 200


class Suspects:
    """The note of one consumer. A crash while a suspect is alone in hand leaves the note, and the note convicts it."""

    def __init__(self, path: Path, deliveries_max: int) -> None:
        self._path = path
        self._deliveries_max = deliveries_max
        self._noted: dict[str, object] | None = None
        if path.exists():
            try:
                self._noted = json.loads(path.read_bytes())
            except ValueError:
                self._noted = None  # Not ours, or not whole: then nobody is convicted by it.

    def suspicious(self, delivery: Delivery) -> bool:
        return delivery.attempts > self._deliveries_max

    def guilty(self, delivery: Delivery) -> str | None:
        """Why `delivery` is to be parked: the process ended when it was alone in hand. None: it may be tried."""
        if self._noted is None or self._noted.get("sequence") != delivery.sequence:
            return None
        error = str(self._noted.get("error", "no exception: killed, or out of memory"))
        return f"delivered {delivery.attempts} times; handled alone, it ended the process ({error})"

    def note(self, delivery: Delivery, bug: BaseException | None = None) -> None:
        """Durable before the suspect is handled. An exception is named without its text, which may quote a report."""
        record: dict[str, object] = {"sequence": delivery.sequence, "attempts": delivery.attempts}
        if bug is not None:
            record["error"] = type(bug).__name__[:REASON_CHARS_MAX]
        durable_write(self._path, json.dumps(record).encode())

    def clear(self) -> None:
        """The suspect was handled, or had to wait: it is innocent so far."""
        self._noted = None
        self._path.unlink(missing_ok=True)
