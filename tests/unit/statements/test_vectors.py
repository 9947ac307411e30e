"""The checked-in vectors: bytes that outsiders can test against, made of fixed keys, recomputed here.

`python -m tests.unit.statements.test_vectors` writes them anew; a change of any is a change of the format.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import Digest, leaf_hash, tree_root
from slt.merkle.notes import sign_note
from slt.merkle.proofs import LeafTree
from slt.statements.batches import Batch, BatchEntry, sign_batch
from slt.statements.cbor import encode
from slt.statements.genesis import genesis_to_toml, parse_genesis
from slt.statements.governance import (
    ActivateRules,
    Announcement,
    Change,
    Enrol,
    ReplaceMembers,
    Revoke,
    SetArea,
    SetParameter,
    SetReference,
    make_approval,
    make_governance,
    parse_governance,
)
from slt.statements.headers import Header, genesis_log_entry
from slt.statements.openings import Opening, OpeningEntry
from slt.statements.receipts import Receipt, encode_receipt
from slt.statements.refusals import Refusal, make_service_certificate, sign_refusal
from slt.statements.statement import (
    CODE10,
    body_digest,
    make_body,
    make_endorsement,
    make_statement,
    parse_statement,
    subject_of,
)
from slt.statements.submission import Submission, encode_submissions, message_id
from slt.statements.tags import list_paths, list_root, tag
from slt.statements.terms import PrivateCertificate, sign_term
from slt.statements.verdicts import Code, Verdict, facts_digest, facts_salt, findings_digest, findings_salt
from tests.unit.statements.samples import (
    AUTHOR,
    CHECKPOINT,
    CONSENSUS,
    DOCUMENT,
    ENDORSER,
    GOVERNANCE,
    IAT,
    SALT,
    SERVICE,
    TERM,
    genesis,
    seed,
)

FOLDER = Path(__file__).parents[2] / "vectors" / "formats"
REPORT = "XL/XLR1/41"
BODY = make_body(SALT, DOCUMENT)
STATEMENT = make_statement(
    AUTHOR,
    iss="XLR1 accounting",
    sub=subject_of(SALT, REPORT),
    aud=genesis().audience,
    iat=IAT,
    media_type=CODE10,
    digest=body_digest(BODY),
)
READ = parse_statement(STATEMENT)
ENDORSEMENT = make_endorsement(ENDORSER, iss="XL authority", aud=genesis().audience, iat=IAT + 60, statement_id=READ.id)
BODY_Z = b"a zstd frame would stand here"  # Compressors differ, so the vectors hold no frame.
ROWS = (("V39", "warning", "OI/1", "003"),)
FACTS = encode([1, "facts"])
VERDICT = Verdict(
    statement_id=READ.id,
    code=Code.ACCEPTED,
    log_index=1,
    rules_version=1,
    facts_digest=facts_digest(facts_salt(SALT, READ.id), FACTS),
    findings_digest=findings_digest(findings_salt(SALT, READ.id), ROWS),
)
OTHER = Verdict(statement_id=Digest(bytes(32)), code=Code.C01, evidence=READ.id, rules_version=1)
BATCH = Batch(
    author=0,
    seq=1,
    previous=genesis().chain_id,
    entries=(
        BatchEntry(
            statement=STATEMENT,
            endorsements=(ENDORSEMENT,),
            body_length=len(BODY),
            body_digest=body_digest(BODY),
        ),
    ),
)
LOG = [genesis_log_entry(genesis().origin, genesis().chain_id), STATEMENT]
HEADER = Header(
    chain_id=genesis().chain_id,
    height=1,
    parent_id=genesis().chain_id,
    epoch=0,
    time_ms=(IAT + 120) * 1000,
    proposer=0,
    members_root=genesis().members_root,
    next_members_root=genesis().members_root,
    parameters_root=genesis().parameters_root,
    batches_root=list_root("batches", [BATCH.digest]),
    verdicts_root=list_root("verdicts", [VERDICT.encoded, OTHER.encoded]),
    state_root=Digest(bytes(32)),
    log_size=2,
    log_root=tree_root(LOG),
    evidence_root=list_root("evidence", []),
)


def statement_vector() -> dict[str, Any]:
    return {
        "author seed": seed(5),
        "author spki": AUTHOR.spki,
        "kid": AUTHOR.kid,
        "salt": SALT,
        "document": DOCUMENT,
        "body digest": READ.body_digest,
        "report": REPORT,
        "iss": READ.iss,
        "sub": READ.sub,
        "aud": READ.aud,
        "iat": READ.iat,
        "statement": STATEMENT,
        "to be signed": READ.to_be_signed,
        "signature": READ.signature,
        "statement id": READ.id,
        "endorser seed": seed(6),
        "endorsement": ENDORSEMENT,
    }


def submission_vector() -> dict[str, Any]:
    item = Submission(statement=STATEMENT, endorsements=(ENDORSEMENT,), body_z=BODY_Z)
    return {
        "statement": STATEMENT,
        "endorsements": [ENDORSEMENT],
        "third field (zstd of the body)": BODY_Z,
        "submission id": item.id,
        "message": encode_submissions([item]),
        "Nats-Msg-Id of attempt 0": message_id([item.id], 0),
        "Nats-Msg-Id of attempt 1": message_id([item.id], 1),
    }


def batch_vector() -> dict[str, Any]:
    return {
        "chain_id": genesis().chain_id,
        "consensus seed": seed(2),
        "batch": BATCH.encoded,
        "digest": BATCH.digest,
        "signature": sign_batch(BATCH, genesis().chain_id, CONSENSUS),
    }


def header_vector() -> dict[str, Any]:
    return {"header": HEADER.encoded, "block id": HEADER.block_id}


def roots_vector() -> dict[str, Any]:
    items = [bytes([number]) * number for number in range(8)]
    return {
        "tags": {name: tag(name) for name in ("block", "verdicts", "BATCH", "TERM")},
        "items": items,
        "list_root('verdicts', the first n items)": [list_root("verdicts", items[:size]) for size in range(9)],
        "tree root of the first n items": [tree_root(items[:size]) for size in range(9)],
        "inclusion path of item 4 of 7": LeafTree([leaf_hash(item) for item in items]).inclusion(4, 7),
        "consistency path from 3 to 7": LeafTree([leaf_hash(item) for item in items]).consistency(3, 7),
    }


def verdict_vector() -> dict[str, Any]:
    return {
        "salt": SALT,
        "statement id": READ.id,
        "facts salt": facts_salt(SALT, READ.id),
        "findings salt": findings_salt(SALT, READ.id),
        "facts": FACTS,
        "rows": [list(row) for row in ROWS],
        "accepted": VERDICT.encoded,
        "rejected": OTHER.encoded,
    }


def genesis_vector() -> dict[str, Any]:
    opening = Opening(
        mba="XLR1",
        pit="20241215",
        entries=(OpeningEntry(batch="RC01", kmp="B", material="B/Q/4/G", items=1, weights=((630, 460_000_000),)),),
    )
    return {
        "toml": genesis_to_toml(genesis()),
        "genesis": genesis().encoded,
        "chain_id": genesis().chain_id,
        "members_root": genesis().members_root,
        "parameters_root": genesis().parameters_root,
        "opening": opening.encoded,
        "opening digest": opening.digest,
    }


def receipt_vector() -> dict[str, Any]:
    """Whole and good: slt.consensus.receipts verifies it against the genesis of its own vector."""
    term = sign_term(
        [(0, TERM)],
        chain_id=genesis().chain_id,
        term=1,
        sequencer_key=CONSENSUS.public,
        start_height=1,
        parent_id=genesis().chain_id,
        not_after=None,
    )
    signed = tag("AUTHORITY") + genesis().chain_id + (1).to_bytes(8, "big") * 2 + HEADER.block_id
    certificate = PrivateCertificate(term=term, signature=CONSENSUS.sign(signed))
    checkpoint = Checkpoint(origin=genesis().origin, size=2, root=HEADER.log_root)
    receipt = Receipt(
        chain_id=genesis().chain_id,
        statement=STATEMENT,
        endorsements=((ENDORSEMENT, ENDORSER.spki),),
        spki=AUTHOR.spki,
        verdict=VERDICT,
        verdict_index=0,
        verdict_count=2,
        verdict_path=list_paths([VERDICT.encoded, OTHER.encoded])[0],
        log_proof=(1, (leaf_hash(LOG[0]),)),
        header=HEADER,
        certificate=certificate.to_value(),
        changes=(),
        checkpoint=sign_note(checkpoint.text(), CHECKPOINT),
        findings=(findings_salt(SALT, READ.id), ROWS),
    )
    return {
        "genesis": genesis().encoded,
        "body": BODY,
        "term certificate": term.encoded,
        "certificate": certificate.encoded,
        "checkpoint": receipt.checkpoint,
        "receipt": encode_receipt(receipt),
    }


def refusal_vector() -> dict[str, Any]:
    certificate = make_service_certificate(
        GOVERNANCE,
        chain_id=genesis().chain_id,
        member=0,
        service="authentication",
        key=SERVICE.public,
        not_before=IAT * 1000,
        not_after=(IAT + 86_400) * 1000,
    )
    refusal = Refusal(
        chain_id=genesis().chain_id,
        submission_id=Digest(bytes(32)),
        statement_id=None,
        member=0,
        stage="authentication",
        height=7,
        rules_version=1,
        time_ms=IAT * 1000 + 5,
        findings=(("A01", "error", "", "", "", "", "The signature does not hold."),),
    )
    return {
        "genesis": genesis().encoded,
        "governance seed": seed(1),
        "service seed": seed(4),
        "service certificate": certificate.encoded,
        "refusal": refusal.encoded,
        "signature": sign_refusal(refusal.encoded, SERVICE),
    }


def governance_vector() -> dict[str, Any]:
    author = genesis().identities[0]
    area, other = genesis().mbas
    changes: dict[str, Change] = {
        "enrol": Enrol(identity=author),
        "revoke": Revoke(kid=AUTHOR.kid),
        "area": SetArea(mba=replace(area, closed="20271231")),
        "parameter": SetParameter(name="skew_s", value=600),
        "rules": ActivateRules(version=2),
        "reference": SetReference(mbas=(replace(area, closed="20271231"), replace(other, closed="20271231"))),
        "members": ReplaceMembers(members=genesis().members),
    }
    payloads = {
        name: Announcement(change=change, effective_height=1000, nonce=SALT) for name, change in changes.items()
    }
    raw = make_governance(GOVERNANCE, iss="IAEA", aud=genesis().audience, iat=IAT, announcement=payloads["parameter"])
    statement = parse_governance(raw)
    approval = make_approval(
        ENDORSER, iss="XL authority", aud=genesis().audience, iat=IAT + 60, statement_id=statement.id
    )
    return {
        "governance seed": seed(1),
        "kid": GOVERNANCE.kid,
        "nonce": SALT,
        "effective height": 1000,
        "payload of each kind": {name: payload.encoded for name, payload in payloads.items()},
        "statement": raw,
        "to be signed": statement.to_be_signed,
        "statement id": statement.id,
        "approval seed": seed(6),
        "approval": approval,
    }


VECTORS: dict[str, Callable[[], dict[str, Any]]] = {
    "statement": statement_vector,
    "submission": submission_vector,
    "batch": batch_vector,
    "header": header_vector,
    "roots": roots_vector,
    "verdict": verdict_vector,
    "genesis": genesis_vector,
    "receipt": receipt_vector,
    "refusal": refusal_vector,
    "governance": governance_vector,
}


def as_json(name: str) -> str:
    """Bytes as hex."""
    return json.dumps(VECTORS[name](), indent=1, ensure_ascii=False, default=lambda data: bytes(data).hex()) + "\n"


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_recomputed_to_the_byte(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == as_json(name)


def test_the_genesis_of_the_vectors_reads_back() -> None:
    assert parse_genesis(genesis().encoded) == genesis()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for vector in VECTORS:
        (FOLDER / f"{vector}.json").write_text(as_json(vector), encoding="utf-8")
