"""Which message makes the process die: notes on disk, made before a suspect is handled alone."""

import json
from pathlib import Path
from typing import Final

from slt.bus import Delivery
from slt.runtime.files import durable_write

DEATHS_CONVICT: Final = 2  # once could be somebody's SIGKILL at that very moment
NOTES_MAX: Final = 1000  # of messages that never came back


class Suspects:
    """The notes of one consumer: by sequence, how often the process ended while that message was alone in hand.

    A trial begins with `note` and ends with `clear`; a note that is found at start is of a trial that had no end.
    """

    def __init__(self, path: Path, deliveries_max: int) -> None:
        self._path = path
        self._deliveries_max = deliveries_max
        self._deaths: dict[str, int] = {}
        self._errors: dict[str, str] = {}
        if path.exists():
            try:
                record = json.loads(path.read_bytes())
                self._deaths = {str(sequence): int(deaths) for sequence, deaths in record["deaths"].items()}
                self._errors = {str(sequence): str(error) for sequence, error in record["errors"].items()}
            except (ValueError, KeyError, TypeError, AttributeError):
                self._deaths = {}  # Not ours, or not whole: it convicts nobody.

    def suspicious(self, delivery: Delivery) -> bool:
        return delivery.attempts > self._deliveries_max

    def guilty(self, delivery: Delivery) -> str | None:
        """Why `delivery` is to be parked: the process ended whenever it was alone in hand. None: it may be tried."""
        deaths = self._deaths.get(str(delivery.sequence), 0)
        if deaths < DEATHS_CONVICT:
            return None
        error = self._errors.get(str(delivery.sequence), "no exception: killed, or out of memory")
        return f"delivered {delivery.attempts} times; handled alone, it ended the process {deaths} times ({error})"

    def note(self, delivery: Delivery) -> None:
        """Durable before the suspect is handled: if the process ends now, this counts."""
        sequence = str(delivery.sequence)
        self._deaths[sequence] = self._deaths.get(sequence, 0) + 1
        while len(self._deaths) > NOTES_MAX:
            self._deaths.pop(next(iter(self._deaths)))
        self._write()

    def note_error(self, delivery: Delivery, bug: BaseException) -> None:
        """The exception that is about to end the process: named without its text, which may quote a report."""
        self._errors[str(delivery.sequence)] = type(bug).__name__
        self._write()

    def clear(self, delivery: Delivery) -> None:
        """`delivery` was handled, parked, or had to wait: its trial has ended."""
        self._deaths.pop(str(delivery.sequence), None)
        self._errors.pop(str(delivery.sequence), None)
        if self._deaths:
            self._write()
        else:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        durable_write(self._path, json.dumps({"deaths": self._deaths, "errors": self._errors}).encode())
