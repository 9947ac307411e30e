"""Sign a report, and pack signed reports into messages: what a plain publisher does too (README.md, byte by byte)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import Final

from slt.bus.compression import compress
from slt.client.errors import WrongUse
from slt.client.folder import Folder
from slt.client.outbox import Entry
from slt.client.signers import signer_of
from slt.reports import Judgement, Reference
from slt.reports.euratom import form_of, judge_as
from slt.reports.limits import STATEMENT_BYTES_MAX, oversize, with_errors
from slt.statements.cbor import decode, encode
from slt.statements.genesis import Genesis, Identity
from slt.statements.signatures import Signer
from slt.statements.statement import body_digest, make_body, make_statement, parse_statement, subject_of
from slt.statements.submission import Submission, encode_submissions, message_id

SALT_BYTES: Final = 16
MESSAGE_REPORTS_MAX: Final = 64  # formats.md: 1 to 64 items of one MBA
MESSAGE_BYTES_MAX: Final = 256 * 1024  # as between the stages; one larger report travels alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A document and what the rules say about it. `number` is None, and `state` and `mba` "", when unreadable."""

    file: str
    document: bytes
    judgement: Judgement

    @property
    def digest(self) -> bytes:
        """SHA-256 of the document, unsalted: for the outbox only, it never leaves the facility."""
        return sha256(self.document).digest()

    @property
    def state(self) -> str:
        return self.judgement.country or ""

    @property
    def mba(self) -> str:
        return self.judgement.mba or ""

    @property
    def number(self) -> int:
        """0 when unreadable: such a document is never signed."""
        return int(self.judgement.number or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A report ready for the outbox: the row, and the body to save beside it."""

    entry: Entry
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One submission message for slt.submit.<state>.<mba>."""

    state: str
    mba: str
    submission_ids: tuple[bytes, ...]
    data: bytes
    id: str
    """The Nats-Msg-Id: of these submissions in this order and this attempt, so that a retry is never swallowed."""


def check(
    file: str,
    document: bytes,
    genesis: Genesis,
    *,
    today: str | None = None,
    reference: Reference | None = None,
) -> Checked:
    """Run the rules of the validation service on `document`, and the limits of the door, before anything is signed.

    `today`: see slt.reports.judge; without it nothing is said about dates in the future. `reference` is the reference
    data as it counts now; without it that of genesis.
    """
    known = reference or Reference.of(genesis.mbas, genesis.reference_version)
    judgement = judge_as(document, form_of(document), known, today=today)
    sizes = {
        "body_bytes_max": SALT_BYTES + len(document),
        "submission_bytes_max": STATEMENT_BYTES_MAX + len(compress(bytes(SALT_BYTES) + document)),
        "facts_bytes_max": len(compress(judgement.facts.encoded)) if judgement.facts is not None else 0,
    }
    return Checked(file=file, document=document, judgement=with_errors(judgement, oversize(sizes, genesis.parameter)))


def sign(checked: Checked, signer: Signer, *, identity: str, genesis: Genesis, salt: bytes, now_ms: int) -> Signed:
    """Make the statement "`identity` reports this document", bound to this ledger. Requires no errors in `checked`.

    `salt` is 16 fresh random bytes: with an old one, two digests would tell that two documents are the same.
    """
    assert len(salt) == SALT_BYTES
    assert checked.judgement.verdict != "reject"
    report = f"{checked.state}/{checked.mba}/{checked.number}"
    body = make_body(salt, checked.document)
    raw = make_statement(
        signer,
        iss=identity,
        sub=subject_of(salt, report),
        aud=genesis.audience,
        iat=now_ms // 1000,
        media_type=form_of(checked.document),
        digest=body_digest(body),
    )
    submission = Submission(statement=raw, endorsements=(), body_z=compress(body))
    entry = Entry(
        statement_id=parse_statement(raw).id,
        submission_id=submission.id,
        state=checked.state,
        mba=checked.mba,
        number=checked.number,
        file=checked.file,
        identity=identity,
        document_digest=checked.digest,
        statement=raw,
        endorsements=encode([]),
        body_z=submission.body_z,
        iat=now_ms // 1000,
        created_ms=now_ms,
    )
    return Signed(entry=entry, body=body)


def pack(entries: Iterable[Entry]) -> Iterator[Message]:
    """Messages of 1 to 64 submissions of one MBA, in report order, of MESSAGE_BYTES_MAX unless one alone is larger."""
    in_order = sorted(entries, key=lambda entry: (entry.state, entry.mba, entry.number, entry.created_ms))
    for (state, mba), of_mba in groupby(in_order, key=lambda entry: (entry.state, entry.mba)):
        for some in _cut(list(of_mba)):
            ids = tuple(entry.submission_id for entry in some)
            yield Message(
                state=state,
                mba=mba,
                submission_ids=ids,
                data=encode_submissions([submission_of(entry) for entry in some]),
                id=message_id(ids, max(entry.attempts for entry in some)),
            )


def submission_of(entry: Entry) -> Submission:
    """The very bytes that were signed: a retry has the same submission id."""
    endorsements = decode(entry.endorsements)
    assert isinstance(endorsements, list)
    return Submission(
        statement=entry.statement,
        endorsements=tuple(one for one in endorsements if isinstance(one, bytes)),
        body_z=entry.body_z,
    )


def choose_identity(
    genesis: Genesis,
    folder: Folder,
    *,
    state: str,
    mba: str,
    called: str,
    now_s: int,
    identities: Sequence[Identity] | None = None,
) -> tuple[Identity, Signer]:
    """Who signs for this MBA at `now_s`: the identity `called`, or the one reporter for it whose key is in DIR/keys.

    `identities` are those that the ledger knows now; None: those of genesis. Raises WrongUse when nobody fits, when
    more than one does, or when the certificate is out of its dates.
    """
    known = genesis.identities if identities is None else identities
    fits = [one for one in known if one.role == "reporter" and one.state == state and mba in one.mbas]
    if called:
        if called not in {one.name for one in known}:
            raise WrongUse(f"No identity {called!r} on this ledger; there are {_names(known)}")
        if called not in {one.name for one in fits}:
            raise WrongUse(f"{called} may not report for {state}/{mba}; {_names(fits) or 'nobody'} may")
        fits = [one for one in fits if one.name == called]
    here = [one for one in fits if folder.key_files(one.name)]
    if len({one.name for one in here}) < len(here):  # a key was replaced: the one that is here signs
        here = [one for one in here if signer_of(one, folder) is not None]
    if not here:
        who = _names(fits) or "nobody"
        raise WrongUse(f"{who} may report for {state}/{mba}, and no key of theirs is in {folder.keys}")
    if len(here) > 1:
        raise WrongUse(f"{_names(here)} may all report for {state}/{mba}: say who signs with --as NAME")
    chosen = here[0]
    if not chosen.not_before <= now_s <= chosen.not_after:
        ends = datetime.fromtimestamp(chosen.not_after, UTC)
        raise WrongUse(f"The certificate of {chosen.name} is not valid now (it ends {ends:%Y-%m-%d}): have it renewed")
    signer = signer_of(chosen, folder)
    if signer is None:
        raise WrongUse(
            f"{folder.key_file(chosen.name)} is not the key in the certificate of {chosen.name}: put the key there "
            "that was certified"
        )
    return chosen, signer


def _names(identities: Iterable[Identity]) -> str:
    return ", ".join(one.name for one in identities)


def _cut(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    some: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(entry.statement) + len(entry.endorsements) + len(entry.body_z) + 16  # 16: CBOR heads around them
        if some and (len(some) == MESSAGE_REPORTS_MAX or size + length > MESSAGE_BYTES_MAX):
            yield some
            some, size = [], 0
        some.append(entry)
        size += length
    if some:
        yield some
