"""A message at the door: read, and each submission in it judged for itself, as what its subject says it is. Pure."""

from dataclasses import dataclass

from services.authentication.core import Door, Outcome, Passed, check
from services.authentication.governance import check_change
from slt.bus.subjects import GOVERNANCE, BadSubject, parse_submit
from slt.statements.cbor import DecodeError
from slt.statements.submission import Submission, decode_submissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One submission of a message, and what was decided about it."""

    submission: Submission
    submission_id: bytes
    outcome: Outcome

    @property
    def statement_id(self) -> bytes | None:
        """Only if its signature holds."""
        outcome = self.outcome
        return outcome.statement.id if isinstance(outcome, Passed) else outcome.statement_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A submission message for the area of `state` and `mba`, or of governance statements: both are "" then."""

    state: str
    mba: str
    seen: tuple[Seen, ...]

    @property
    def area(self) -> str:
        """For people."""
        return f"{self.state}/{self.mba}" if (self.state, self.mba) != GOVERNANCE else "governance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """No submission message: there is nobody to answer."""

    reason: str


def examine(subject: str, data: bytes, door: Door) -> Examined | Unreadable:
    """Read the message that came on `subject`, and check every submission in it."""
    try:
        state, mba = parse_submit(subject)
        submissions = decode_submissions(data)
    except (BadSubject, DecodeError) as error:
        return Unreadable(reason=str(error))
    seen = (
        Seen(submission=one, submission_id=one.id, outcome=_judged(one, door, state=state, mba=mba))
        for one in submissions
    )
    return Examined(state=state, mba=mba, seen=tuple(seen))


def _judged(submission: Submission, door: Door, *, state: str, mba: str) -> Outcome:
    if (state, mba) == GOVERNANCE:
        return check_change(submission, door)
    return check(submission, door, state=state, mba=mba)
