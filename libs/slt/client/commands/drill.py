"""fsck, export, import, snapshot, restore, erase, freeze: the operator's drill, on the member in the working folder.

The work is done by programs beside the services (`python -m services.ledger.fsck` and its like), each with the settings
of the service whose folder it works on: so an operator can run the same on a deployed member, without this command.
"""

import asyncio
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from slt.client.errors import ANSWER_IS_NO, DONE, AnswerIsNo, WrongUse
from slt.client.folder import MEMBER, Folder
from slt.client.local.network import working_folder
from slt.client.local.settings import offline_environment
from slt.client.output import Output

LEDGER: Final = "services.ledger"
UNIQUENESS: Final = "services.uniqueness"


def fsck(directory: Path, *, everything: bool, replay: bool, as_json: bool) -> None:
    """Check the ledger's database, then the state: by a replay of every block, or against the certified root alone."""
    folder = _folder(directory)
    codes = [_run(folder, f"{LEDGER}.fsck", *_flags(all=everything, json=as_json))]
    if replay:
        codes.append(asyncio.run(_replay(folder, as_json=as_json)))
    else:
        codes.append(_run(folder, f"{UNIQUENESS}.fsck", *_flags(json=as_json)))
    _judge(codes, "The member's databases do not hold what they should; the faults are named above.")


async def _replay(folder: Folder, *, as_json: bool) -> int:
    """The blocks that the ledger's database gives, evaluated by uniqueness from genesis on; its exit code."""
    read, write = os.pipe()
    try:
        giving = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"{LEDGER}.fsck", "--blocks",
            env=offline_environment(folder, "ledger"), stdout=write, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        evaluating = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"{UNIQUENESS}.fsck", "--blocks", "-", *_flags(json=as_json),
            env=offline_environment(folder, "uniqueness"), stdin=read,
        )  # fmt: skip
    finally:
        os.close(read)
        os.close(write)
    code = await evaluating.wait()
    await giving.wait()  # its faults were told by the check before
    return code


def export(directory: Path, file: Path, *, state: Path | None, as_json: bool) -> None:
    more = () if state is None else ("--state", str(state.resolve()))
    _done(directory, f"{LEDGER}.archive", "export", str(file.resolve()), *more, *_flags(json=as_json))


def check_archive(directory: Path, file: Path, *, as_json: bool) -> None:
    _done(directory, f"{LEDGER}.archive", "check", str(file.resolve()), *_flags(json=as_json))


def import_archive(directory: Path, file: Path, *, as_json: bool) -> None:
    _done(directory, f"{LEDGER}.archive", "import", str(file.resolve()), *_flags(json=as_json))
    Output(as_json=as_json).say(
        f"The other services rebuild what they hold from these blocks when they start: slt up {directory}"
    )


def snapshot(directory: Path, file: Path, *, as_json: bool) -> None:
    _done(directory, f"{UNIQUENESS}.snapshot", "write", str(file.resolve()), *_flags(json=as_json))


def restore(directory: Path, file: Path, *, as_json: bool) -> None:
    _done(directory, f"{UNIQUENESS}.snapshot", "restore", str(file.resolve()), *_flags(json=as_json))


def erase(directory: Path, *, before: str | None, statements: Sequence[str], reason: str, as_json: bool) -> None:
    if (before is None) == (not statements):
        raise WrongUse("Say which bodies: either --before YYYY-MM-DD, or one or more --statement ID")
    which = [word for one in statements for word in ("--statement", one)]
    which += [] if before is None else ["--before", before]
    _done(directory, f"{LEDGER}.erase", *which, "--reason", reason, *_flags(json=as_json))


def freeze(directory: Path, file: Path, *, state: Path | None, reason: str, as_json: bool) -> None:
    more = () if state is None else ("--state", str(state.resolve()))
    _done(directory, f"{LEDGER}.archive", "freeze", str(file.resolve()), *more, "--reason", reason,
          *_flags(json=as_json))  # fmt: skip


def _done(directory: Path, program: str, *arguments: str) -> None:
    _judge([_run(_folder(directory), program, *arguments)], "It does not hold; the sentence above says what.")


def _judge(codes: Sequence[int], no: str) -> None:
    """The programs have told what they had to say; this is the exit code."""
    if any(code not in (DONE, ANSWER_IS_NO) for code in codes):
        raise WrongUse("Nothing was done; the sentence above says why.")
    if ANSWER_IS_NO in codes:
        raise AnswerIsNo(no)


def _run(folder: Folder, program: str, *arguments: str) -> int:
    """Run a program on the folder of the service that its name begins with; its words go to the terminal."""
    service = program.split(".")[1]

    async def run() -> int:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, *arguments, env=offline_environment(folder, service)
        )
        return await running.wait()

    return asyncio.run(run())


def _folder(directory: Path) -> Folder:
    if importlib.util.find_spec("services") is None:
        raise WrongUse("The services are not installed here: run this where the member runs")
    folder = working_folder(directory)
    folder.genesis()
    if not (folder.member / "services").is_dir():
        raise WrongUse(f"{folder.root} has no member {MEMBER}: this is for whoever runs one")
    return folder


def _flags(**given: bool) -> list[str]:
    return [f"--{name}" for name, is_set in given.items() if is_set]
