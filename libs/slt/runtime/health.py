"""/livez and /readyz: what a process can say about itself, and about nobody else.

No service's readiness depends on another's: a stage that has nothing to do, or that waits for one, is ready.
"""

from collections.abc import Callable


class Health:
    """Checks return the reason why they do not hold, or None."""

    def __init__(self) -> None:
        self._live: dict[str, Callable[[], str | None]] = {}
        self._ready: dict[str, Callable[[], str | None]] = {}
        self.waiting: dict[str, str] = {}  # by stage: what it waits for; shown, and no reason to be unready
        self.stopping = False

    def live_while(self, name: str, check: Callable[[], str | None]) -> None:
        """If `check` finds a reason, the platform should restart us."""
        self._live[name] = check

    def ready_while(self, name: str, check: Callable[[], str | None]) -> None:
        """If `check` finds a reason, nobody should send us requests now. Only for what is ours: broker, database."""
        self._ready[name] = check

    def not_live(self) -> dict[str, str]:
        return _reasons(self._live)

    def not_ready(self) -> dict[str, str]:
        return ({"stopping": "asked to stop"} if self.stopping else {}) | _reasons(self._live | self._ready)


def _reasons(checks: dict[str, Callable[[], str | None]]) -> dict[str, str]:
    return {name: reason for name, check in checks.items() if (reason := check()) is not None}
