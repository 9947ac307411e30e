"""The commands of `slt` about the public log that are not about two checkpoints: names and options."""

from pathlib import Path
from typing import Annotated

import typer

from slt.client.options import Dir, Json

Genesis = Annotated[
    Path | None, typer.Option("--genesis", metavar="FILE", help="genesis.cbor that you trust. Default: that of --dir.")
]
Where = Annotated[
    str | None,
    typer.Option("--log", metavar="URL|FOLDER", help="The log's tiles. Default: those of the member in --dir."),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Who must have cosigned (tlog-policy). Default: DIR/log-policy."),
]


def register(log: typer.Typer) -> None:
    """Add the commands to the group `log`."""
    log.command("checkpoint")(_checkpoint)
    log.command("prove")(_prove)


def _checkpoint(
    genesis: Genesis = None,
    where: Where = None,
    policy: PolicyFile = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the signed note.")] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Fetch the log's checkpoint and verify its signatures against genesis and policy. 1 = it does not hold."""
    from slt.client.commands import log

    log.checkpoint(genesis=genesis, where=where, policy=policy, out_file=out, directory=directory, as_json=as_json)


def _prove(
    what: Annotated[str, typer.Argument(metavar="INDEX|ID", help="An entry's index in the log, or a statement id.")],
    genesis: Genesis = None,
    where: Where = None,
    policy: PolicyFile = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the proof as .tlog-proof.")] = None,
    entry: Annotated[Path | None, typer.Option("--entry", metavar="FILE", help="Keep the entry itself.")] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Prove that an entry stands in the log, with the log's own tiles, verified here. 1 = it is not proved."""
    from slt.client.commands import log

    log.prove(
        what,
        genesis=genesis,
        where=where,
        policy=policy,
        out_file=out,
        entry_file=entry,
        directory=directory,
        as_json=as_json,
    )
