"""The working folder DIR: what `slt init` laid down, and what the commands keep beside it.

genesis.toml genesis.cbor profile.toml openings/ keys/ anchors/ term-authority/ members/    made by init
addresses.json logs/ spans/                                                                 made by up
outbox.sqlite bodies/ receipts/ reports/                                                    the facility's own record
checkpoints/ evidence/                                                                      what it saw of the log
"""

import glob
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from slt.client.errors import Unreachable, WrongUse
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis, parse_genesis

SERVICES: Final = (
    "authentication",
    "validation",
    "uniqueness",
    "consensus",
    "ledger",
)  # in the order of a report's journey
BOOKS: Final = "books"
PROGRAMS: Final = (*SERVICES, BOOKS)  # what runs: the books are a second process of uniqueness, beside its writer
MEMBER: Final = 0  # private: there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a member can be reached. `http` has one base URL for each service that is known."""

    nats: str
    http: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """profile.toml: whom the commands act for, and which member they speak to.

    `identity` "" means: the one whose MBAs fit the report. An address "" means: what `slt up` wrote to addresses.json.
    """

    identity: str = ""
    nats: str = ""
    http: dict[str, str] = field(default_factory=dict)

    @property
    def toml(self) -> str:
        """The file, with a line about each setting."""
        lines = [
            "# What the slt commands in this folder stand on. Written by slt init; edit it to use a member elsewhere.",
            "",
            "# Who signs when --as is not given. Empty: the one with a key here whose MBAs fit the report.",
            f"identity = {json.dumps(self.identity)}",
            "",
            "# The member's bus. Empty: the one that slt up runs here (addresses.json).",
            f"nats = {json.dumps(self.nats)}",
            "",
            "# The HTTP face of each service, and of the books. Empty: as above.",
            "[http]",
            *(f"{service} = {json.dumps(self.http.get(service, ''))}" for service in PROGRAMS),
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Folder:
    """Names every place in a working folder. Nothing is created or read before a method is called."""

    root: Path

    @property
    def genesis_file(self) -> Path:
        return self.root / "genesis.cbor"

    @property
    def profile_file(self) -> Path:
        return self.root / "profile.toml"

    @property
    def addresses_file(self) -> Path:
        return self.root / "addresses.json"

    @property
    def outbox_file(self) -> Path:
        return self.root / "outbox.sqlite"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def openings(self) -> Path:
        return self.root / "openings"

    @property
    def bodies(self) -> Path:
        return self.root / "bodies"

    @property
    def receipts(self) -> Path:
        return self.root / "receipts"

    @property
    def checkpoints(self) -> Path:
        """The last checkpoint that was seen of the ledger."""
        return self.root / "checkpoints"

    @property
    def evidence(self) -> Path:
        """Split views: what a ledger should never have signed."""
        return self.root / "evidence"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def spans(self) -> Path:
        return self.root / "spans"

    @property
    def member(self) -> Path:
        """What belongs to the member that runs here: its keys, its services' keys and data, its broker's store."""
        return self.root / "members" / str(MEMBER)

    def key_file(self, identity: str) -> Path:
        return self.keys / f"{identity}.pem"

    def key_files(self, identity: str) -> list[Path]:
        """Where keys of `identity` may be: the first one, and NAME.ANYTHING.pem of later ones (slt rotate)."""
        later = sorted(self.keys.glob(f"{glob.escape(identity)}.*.pem"))
        return [path for path in (self.key_file(identity), *later) if path.is_file() and ".cert." not in path.name]

    def body_file(self, statement_id: bytes) -> Path:
        """Salt and document, as hashed."""
        return self.bodies / statement_id.hex()

    def receipt_file(self, statement_id: bytes) -> Path:
        return self.receipts / f"{statement_id.hex()}.receipt"

    def genesis(self) -> Genesis:
        """The ledger that this folder belongs to. Raises WrongUse when there is none, or it cannot be read."""
        return read_genesis(self.genesis_file)

    def profile(self) -> Profile:
        """Raises WrongUse when profile.toml is missing or says something that it cannot say."""
        try:
            table = tomllib.loads(self.profile_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WrongUse(
                f"{self.root} is no working folder (profile.toml is missing): make one with slt init"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WrongUse(f"{self.profile_file}: {error}") from None
        http = table.pop("http", {})
        identity, nats = table.pop("identity", ""), table.pop("nats", "")
        unknown = [*table, *(f"http.{name}" for name in http if name not in PROGRAMS)]
        if unknown:
            raise WrongUse(f"{self.profile_file} has settings that nobody reads: {', '.join(unknown)}")
        if not all(isinstance(value, str) for value in (identity, nats, *http.values())):
            raise WrongUse(f"{self.profile_file}: every setting is a text in quotes")
        return Profile(identity=identity, nats=nats, http=http)

    def addresses(self) -> Addresses:
        """Profile first, then what `slt up` wrote. Raises Unreachable when neither says where the bus is."""
        profile = self.profile()
        try:
            written = json.loads(self.addresses_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            written = {"nats": "", "http": {}}
        nats = profile.nats or written["nats"]
        if not nats:
            raise Unreachable(
                f"Nothing is up in {self.root}: start it with `slt up {self.root}`, or name a bus in profile.toml"
            )
        named = {service: url for service, url in profile.http.items() if url}
        return Addresses(nats=nats, http={**written["http"], **named})


def read_genesis(path: Path) -> Genesis:
    """Read a genesis.cbor. Raises WrongUse when it is missing or not exactly a genesis file."""
    try:
        return parse_genesis(path.read_bytes())
    except FileNotFoundError:
        raise WrongUse(
            f"{path} is missing: name the ledger with --genesis FILE, or a working folder with --dir"
        ) from None
    except DecodeError as error:
        raise WrongUse(f"{path} is no genesis file: {error}") from None
