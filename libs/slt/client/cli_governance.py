"""The commands of `slt` that change the ledger itself: names and options. Their work stands in slt.client.commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slt.client.options import Dir, Json

if TYPE_CHECKING:
    from slt.client.commands.governance import Manner

proposing = typer.Typer(help="Sign a change of areas, parameters or rules.", no_args_is_help=True)

Called = Annotated[str, typer.Option("--as", metavar="NAME", help="Who signs. Default: whoever decides and is here.")]
At = Annotated[int | None, typer.Option("--at", metavar="HEIGHT", min=1, help="The first block that it counts for.")]
Margin = Annotated[
    int, typer.Option("--in", metavar="BLOCKS", min=0, help="Without --at: so much later than the earliest.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here, to collect approvals.")]
Wait = Annotated[float, typer.Option(metavar="S", min=0, help="Seconds to wait for the answer.")]
Proposals = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Proposals, as `--out` writes them.")]

MARGIN = 20  # as slt.client.commands.governance has it, which is loaded only when it is needed


def register(app: typer.Typer) -> None:
    """Add the commands, in the order in which `slt --help` lists them."""
    app.command("endorse")(_endorse)
    app.command("enrol")(_enrol)
    app.command("revoke")(_revoke)
    app.command("rotate")(_rotate)
    app.add_typer(proposing, name="propose")
    app.command("approve")(_approve)
    app.command("announce")(_announce)
    app.command("registry")(_registry)


def _manner(
    directory: Path, called: str, at: int | None, margin: int, out: Path | None, wait: float, as_json: bool
) -> "Manner":
    from slt.client.commands.governance import Manner

    return Manner(directory=directory, called=called, at=at, margin=margin, out=out, wait_s=wait, as_json=as_json)


@proposing.command("area")
def _area(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="[[mba]] tables, as in genesis.toml.")],
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    out: Out = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Add or change areas; several of one file count from the same block on."""
    from slt.client.commands import governance

    governance.propose_areas(file, _manner(directory, called, at, margin, out, wait, as_json))


@proposing.command("close")
def _close(
    area: Annotated[str, typer.Argument(metavar="MBA", help="XLR1, or XL/XLR1 where two States have one.")],
    on: Annotated[str, typer.Option(metavar="YYYYMMDD", help="The last day that a report can be about.")],
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    out: Out = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Close an area."""
    from slt.client.commands import governance

    governance.close_area(area, on, _manner(directory, called, at, margin, out, wait, as_json))


@proposing.command("parameter")
def _parameter(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of [parameters] in genesis.toml.")],
    value: Annotated[int, typer.Argument(metavar="VALUE", help="In the unit of the parameter.")],
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    out: Out = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Set a parameter of the ledger."""
    from slt.client.commands import governance

    governance.set_parameter(name, value, _manner(directory, called, at, margin, out, wait, as_json))


@proposing.command("rules")
def _rules(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Every service must have it by then.")],
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    out: Out = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Judge reports by another rule set."""
    from slt.client.commands import governance

    governance.activate_rules(version, _manner(directory, called, at, margin, out, wait, as_json))


@proposing.command("show")
def _show(files: Proposals, as_json: Json = False) -> None:
    """What proposals change, and who has signed them."""
    from slt.client.commands import governance

    governance.show_files(files, as_json=as_json)


def _approve(
    files: Proposals,
    called: Annotated[str, typer.Option("--as", metavar="NAME", help="Who approves. Default: the only one here.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the approved copy here. Default: the same file.")
    ] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Show proposals and add your approval. Needs no network."""
    from slt.client.commands import governance

    governance.approve_files(files, _manner(directory, called, None, MARGIN, out, 0.0, as_json))


def _announce(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Proposals; copies are put together.")],
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Send proposals with their approvals, and wait for the receipts. Safe to repeat, also with more approvals."""
    from slt.client.commands import governance

    governance.announce_files(files, _manner(directory, "", None, MARGIN, None, wait, as_json))


def _registry(directory: Dir = Path(), as_json: Json = False) -> None:
    """Areas, identities and members as they count now, and the changes that wait for their height."""
    from slt.client.commands import governance

    governance.show_registry(_manner(directory, "", None, MARGIN, None, 0.0, as_json))


def _enrol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the identity, as its statements will say.")],
    mbas: Annotated[list[str] | None, typer.Option("--mba", metavar="MBA", help="An area; may come again.")] = None,
    state: Annotated[str, typer.Option(help="Default: the only State of genesis.")] = "",
    role: Annotated[str, typer.Option(help="reporter, authority, inspector, auditor or operator.")] = "reporter",
    key: Annotated[Path | None, typer.Option(metavar="FILE.pem", help="Its key. Default: made in DIR/keys.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Made elsewhere: then its key is not needed here.")
    ] = None,
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    out: Out = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Register an identity: certified by its State's anchor, approved by its State's authority."""
    from slt.client.commands import people

    person = people.Person(name=name, role=role, state=state, mbas=tuple(mbas or ()), key=key, certificate=certificate)
    people.enrol(person, _manner(directory, called, at, margin, out, wait, as_json))


def _revoke(
    who: Annotated[str, typer.Argument(metavar="NAME|KID", help="A name, or the beginning of a key's kid.")],
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    out: Out = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Let a key sign nothing any more."""
    from slt.client.commands import people

    people.revoke(who, _manner(directory, called, at, margin, out, wait, as_json))


def _rotate(
    who: Annotated[str, typer.Argument(metavar="NAME|KID", help="Whose key is replaced.")],
    key: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="The new key. Default: made in DIR/keys.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Of the new key, made elsewhere.")
    ] = None,
    overlap: Annotated[int, typer.Option(metavar="BLOCKS", min=0, help="For which both keys count.")] = 20,
    called: Called = "",
    at: At = None,
    margin: Margin = MARGIN,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Enrol a new key of an identity, and revoke the old one some blocks later."""
    from slt.client.commands import people

    manner = _manner(directory, called, at, margin, None, wait, as_json)
    people.rotate(who, key=key, certificate=certificate, overlap=overlap, manner=manner)


def _endorse(
    what: Annotated[
        str, typer.Argument(metavar="ID|FILE", help="A statement of the outbox, a statement file, or an endorsement.")
    ],
    called: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Which authority. Default: the only one here.")
    ] = "",
    request: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only write the statement here, for the authority to endorse.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the endorsement of a FILE goes.")
    ] = None,
    wait: Wait = 60.0,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Endorse a statement as its State's authority, or add an endorsement that came back, and send it."""
    from slt.client.commands import endorse

    endorse.endorse(
        what, called=called, request=request, out_file=out, wait_s=wait, directory=directory, as_json=as_json
    )
