"""zstd frames with declared sizes: bodies and facts on the bus (formats.md, "submission message")."""

import threading
from typing import Final

import zstandard

from slt.bus.messages import Malformed

LEVEL: Final = 3  # of the sizes that facilities send, higher levels save 2 to 5 % and cost several times the CPU

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_local: Final = threading.local()  # each serves one thread at a time, and making one costs more than most calls of it


def compress(data: bytes) -> bytes:
    """One zstd frame that declares its size, of at least one byte. Safe to call from several threads."""
    compressor: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    return compressor.compress(data)


def inflate(data: bytes, *, bytes_max: int) -> bytes:
    """The content of the one frame that is `data`.

    The frame must declare its size; it is checked against `bytes_max` before anything is allocated. Raises Malformed
    for anything else: no frame, a skippable frame, no size, zero or a larger one, a dictionary, bytes behind the frame,
    content of another length than declared. Safe to call from several threads.
    """
    if data[:4] != _MAGIC:
        raise Malformed("not a zstd frame")
    try:
        frame = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError as error:
        raise Malformed(f"not a zstd frame: {error}") from error
    if frame.dict_id:
        raise Malformed("the zstd frame asks for a dictionary")
    if frame.content_size == zstandard.CONTENTSIZE_UNKNOWN:
        raise Malformed("the zstd frame does not declare its size")
    if frame.content_size == 0:
        # The library would not look further, so what follows could be anything; and nothing of ours is empty.
        raise Malformed("the zstd frame declares that it is empty")
    if frame.content_size > bytes_max:
        raise Malformed(f"the zstd frame declares {frame.content_size} bytes; {bytes_max} are allowed")
    decompressor: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    try:
        content = decompressor.decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed(f"the zstd frame cannot be read, or has bytes behind it: {error}") from error
    if len(content) != frame.content_size:
        raise Malformed(f"the zstd frame declares {frame.content_size} bytes and holds {len(content)}")
    return content
