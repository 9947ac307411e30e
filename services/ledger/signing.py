"""The checkpoint key: the one that genesis gives our member, or none. It signs checkpoints and COSE receipts."""

from services.ledger.config import Config
from slt.merkle.notes import NoteSigner
from slt.runtime.settings import SettingsError
from slt.statements.genesis import Genesis
from slt.statements.signatures import Signer, signer_from_pem, signer_from_seed


def checkpoint_signer(config: Config, genesis: Genesis) -> NoteSigner:
    """The signer of checkpoints, whose name is that of the log. Raises SettingsError."""
    variable = f"SLT_CHECKPOINT_KEY={str(config.checkpoint_key)!r}"
    try:
        key = signer_from_pem(config.checkpoint_key.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError([f"{variable}: {error}; set a PEM of an Ed25519 key"]) from error
    if key.seed is None:
        raise SettingsError([f"{variable}: not an Ed25519 key; checkpoints are signed with Ed25519"])
    signer = NoteSigner.of(genesis.origin, key.seed)
    expected = genesis.member(config.member).checkpoint_vkey
    if signer.vkey != expected:
        raise SettingsError(
            [f"{variable}: its verifier key is {signer.vkey}, and genesis names {expected}; set that key"]
        )
    return signer


def cose_signer(signer: NoteSigner) -> Signer:
    """The same key, for COSE receipts: both kinds of message state the size and root of this log (README)."""
    return signer_from_seed(signer.seed)
