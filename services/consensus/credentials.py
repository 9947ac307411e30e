"""The consensus key and the term certificate: read once, checked against genesis and each other, locked."""

import fcntl
import os
from pathlib import Path
from typing import Self

from services.consensus.config import Config
from slt.runtime.files import AlreadyRunning
from slt.runtime.settings import SettingsError
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis
from slt.statements.signatures import ALG_EDDSA, Signer, signer_from_pem
from slt.statements.terms import BadTerm, TermCertificate, parse_term, verify_term


def load_key(config: Config, genesis: Genesis) -> Signer:
    """The key that genesis names for our member. Raises SettingsError."""
    name = f"SLT_CONSENSUS_KEY={str(config.consensus_key)!r}"
    try:
        key = signer_from_pem(config.consensus_key.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError([f"{name}: {error}; set a PEM of an Ed25519 key"]) from error
    if key.alg != ALG_EDDSA or key.public != genesis.member(config.member).consensus_key:
        raise SettingsError([f"{name}: genesis names another consensus key for member {config.member}; set that one"])
    return key


def load_term(config: Config, genesis: Genesis, key: Signer) -> TermCertificate:
    """The certificate under which `key` signs. Raises SettingsError."""
    name = f"SLT_TERM_CERTIFICATE={str(config.term_certificate)!r}"
    if genesis.model != "private":
        raise SettingsError([f"SLT_GENESIS: the model is {genesis.model!r}; this program orders private ledgers"])
    try:
        term = parse_term(config.term_certificate.read_bytes())
        verify_term(term, genesis)
    except (OSError, DecodeError, BadTerm) as error:
        raise SettingsError([f"{name}: {error}; have the term authority certify the consensus key"]) from error
    if term.sequencer_key != key.public:
        raise SettingsError([f"{name}: it is for another key than SLT_CONSENSUS_KEY; set the one for this key"])
    return term


class KeyLock:
    """One process at a time signs with the key in a file, wherever its data are. The kernel lets go when it ends.

    A copy of the file is another file: against that stand the height register, and readers who keep the first block.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def __enter__(self) -> Self:
        """Raises AlreadyRunning."""
        self._handle = os.open(self._path, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise AlreadyRunning(f"another process signs with the key {self._path}; stop it first") from None
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
