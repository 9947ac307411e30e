"""A fast stand-in for Ed25519 behind the driver's narrow `verify`: keyed hashes, 64 bytes. Nobody can forge them who
cannot read this process; that is all that the simulator needs. A smaller number of seeds runs on the real thing.
"""

from hashlib import blake2b

from slt.merkle.ed25519 import BadSignature
from tests.unit.consensus.tendermint.consortium import key

_SECRETS = {key(index).public: key(index).seed or b"" for index in range(64)}


def sign(public: bytes, message: bytes) -> bytes:
    return blake2b(message, key=_SECRETS[public], digest_size=64).digest()


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    if blake2b(message, key=_SECRETS[public], digest_size=64).digest() != signature:
        raise BadSignature("the signature does not hold")


def sign_really(public: bytes, message: bytes) -> bytes:
    return _SIGNERS[public].sign(message)


_SIGNERS = {key(index).public: key(index) for index in range(64)}
