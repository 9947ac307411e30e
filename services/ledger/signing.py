"""What this service signs with, and whom it believes: keys and policies, each read once at the start."""

from pathlib import Path

from services.ledger.config import Config
from slt.merkle.cosignatures import CosignerKey, cosigner_key_from_pem, member_cosigner_name
from slt.merkle.notes import NoteSigner, NoteVerifier
from slt.merkle.policy import BadPolicy, Policy, parse_policy
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


def cosigner_key(config: Config, genesis: Genesis) -> CosignerKey | None:
    """The key that cosigns, under the name of our member; None without SLT_COSIGNER_KEY. Raises SettingsError."""
    if config.cosigner_key is None:
        return None
    variable = f"SLT_COSIGNER_KEY={str(config.cosigner_key)!r}"
    try:
        key = cosigner_key_from_pem(
            member_cosigner_name(genesis.origin, config.member), config.cosigner_key.read_bytes()
        )
    except (OSError, ValueError) as error:
        raise SettingsError([f"{variable}: {error}; set a PEM of an ML-DSA-44 or Ed25519 key"]) from error
    checkpoint = NoteVerifier.from_vkey(genesis.member(config.member).checkpoint_vkey)
    if key.cosigner.public_key == checkpoint.public_key:
        raise SettingsError([f"{variable}: it is the checkpoint key, which signs nothing else; make another one"])
    return key


def witness_policy(config: Config) -> Policy:
    """Who is asked to cosign, and who must have; without SLT_WITNESS_POLICY nobody. Raises SettingsError."""
    return Policy() if config.witness_policy is None else _policy("SLT_WITNESS_POLICY", config.witness_policy)


def witnessed_logs(config: Config, genesis: Genesis) -> dict[str, list[NoteVerifier]]:
    """By origin: the keys of the logs that we cosign. Our own, by any member's key, is always there."""
    logs = {genesis.origin: [NoteVerifier.from_vkey(member.checkpoint_vkey) for member in genesis.members]}
    if config.witness_logs is not None:
        for log in _policy("SLT_WITNESS_LOGS", config.witness_logs).logs:
            if log.verifier.name == genesis.origin:
                raise SettingsError([f"SLT_WITNESS_LOGS names our own log, {genesis.origin}; remove that line"])
            logs.setdefault(log.verifier.name, []).append(log.verifier)
    return logs


def _policy(variable: str, path: Path) -> Policy:
    try:
        return parse_policy(path.read_bytes())
    except (OSError, BadPolicy) as error:
        raise SettingsError([f"{variable}={str(path)!r}: {error}"]) from error
