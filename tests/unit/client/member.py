"""A whole member in one small object, for the client's tests: what it answers verifies, because it really signs.

It does the least that an answer needs: every submission becomes a block of one verdict, or a refusal.
"""

import time
from collections.abc import Callable
from typing import Literal

from slt.bus import Bus
from slt.bus.subjects import parse_submit, receipt, refused
from slt.client.folder import Folder
from slt.consensus.certificates import sign_private
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.proofs import LeafTree
from slt.statements.answers import encode_receipts, encode_refusals
from slt.statements.headers import Header, genesis_log_entry
from slt.statements.receipts import Receipt, encode_receipt
from slt.statements.refusals import Refusal, sign_refusal
from slt.statements.signatures import signer_from_pem
from slt.statements.statement import parse_statement
from slt.statements.submission import Submission, decode_submissions
from slt.statements.tags import list_paths, list_root
from slt.statements.terms import PrivateCertificate, parse_term
from slt.statements.verdicts import Code, Verdict

Will = Literal["accept", "reject", "refuse", "silent"]


class Member:
    """Answers submissions as `will` says for each: called with the submission and how often it has been seen."""

    def __init__(self, folder: Folder, bus: Bus, will: Callable[[Submission, int], Will] = lambda *_: "accept") -> None:
        self.genesis = folder.genesis()
        self.seen: list[bytes] = []  # submission ids in the order of arrival, repeats included
        self.messages: list[list[bytes]] = []  # the submission ids of each message
        self.receipts: dict[bytes, bytes] = {}  # by statement id: the first final verdict is the only one
        self._folder = folder
        self._bus = bus
        self._will = will
        self._tree = LeafTree([leaf_hash(genesis_log_entry(self.genesis.origin, self.genesis.chain_id))])
        self._parent: bytes = self.genesis.chain_id
        self._height = 0
        keys = folder.member / "keys"
        self._consensus = signer_from_pem((keys / "consensus.pem").read_bytes())
        checkpoint = signer_from_pem((keys / "checkpoint.pem").read_bytes()).seed
        assert checkpoint is not None
        self._checkpoint = NoteSigner.of(self.genesis.origin, checkpoint)
        self._term = parse_term((folder.member / "term.cbor").read_bytes())

    async def serve(self) -> None:
        """Until cancelled."""
        async for delivery in self._bus.deliveries("authentication", in_flight=64):
            state, mba = parse_submit(delivery.subject)
            submissions = decode_submissions(delivery.data)
            self.messages.append([one.id for one in submissions])
            for one in submissions:
                self.seen.append(one.id)
                await self._answer(one, state, mba, self._will(one, self.seen.count(one.id)))
            await delivery.done()

    async def _answer(self, one: Submission, state: str, mba: str, will: Will) -> None:
        statement_id = parse_statement(one.statement).id
        if will == "refuse" and statement_id not in self.receipts:
            await self._bus.publish(refused(state, mba), encode_refusals([self.refusal(one)]))
        elif will in ("accept", "reject"):
            if statement_id not in self.receipts:
                self.receipts[statement_id] = self.receipt(one, Code.ACCEPTED if will == "accept" else Code.C05)
            answer = encode_receipts(self.genesis.chain_id, self._height, [self.receipts[statement_id]])
            await self._bus.publish(receipt(state, mba), answer)

    def refusal(self, one: Submission, rule: str = "C02") -> tuple[bytes, bytes, bytes]:
        """The refusal, its signature and the service certificate."""
        services = self._folder.member / "services"
        refusal = Refusal(
            chain_id=self.genesis.chain_id,
            submission_id=one.id,
            statement_id=parse_statement(one.statement).id,
            member=0,
            stage="uniqueness",
            height=self._height,
            rules_version=1,
            time_ms=time.time_ns() // 1_000_000,
            findings=((rule, "error", "", "", "43", "42", "Report 42 of this MBA is missing. Submit it first."),),
        ).encoded
        signature = sign_refusal(refusal, signer_from_pem((services / "uniqueness.pem").read_bytes()))
        return refusal, signature, (services / "uniqueness.cert").read_bytes()

    def receipt(self, one: Submission, code: Code) -> bytes:
        """A receipt of a new block with one verdict."""
        statement = parse_statement(one.statement)
        index = len(self._tree) if code == Code.ACCEPTED else None
        if index is not None:
            self._tree.append(leaf_hash(one.statement))
        verdict = Verdict(statement_id=statement.id, code=code, log_index=index, rules_version=1)
        header = self._header(verdict)
        certificate = PrivateCertificate(
            term=self._term,
            signature=sign_private(
                self._consensus,
                chain_id=self.genesis.chain_id,
                term=self._term.term,
                height=header.height,
                block_id=header.block_id,
            ),
        )
        note = Checkpoint(origin=self.genesis.origin, size=header.log_size, root=header.log_root).text()
        return encode_receipt(
            Receipt(
                chain_id=self.genesis.chain_id,
                statement=one.statement,
                endorsements=(),
                spki=next(i.spki for i in self.genesis.identities if i.kid == statement.kid),
                verdict=verdict,
                verdict_index=0,
                verdict_count=1,
                verdict_path=list_paths([verdict.encoded])[0],
                log_proof=None if index is None else (index, tuple(self._tree.inclusion(index))),
                header=header,
                certificate=certificate.to_value(),
                changes=(),
                checkpoint=sign_note(note, self._checkpoint),
                findings=None,
            )
        )

    def _header(self, verdict: Verdict) -> Header:
        self._height += 1
        nothing = Digest(bytes(32))
        header = Header(
            chain_id=self.genesis.chain_id,
            height=self._height,
            parent_id=Digest(self._parent),
            epoch=0,
            time_ms=time.time_ns() // 1_000_000,
            proposer=0,
            members_root=self.genesis.members_root,
            next_members_root=self.genesis.members_root,
            parameters_root=self.genesis.parameters_root,
            batches_root=nothing,
            verdicts_root=list_root("verdicts", [verdict.encoded]),
            state_root=nothing,
            log_size=len(self._tree),
            log_root=self._tree.root(),
            evidence_root=list_root("evidence", []),
        )
        self._parent = header.block_id
        return header
