"""Genesis: one canonical file, a readable source, and a sentence for everything that cannot stand."""

from base64 import b64encode
from typing import Any

import pytest

from slt.merkle.notes import NoteSigner
from slt.statements.cbor import DecodeError, Value, decode, encode
from slt.statements.genesis import (
    PARAMETERS,
    Genesis,
    GenesisError,
    Identity,
    Mba,
    Member,
    TermAuthority,
    genesis_from_toml,
    genesis_to_toml,
    parse_genesis,
)
from slt.statements.signatures import ed25519_spki
from slt.statements.tags import list_root, tagged_hash
from tests.unit.statements.samples import (
    AUTHOR,
    BEGIN,
    CHECKPOINT,
    CONSENSUS,
    ENDORSER,
    GOVERNANCE,
    ORIGIN,
    SERVICE,
    TERM,
    anchor,
    certificate,
    es256_signer,
    genesis,
    genesis_fields,
    identity,
    mba,
    member,
    ml_dsa_signer,
    seed,
)

SMALL_ORDER = (1).to_bytes(32, "little")


def test_a_genesis_file_reads_back_as_the_same_genesis() -> None:
    made = genesis()
    read = parse_genesis(made.encoded)
    assert read == made
    assert (read.encoded, read.chain_id, read.audience) == (made.encoded, made.chain_id, made.audience)


def test_the_chain_id_is_the_hash_of_the_file_and_the_audience_names_both() -> None:
    made = genesis()
    assert made.chain_id == tagged_hash("genesis", made.encoded)
    assert made.audience == f"{ORIGIN}#{made.chain_id.hex()}"


def test_the_toml_source_reads_back_as_the_same_genesis() -> None:
    made = Genesis(
        **genesis_fields(
            parameters={"skew_s": 60},
            identities=(
                identity('quotes " and \\ and ü', AUTHOR.spki, mbas=("XLR1", "XLT1")),
                identity("P-256", es256_signer().spki, role="inspector", mbas=()),
                identity("ML-DSA", ml_dsa_signer().spki, role="authority", mbas=()),
            ),
            mbas=(
                mba(unified=True, endorsement="state", closed="20301231"),
                mba(mba="XLT1", last_pit="", opening=None),
            ),
        )
    )
    source = genesis_to_toml(made)
    read = genesis_from_toml(source)
    assert read == made
    assert read.encoded == made.encoded
    assert genesis_to_toml(read) == source
    assert "not_before = 2025-01-01T00:00:00Z" in source and "opened = 1990-01-01" in source


def test_a_certificate_may_be_pem_in_the_source() -> None:
    source = genesis_to_toml(genesis())
    encoded = b64encode(anchor()).decode()
    lines = "\n".join(encoded[at : at + 64] for at in range(0, len(encoded), 64))
    text = f'"""\n-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"""'
    assert genesis_from_toml(source.replace(f'"{encoded}"', text)).chain_id == genesis().chain_id


def test_what_the_source_leaves_out_has_its_default() -> None:
    assert dict(genesis().parameters) == {name: known.default for name, known in PARAMETERS.items()}
    assert genesis().parameter("skew_s") == 300


def test_the_roots_are_those_that_headers_carry() -> None:
    made = genesis()
    only = made.members[0]
    value: Value = [0, "IAEA", only.consensus_key, 1, only.checkpoint_vkey, only.governance_key]
    assert made.members_root == list_root("members", [encode(value)])
    pairs = sorted([*made.parameters.items(), ("rules_version", 1), ("reference_version", 1)])
    assert made.parameters_root == list_root("parameters", [encode([name, number]) for name, number in pairs])


def test_the_address_of_a_member_is_not_in_the_root() -> None:
    moved = Genesis(**genesis_fields(members=(member(address="nats://elsewhere:4222"),)))
    assert moved.members_root == genesis().members_root
    assert moved.chain_id != genesis().chain_id


def test_no_flipped_bit_of_a_genesis_file_is_the_same_genesis() -> None:
    made = genesis().encoded
    for at in range(len(made)):
        changed = bytearray(made)
        changed[at] ^= 1 << at % 8
        try:
            other = parse_genesis(bytes(changed))
        except DecodeError:
            continue
        assert other.chain_id != genesis().chain_id
        assert other.encoded == bytes(changed)


def test_another_order_of_the_parameters_is_refused() -> None:
    value = decode(genesis().encoded)
    assert isinstance(value, list) and isinstance(value[3], list)
    value[3] = value[3][::-1]
    with pytest.raises(DecodeError, match="ascending"):
        parse_genesis(encode(value))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"origin": "with space"}, "origin: an origin is"),
        ({"origin": "with#hash"}, "origin: an origin is"),
        ({"model": "secret"}, "model: must be one of private, consortium, public"),
        ({"rules_version": 0}, "rules_version"),
        ({"parameters": {"skew": 3}}, "'skew' is not known; the names are activation_blocks"),
        ({"parameters": {"skew_s": -1}}, "skew_s must be 0 to 86400 seconds"),
        ({"parameters": {"facts_bytes_max": 6_000_000}}, "must fit block_bytes_max"),
        ({"members": ()}, "at least one"),
        ({"members": (member(id=1), member(id=0))}, "ids must ascend"),
        ({"members": (member(id=0), member(id=0))}, "ids must ascend"),
        ({"members": (member(id=0), member(id=1))}, "'IAEA' comes twice"),
        ({"members": (member(name=""),)}, "members: name: must be 1 to 128"),
        ({"members": (member(weight=0),)}, "weight must be at least 1"),
        ({"members": (member(consensus_key=SMALL_ORDER),)}, "consensus_key: the key is a point of small order"),
        ({"members": (member(governance_key=SMALL_ORDER),)}, "governance_key: the key is a point of small order"),
        ({"members": (member(governance_key=CONSENSUS.public),)}, "every key is used for one thing only"),
        ({"members": (member(checkpoint_vkey="nonsense"),)}, "checkpoint_vkey"),
        ({"members": (member(checkpoint_vkey=NoteSigner.of("other", seed(7)).vkey),)}, "must have the origin"),
        ({"members": (member(checkpoint_vkey=NoteSigner.of(ORIGIN, seed(2)).vkey),)}, "is the same key as member"),
        ({"term_authority": TermAuthority(threshold=0, keys=(TERM.public,))}, "threshold must be 1 to 1"),
        ({"term_authority": TermAuthority(threshold=2, keys=(TERM.public,))}, "threshold must be 1 to 1"),
        ({"term_authority": TermAuthority(threshold=1, keys=())}, "threshold must be 1 to 0"),
        ({"term_authority": TermAuthority(threshold=1, keys=(SMALL_ORDER,))}, "key 0: the key is a point of small"),
        ({"term_authority": TermAuthority(threshold=1, keys=(TERM.public, TERM.public))}, "is the same key as"),
        ({"model": "consortium"}, "only a private ledger has one"),
        ({"anchors": {"xl": anchor()}}, "anchors: State: must be 2 characters"),
        ({"anchors": {"XL": b"no certificate"}}, "cannot be read as X.509"),
        ({"anchors": {"XF": anchor()}}, "State 'XL' has no anchor"),
        ({"identities": (identity("a", AUTHOR.spki), identity("a", ENDORSER.spki))}, "'a' comes twice"),
        ({"identities": (identity("a", AUTHOR.spki), identity("b", AUTHOR.spki))}, "comes twice"),
        ({"identities": (identity("a", AUTHOR.spki, role="king"),)}, "role: must be one of reporter"),
        ({"identities": (identity("a", AUTHOR.spki, mbas=("XLR9",)),)}, "there is no MBA XLR9 in State XL"),
        ({"identities": (identity("a", AUTHOR.spki, mbas=("XLR1", "XLR1")),)}, "comes twice"),
        ({"identities": (identity("a", AUTHOR.spki, mbas=()),)}, "names at least one MBA"),
        ({"identities": (identity("a", AUTHOR.spki, not_before=0),)}, "within the certificate's validity"),
        ({"identities": (identity("a", AUTHOR.spki, not_after=2**40),)}, "within the certificate's validity"),
        ({"identities": (identity("a", AUTHOR.spki, not_after=int(BEGIN.timestamp())),)}, "in this order"),
        ({"identities": (identity("a", ed25519_spki(SMALL_ORDER)),)}, "small order; use an Ed25519"),
        ({"mbas": (mba(), mba())}, "'XL/XLR1' comes twice"),
        ({"mbas": (mba(mba="xlr1"),)}, "mba: must be 4 characters"),
        ({"mbas": (mba(mba="XLR10"),)}, "mba: must be 4 characters"),
        ({"mbas": (mba(mba="XLR"),)}, "mba: must be 4 characters"),
        ({"mbas": (mba(facility=""),)}, "facility: must be 4 characters"),
        ({"mbas": (mba(facility="XLR"),)}, "facility: must be 4 characters"),
        ({"mbas": (mba(state="XLX"),)}, "state: must be 2 characters"),
        ({"mbas": (mba(last_report_number=999_999_999),)}, "below 999999999"),
        ({"mbas": (mba(type="castle"),)}, "type: must be one of reactor"),
        ({"mbas": (mba(kind="both"),)}, "kind: must be one of item, bulk"),
        ({"mbas": (mba(endorsement="all"),)}, "endorsement: must be one of none, state"),
        ({"mbas": (mba(profile=""),)}, "profile must be 1 to 32"),
        ({"mbas": (mba(flow_kmps=("1", "")),)}, "a KMP is 1 or 2 characters"),
        ({"mbas": (mba(flow_kmps=("1", "1")),)}, "KMP: '1' comes twice"),
        ({"mbas": (mba(opened="20250230"),)}, "opened: must be a date YYYYMMDD"),
        ({"mbas": (mba(opened=""),)}, "opened: must be a date YYYYMMDD"),
        ({"mbas": (mba(closed="19891231"),)}, "closed \\(19891231\\) is before opened"),
        ({"mbas": (mba(last_pit="19891231"),)}, "last_pit \\(19891231\\) is before opened"),
        ({"mbas": (mba(last_report_number=-1),)}, "last_report_number must be 0"),
        ({"mbas": (mba(opening=bytes(31)),)}, "opening is the digest of its file, 32 bytes"),
        ({"mbas": (mba(last_pit=""),)}, "needs last_pit"),
    ],
)
def test_what_cannot_stand_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GenesisError, match=sentence):
        Genesis(**genesis_fields(**changes))


def test_a_kid_binds_the_certificate() -> None:
    good = identity("a", AUTHOR.spki)
    fields = {name: getattr(good, name) for name in Identity.__dataclass_fields__}
    for changed in (Identity(**{**fields, "kid": bytes(32)}), Identity(**{**fields, "spki": ENDORSER.spki})):
        with pytest.raises(GenesisError, match=r"kid must be|another key"):
            Genesis(**genesis_fields(identities=(changed,)))
    swapped = Identity(**{**fields, "certificate": certificate("a", ENDORSER.spki)})
    with pytest.raises(GenesisError, match="another key"):
        Genesis(**genesis_fields(identities=(swapped,)))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('origin = "', 'orign = "', "'orign' is not known; the names are anchors"),
        ("[[mba]]", "[[mba]]\ncolour = 1", "'colour' is not known"),
        ("threshold = 1", 'threshold = "1"', "threshold must be an integer"),
        ("opened = 1990-01-01", "opened = 1990", "opened must be a date"),
        ("not_before = 2025-01-01T00:00:00Z", "not_before = 2025-01-01T00:00:00", "with an offset"),
        ("not_before = 2025-01-01T00:00:00Z", "not_before = 5", "must be a date or date-time"),
        (CONSENSUS.public.hex(), "zz", "consensus_key: must be 64 hex digits"),
        (CONSENSUS.public.hex(), "abcd", "consensus_key: must be 32 bytes"),
        (AUTHOR.kid.hex(), SERVICE.kid.hex(), "kid must be " + AUTHOR.kid.hex()),
        ('flow_kmps = ["1", "2"]', "flow_kmps = [1, 2]", "flow_kmps must be a list of texts"),
        ("unified = false", "unified = 0", "unified must be true or false"),
        ('role = "reporter"', "", "identity XLR1 accounting: role is missing"),
        ("[term_authority]", "[term_authority", "not TOML"),
        (b64encode(anchor()).decode(), "!", "neither PEM nor base64"),
    ],
)
def test_a_slip_in_the_source_is_named(old: str, new: str, sentence: str) -> None:
    source = genesis_to_toml(genesis())
    assert old in source
    with pytest.raises(GenesisError, match=sentence):
        genesis_from_toml(source.replace(old, new, 1))


def test_a_certificate_of_another_issuer_is_refused_when_a_genesis_is_made() -> None:
    stranger = Identity.of(
        name="a",
        certificate=certificate("a", AUTHOR.spki, issuer="somebody else"),
        role="reporter",
        state="XL",
        mbas=("XLR1",),
        not_before=int(BEGIN.timestamp()),
        not_after=int(BEGIN.timestamp()) + 1000,
    )
    source = genesis_to_toml(Genesis(**genesis_fields(identities=(stranger,))))
    with pytest.raises(GenesisError, match="not issued by the anchor of State XL"):
        genesis_from_toml(source)


def test_arrays_inside_genesis_round_trip() -> None:
    items: list[Member | Identity | Mba] = [*genesis().members, *genesis().identities, *genesis().mbas]
    for item in items:
        assert type(item).from_value(decode(encode(item.to_value()))) == item


def test_the_checkpoint_key_is_found_by_the_member() -> None:
    assert genesis().member(0).checkpoint_vkey == CHECKPOINT.vkey
    assert genesis().member(0).governance_key == GOVERNANCE.public
    with pytest.raises(KeyError):
        genesis().member(1)
