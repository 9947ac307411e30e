"""The checked-in bytes of votes, certificates and evidence, which outsiders can test against; recomputed here.

`python -m tests.unit.consensus.tendermint.test_consortium_vectors` writes them anew; a change is one of the format.
"""

import json
from pathlib import Path
from typing import Any

from slt.consensus.tendermint.evidence import amnesia, bad_proposer, invalid_proposal, two_votes, verify_evidence
from slt.consensus.tendermint.proposals import Content
from slt.consensus.tendermint.status import Status, bitmap_of
from slt.consensus.tendermint.votes import Kind, Vote
from slt.merkle.ed25519 import verify_ed25519
from tests.unit.consensus.tendermint.consortium import (
    GENESIS,
    MEMBERS,
    commit,
    digest,
    key,
    make_content,
    make_header,
    polka,
    precommit,
    prevote,
    propose,
    vote,
)

FILE = Path(__file__).parents[3] / "vectors" / "consortium" / "consortium.json"


def make() -> dict[str, Any]:
    content = make_content("A", batches=(digest("batch 1"), digest("batch 2")))
    other = make_content("B")
    id_ = content.block_id
    turn = MEMBERS.proposer(1, 0)
    bad = make_header("bad", epoch=3)
    pieces = {
        "DUP_VOTE": two_votes(prevote(id_, 2), prevote(None, 2)),
        "DUP_PROPOSAL": two_votes(vote(Kind.PROPOSAL, id_, turn), vote(Kind.PROPOSAL, other.block_id, turn)),
        "BAD_PROPOSER": bad_proposer(vote(Kind.PROPOSAL, id_, MEMBERS.proposer(1, 1))),
        "AMNESIA": amnesia(commit(id_, (0, 1, 2), round=2), polka(other.block_id, (1, 2, 3), round=5, vr=1)),
        "INVALID_PROPOSAL": invalid_proposal(vote(Kind.PROPOSAL, bad.block_id, turn), bad.encoded),
    }
    accused = {name: verify_evidence(one, MEMBERS, verify_ed25519).accused for name, one in pieces.items()}
    return {
        "genesis": GENESIS.encoded.hex(),
        "chain_id": GENESIS.chain_id.hex(),
        "members_root": MEMBERS.root.hex(),
        "consensus_seeds": [(key(index).seed or b"").hex() for index in range(4)],
        "turns_of_height_1": [MEMBERS.proposer(1, round_) for round_ in range(4)],
        "votes": {
            "prevote": _vote(prevote(id_, 1)),
            "prevote for nil in round 3": _vote(prevote(None, 2, round=3)),
            "prevote with valid round 1": _vote(prevote(id_, 0, round=4, vr=1)),
            "precommit": _vote(precommit(id_, 3)),
        },
        "proposal": propose(content, entries=12).encoded.hex(),
        "proposal_again": _again(content),
        "header": content.encoded_header.hex(),
        "block_id": id_.hex(),
        "commit": commit(id_, (0, 2, 3), round=1).encoded.hex(),
        "polka": polka(id_, (0, 1, 3), round=1).encoded.hex(),
        "status": _status().encoded.hex(),
        "evidence": {
            name: {"bytes": one.encoded.hex(), "accused": list(accused[name])} for name, one in pieces.items()
        },
    }


def _vote(one: Vote) -> dict[str, str]:
    return {"sign_bytes": one.ballot.sign_bytes.hex(), "vote": one.encoded.hex()}


def _again(content: Content) -> str:
    """Proposed again in round 2, with its polka of round 1."""
    return propose(content, round=2, vr=1, polka=polka(content.block_id, (0, 1, 3), round=1)).encoded.hex()


def _status() -> Status:
    fields: dict[str, Any] = {
        "chain_id": MEMBERS.chain_id,
        "epoch": 0,
        "height": 7,
        "round": 2,
        "step": 3,
        "proposals": 1,
        "last_id": digest("block 6"),
        "prevotes": bitmap_of({0, 3}, 4),
        "precommits": bitmap_of({1}, 4),
        "sender": 1,
    }
    return Status(**fields, signature=key(1).sign(Status(**fields).sign_bytes))


def test_the_vectors_are_what_the_code_makes() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(make()))


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
