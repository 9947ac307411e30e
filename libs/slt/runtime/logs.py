"""One JSON line for each decision, on standard output. Never a body, never a key.

    log.decision("refused", stage="validation", submission=item.submission_id, statement=item.statement_id, rule="V07")

Bytes are written as hex: ids, and nothing else, are logged as bytes.
"""

import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _stdout(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


class Log:
    """Writes the lines of one service."""

    def __init__(self, service: str, *, level: str = "info", write: Callable[[bytes], None] = _stdout) -> None:
        self._service = service
        self._level = LEVELS[level]
        self._write = write
        self._encoder = msgspec.json.Encoder(enc_hook=str)

    def debug(self, event: str, **fields: Any) -> None:
        self._line("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._line("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._line("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._line("error", event, fields)

    def decision(
        self,
        outcome: str,
        *,
        stage: str,
        submission: bytes | None = None,
        statement: bytes | None = None,
        traceparent: str = "",
        **fields: Any,
    ) -> None:
        """What was decided about one report: `submission` always, `statement` once it is verified."""
        if self._level > LEVELS["info"]:
            return
        found: dict[str, Any] = {"stage": stage}
        if submission is not None:
            found["submission"] = submission
        if statement is not None:
            found["statement"] = statement
        if traceparent:
            found["trace_id"] = traceparent[3:35]
        self._line("info", outcome, found | fields)

    def failure(self, event: str, error: BaseException, **fields: Any) -> None:
        """An error with its traceback."""
        text = "".join(traceback.format_exception(error))
        self._line("error", event, {"error": f"{type(error).__name__}: {error}", "traceback": text, **fields})

    def _line(self, severity: str, event: str, fields: dict[str, Any]) -> None:
        if self._level > LEVELS[severity]:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "severity": severity,
            "service": self._service,
            "event": event,
        }
        for name, value in fields.items():
            line[name] = value.hex() if isinstance(value, bytes) else value
        self._write(self._encoder.encode(line) + b"\n")


class LibraryLogs(logging.Handler):
    """Lines of the libraries below us, through the same log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        (self._log.error if record.levelno >= logging.ERROR else self._log.warning)("library", **fields)


def catch_libraries(log: Log) -> None:
    """Send what libraries log from `warning` on through `log`. Once for each process."""
    logging.basicConfig(handlers=[LibraryLogs(log)], level=logging.WARNING, force=True)
