"""What can go wrong on the facility's side, and the exit code that each ends `slt` with.

ClientError
    AnswerIsNo    1  the answer is no: rejected, refused, a proof that does not hold
    WrongUse      2  the command, a file or a setting is wrong; nothing was done
    Unreachable   3  something could not be reached, or did not answer in time; trying again may help
"""

from typing import ClassVar, Final

DONE: Final = 0
ANSWER_IS_NO: Final = 1
WRONG_USE: Final = 2
UNREACHABLE: Final = 3


class ClientError(Exception):
    """Carries a sentence for the person at the terminal: what happened, and what to do."""

    exit_code: ClassVar[int]


class AnswerIsNo(ClientError):
    """Everything worked, and the answer is no."""

    exit_code = ANSWER_IS_NO


class WrongUse(ClientError):
    """Asked wrongly, or about something that is not there."""

    exit_code = WRONG_USE


class Unreachable(ClientError):
    """A broker, a service or a process did not answer within its deadline."""

    exit_code = UNREACHABLE
