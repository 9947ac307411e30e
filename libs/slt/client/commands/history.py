"""Compares the checkpoints that a command meets with the one that its folder remembers, and tells what came of it."""

from pathlib import Path
from typing import Final

from slt.client.checkpoints import Memory, NotSigned, SplitView, open_seen
from slt.client.commands.consistency import checkpoint_in, log_of
from slt.client.errors import AnswerIsNo, Unreachable, WrongUse
from slt.client.folder import Folder
from slt.client.output import Output
from slt.client.tiled_log import Log, LogFault
from slt.client.verification import read
from slt.consensus.links import Line, held, not_proved
from slt.statements.genesis import Genesis

LINK: Final = "history"


class History:
    """One command's look at the log. A split view is told as a line at once, and raised by `end`."""

    def __init__(self, folder: Folder, genesis: Genesis) -> None:
        self._genesis = genesis
        self._memory = Memory(folder, genesis)
        self._split: SplitView | None = None
        self._fault = ""
        self._log: Log | None = None
        try:
            self._log = log_of(folder.addresses())
        except Unreachable:
            self._log = None  # two checkpoints of one size can still be compared

    def line_of(self, receipt: Path) -> Line:
        """What the checkpoint in a receipt file has to do with the remembered one."""
        try:
            note = checkpoint_in(read(receipt), str(receipt))
        except WrongUse as error:
            return not_proved(LINK, str(error))
        return self.line(note)

    def line(self, note: str) -> Line:
        """What a signed checkpoint has to do with the remembered one, which it replaces when it is larger."""
        try:
            found = self._memory.take(open_seen(note, self._genesis), self._log)
        except SplitView as split:
            self._split = split
            return Line(link=LINK, holds=False, text=str(split))
        except (NotSigned, LogFault) as error:
            return self._broken(error)
        except Unreachable as error:
            return not_proved(LINK, f"Not compared with the checkpoint remembered here: {error}.")
        if found is None:
            return not_proved(LINK, "Not compared with the checkpoint remembered here: the log is not known.")
        return held(LINK, found.sentence)

    def published(self) -> Line:
        """The same for the checkpoint that the log publishes now."""
        if self._log is None:
            return not_proved(LINK, "The log's address is not known.")
        try:
            return self.line(self._log.checkpoint())
        except Unreachable as error:
            return not_proved(LINK, f"Not compared with the checkpoint remembered here: {error}.")
        except LogFault as error:
            return self._broken(error)

    def _broken(self, error: Exception) -> Line:
        self._fault = str(error)
        return Line(link=LINK, holds=False, text=self._fault)

    def end(self, out: Output) -> None:
        """Raises SplitView when one was met now or lies here from earlier, AnswerIsNo when the log is none."""
        if self._split is not None:
            out.objects([{"split_view": str(self._split.evidence)}])
            raise self._split
        self._memory.refuse_after_split()
        if self._fault:
            raise AnswerIsNo(f"The log does not hold together: {self._fault}")
