"""The environment that each service of a working folder runs with. The names: slt.runtime.settings."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from slt.client.folder import BOOKS, MEMBER, Folder

EVERY_REPORT: Final = "1.0"


def module_of(program: str) -> str:
    """What `python -m` runs."""
    return "services.uniqueness.books" if program == BOOKS else f"services.{program}"


def service_folder(folder: Folder, service: str) -> Path:
    """The service's own durable data."""
    return folder.member / "data" / service


def address_file(folder: Folder, service: str) -> Path:
    """Where the service says {"http": url, "pid": n} once it listens."""
    return folder.member / "run" / f"{service}.json"


def service_environment(
    folder: Folder, service: str, *, nats_url: str, trace_ratio: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of one service: the caller's own, then the folder's settings, then `extra`.

    A service that has run before gets the port that it had, so that the printed addresses stay true across a restart.
    Database URLs are left to their defaults: SQLite in SLT_DATA_DIR.
    """
    keys = folder.member / "services"
    identity = "uniqueness" if service == BOOKS else service  # the books are a second process of that service
    settings = {
        "SLT_GENESIS": str(folder.genesis_file.resolve()),
        "SLT_MEMBER": str(MEMBER),
        "SLT_NATS_URL": nats_url,
        "SLT_SERVICE_KEY": str((keys / f"{identity}.pem").resolve()),
        "SLT_SERVICE_CERTIFICATE": str((keys / f"{identity}.cert").resolve()),
        "SLT_DATA_DIR": str(service_folder(folder, service).resolve()),
        "SLT_HTTP_PORT": str(_port_before(address_file(folder, service))),
        "SLT_ADDRESS_FILE": str(address_file(folder, service).resolve()),
        "SLT_SPANS_FILE": str((folder.spans / f"{service}.jsonl").resolve()),
        "SLT_TRACE_RATIO": trace_ratio,
    }
    member_keys = folder.member / "keys"
    match service:
        case "uniqueness" | "books":
            settings["SLT_OPENINGS"] = str(folder.openings.resolve())
        case "consensus":
            settings["SLT_CONSENSUS_KEY"] = str((member_keys / "consensus.pem").resolve())
            settings["SLT_TERM_CERTIFICATE"] = str((folder.member / "term.cbor").resolve())
        case "ledger":
            settings["SLT_CHECKPOINT_KEY"] = str((member_keys / "checkpoint.pem").resolve())
            if (member_keys / "cosigner.pem").exists():  # a folder of an older version has none
                settings["SLT_COSIGNER_KEY"] = str((member_keys / "cosigner.pem").resolve())
        case _:
            pass
    return {**os.environ, **settings, **extra}


def offline_environment(folder: Folder, service: str) -> dict[str, str]:
    """The environment of a program that works on the folder of `service`, whether that runs or not."""
    openings = {"SLT_OPENINGS": str(folder.openings.resolve())} if folder.openings.is_dir() else {}
    return service_environment(folder, service, nats_url="", trace_ratio="", extra=openings)


def _port_before(path: Path) -> int:
    """The port in an address file; 0, which means any, when there is none."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["http"].rpartition(":")[2])
    except (FileNotFoundError, ValueError, KeyError):
        return 0
