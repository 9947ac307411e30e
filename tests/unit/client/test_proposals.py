"""Changes that are proposed, approved in files and put together; who may sign them; endorsements of reports."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slt.client.commands import endorse as endorsing
from slt.client.errors import WrongUse
from slt.client.folder import Folder
from slt.client.outbox import Outbox
from slt.client.proposals import (
    Proposal,
    Signatory,
    approve,
    authorities,
    choose_signatory,
    entry_of,
    members,
    propose,
    put_together,
    read_proposal,
)
from slt.client.submission import Signed, choose_identity, submission_of
from slt.statements.genesis import Genesis, Identity
from slt.statements.genesis_toml import read_areas, write_areas
from slt.statements.governance import Enrol, Revoke, SetParameter
from slt.statements.registry import GenesisError
from slt.statements.signatures import signer_from_seed
from slt.statements.statement import parse_endorsement, verify_endorsement
from slt.statements.submission import decode_submissions
from tests.unit.client.conftest import NOW_S

NOW_MS = NOW_S * 1000


@pytest.fixture
def genesis(folder: Folder) -> Genesis:
    return folder.genesis()


CHANGE = SetParameter(name="skew_s", value=60)


def agency(genesis: Genesis, folder: Folder) -> Signatory:
    (member,) = members(genesis, folder)
    return member


def proposal(genesis: Genesis, folder: Folder) -> Proposal:
    return propose(CHANGE, agency(genesis, folder), genesis, effective_height=9, now_ms=NOW_MS)


def stranger(name: str) -> Signatory:
    return Signatory(name=name, signer=signer_from_seed(name.encode().ljust(32)))


def test_a_proposal_is_the_very_message_that_is_published(genesis: Genesis, folder: Folder, tmp_path: Path) -> None:
    one = proposal(genesis, folder)
    one.save(tmp_path / "p.change")
    (submission,) = decode_submissions((tmp_path / "p.change").read_bytes())
    assert submission == one.submission and submission.body_z == b""
    assert read_proposal(tmp_path / "p.change") == one
    assert one.title == "parameter skew_s = 60, from block 9 on"


def test_approvals_of_copies_are_put_together_one_of_each_key(genesis: Genesis, folder: Folder) -> None:
    one = proposal(genesis, folder)
    first = approve(one, stranger("A"), genesis, now_ms=NOW_MS)
    both = approve(first, stranger("B"), genesis, now_ms=NOW_MS)
    other = approve(one, stranger("C"), genesis, now_ms=NOW_MS)
    another = propose(CHANGE, stranger("A"), genesis, effective_height=9, now_ms=NOW_MS)
    together, alone = put_together([both, first, other, another])
    assert (together.approvers, alone.approvers) == (["A", "B", "C"], [])


def test_nobody_approves_twice_or_for_another_ledger(genesis: Genesis, folder: Folder) -> None:
    one = proposal(genesis, folder)
    with pytest.raises(WrongUse, match="has signed this already"):
        approve(one, agency(genesis, folder), genesis, now_ms=NOW_MS)
    approved = approve(one, stranger("A"), genesis, now_ms=NOW_MS)
    with pytest.raises(WrongUse, match="A has signed this already"):
        approve(approved, stranger("A"), genesis, now_ms=NOW_MS)


@pytest.mark.parametrize("data", [b"", b"\x80", b"not a proposal"])
def test_a_file_that_is_no_proposal_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(WrongUse, match="is no proposal of a change"):
        read_proposal(tmp_path / "x")
    with pytest.raises(WrongUse, match="No such file"):
        read_proposal(tmp_path / "missing")


def test_a_state_decides_about_its_reporters_and_members_about_the_rest(genesis: Genesis, folder: Folder) -> None:
    known = genesis.identities
    reporter = next(one for one in known if one.role == "reporter")
    authority = next(one for one in known if one.role == "authority")

    def chosen(change: Enrol | Revoke | SetParameter, called: str = "") -> str:
        return choose_signatory(genesis, folder, known, change, called=called).name

    assert chosen(Revoke(kid=reporter.kid)) == chosen(Enrol(identity=reporter)) == authority.name
    assert chosen(Revoke(kid=authority.kid)) == chosen(CHANGE) == genesis.members[0].name
    assert chosen(CHANGE, called=authority.name) == authority.name
    with pytest.raises(WrongUse, match="called nobody"):
        chosen(CHANGE, called="nobody")


def test_a_change_waits_in_the_outbox_and_is_sent_again_with_more_approvals(
    genesis: Genesis, folder: Folder, tmp_path: Path
) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    one = proposal(genesis, folder)
    entry = entry_of(one, label=one.title, now_ms=NOW_MS)
    outbox.add([entry])
    (row,) = outbox.waiting()
    assert (row.state, row.mba, row.report, submission_of(row)) == ("", "", one.title, one.submission)
    more = entry_of(approve(one, stranger("A"), genesis, now_ms=NOW_MS), label=one.title, now_ms=NOW_MS)
    assert outbox.endorse(row.statement_id, endorsements=more.endorsements, submission_id=more.submission_id)
    (row,) = outbox.waiting()
    assert row.submission_id == more.submission_id != entry.submission_id
    assert not outbox.endorse(bytes(32), endorsements=b"\x80", submission_id=bytes(32))
    outbox.close()


def test_the_key_of_a_rotated_identity_is_found_beside_the_old_one(genesis: Genesis, folder: Folder) -> None:
    old = next(one for one in genesis.identities if one.name == "xlr1")
    other = next(one for one in genesis.identities if one.name == "xlf1")
    path = folder.keys / "xlr1.0123abcd.pem"
    path.write_bytes(folder.key_file("xlf1").read_bytes())
    new = replace(old, kid=other.kid, spki=other.spki)

    def signs(*known: Identity) -> bytes:
        identity, signer = choose_identity(
            genesis, folder, state="XL", mba="XLR1", called="xlr1", now_s=NOW_S, identities=known
        )
        assert signer.kid == identity.kid
        return signer.kid

    assert (signs(old), signs(new)) == (old.kid, other.kid)
    path.unlink()
    assert signs(old, new) == old.kid


def test_areas_of_a_file_come_back_as_they_were_written(genesis: Genesis) -> None:
    areas = list(genesis.mbas)
    assert read_areas(write_areas(areas)) == areas
    for text in ("", "origin = 'x'", "[[mba]]\nstate = 'XL'", "not = [toml"):
        with pytest.raises(GenesisError):
            read_areas(text)


# Endorsements


def test_an_authority_endorses_a_statement_file_and_nothing_else(
    genesis: Genesis, folder: Folder, signed: Callable[..., Signed], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = signed("XLR1-41")
    file = tmp_path / "41.statement"
    file.write_bytes(one.entry.statement)

    def endorse(what: str, **options: object) -> None:
        given = {"called": "", "request": None, "out_file": None, "wait_s": 0.0, "as_json": True, **options}
        endorsing.endorse(what, directory=folder.root, **given)  # type: ignore[arg-type]  # by name

    endorse(str(file))
    endorsement = parse_endorsement((tmp_path / "41.statement.endorsement").read_bytes())
    (authority,) = authorities(folder, genesis.identities)
    verify_endorsement(endorsement, authority.signer.spki)
    assert (endorsement.statement_id, endorsement.iss) == (one.entry.statement_id, authority.name)
    assert one.entry.statement_id.hex() in capsys.readouterr().out
    with pytest.raises(WrongUse, match="was signed here"):
        endorse("ffff")
    (tmp_path / "x").write_bytes(b"\x80")
    with pytest.raises(WrongUse, match="neither a statement"):
        endorse(str(tmp_path / "x"))
