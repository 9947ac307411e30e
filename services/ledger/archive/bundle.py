"""The file: a tar archive, each member's SHA-256 in a list at its end, written and read as a stream.

Any tar reads it, and `sha256sum -c SHA256SUMS` checks it. The same ledger gives the same bytes: no times, no owners.
"""

import io
import os
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final, Self

from slt.runtime.files import sync_folder

SUMS: Final = "SHA256SUMS"
MEMBER_BYTES_MAX: Final = 1024 * 1024 * 1024  # of one file inside; blocks come in pieces of BLOCKS_BYTES


class BadArchive(ValueError):
    """A file that is no whole archive of this ledger. The sentence says what does not hold."""


class ArchiveWriter:
    """Writes a new file beside its place and puts it there once it is complete and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.new")
        self._sums: list[str] = []

    def __enter__(self) -> Self:
        self._file = self._temporary.open("wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w|", format=tarfile.PAX_FORMAT)
        return self

    def add(self, name: str, data: bytes) -> None:
        self._put(name, data)
        self._sums.append(f"{sha256(data).hexdigest()}  {name}\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._file.close()
            self._temporary.unlink()
            return
        self._put(SUMS, "".join(self._sums).encode())
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.rename(self._path)
        sync_folder(self._path.parent)

    def _put(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o644
        self._tar.addfile(member, io.BytesIO(data))


def read_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file inside, in order. Raises BadArchive, at the latest at the end.

    Whoever uses a file before the end was reached must be able to take it back.
    """
    found: list[str] = []
    try:
        with tarfile.open(path, mode="r|") as tar:
            sums: bytes | None = None
            for member in tar:
                _check(member, after_sums=sums is not None)
                stream = tar.extractfile(member)
                data = b"" if stream is None else stream.read()
                if member.name == SUMS:
                    sums = data
                    continue
                found.append(f"{sha256(data).hexdigest()}  {member.name}\n")
                yield member.name, data
    except (tarfile.TarError, EOFError) as error:
        raise BadArchive(f"it is no tar archive, or was cut: {error}") from error
    if sums is None:
        raise BadArchive(f"it ends without {SUMS}: it was cut")
    if sums != "".join(found).encode():
        differing = sorted(set(sums.decode(errors="replace").splitlines()) ^ set("".join(found).splitlines()))
        raise BadArchive(f"its files are not those of its {SUMS}: {'; '.join(differing[:4])}")


def _check(member: tarfile.TarInfo, *, after_sums: bool) -> None:
    path = PurePosixPath(member.name)
    if not member.isfile() or path.is_absolute() or ".." in path.parts:
        raise BadArchive(f"{member.name!r} is no plain file inside")
    if member.size > MEMBER_BYTES_MAX:
        raise BadArchive(f"{member.name!r} has {member.size} bytes; at most {MEMBER_BYTES_MAX} are read")
    if after_sums:
        raise BadArchive(f"{member.name!r} stands behind {SUMS}")
