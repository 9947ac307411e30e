"""The subjects of architecture.md section 7: constants, and functions for those with a State and an MBA in them."""

import re
from typing import Final

SUBMIT_GOVERNANCE: Final = "slt.submit.governance"
AUTHENTICATED: Final = "slt.authenticated"
VALIDATED: Final = "slt.validated"
ADMITTED: Final = "slt.admitted"
BLOCK: Final = "slt.block"

BLOCK_GET: Final = "slt.block.get"  # request: ledger answers, stored blocks
BLOCK_YOUNG: Final = "slt.block.young"  # request: consensus answers, blocks not yet stored
EVALUATE: Final = "slt.evaluate"
VET_AUTHENTICATION: Final = "slt.vet.authentication"
VET_VALIDATION: Final = "slt.vet.validation"
STATE_GET: Final = "slt.state.get"
STATE_CHANGED: Final = "slt.state.changed"  # core notification
RECEIPT_GET: Final = "slt.receipt.get"
AGAIN: Final = "slt.again"

SUBMIT_ALL: Final = "slt.submit.>"
RECEIPT_ALL: Final = "slt.receipt.*.*"
REFUSED_ALL: Final = "slt.refused.*.*"
RECEIPT_GOVERNANCE: Final = "slt.receipt.governance"  # answers to slt.submit.governance, which is about no one area
REFUSED_GOVERNANCE: Final = "slt.refused.governance"
GOVERNANCE: Final = ("", "")  # in the place of State and MBA
PARKED_ALL: Final = "slt.parked.*"

_TOKEN: Final = re.compile(r"[A-Z0-9-]{1,64}\Z")
_STAGE: Final = re.compile(r"[a-z]{1,32}\Z")


class BadSubject(ValueError):
    """A subject, State or MBA that cannot stand on this bus. The sentence names it."""


def submit(state: str, mba: str) -> str:
    """Where submissions of an area are published; with GOVERNANCE governance statements."""
    if (state, mba) == GOVERNANCE:
        return SUBMIT_GOVERNANCE
    return f"slt.submit.{_token('State', state)}.{_token('MBA', mba)}"


def receipt(state: str, mba: str) -> str:
    """Where receipts of an area are published; with GOVERNANCE those of governance statements."""
    if (state, mba) == GOVERNANCE:
        return RECEIPT_GOVERNANCE
    return f"slt.receipt.{_token('State', state)}.{_token('MBA', mba)}"


def refused(state: str, mba: str) -> str:
    """Where refusals of an area are published; with GOVERNANCE those of governance statements."""
    if (state, mba) == GOVERNANCE:
        return REFUSED_GOVERNANCE
    return f"slt.refused.{_token('State', state)}.{_token('MBA', mba)}"


def parked(stage: str) -> str:
    if not _STAGE.match(stage):
        raise BadSubject(f"stage {stage!r}: lower-case letters only")
    return f"slt.parked.{stage}"


def parse_submit(subject: str) -> tuple[str, str]:
    """State and MBA of `slt.submit.<state>.<mba>`, or GOVERNANCE. Raises BadSubject for any other."""
    if subject == SUBMIT_GOVERNANCE:
        return GOVERNANCE
    match subject.split("."):
        case ["slt", "submit", state, mba]:
            return _token("State", state), _token("MBA", mba)
        case _:
            raise BadSubject(f"subject {subject!r} is not slt.submit.<state>.<mba>")


def parse_answer_subject(subject: str) -> tuple[str, str]:
    """State and MBA of `slt.receipt.<state>.<mba>` or `slt.refused.<state>.<mba>`, or GOVERNANCE.

    Raises BadSubject for any other.
    """
    if subject in (RECEIPT_GOVERNANCE, REFUSED_GOVERNANCE):
        return GOVERNANCE
    match subject.split("."):
        case ["slt", "receipt" | "refused", state, mba]:
            return _token("State", state), _token("MBA", mba)
        case _:
            raise BadSubject(f"subject {subject!r} is not slt.receipt.<state>.<mba> or slt.refused.<state>.<mba>")


def _token(what: str, text: str) -> str:
    if not _TOKEN.match(text):
        raise BadSubject(f"{what} {text!r}: 1 to 64 characters A-Z, 0-9 and - (formats.md)")
    return text
