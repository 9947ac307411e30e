"""What a person is told about a report that is under way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from slt.client.folder import SERVICES
from slt.client.submission import Signed
from slt.client.trace import TIMELINE, blocked_by, stages_of

Sign = Callable[..., Signed]
UNKNOWN = {"problem": "knows nothing of it", "unknown": True}
AWAY = {"problem": "does not answer"}


def said(**services: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {**dict.fromkeys([*SERVICES, TIMELINE], UNKNOWN), **services}


def line(stage: str, received_ms: int, done_ms: int) -> dict[str, Any]:
    return {"stage": stage, "received_ms": received_ms, "done_ms": done_ms}


def test_stages_show_work_and_way_apart() -> None:
    stages = stages_of(said(timeline={"stages": [line("authentication", 10, 12), line("validation", 15, 21)]}))
    assert [(one.name, one.waited_ms, one.took_ms) for one in stages] == [
        ("authentication", None, 2),
        ("validation", 3, 6),
    ]


def test_a_clock_that_runs_behind_gives_no_negative_way() -> None:
    stages = stages_of(said(timeline={"stages": [line("authentication", 10, 12), line("validation", 11, 13)]}))
    assert stages[1].waited_ms == 0


def test_a_held_report_names_what_it_waits_for(signed: Sign) -> None:
    held = {"held": [{"waits_for": 41, "until_ms": 1_700_000_000_000}]}
    assert "report 41" in blocked_by(signed("XLR1-42").entry, said(uniqueness=held), [])


def test_a_service_that_is_away_blocks(signed: Sign) -> None:
    assert blocked_by(signed("XLR1-42").entry, said(validation=AWAY), []).startswith("validation cannot be asked")


def test_what_was_never_sent_waits_in_the_outbox(signed: Sign) -> None:
    entry = signed("XLR1-42").entry
    assert "outbox" in blocked_by(entry, said(), [])
    assert "No service knows of it" in blocked_by(replace(entry, attempts=1), said(), [])


def test_what_the_ledger_has_is_blocked_by_nothing() -> None:
    everything = said(timeline={"stages": [line(name, 1, 2) for name in SERVICES]})
    assert "nothing blocks it" in blocked_by(None, everything, stages_of(everything))
