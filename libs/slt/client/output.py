"""How `slt` speaks: tables and sentences for people, one JSON object a line for programs (--json)."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS: Final = 160  # a file or a pipe has no width of its own; a table of answers needs about so much


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a command says what it found. Answers go to standard output, troubles to standard error."""

    as_json: bool

    def objects(self, objects: Iterable[dict[str, Any]]) -> None:
        """For programs only."""
        if self.as_json:
            for one in objects:
                sys.stdout.write(json.dumps(one, ensure_ascii=False, sort_keys=False) + "\n")
            sys.stdout.flush()

    def say(self, sentence: str) -> None:
        """For people only, and never marked up: names and findings may hold any character."""
        if not self.as_json:
            console().print(sentence, markup=False, highlight=False, soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """For people only. A column whose name ends in "#" holds numbers; the "#" is not shown."""
        if self.as_json:
            return
        made = Table(title=title or None, title_justify="left", show_edge=False, pad_edge=False, header_style="bold")
        for column in columns:
            numbers = column.endswith("#")
            made.add_column(column.rstrip("#"), justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            made.add_row(*(_styled(cell) for cell in row))
        console().print(made)

    def trouble(self, sentence: str) -> None:
        """Something that a person should see and that does not end the command."""
        if self.as_json:
            sys.stderr.write(json.dumps({"trouble": sentence}, ensure_ascii=False) + "\n")
        else:
            console(stderr=True).print(f"! {sentence}", markup=False, highlight=False, soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """A console for now: standard output may be another one for each command (tests, pipes)."""
    made = Console(stderr=stderr)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPE_COLUMNS
    return made


_STYLES = {
    "accepted": "green",
    "ok": "green",
    "rejected": "bold red",
    "refused": "bold red",
    "reject": "bold red",
    "error": "bold red",
    "waiting": "yellow",
    "flag": "yellow",
    "warning": "yellow",
    "matched": "green",
    "different": "bold red",
    "differs": "bold red",
    "overdue": "bold red",
    "late": "bold red",
    "due": "yellow",
    "came late": "yellow",
}


def _styled(cell: str) -> Text:
    return Text(cell, style=_STYLES.get(cell.split(":", maxsplit=1)[0], ""))
