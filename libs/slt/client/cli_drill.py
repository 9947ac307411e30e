"""The commands of `slt` for whoever operates a member: check, archive, rebuild, erase. Names and options."""

from pathlib import Path
from typing import Annotated

import typer

from slt.client.errors import WrongUse
from slt.client.options import Dir, Json

Snapshot = Annotated[
    Path | None, typer.Option("--state", metavar="FILE", help="A snapshot of the state (slt snapshot), to put inside.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("fsck")(_fsck)
    app.command("export")(_export)
    app.command("import")(_import)
    app.command("snapshot")(_snapshot)
    app.command("restore")(_restore)
    app.command("erase")(_erase)
    app.command("freeze")(_freeze)


def _fsck(
    everything: Annotated[
        bool, typer.Option("--all", help="From genesis, even where an interrupted check could go on.")
    ] = False,
    replay: Annotated[
        bool, typer.Option(help="Evaluate every block anew; without it the state is compared with its certified root.")
    ] = True,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Recompute everything from the stored bytes and name each row that is not what it should be. 1 = faults."""
    from slt.client.commands import drill

    drill.fsck(directory, everything=everything, replay=replay, as_json=as_json)


def _export(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The archive to write. Not overwritten.")
    ] = None,
    tiles: Annotated[
        Path | None, typer.Option("--tiles", metavar="FOLDER", help="Instead: the public log as static files here.")
    ] = None,
    state: Snapshot = None,
    genesis: Annotated[
        Path | None, typer.Option("--genesis", metavar="FILE", help="With --tiles: genesis.cbor that you trust.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--log", metavar="URL|FOLDER", help="With --tiles: where the log's tiles are.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="With --tiles: who must have cosigned.")
    ] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Write the whole ledger into one archive that proves itself, or (--tiles) its log for a static server."""
    if (file is None) == (tiles is None):
        raise WrongUse("Name either the archive to write, or --tiles FOLDER")
    if tiles is not None:
        from slt.client.commands import tiles_export

        tiles_export.export_tiles(
            tiles, genesis=genesis, where=where, policy=policy, directory=directory, as_json=as_json
        )
    if file is not None:
        from slt.client.commands import drill

        drill.export(directory, file, state=state, as_json=as_json)


def _import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An archive that slt export wrote.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only rebuild it in a scratch database, and say what held.")
    ] = False,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Rebuild the ledger's database out of an archive; every block is verified as when it came."""
    from slt.client.commands import drill

    act = drill.check_archive if check else drill.import_archive
    act(directory, file, as_json=as_json)


def _snapshot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the state goes. Not overwritten.")],
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Write the state (books, batches, registry) into one file, proven by the last block's certificate."""
    from slt.client.commands import drill

    drill.snapshot(directory, file, as_json=as_json)


def _restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that slt snapshot wrote.")],
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Put a snapshot into a new state database, once all of it has verified against its certified root."""
    from slt.client.commands import drill

    drill.restore(directory, file, as_json=as_json)


def _erase(
    reason: Annotated[str, typer.Option(help="Why: the reference of a decision. It is kept and shown.")],
    before: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Every body of blocks before this day (UTC) began.")
    ] = None,
    statement: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A statement id, 64 hex digits. May be repeated.")
    ] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Erase documents and their salts for good; statement, receipt and proof stay, with a signed record."""
    from slt.client.commands import drill

    drill.erase(directory, before=before, statements=statement or [], reason=reason, as_json=as_json)


def _freeze(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The final archive to write. Not overwritten.")],
    reason: Annotated[str, typer.Option(help="Why: the reference of a decision. It is kept and shown.")],
    state: Snapshot = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Shut this ledger down for good: its final archive, a signed last word, and nothing is added any more."""
    from slt.client.commands import drill

    drill.freeze(directory, file, state=state, reason=reason, as_json=as_json)
