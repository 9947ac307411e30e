"""Private keys in the working folder."""

from pathlib import Path

from slt.client.errors import WrongUse
from slt.client.folder import Folder
from slt.statements.genesis import Identity
from slt.statements.signatures import Signer, signer_from_pem


def signer_of(identity: Identity, folder: Folder) -> Signer | None:
    """The key of `identity` in DIR/keys: NAME.pem, or NAME.ANYTHING.pem after a rotation. None: it is not here."""
    for path in folder.key_files(identity.name):
        signer = read_signer(path)
        if signer.kid == identity.kid:
            return signer
    return None


def read_signer(path: Path) -> Signer:
    """Raises WrongUse."""
    try:
        return signer_from_pem(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path} holds no key to sign with: {error}") from None
