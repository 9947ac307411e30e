"""`slt init`: whole or not at all, secrets for their owner only, certificates made elsewhere welcome."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from slt.client.errors import WrongUse
from slt.client.folder import SERVICES, Folder
from slt.client.local.init import init
from slt.client.local.keys import Anchor, certificate_pem, certify, new_anchor, new_key, private_pem
from slt.client.local.sample import YEAR, sample_folder
from slt.statements.genesis import genesis_from_toml
from slt.statements.openings import parse_opening
from slt.statements.refusals import parse_service_certificate, verify_service_certificate
from slt.statements.signatures import signer_from_pem
from slt.statements.terms import parse_term, verify_term

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WORLD = """
origin = "ledger.example/plant"
[[member]]
name = "agency"
[[identity]]
name = "plant"
role = "reporter"
state = "XL"
mbas = ["XLP1"]
{identity}
{anchor}
[[mba]]
state = "XL"
mba = "XLP1"
facility = "XLP-"
type = "reactor"
kind = "item"
flow_kmps = ["1"]
inventory_kmps = ["A"]
opened = "20200101"
"""


def make(folder: Path, *, world: Path | None = None, model: str = "private", members: int = 1) -> Folder:
    init(folder, world_file=world, model=model, members=members, now=NOW)
    return Folder(folder)


def world(folder: Path, *, identity: str = "", anchor: str = "") -> Path:
    path = folder / "world.toml"
    path.write_text(WORLD.format(identity=identity, anchor=anchor), encoding="utf-8")
    return path


def test_the_sample_world_becomes_a_ledger_with_everything_it_names(tmp_path: Path) -> None:
    folder = make(tmp_path / "ledger")
    genesis = folder.genesis()
    assert [one.mba for one in genesis.mbas] == ["XLR1", "XLF1", "XLS1", "XLT1"]
    assert all((folder.reports / f"{name}.code10").is_file() for name in YEAR)
    for mba in genesis.mbas:
        opening = parse_opening((folder.openings / f"{mba.state}-{mba.mba}.cbor").read_bytes())
        assert opening.digest == mba.opening
    assert {path.stem for path in folder.keys.glob("*.pem") if ".cert" not in path.name} == {
        one.name for one in genesis.identities
    }


def test_genesis_is_written_for_people_and_for_programs_alike(tmp_path: Path) -> None:
    folder = make(tmp_path / "ledger")
    toml = (folder.root / "genesis.toml").read_text(encoding="utf-8")
    assert genesis_from_toml(toml).encoded == folder.genesis_file.read_bytes()


def test_term_and_service_certificates_hold_under_genesis(tmp_path: Path) -> None:
    folder = make(tmp_path / "ledger")
    genesis = folder.genesis()
    verify_term(parse_term((folder.member / "term.cbor").read_bytes()), genesis)
    for service in SERVICES:
        certificate = parse_service_certificate((folder.member / "services" / f"{service}.cert").read_bytes())
        verify_service_certificate(certificate, genesis, at_ms=int(NOW.timestamp() * 1000))
        key = signer_from_pem((folder.member / "services" / f"{service}.pem").read_bytes())
        assert (certificate.service, certificate.key) == (service, key.public)


def test_every_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = make(tmp_path / "ledger")
    private = [path for path in folder.root.rglob("*.pem") if b"PRIVATE KEY" in path.read_bytes()]
    assert len(private) == len(folder.genesis().identities) + len(SERVICES) + 6  # anchor, term, four of the member
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = make(tmp_path / "ledger")
    before = folder.genesis_file.read_bytes()
    with pytest.raises(WrongUse, match="is there already"):
        make(tmp_path / "ledger")
    assert folder.genesis_file.read_bytes() == before


@pytest.mark.parametrize("model", ["consortium", "public", "private "])
def test_other_models_are_refused_in_a_plain_sentence(tmp_path: Path, model: str) -> None:
    with pytest.raises(WrongUse, match="cannot be set up yet"):
        make(tmp_path / "ledger", model=model)
    assert list(tmp_path.iterdir()) == []


def test_a_world_that_makes_no_ledger_leaves_nothing_behind(tmp_path: Path) -> None:
    source = world(tmp_path, identity='mbas_typo = ["XLP2"]')
    with pytest.raises(WrongUse, match="nobody reads mbas_typo"):
        make(tmp_path / "ledger", world=source)
    assert list(tmp_path.iterdir()) == [source]


def test_two_states_may_have_areas_of_one_code_with_openings_of_their_own(tmp_path: Path) -> None:
    source = world(tmp_path)
    text = source.read_text(encoding="utf-8")
    area = text[text.index("[[mba]]") :]
    for state, batch in (("XL", "B1"), ("XF", "B2")):
        (tmp_path / f"{state}.csv").write_text(
            f"batch,kmp,material,items,610\n{batch},A,O/Q/N/D,0,1\n", encoding="utf-8"
        )
    there = 'last_pit = "20251231"\nopening = "{}.csv"\n'
    person = (
        text[text.index("[[identity]]") : text.index("[[mba]]")].replace('XL"', 'XF"').replace('"plant"', '"other"')
    )
    both = area + there.format("XL") + person + area.replace('"XL"', '"XF"') + there.format("XF")
    source.write_text(text.replace(area, both), encoding="utf-8")
    folder = make(tmp_path / "ledger", world=source)
    found = {f"{mba.state}-{mba.mba}.cbor": mba.opening for mba in folder.genesis().mbas}
    assert {path.name: parse_opening(path.read_bytes()).digest for path in folder.openings.iterdir()} == found
    assert len(set(found.values())) == 2


def test_a_profile_that_no_rules_know_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    source = world(tmp_path)
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("[[mba]]", '[[mba]]\nprofile = "euratm"', 1), encoding="utf-8")
    with pytest.raises(WrongUse, match="profile 'euratm' is not one of euratom, iaea, strict-correction"):
        make(tmp_path / "ledger", world=source)


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    source = world(tmp_path)
    source.write_text(source.read_text(encoding="utf-8") + "[parameters]\nskew = 3\n", encoding="utf-8")
    with pytest.raises(WrongUse, match="'skew' is not known"):
        make(tmp_path / "ledger", world=source)


def test_a_key_made_before_is_certified_here(tmp_path: Path) -> None:
    key = new_key("es256")
    (tmp_path / "plant.pem").write_bytes(private_pem(key))
    folder = make(tmp_path / "ledger", world=world(tmp_path, identity='key = "plant.pem"'))
    (identity,) = folder.genesis().identities
    assert signer_from_pem(folder.key_file("plant").read_bytes()).kid == identity.kid


def test_a_certificate_made_elsewhere_needs_no_key_here(tmp_path: Path) -> None:
    anchor = new_anchor("XL", now=NOW)
    _write_anchor(tmp_path, anchor)
    certificate = certify("plant", new_key("ml-dsa-65"), anchor, now=NOW)
    (tmp_path / "plant.cert.pem").write_bytes(certificate_pem(certificate))
    source = world(tmp_path, identity='certificate = "plant.cert.pem"', anchor=ANCHOR)
    folder = make(tmp_path / "ledger", world=source)
    (identity,) = folder.genesis().identities
    assert x509.load_der_x509_certificate(identity.certificate) == certificate
    assert not folder.key_file("plant").exists()
    assert not (folder.root / "anchors" / "XL.pem").exists()


def test_a_certificate_of_another_anchor_is_refused(tmp_path: Path) -> None:
    _write_anchor(tmp_path, new_anchor("XL", now=NOW))
    stranger = certify("plant", new_key(), new_anchor("XL", now=NOW), now=NOW)
    (tmp_path / "plant.cert.pem").write_bytes(certificate_pem(stranger))
    source = world(tmp_path, identity='certificate = "plant.cert.pem"', anchor=ANCHOR)
    with pytest.raises(WrongUse, match="was not issued by the anchor"):
        make(tmp_path / "ledger", world=source)


def test_a_key_that_is_not_the_certified_one_is_refused(tmp_path: Path) -> None:
    anchor = new_anchor("XL", now=NOW)
    _write_anchor(tmp_path, anchor)
    (tmp_path / "plant.cert.pem").write_bytes(certificate_pem(certify("plant", new_key(), anchor, now=NOW)))
    (tmp_path / "plant.pem").write_bytes(private_pem(new_key()))
    both = 'certificate = "plant.cert.pem"\nkey = "plant.pem"'
    with pytest.raises(WrongUse, match="is not the key of"):
        make(tmp_path / "ledger", world=world(tmp_path, identity=both, anchor=ANCHOR))


def test_the_wheel_and_the_checkout_name_the_same_year() -> None:
    names = {path.stem for path in sample_folder().glob("*.code10")}
    assert set(YEAR) <= names
    assert len(set(YEAR)) == len(YEAR) == 18


ANCHOR = '[[anchor]]\nstate = "XL"\ncertificate = "xl.cert.pem"'


def _write_anchor(folder: Path, anchor: Anchor) -> None:
    (folder / "xl.cert.pem").write_bytes(certificate_pem(anchor.certificate))
