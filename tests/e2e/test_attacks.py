"""Bad input from outside against a running ledger.

Each ends as architecture section 4 says: a refusal or rejection that its author can act on, or parked; nobody's genuine
report is harmed by somebody else's copy, and nothing wrong is logged.

One ledger for all tests; each test has an area of its own, whose reports begin at number 1.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import nats
import pytest
import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from slt.bus import Bus
from slt.bus.compression import compress
from slt.bus.jetstream import connect
from slt.bus.subjects import RECEIPT_ALL, REFUSED_ALL, submit
from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.client.local.keys import certificate_pem, certify, new_anchor, new_key, private_pem
from slt.consensus.receipts import verify_receipt
from slt.statements.answers import decode_receipts, decode_refusals
from slt.statements.cbor import Tagged, decode, encode
from slt.statements.receipts import parse_receipt
from slt.statements.refusals import Refusal, verify_refusal
from slt.statements.signatures import Signer, signer_from_pem
from slt.statements.statement import (
    CODE10,
    body_digest,
    make_body,
    make_endorsement,
    make_statement,
    parse_statement,
    subject_of,
)
from slt.statements.submission import Submission, encode_submissions
from tests.e2e.audit import audit_folder, fetch_blocks
from tests.e2e.running import up
from tests.e2e.workload import documents, write_world

ANSWER_WITHIN_S: Final = 30.0
HOLD_S: Final = 4
MBAS: Final = 24
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A ledger that is up, with 24 areas, an expired reporter, one who signs with ES256, and an authority."""
    place = tmp_path_factory.mktemp("attacks")
    anchor = new_anchor("XL", now=now_utc() - timedelta(days=4000))
    (place / "xl.cert.pem").write_bytes(certificate_pem(anchor.certificate))
    assert anchor.key is not None
    (place / "xl.pem").write_bytes(private_pem(anchor.key))
    old = new_key()
    (place / "old.pem").write_bytes(private_pem(old))
    (place / "old.cert.pem").write_bytes(
        certificate_pem(certify("expired", old, anchor, now=now_utc() - timedelta(days=3000)))
    )
    (place / "es.pem").write_bytes(private_pem(new_key("es256")))
    more = (
        '[[anchor]]\nstate = "XL"\ncertificate = "xl.cert.pem"\nkey = "xl.pem"\n'
        '[[identity]]\nname = "expired"\nrole = "reporter"\nstate = "XL"\nmbas = ["XW01"]\n'
        'certificate = "old.cert.pem"\nkey = "old.pem"\n'
        '[[identity]]\nname = "curve"\nrole = "reporter"\nstate = "XL"\nmbas = ["XW02"]\nkey = "es.pem"\n'
        '[[identity]]\nname = "authority"\nrole = "authority"\nstate = "XL"\nmbas = ["XW01"]\n'
    )
    folder = Folder(place / "ledger")
    world = write_world(place / "world.toml", MBAS, more=more)
    init(folder.root, world_file=world, model="private", members=1, now=now_utc())
    with up(folder, SLT_HOLD_S=str(HOLD_S)):
        yield folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """Makes submissions for one area, honest ones unless told otherwise."""

    folder: Folder
    mba: str
    name: str
    signer: Signer

    def document(self, number: int) -> bytes:
        return list(documents(self.mba, number))[-1][1]

    def submission(
        self,
        number: int = 1,
        *,
        document: bytes | None = None,
        salt: int = 1,
        iat: int | None = None,
        aud: str | None = None,
        report: str | None = None,
        endorsements: Sequence[bytes] = (),
        body_z: bytes | None = None,
    ) -> Submission:
        body = make_body(bytes([salt]) * 16, document if document is not None else self.document(number))
        statement = make_statement(
            self.signer,
            iss=self.name,
            sub=subject_of(bytes([salt]) * 16, report or f"XL/{self.mba}/{number}"),
            aud=aud or self.folder.genesis().audience,
            iat=iat or int(time.time()),
            media_type=CODE10,
            digest=body_digest(body),
        )
        return Submission(
            statement=statement,
            endorsements=tuple(endorsements),
            body_z=body_z if body_z is not None else compress(body),
        )


class Answers:
    """What the ledger says: refusals by submission id, receipts by statement id, each verified."""

    def __init__(self, folder: Folder) -> None:
        self.refusals: dict[bytes, Refusal] = {}
        self.receipts: dict[bytes, list[bytes]] = {}
        self._genesis = folder.genesis()
        self._news = asyncio.Condition()

    async def read(self, bus: Bus) -> None:
        async with bus.answers([RECEIPT_ALL, REFUSED_ALL], after=0) as messages:
            async for message in messages:
                async with self._news:
                    self._take(message.subject, message.data)
                    self._news.notify_all()

    async def refused(self, submission: Submission) -> list[str]:
        """The rules of the refusal's errors, once it is there; warnings travel with them."""
        async with asyncio.timeout(ANSWER_WITHIN_S), self._news:
            await self._news.wait_for(lambda: submission.id in self.refusals)
        return [finding[0] for finding in self.refusals[submission.id].findings if finding[1] == "error"]

    async def accepted(self, submission: Submission, *, count: int = 1) -> int:
        """The log index, once `count` receipts are there. All of them verify and say the same."""
        statement_id = parse_statement(submission.statement).id
        async with asyncio.timeout(ANSWER_WITHIN_S), self._news:
            await self._news.wait_for(lambda: len(self.receipts.get(statement_id, [])) >= count)
        proofs = [verify_receipt(receipt, self._genesis) for receipt in self.receipts[statement_id]]
        assert len({(proof.accepted, proof.block_id, proof.log_index) for proof in proofs}) == 1
        assert proofs[0].accepted and proofs[0].log_index is not None, proofs[0].lines
        return proofs[0].log_index

    def _take(self, subject: str, data: bytes) -> None:
        if subject.startswith("slt.receipt."):
            for receipt in decode_receipts(data)[2]:
                self.receipts.setdefault(parse_receipt(receipt).verdict.statement_id, []).append(receipt)
        else:
            for one in decode_refusals(data):
                refusal = verify_refusal(*one, self._genesis)
                self.refusals[refusal.submission_id] = refusal


@asynccontextmanager
async def at(folder: Folder, mba: str, *, name: str = "") -> AsyncIterator[tuple[Facility, Answers, Bus]]:
    """The facility of an area (or identity `name`), what the ledger answers, and the bus."""
    who = name or mba.lower()
    answers = Answers(folder)
    facility = Facility(folder=folder, mba=mba, name=who, signer=signer_from_pem(folder.key_file(who).read_bytes()))
    async with connect(folder.addresses().nats, name="attacks") as bus:
        task = asyncio.create_task(answers.read(bus))
        try:
            yield facility, answers, bus
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def send(bus: Bus, mba: str, *submissions: Submission) -> None:
    await bus.publish(submit("XL", mba), encode_submissions(submissions))


# Bytes


async def test_garbage_is_parked_with_its_reason_and_harms_nobody(ledger: Folder) -> None:
    async with at(ledger, "XW03") as (facility, answers, bus):
        garbage = b"\x82\x01 this is no submission message"
        await bus.publish(submit("XL", "XW03"), garbage)
        good = facility.submission()
        await send(bus, "XW03", good)
        await answers.accepted(good)
    connection = await nats.connect(ledger.addresses().nats)
    parked = await connection.jetstream().get_last_msg("PARKED", "slt.parked.authentication")
    await connection.close()
    assert parked.data is not None and garbage in parked.data


async def test_a_body_that_is_no_zstd_frame_or_lies_about_its_size_is_refused(ledger: Folder) -> None:
    async with at(ledger, "XW04") as (facility, answers, bus):
        good = facility.submission()
        content = zstandard.ZstdDecompressor().decompress(good.body_z)
        undeclared = zstandard.ZstdCompressor(write_content_size=False).compress(content)
        lying = good.body_z[:5] + bytes([good.body_z[5] ^ 1]) + good.body_z[6:]
        trailing = good.body_z + b"\x00"
        for body_z in (b"", b"no frame", undeclared, lying, trailing):
            copy = Submission(statement=good.statement, body_z=body_z)
            await send(bus, "XW04", copy)
            assert await answers.refused(copy)
        await send(bus, "XW04", good)
        await answers.accepted(good)


async def test_a_zstd_bomb_is_refused_before_it_is_inflated(ledger: Folder) -> None:
    async with at(ledger, "XW05") as (facility, answers, bus):
        bomb = compress(bytes(300 * 1024 * 1024))
        assert len(bomb) < 64 * 1024
        copy = facility.submission(body_z=bomb)
        await send(bus, "XW05", copy)
        assert await answers.refused(copy)
        good = facility.submission()
        await send(bus, "XW05", good)
        await answers.accepted(good)


@pytest.mark.parametrize("part", ["statement", "signature", "body"])
async def test_a_broken_copy_that_arrives_first_does_not_harm_the_genuine_report(ledger: Folder, part: str) -> None:
    mba = {"statement": "XW06", "signature": "XW07", "body": "XW08"}[part]
    async with at(ledger, mba) as (facility, answers, bus):
        good = facility.submission()
        broken = _broken(good, part)
        await send(bus, mba, broken)
        assert await answers.refused(broken)
        await send(bus, mba, good)
        await answers.accepted(good)
        assert good.id not in answers.refusals


def _broken(good: Submission, part: str) -> Submission:
    tagged = decode(good.statement)
    assert isinstance(tagged, Tagged) and isinstance(tagged.value, list)
    protected, unprotected, payload, signature = tagged.value
    assert isinstance(payload, bytes) and isinstance(signature, bytes)
    match part:
        case "statement":
            flipped = Tagged([protected, unprotected, bytes([payload[0] ^ 1]) + payload[1:], signature])
        case "signature":
            flipped = Tagged(
                [protected, unprotected, payload, signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]]
            )
        case _:
            body = bytearray(zstandard.ZstdDecompressor().decompress(good.body_z))
            body[-10] ^= 1
            return Submission(statement=good.statement, body_z=compress(bytes(body)))
    return Submission(statement=encode(flipped), body_z=good.body_z)


# Who


async def test_an_unknown_key_is_refused(ledger: Folder) -> None:
    async with at(ledger, "XW09") as (facility, answers, bus):
        stranger = Facility(
            folder=ledger, mba="XW09", name="xw09", signer=signer_from_pem(private_pem(new_key()))
        ).submission()
        await send(bus, "XW09", stranger)
        assert await answers.refused(stranger)
        assert answers.refusals[stranger.id].statement_id is None  # nobody has said yet whose it is
        good = facility.submission()
        await send(bus, "XW09", good)
        await answers.accepted(good)


async def test_a_statement_for_another_ledger_is_refused(ledger: Folder) -> None:
    async with at(ledger, "XW10") as (facility, answers, bus):
        other = facility.submission(aud=f"{ledger.genesis().origin}#{'22' * 32}")
        await send(bus, "XW10", other)
        assert await answers.refused(other)


@pytest.mark.parametrize(("name", "rule"), [("expired", "A02"), ("authority", "A03"), ("xw02", "A03")])
async def test_who_may_not_report_is_refused_by_rule(ledger: Folder, name: str, rule: str) -> None:
    """A certificate out of its dates, a wrong role, another area's reporter."""
    async with at(ledger, "XW01", name=name) as (facility, answers, bus):
        wrong = facility.submission(salt=len(name))
        await send(bus, "XW01", wrong)
        assert rule in await answers.refused(wrong)


async def test_a_report_on_another_areas_subject_or_under_another_number_is_refused(ledger: Folder) -> None:
    async with at(ledger, "XW11") as (facility, answers, bus):
        astray = facility.submission()
        await send(bus, "XW12", astray)
        assert await answers.refused(astray)
        misnamed = facility.submission(report="XL/XW11/2", salt=2)
        await send(bus, "XW11", misnamed)
        assert await answers.refused(misnamed) == ["A06"]
        await send(bus, "XW11", astray)
        await answers.accepted(astray)


@pytest.mark.parametrize("offset_s", [-2_600_000, 4_000])
async def test_a_statement_out_of_its_window_is_refused(ledger: Folder, offset_s: int) -> None:
    async with at(ledger, "XW13") as (facility, answers, bus):
        untimely = facility.submission(iat=int(time.time()) + offset_s)
        await send(bus, "XW13", untimely)
        assert await answers.refused(untimely)


async def test_a_false_endorsement_does_not_harm_the_report(ledger: Folder) -> None:
    async with at(ledger, "XW14") as (facility, answers, bus):
        good = facility.submission()
        authority = signer_from_pem(ledger.key_file("authority").read_bytes())
        endorsement = make_endorsement(
            authority,
            iss="authority",
            aud=ledger.genesis().audience,
            iat=int(time.time()),
            statement_id=parse_statement(good.statement).id,
        )
        false = Submission(
            statement=good.statement,
            endorsements=(endorsement[:-1] + bytes([endorsement[-1] ^ 1]),),
            body_z=good.body_z,
        )
        await send(bus, "XW14", false)
        assert await answers.refused(false)
        await send(bus, "XW14", good)
        await answers.accepted(good)


# Again


async def test_retries_while_pending_and_after_the_receipt_get_the_one_answer(ledger: Folder) -> None:
    async with at(ledger, "XW15") as (facility, answers, bus):
        good = facility.submission()
        await send(bus, "XW15", good)
        await send(bus, "XW15", good)
        index = await answers.accepted(good)
        for count in (2, 3):  # late retries: the receipt is issued again
            before = len(answers.receipts[parse_statement(good.statement).id])
            await send(bus, "XW15", good)
            assert await answers.accepted(good, count=max(count, before + 1)) == index
        assert good.id not in answers.refusals


async def test_a_signature_made_anew_over_the_same_statement_is_the_same_statement(ledger: Folder) -> None:
    async with at(ledger, "XW02", name="curve") as (facility, answers, bus):
        good = facility.submission()
        again = Submission(statement=_signed_again(ledger, good.statement), body_z=good.body_z)
        assert again.statement != good.statement
        assert parse_statement(again.statement).id == parse_statement(good.statement).id
        await send(bus, "XW02", good)
        index = await answers.accepted(good)
        await send(bus, "XW02", again)
        assert await answers.accepted(again, count=2) == index


def _signed_again(folder: Folder, statement: bytes) -> bytes:
    """Another ES256 signature over the same fact: every signing draws fresh randomness."""
    key = load_pem_private_key(folder.key_file("curve").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    tagged = decode(statement)
    assert isinstance(tagged, Tagged) and isinstance(tagged.value, list)
    r, s = decode_dss_signature(key.sign(parse_statement(statement).to_be_signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    return encode(Tagged([*tagged.value[:3], signature]))


# The books


async def test_a_report_that_breaks_a_rule_is_refused_with_findings(ledger: Folder) -> None:
    async with at(ledger, "XW16") as (facility, answers, bus):
        text = facility.document(1)
        wrong = facility.submission(document=text.replace(b"630:1501000G", b"630:1501000K"))
        await send(bus, "XW16", wrong)
        assert "V11" in await answers.refused(wrong)
        finding = next(one for one in answers.refusals[wrong.id].findings if one[0] == "V11")
        assert finding[2] == "OI/1" and finding[3] == "630" and len(finding[6]) > 10
        good = facility.submission(salt=2)
        await send(bus, "XW16", good)
        await answers.accepted(good)


async def test_a_taken_number_and_a_reported_document_are_refused(ledger: Folder) -> None:
    async with at(ledger, "XW17") as (facility, answers, bus):
        first = facility.submission()
        await send(bus, "XW17", first)
        await answers.accepted(first)
        other = facility.submission(document=facility.document(1).replace(b"DOE,J", b"ROE,R"), salt=2)
        same = facility.submission(salt=3)
        await send(bus, "XW17", other, same)
        assert "C01" in await answers.refused(other)
        assert "C03" in await answers.refused(same)


async def test_a_report_waits_for_its_predecessor_and_no_longer_than_the_hold(ledger: Folder) -> None:
    async with at(ledger, "XW18") as (facility, answers, bus):
        second, first = facility.submission(2), facility.submission(1)
        await send(bus, "XW18", second)
        await send(bus, "XW18", first)
        assert await answers.accepted(first) < await answers.accepted(second)
        fourth = facility.submission(4)
        await send(bus, "XW18", fourth)
        assert await answers.refused(fourth) == ["C02"]
        await send(bus, "XW18", facility.submission(3))
        await send(bus, "XW18", fourth)  # the very same statement: it is still good
        await answers.accepted(fourth)


# After all of it


async def test_the_ledger_verifies_from_genesis_after_all_attacks(ledger: Folder) -> None:
    async with connect(ledger.addresses().nats, name="auditor") as bus:
        blocks = await fetch_blocks(bus, ledger)
    found = audit_folder(ledger, blocks)
    assert found.log_size == 1 + sum(verdict.log_index is not None for verdict, _ in found.final.values())
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in ledger.logs.glob("*.jsonl"))
    assert "Traceback" not in logs
