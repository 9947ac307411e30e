"""The signer: the only place that holds the consensus key, and the last guard against two signed blocks at one height.

Its watermark is one small file, apart from the log: what was signed last, with the signatures. It is made durable
before a signature leaves (consensus.md W2). A request for the same block gets the stored signatures; one for a lower
height, for another block at the same height, or under an older term is refused (W3). The interface is narrow so that an
HSM or a remote signer can stand here.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from services.consensus.disk import Disk
from slt.consensus.certificates import sign_private
from slt.consensus.effects import Sign
from slt.consensus.events import Watermark
from slt.merkle.hashing import Digest
from slt.statements.batches import batch_sign_bytes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.shapes import array, digest, integer, octets, opened
from slt.statements.signatures import ALG_EDDSA
from slt.statements.signatures import Signer as Key

FILE: Final = "watermark"
_VERSION: Final = 1
_BYTES_MAX: Final = 64 * 1024 * 1024
_TRAILER: Final = 32  # SHA-256 of what is before it


class Refused(Exception):
    """The signer does not sign this, whoever asks. Two processes with one key, or a store that was put back: alarm."""


class WatermarkUnreadable(Exception):
    """The watermark is damaged or another key's. Without it nobody knows what was signed, so nothing is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """One block's: of its id, and of each of its batches."""

    block: bytes
    batches: tuple[bytes, ...]


class BlockSigner(Protocol):
    @property
    def watermark(self) -> Watermark | None: ...

    def sign(self, request: Sign) -> Signatures:
        """The signatures; durable before they are returned. Raises Refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """What the file holds."""

    term: int
    height: int
    block_id: bytes
    signature: bytes
    first_seq: int
    batches: tuple[tuple[bytes, bytes], ...]  # digest and signature

    @property
    def next_seq(self) -> int:
        return self.first_seq + len(self.batches)


class FileSigner:
    """Signs with a key in memory."""

    def __init__(self, disk: Disk, key: Key, chain_id: bytes) -> None:
        """Raises WatermarkUnreadable; ValueError for a key that is not Ed25519."""
        if key.alg != ALG_EDDSA:
            raise ValueError("the consensus key must be an Ed25519 key")
        self._disk = disk
        self._key = key
        self._chain_id = chain_id
        self._mark = _read(disk, key.public, chain_id)

    @property
    def public(self) -> bytes:
        return self._key.public

    @property
    def watermark(self) -> Watermark | None:
        mark = self._mark
        return None if mark is None else Watermark(term=mark.term, height=mark.height, block_id=mark.block_id)

    def sign(self, request: Sign) -> Signatures:
        mark = self._mark
        if mark is not None:
            _check(request, mark)
            if (request.term, request.height) == (mark.term, mark.height):
                return Signatures(block=mark.signature, batches=tuple(signature for _, signature in mark.batches))
        signature = sign_private(
            self._key,
            chain_id=self._chain_id,
            term=request.term,
            height=request.height,
            block_id=request.block_id,
        )
        batches = tuple(
            (digest, self._key.sign(batch_sign_bytes(self._chain_id, digest))) for digest in request.batch_digests
        )
        mark = _Mark(
            term=request.term,
            height=request.height,
            block_id=request.block_id,
            signature=signature,
            first_seq=request.first_seq,
            batches=batches,
        )
        self._disk.replace(FILE, _encode(mark, self._key.public, self._chain_id))
        self._mark = mark  # A crash before this line leaves the old mark or the new one; no signature has left.
        return Signatures(block=signature, batches=tuple(signature for _, signature in batches))


def _check(request: Sign, mark: _Mark) -> None:
    """W3. Raises Refused."""
    if request.term < mark.term:
        raise Refused(f"asked to sign under term {request.term}; term {mark.term} was signed under before")
    if request.height < mark.height:
        raise Refused(f"asked to sign height {request.height}; height {mark.height} is signed")
    if request.height > mark.height:
        if request.first_seq != mark.next_seq:
            raise Refused(f"asked to sign batches from {request.first_seq} on; the next one is {mark.next_seq}")
        return
    if request.block_id != mark.block_id:
        raise Refused(
            f"asked to sign block {request.block_id.hex()} at height {request.height}; "
            f"{mark.block_id.hex()} is signed there"
        )
    if (request.first_seq, request.batch_digests) != (mark.first_seq, tuple(digest for digest, _ in mark.batches)):
        raise Refused(f"asked to sign height {request.height} with other batches than before")


def _encode(mark: _Mark, public: bytes, chain_id: bytes) -> bytes:
    batches = [[digest, signature] for digest, signature in mark.batches]
    data = encode(
        [
            _VERSION,
            chain_id,
            public,
            mark.term,
            mark.height,
            mark.block_id,
            mark.signature,
            mark.first_seq,
            batches,
        ]
    )
    return data + sha256(data).digest()


def _read(disk: Disk, public: bytes, chain_id: bytes) -> _Mark | None:
    if FILE not in disk.names():
        return None
    disk.sync_folder()  # A killed process may have renamed it and not synced the folder.
    data = disk.read(FILE)
    content, trailer = data[:-_TRAILER], data[-_TRAILER:]
    if sha256(content).digest() != trailer:
        raise WatermarkUnreadable("the signer's watermark is damaged: its digest is wrong")
    try:
        fields = opened(content, "watermark", 9, bytes_max=_BYTES_MAX)
        version = integer(fields[0], "watermark: version")
        if version != _VERSION:
            raise WatermarkUnreadable(f"a watermark of version {version}; this program reads version {_VERSION}")
        if (fields[1], fields[2]) != (chain_id, public):
            raise WatermarkUnreadable("the signer's watermark is another key's, or another ledger's")
        return _Mark(
            term=integer(fields[3], "watermark: term"),
            height=integer(fields[4], "watermark: height"),
            block_id=digest(fields[5], "watermark: block_id"),
            signature=octets(fields[6], "watermark: signature", 64),
            first_seq=integer(fields[7], "watermark: first_seq"),
            batches=tuple(_pair(pair) for pair in array(fields[8], "watermark: batches")),
        )
    except DecodeError as error:
        raise WatermarkUnreadable(f"the signer's {error}") from error


def _pair(value: Value) -> tuple[Digest, bytes]:
    signed, signature = array(value, "watermark: batch", 2)
    return digest(signed, "watermark: batch digest"), octets(signature, "watermark: batch signature", 64)
