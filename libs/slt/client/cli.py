"""The command `slt`. Each command's work stands in slt.client.commands; here are their names and options.

Exit codes: 0 done, 1 the answer is no (rejected, refused, invalid), 2 wrong use, 3 could not reach something.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

import slt
from slt.client import cli_books, cli_drill, cli_governance, cli_log
from slt.client.errors import UNREACHABLE, ClientError, WrongUse
from slt.client.options import Dir, Json

INTERRUPTED: Final = 130  # as a shell says it: 128 + SIGINT

app = typer.Typer(
    name="slt",
    help="Safeguards shared ledger: submit accounting reports, keep and verify the answers, run a member here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 could not reach something.",
)
keys = typer.Typer(help="Keys to sign with.", no_args_is_help=True)
outbox = typer.Typer(help="What was signed here, and what became of it.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(outbox, name="outbox")
log = typer.Typer(help="The transparency log: its checkpoint, proofs, keys.", no_args_is_help=True)
app.add_typer(log, name="log")

WhichDir = Annotated[Path, typer.Argument(metavar="DIR", envvar="SLT_DIR", help="The working folder.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Reports in Code 10 or a Euratom form, one each.")]
Identifier = Annotated[str, typer.Argument(metavar="ID", help="A statement id in hex, or enough of its beginning.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"slt {slt.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("init")
def _init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make. Nothing there is overwritten.")],
    world: Annotated[
        Path | None,
        typer.Option("--from", metavar="WORLD.toml", help="What the ledger is about. Default: the sample world."),
    ] = None,
    model: Annotated[str, typer.Option(help="private; consortium and public come later.")] = "private",
    members: Annotated[int, typer.Option(help="How many organisations run it.")] = 1,
    as_json: Json = False,
) -> None:
    """Make a ledger: keys, certificates, genesis, broker and service settings."""
    from slt.client.commands import network

    network.init(directory, world=world, model=model, members=members, as_json=as_json)


@app.command("up")
def _up(
    directory: WhichDir,
    sync_always: Annotated[
        bool, typer.Option("--sync-always", help="The broker writes every message to disk before it answers.")
    ] = False,
    trace_ratio: Annotated[str, typer.Option(metavar="0..1", help="Share of the reports that are traced.")] = "0.05",
    as_json: Json = False,
) -> None:
    """Run the member of DIR here: the broker, five services and the books, restarted when they die, until Ctrl-C."""
    from slt.client.commands import network

    network.up(directory, sync_always=sync_always, trace_ratio=trace_ratio, as_json=as_json)


@app.command("down")
def _down(directory: WhichDir, as_json: Json = False) -> None:
    """Stop what `slt up DIR` runs."""
    from slt.client.commands import network

    network.down(directory, as_json=as_json)


@app.command("status")
def _status(directory: Dir = Path(), as_json: Json = False) -> None:
    """Every service of the member, and what this folder waits for."""
    from slt.client.commands import network

    network.status(directory, as_json=as_json)


@keys.command("new")
def _keys_new(
    path: Annotated[
        Path, typer.Argument(metavar="FILE.pem", help="Where the private key goes. Nothing is overwritten.")
    ],
    algorithm: Annotated[str, typer.Option(help="ed25519, es256 or ml-dsa-65.")] = "ed25519",
    as_json: Json = False,
) -> None:
    """Make a key pair. The file is for its owner only; what is printed may be shown."""
    from slt.client.commands import network

    network.new_key_file(path, algorithm=algorithm, as_json=as_json)


@app.command("check")
def _check(
    files: Files,
    genesis: Annotated[
        Path | None, typer.Option(metavar="FILE", help="genesis.cbor with the reference data. Default: that of --dir.")
    ] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Show the findings of the validation rules, before anything is signed."""
    from slt.client.commands import reports

    reports.check_files(files, genesis=genesis, directory=directory, as_json=as_json)


@app.command("convert")
def _convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One report, in any of the three forms.")],
    to: Annotated[str, typer.Option(metavar="FORM", help="code10, euratom or euratom-xml.")],
    earlier: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Earlier Code 10 reports that this one corrects: Euratom names their lines."),
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option(metavar="FILE", help="genesis.cbor with the reference data. Default: that of --dir.")
    ] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Print a report in another form, and on standard error what that form cannot express."""
    from slt.client.commands import convert

    convert.convert_file(file, to=to, earlier=earlier or [], genesis=genesis, directory=directory, as_json=as_json)


@app.command("generate")
def _generate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make, empty or new.")],
    seed: Annotated[int, typer.Option(help="The same seed and sizes make the same bytes.")] = 1,
    years: Annotated[int, typer.Option(help="Calendar years of reports.")] = 2,
    first_year: Annotated[int, typer.Option(help="The books begin on its 1 January.")] = 2005,
    states: Annotated[int, typer.Option(help="States over which the areas are spread.")] = 2,
    reactors: Annotated[int, typer.Option(help="Item areas with an outage a year.")] = 4,
    plants: Annotated[int, typer.Option(help="Fuel fabrication, bulk areas.")] = 1,
    stores: Annotated[int, typer.Option(help="Spent-fuel stores, item areas.")] = 2,
    entries_per_year: Annotated[int, typer.Option(help="Entries of all areas in a year, about.")] = 2000,
    open_transits: Annotated[int, typer.Option(help="Fuel elements still on their way at the end.")] = 1,
    as_json: Json = False,
) -> None:
    """Make a synthetic world of linked facilities: world file, opening inventories, and every report in order."""
    from slt.client.commands import generate

    plan = {
        "seed": seed,
        "years": years,
        "first_year": first_year,
        "states": states,
        "reactors": reactors,
        "plants": plants,
        "stores": stores,
        "entries_per_year": entries_per_year,
        "open_transits": open_transits,
    }
    generate.generate(directory, plan, as_json=as_json)


@app.command("submit")
def _submit(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Reports, as for check. None: go on with what the outbox holds."),
    ] = None,
    called: Annotated[
        str, typer.Option("--as", metavar="NAME", help="The identity that signs. Default: the one whose MBAs fit.")
    ] = "",
    wait: Annotated[float, typer.Option(metavar="S", min=0, help="Seconds to wait for answers.")] = 60.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return once the broker has them.")] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Make new statements, even of documents that were submitted before.")
    ] = False,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Check, sign, queue and publish reports, and wait for their answers. Safe to repeat."""
    from slt.client.commands import reports

    reports.submit_files(
        files or [], called=called, wait_s=0.0 if no_wait else wait, new=new, directory=directory, as_json=as_json
    )


@outbox.command("list")
def _outbox_list(directory: Dir = Path(), as_json: Json = False) -> None:
    """Every report that was signed here: waiting, accepted, rejected or refused."""
    from slt.client.commands import reports

    reports.list_outbox(directory, as_json=as_json)


@app.command("receipt")
def _receipt(
    identifier: Identifier,
    form: Annotated[
        str,
        typer.Option("--as", metavar="FORM", help="Write it as v1, tlog-proof, cose, or only the logged statement."),
    ] = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; nothing is overwritten.")] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="The published form alone, without the receipt v1 inside it.")
    ] = False,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """The answer to one report, verified, in words; or as a file in one of its forms, with --as and --out."""
    from slt.client.commands import answers

    if not form and out is None:
        answers.show_receipt(identifier, directory=directory, as_json=as_json)
        return
    if out is None or not form:
        raise WrongUse("--as FORM and --out FILE belong together")
    answers.save_receipt(identifier, form=form, out_file=out, bare=bare, directory=directory, as_json=as_json)


@app.command("trace")
def _trace(identifier: Identifier, directory: Dir = Path(), as_json: Json = False) -> None:
    """Where a report is, how long each stage took, and what blocks it."""
    from slt.client.commands import answers

    answers.show_trace(identifier, directory=directory, as_json=as_json)


@app.command("verify")
def _verify(
    receipts: Annotated[
        list[Path],
        typer.Argument(metavar="RECEIPT...", help="Receipt files: v1, .tlog-proof or COSE, seen by content."),
    ],
    genesis: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="genesis.cbor of the ledger that you trust. Default: that of --dir."),
    ] = None,
    body: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The body as hashed (bodies/ID); only with a single receipt.")
    ] = None,
    statement: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The log's entry, which a bare tlog-proof does not hold.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who must have cosigned the checkpoint (c2sp.org/tlog-policy).")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Compare with the checkpoint remembered there, asking its log."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify receipts offline: no network, no database. 0 = every proof holds; one line says what each link proves."""
    from slt.client.commands import answers

    answers.verify_receipts(
        receipts, genesis=genesis, body=body, statement=statement, policy=policy, directory=directory, as_json=as_json
    )


@log.command("consistency")
def _log_consistency(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A file with a checkpoint or receipt, or a size.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same, of a log that is not smaller.")],
    genesis: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="genesis.cbor that names the log's keys. Default: that of --dir."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--log", metavar="URL|FOLDER", help="The log's tiles. Default: those of the member in --dir."),
    ] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Prove that the log only grew from OLD to NEW. 1 = it did not: both and the failing proof are kept as evidence."""
    from slt.client.commands import consistency

    consistency.consistency(old, new, genesis=genesis, where=where, directory=directory, as_json=as_json)


@log.command("key")
def _log_key(
    genesis: Annotated[
        Path | None, typer.Option(metavar="FILE", help="genesis.cbor that names the keys. Default: that of --dir.")
    ] = None,
    pem: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the key of a private ledger as PEM.")] = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """The keys that sign checkpoints and COSE receipts, as other tools want them: vkey, kid, PEM."""
    from slt.client.commands import consistency

    consistency.show_keys(genesis=genesis, directory=directory, pem=pem, as_json=as_json)


cli_books.register(app)
cli_log.register(log)
cli_drill.register(app)
cli_governance.register(app)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(words, prog_name="slt")  # ends with SystemExit, except for our own errors
    except ClientError as error:
        _tell(str(error), error.exit_code, as_json="--json" in words)
    except TimeoutError as error:
        _tell(f"no answer in time: {error}", UNREACHABLE, as_json="--json" in words)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _tell(sentence: str, code: int, *, as_json: bool) -> NoReturn:
    """On standard error: standard output holds answers only."""
    if as_json:
        sys.stderr.write(json.dumps({"error": sentence, "exit_code": code}, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"slt: {sentence}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
