"""Trust policies (c2sp.org/tlog-policy): which logs are believed, and whose cosignatures a checkpoint needs.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

A file is octets: names are compared byte by byte, and no Unicode table is asked. Lines refer to earlier lines only, and
a name is a member of one group at most, so nobody is counted twice.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from slt.merkle.cosignatures import CosignedCheckpoint, Cosigner, open_checkpoint
from slt.merkle.notes import NoteError, NoteVerifier

POLICY_BYTES_MAX: Final = 1024 * 1024  # 256 witnesses with post-quantum keys, and room for comments.
LINES_OF_A_KIND_MAX: Final = 256  # The specification asks for at least 32 logs, witnesses and groups.
NONE: Final = b"none"

_OCTETS: Final = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_WHITESPACE: Final = re.compile(rb"[ \t]+")
_NUMBER: Final = re.compile(rb"[1-9][0-9]{0,3}")


class BadPolicy(ValueError):
    """The file is not a policy. The message names the line."""


class PolicyNotMet(ValueError):
    """The checkpoint is signed by its log, and too few of those that the policy asks for have cosigned it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    verifier: NoteVerifier
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A cosigner under the name that it has in this policy, and where it can be asked (its submission prefix)."""

    name: bytes
    cosigner: Cosigner
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Counts as one that has cosigned when at least `threshold` of `members` have."""

    name: bytes
    threshold: int
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a file says. `quorum` names a witness or a group; None asks for no cosignature at all."""

    logs: tuple[TrustedLog, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: bytes | None = None

    @property
    def cosigners(self) -> tuple[Cosigner, ...]:
        return tuple(witness.cosigner for witness in self.witnesses)

    def is_met(self, cosigned: Collection[Cosigner]) -> bool:
        """Whether cosignatures by `cosigned` are enough."""
        return self.quorum is None or self.quorum in self._witnessed(cosigned)

    def missing(self, cosigned: Collection[Cosigner]) -> str:
        """What is not there, in words, for whoever is told that the policy is not met."""
        seen = self._witnessed(cosigned)
        groups = {group.name: group for group in self.groups}

        def words(name: bytes) -> str:
            if name not in groups:
                return shown(name)
            group = groups[name]
            absent = ", ".join(words(member) for member in group.members if member not in seen)
            have = sum(member in seen for member in group.members)
            return f"{shown(name)} ({have} of the {group.threshold} that it needs; absent: {absent})"

        return "" if self.quorum is None or self.quorum in seen else words(self.quorum)

    def check(self, note: str, logs: Sequence[NoteVerifier] = ()) -> CosignedCheckpoint:
        """Open the checkpoint in `note` and see that this policy is met. Raises NoteError or PolicyNotMet.

        `logs` are believed besides those of the file, which may name none.
        """
        known = [*(log.verifier for log in self.logs), *logs]
        opened = open_checkpoint(note, list(dict.fromkeys(known)), self.cosigners)
        cosigned = [one.cosigner for one in opened.cosignatures]
        if not self.is_met(cosigned):
            raise PolicyNotMet(
                f"the checkpoint of {opened.checkpoint.size} entries is not cosigned as the policy asks: "
                f"{self.missing(cosigned)}"
            )
        return opened

    def _witnessed(self, cosigned: Collection[Cosigner]) -> set[bytes]:
        """The names of witnesses and groups that have cosigned. Groups stand behind their members."""
        seen = {witness.name for witness in self.witnesses if witness.cosigner in cosigned}
        for group in self.groups:
            if sum(member in seen for member in group.members) >= group.threshold:
                seen.add(group.name)
        return seen


def shown(name: bytes) -> str:
    """A name of a policy for a person to read."""
    return name.decode("utf-8", "backslashreplace")


def parse_policy(data: bytes) -> Policy:
    """Read a policy file. Raises BadPolicy with the line's number for anything that the format does not allow."""
    if len(data) > POLICY_BYTES_MAX:
        raise BadPolicy(f"a policy has at most {POLICY_BYTES_MAX} bytes, not {len(data)}")
    if data and not data.endswith(b"\n"):
        raise BadPolicy("the last line does not end in a newline: the file may have been cut; complete it")
    reader = _Reader()
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            reader.line(line)
        except BadPolicy as error:
            raise BadPolicy(f"line {number}: {error}") from None
    if not reader.has_quorum:
        raise BadPolicy("there is no quorum line; write `quorum NAME`, or `quorum none` to ask for no cosignature")
    return Policy(
        logs=tuple(reader.logs),
        witnesses=tuple(reader.witnesses),
        groups=tuple(reader.groups),
        quorum=reader.quorum,
    )


class _Reader:
    """Takes the lines of a policy in order."""

    def __init__(self) -> None:
        self.logs: list[TrustedLog] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: bytes | None = None
        self.has_quorum = False
        self._names: set[bytes] = set()
        self._members: set[bytes] = set()

    def line(self, line: bytes) -> None:
        if not _OCTETS.fullmatch(line):
            raise BadPolicy("the only control characters are tab and newline; end lines with a newline alone")
        words = [word for word in _WHITESPACE.split(line) if word]
        if not words or words[0].startswith(b"#"):
            return
        match words[0]:
            case b"log":
                self._log(words[1:])
            case b"witness":
                self._witness(words[1:])
            case b"group":
                self._group(words[1:])
            case b"quorum":
                self._quorum(words[1:])
            case _:
                raise BadPolicy(f"{shown(words[0])[:40]!r} begins no line; log, witness, group and quorum do")

    def _log(self, words: list[bytes]) -> None:
        if not 1 <= len(words) <= 2:
            raise BadPolicy("a log line is `log <vkey> [<url>]`")
        _one_more(self.logs, "log")
        try:
            verifier = NoteVerifier.from_vkey(_text(words[0], "the verifier key"))
        except NoteError as error:
            raise BadPolicy(str(error)) from None
        if any(log.verifier.public_key == verifier.public_key for log in self.logs):
            raise BadPolicy(f"the key of log {verifier.name} stands in an earlier line")
        self.logs.append(TrustedLog(verifier=verifier, url=_url(words[1:])))

    def _witness(self, words: list[bytes]) -> None:
        if not 2 <= len(words) <= 3:
            raise BadPolicy("a witness line is `witness <name> <vkey> [<url>]`")
        _one_more(self.witnesses, "witness")
        name = self._new_name(words[0])
        try:
            cosigner = Cosigner.from_vkey(_text(words[1], "the verifier key"))
        except NoteError as error:
            raise BadPolicy(str(error)) from None
        if any(witness.cosigner.public_key == cosigner.public_key for witness in self.witnesses):
            raise BadPolicy(f"the key of witness {shown(name)} stands in an earlier line: it would count twice")
        self.witnesses.append(Witness(name=name, cosigner=cosigner, url=_url(words[2:])))

    def _group(self, words: list[bytes]) -> None:
        if len(words) < 3:
            raise BadPolicy("a group line is `group <name> all|any|<k> <name>...`")
        _one_more(self.groups, "group")
        members = tuple(words[2:])
        for member in members:
            if member not in self._names:
                raise BadPolicy(f"{shown(member)} is no witness or group of an earlier line")
            if member in self._members:
                raise BadPolicy(f"{shown(member)} is a member already: it would count twice")
            self._members.add(member)
        threshold = _threshold(words[1], len(members))
        self.groups.append(Group(name=self._new_name(words[0]), threshold=threshold, members=members))

    def _quorum(self, words: list[bytes]) -> None:
        if len(words) != 1:
            raise BadPolicy("a quorum line is `quorum <name>` or `quorum none`")
        if self.has_quorum:
            raise BadPolicy("there is a quorum line already")
        if words[0] != NONE and words[0] not in self._names:
            raise BadPolicy(f"{shown(words[0])} is no witness or group of an earlier line")
        self.has_quorum = True
        self.quorum = None if words[0] == NONE else words[0]

    def _new_name(self, name: bytes) -> bytes:
        if name == NONE:
            raise BadPolicy("the name `none` means no quorum, and names nobody")
        if name in self._names:
            raise BadPolicy(f"{shown(name)} is named by an earlier line")
        self._names.add(name)
        return name


def _threshold(word: bytes, members: int) -> int:
    if word == b"all":
        return members
    if word == b"any":
        return 1
    if not _NUMBER.fullmatch(word) or int(word) > members:
        raise BadPolicy(f"a group asks for all, any, or 1 to {members} of its {members}, not {shown(word)[:40]!r}")
    return int(word)


def _one_more(lines: Sequence[object], kind: str) -> None:
    if len(lines) == LINES_OF_A_KIND_MAX:
        raise BadPolicy(f"at most {LINES_OF_A_KIND_MAX} {kind} lines are read")


def _url(words: list[bytes]) -> str | None:
    return _text(words[0], "the URL") if words else None


def _text(word: bytes, what: str) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise BadPolicy(f"{what} is not UTF-8") from None
