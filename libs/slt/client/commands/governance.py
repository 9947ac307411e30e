"""propose, approve, announce, registry: changes of the ledger, and the files in which approvals are collected."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from slt.client.certified import check_certificate
from slt.client.client import keep
from slt.client.commands.reports import send_and_show
from slt.client.errors import WrongUse
from slt.client.folder import Folder
from slt.client.local.network import working_folder
from slt.client.outbox import Outbox
from slt.client.output import Output
from slt.client.proposals import (
    Proposal,
    approve,
    authorities,
    choose_signatory,
    entry_of,
    members,
    propose,
    put_together,
    read_proposal,
)
from slt.client.registry import Registry, fetch_registry
from slt.client.submission import Signed
from slt.statements.genesis import Genesis, GenesisError
from slt.statements.genesis_toml import read_areas
from slt.statements.governance import (
    ActivateRules,
    Change,
    Enrol,
    SetArea,
    SetParameter,
    SetReference,
    in_words,
)

MARGIN_BLOCKS: Final = (
    20  # between making a change and the block that orders it; a change that comes too late is rejected
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a change is made: what every command here can be told."""

    directory: Path
    called: str = ""
    at: int | None = None  # the effective height
    margin: int = MARGIN_BLOCKS
    out: Path | None = None  # a file to collect approvals in; None: it is sent
    wait_s: float = 60.0
    as_json: bool = False


class Desk:
    """What a command works with: the folder, the ledger of genesis, and where it stands now."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.out = Output(as_json=manner.as_json)
        self.folder: Folder = working_folder(manner.directory)
        self.genesis: Genesis = self.folder.genesis()
        self.registry: Registry = asyncio.run(fetch_registry(self.folder.addresses()))

    def height_for(self, change: Change) -> int:
        """The effective height: as told, or as early as it can be with a margin."""
        if self.manner.at is not None:
            return self.manner.at
        ahead = self.registry.parameters["activation_blocks"] if _needs_time(change) else 1
        return self.registry.height + ahead + self.manner.margin

    def sign(self, change: Change, *, height: int | None = None) -> Proposal:
        by = choose_signatory(self.genesis, self.folder, self.registry.identities, change, called=self.manner.called)
        height = self.height_for(change) if height is None else height
        return propose(change, by, self.genesis, effective_height=height, now_ms=_now_ms())

    def finish(self, proposals: Sequence[Proposal]) -> None:
        """Write them into the file that was named, or send them and wait for their receipts. Raises AnswerIsNo."""
        if self.manner.out is not None:
            (one,) = proposals
            one.save(self.manner.out)
            self.out.objects([proposal_object(one, self.manner.out)])
            self.out.say(
                f"{one.title}: signed by {one.statement.iss}, written to {self.manner.out}. Whoever decides with you "
                f"adds an approval (slt approve {self.manner.out.name}); then send it (slt announce)."
            )
            return
        send(proposals, self.folder, self.out, wait_s=self.manner.wait_s)


def send(proposals: Sequence[Proposal], folder: Folder, out: Output, *, wait_s: float) -> None:
    """Put changes into the outbox, send them, show the answers. A change that was refused takes new approvals along."""
    now_ms = _now_ms()
    with closing(Outbox(folder.outbox_file)) as outbox:
        for one in proposals:
            entry = entry_of(one, label=one.title, now_ms=now_ms)
            known = outbox.get([entry.statement_id])
            if known and known[0].endorsements != entry.endorsements:
                outbox.endorse(entry.statement_id, endorsements=entry.endorsements, submission_id=entry.submission_id)
            outbox.send_again([entry.statement_id])
            keep(folder, outbox, [Signed(entry=entry, body=b"")])
        send_and_show([one.statement.id for one in proposals], folder, outbox, out, wait_s=wait_s)


# What is changed


def propose_areas(file: Path, manner: Manner) -> None:
    """Add or change the areas of a TOML file, several as one change."""
    try:
        areas = read_areas(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
    except (GenesisError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file}: {error}") from None
    desk = Desk(manner)
    change = SetArea(mba=areas[0]) if len(areas) == 1 else SetReference(mbas=tuple(areas))
    desk.finish([desk.sign(change)])


def close_area(area: str, on: str, manner: Manner) -> None:
    """Close an area: no report may be about a day after `on` (YYYYMMDD)."""
    desk = Desk(manner)
    desk.finish([desk.sign(SetArea(mba=replace(desk.registry.area(area), closed=_date(on))))])


def set_parameter(name: str, value: int, manner: Manner) -> None:
    desk = Desk(manner)
    if name not in desk.registry.parameters or name in ("rules_version", "reference_version"):
        raise WrongUse(f"There is no parameter {name}; there are {', '.join(sorted(desk.genesis.parameters))}")
    desk.finish([desk.sign(SetParameter(name=name, value=value))])


def activate_rules(version: int, manner: Manner) -> None:
    desk = Desk(manner)
    desk.finish([desk.sign(ActivateRules(version=version))])


# Files that travel


def approve_files(files: Sequence[Path], manner: Manner) -> None:
    """Show what each file changes, and add an approval to it. For an enrolment the certificate is checked first."""
    out = Output(as_json=manner.as_json)
    folder = working_folder(manner.directory)
    genesis = folder.genesis()
    here = [*authorities(folder, genesis.identities), *members(genesis, folder)]
    by = [one for one in here if one.name == manner.called] if manner.called else here
    if len(by) != 1:
        names = ", ".join(one.name for one in here) or "nobody"
        raise WrongUse(f"Say who approves with --as NAME; with a key in {folder.root}: {names}")
    for file in files:
        proposal = read_proposal(file)
        change = proposal.statement.announcement.change
        if isinstance(change, Enrol):
            check_certificate(change.identity, genesis)
        approved = approve(proposal, by[0], genesis, now_ms=_now_ms())
        target = manner.out or file
        approved.save(target)
        out.objects([proposal_object(approved, target)])
        out.say(f"{target}: {approved.title}. Signed by {_signed_by(approved)}.")


def announce_files(files: Sequence[Path], manner: Manner) -> None:
    """Send changes with the approvals of all their copies, and wait for the answers."""
    out = Output(as_json=manner.as_json)
    send(put_together(map(read_proposal, files)), working_folder(manner.directory), out, wait_s=manner.wait_s)


def show_files(files: Sequence[Path], *, as_json: bool) -> None:
    out = Output(as_json=as_json)
    for file in files:
        proposal = read_proposal(file)
        out.objects([proposal_object(proposal, file)])
        out.say(f"{file}: {proposal.title}. Signed by {_signed_by(proposal)}; statement {proposal.statement.id.hex()}.")


def show_registry(manner: Manner) -> None:
    desk = Desk(manner)
    registry, out = desk.registry, desk.out
    out.objects([registry_object(registry)])
    out.say(
        f"Height {registry.height}, rule set {registry.rules_version}, reference data {registry.reference_version}. "
        f"Members: {', '.join(name for name, _ in registry.members)}."
    )
    out.table(
        "Areas",
        ("area", "facility", "kind", "opened", "closed", "endorsement"),
        [(f"{a.state}/{a.mba}", a.facility, a.kind, a.opened, a.closed, a.endorsement) for a in registry.areas],
    )
    out.table(
        "Identities",
        ("name", "role", "State", "areas", "until", "kid"),
        [
            (
                i.name,
                i.role,
                i.state,
                " ".join(i.mbas),
                f"{datetime.fromtimestamp(i.not_after, UTC):%Y-%m-%d}",
                i.kid.hex()[:16],
            )
            for i in registry.identities
        ],
    )
    if registry.announced:
        rows = [(str(one.effective_height), in_words(one.change)) for one in registry.announced]
        out.table("Announced", ("from block#", "change"), rows)


def registry_object(registry: Registry) -> dict[str, Any]:
    return {
        "height": registry.height,
        "rules_version": registry.rules_version,
        "reference_version": registry.reference_version,
        "parameters": registry.parameters,
        "areas": [f"{one.state}/{one.mba}" for one in registry.areas],
        "closed": {f"{one.state}/{one.mba}": one.closed for one in registry.areas if one.closed},
        "identities": [
            {"name": one.name, "role": one.role, "state": one.state, "mbas": list(one.mbas), "kid": one.kid.hex()}
            for one in registry.identities
        ],
        "members": [name for name, _ in registry.members],
        "announced": [
            {"effective_height": one.effective_height, "change": in_words(one.change)} for one in registry.announced
        ],
    }


def proposal_object(proposal: Proposal, path: Path) -> dict[str, Any]:
    announced = proposal.statement.announcement
    return {
        "file": str(path),
        "statement": proposal.statement.id.hex(),
        "kind": announced.kind.name.lower(),
        "change": in_words(announced.change),
        "effective_height": announced.effective_height,
        "signed_by": proposal.statement.iss,
        "approved_by": proposal.approvers,
    }


def _signed_by(proposal: Proposal) -> str:
    return ", ".join([proposal.statement.iss, *proposal.approvers])


def _needs_time(change: Change) -> bool:
    return isinstance(change, ActivateRules | SetArea | SetReference)


def _date(text: str) -> str:
    digits = text.replace("-", "")
    try:
        datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise WrongUse(f"{text} is no date: write YYYYMMDD") from None
    return digits


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
