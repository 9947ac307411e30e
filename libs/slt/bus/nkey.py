"""NKey logins: an Ed25519 seed in the broker's own text form, signing the broker's nonce.

nats-py would do this with a library of its own; ours verifies and signs everywhere else already.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from slt.statements.signatures import Signer, signer_from_seed

SEED_PREFIX: Final = 18 << 3  # "S"
USER_PREFIX: Final = 20 << 3  # "U"


class BadNKey(ValueError):
    """The text is not the seed of an NKey user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NKey:
    """A user's key. `public` is what the broker's configuration names: U and 55 more characters."""

    public: str
    signer: Signer

    def signature(self, nonce: str) -> bytes:
        """The answer to the broker's nonce, base64."""
        return base64.b64encode(self.signer.sign(nonce.encode("ascii")))


def nkey_from_seed(text: str) -> NKey:
    """Read a user's seed: SU and 56 more characters. Raises BadNKey, which does not quote it."""
    text = text.strip()
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise BadNKey("the NKey seed is not base32") from None
    if len(raw) != 36 or _checksum(raw[:-2]) != raw[-2:]:
        raise BadNKey("the NKey seed is cut short or mistyped")
    if raw[0] & 0xF8 != SEED_PREFIX or (raw[0] & 7) << 5 | (raw[1] & 0xF8) >> 3 != USER_PREFIX:
        raise BadNKey("the NKey is not a user's seed; one begins with SU")
    signer = signer_from_seed(raw[2:34])
    return NKey(public=_encoded(bytes([USER_PREFIX]) + signer.public), signer=signer)


def nkey_seed(seed: bytes) -> str:
    """The text form of a user's seed of 32 bytes."""
    return _encoded(bytes([SEED_PREFIX | USER_PREFIX >> 5, (USER_PREFIX & 31) << 3]) + seed)


def _encoded(data: bytes) -> str:
    return base64.b32encode(data + _checksum(data)).decode("ascii").rstrip("=")


def _checksum(data: bytes) -> bytes:
    """CRC-16/XMODEM, little-endian."""
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")
