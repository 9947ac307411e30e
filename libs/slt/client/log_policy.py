"""DIR/log-policy: whose signatures a checkpoint of this ledger needs (C2SP tlog-policy). Written by slt init."""

from pathlib import Path
from typing import Final

from slt.client.errors import WrongUse
from slt.client.folder import Folder
from slt.merkle.cosignatures import Cosigner
from slt.merkle.policy import BadPolicy, Policy, parse_policy
from slt.statements.genesis import Genesis

LOG_POLICY: Final = "log-policy"


def policy_text(genesis: Genesis, cosigner: Cosigner) -> str:
    """The policy of a new private ledger: its member has cosigned. With a line on how others come to it."""
    (member,) = genesis.members
    return "\n".join(
        (
            "# Whose signatures a checkpoint of this ledger needs (c2sp.org/tlog-policy). slt log checkpoint reads it.",
            "",
            "# The log. Its key stands in genesis.",
            f"log {member.checkpoint_vkey}",
            "",
            "# The member that keeps it cosigns what it has stored and read back.",
            f"witness member-{member.id} {cosigner.vkey}",
            "",
            "# Outside witnesses come here as they are found: a State, the region, the IAEA. For example:",
            "#   witness state-XL <vkey> https://ledger.xl.example/witness",
            "#   witness IAEA <vkey> https://iaea.example/witness",
            f"#   group everybody all member-{member.id} state-XL IAEA",
            "#   quorum everybody",
            "# The ledger service asks those with a URL when SLT_WITNESS_POLICY names this file.",
            f"quorum member-{member.id}",
            "",
        )
    )


def read_policy(path: Path) -> Policy:
    """Raises WrongUse for a file that is not there or is no policy."""
    try:
        return parse_policy(path.read_bytes())
    except OSError as error:
        raise WrongUse(f"{error.filename}: {error.strerror}") from None
    except BadPolicy as error:
        raise WrongUse(f"{path}: {error}") from None


def policy_of(folder: Folder | None) -> Policy:
    """The policy of a working folder; one that asks for no cosignature where there is none."""
    path = None if folder is None else folder.root / LOG_POLICY
    return Policy() if path is None or not path.exists() else read_policy(path)
