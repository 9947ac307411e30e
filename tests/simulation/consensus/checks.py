"""What must hold in every run, checked as it happens (consensus.md 7.2), by code that shares nothing with the driver's.

`decided_offline` is a second verifier of certificates, from their bytes.
"""

from collections import defaultdict

from slt.consensus.tendermint.events import Commit
from slt.consensus.tendermint.evidence import Evidence, parse_evidence, verify_evidence
from slt.consensus.tendermint.machine import Head
from slt.consensus.tendermint.members import MemberSet, Verify
from slt.consensus.tendermint.votes import NO_ROUND, Ballot, Kind


class Broken(AssertionError):
    """An invariant does not hold. The first word names it."""


class Checks:
    def __init__(self, members: MemberSet, verify: Verify, byzantine: frozenset[int]) -> None:
        self.members = members
        self.verify = verify
        self.byzantine = byzantine
        self.decided: dict[int, Commit] = {}
        self.signed: dict[tuple[int, Kind, int, int], bytes] = {}
        self.voted: dict[tuple[int, Kind, int, bytes], set[int]] = defaultdict(set)  # (height, kind, round, id): who
        self.quorums: dict[int, set[tuple[Kind, int, bytes]]] = defaultdict(set)  # height: what more than 2/3 signed
        self.precommitted: dict[tuple[int, int], list[tuple[int, bytes]]] = defaultdict(list)  # (node, height)
        self.evidence: dict[tuple[object, ...], Evidence] = {}
        self.on_ledger: set[tuple[object, ...]] = set()
        self.invalid: set[bytes] = set()  # blocks that evaluate to something else

    def signs(self, node: int, ballot: Ballot) -> None:
        """ONE-SIGN and LOCK. LOCK: who precommitted a block forgets it only for a polka that is not older; and once
        more than two thirds precommitted one, no other ever has a polka in a later round.
        """
        place = (node, ballot.kind, ballot.height, ballot.round)
        if node not in self.byzantine:
            if self.signed.setdefault(place, ballot.sign_bytes) != ballot.sign_bytes:
                raise Broken(f"ONE-SIGN: member {node} signed twice at {place}")
            mine = self.precommitted[(node, ballot.height)]
            if ballot.kind == Kind.PREVOTE and ballot.block_id is not None:
                for round_, id_ in mine:
                    if round_ < ballot.round and id_ != ballot.block_id and ballot.vr < round_:
                        raise Broken(f"LOCK: member {node} has forgotten what it precommitted at round {round_}")
            if ballot.kind == Kind.PRECOMMIT and ballot.block_id is not None:
                mine.append((ballot.round, ballot.block_id))
        if ballot.kind == Kind.PROPOSAL or ballot.block_id is None:
            return
        who = self.voted[(ballot.height, ballot.kind, ballot.round, ballot.block_id)]
        who.add(node)
        if self.members.quorum(self.members.weight_of(who)):
            self._quorum(ballot.height, (ballot.kind, ballot.round, ballot.block_id))

    def _quorum(self, height: int, what: tuple[Kind, int, bytes]) -> None:
        found = self.quorums[height]
        found.add(what)
        for kind, round_, id_ in found:
            for other, later, another in found:
                if kind == Kind.PRECOMMIT and other == Kind.PREVOTE and later > round_ and another != id_:
                    raise Broken(f"LOCK: a polka at round {later} against what was decided at round {round_}")

    def commits(self, node: int, head: Head, commit: Commit) -> None:
        """AGREE, VALID, PREFIX, CERT, MONO."""
        if node in self.byzantine:
            return
        header, certificate = commit.content.header, commit.certificate
        known = self.decided.setdefault(commit.height, commit)
        if known.content.block_id != commit.content.block_id:
            raise Broken(f"AGREE: two blocks at height {commit.height}")
        if commit.content.block_id in self.invalid or header is None:
            raise Broken(f"VALID: an invalid block at height {commit.height}")
        if (header.height, header.parent_id) != (head.height + 1, head.block_id):
            raise Broken(f"PREFIX: block {header.height} does not follow {head.height}")
        if header.time_ms <= head.time_ms:
            raise Broken(f"MONO: time {header.time_ms} after {head.time_ms}")
        if not decided_offline(certificate.encoded, header.encoded, self.members, self.verify):
            raise Broken(f"CERT: the certificate of height {commit.height} does not verify")
        if known is commit:
            self._ledger_accuses(commit)

    def _ledger_accuses(self, commit: Commit) -> None:
        """ONCE: a fact about a member stands on the ledger once, and never about an honest one."""
        for encoded in commit.content.evidence:
            accusation = verify_evidence(parse_evidence(encoded), self.members, self.verify)
            if set(accusation.accused) - self.byzantine or accusation.key in self.on_ledger:
                raise Broken(f"ONCE: {accusation.key} in block {commit.height}")
            self.on_ledger.add(accusation.key)

    def accuses(self, evidence: Evidence) -> None:
        """NO-FRAME. The same fact is kept once."""
        accusation = verify_evidence(evidence, self.members, self.verify)
        if framed := set(accusation.accused) - self.byzantine:
            raise Broken(f"NO-FRAME: {accusation.kind.name} against {framed}")
        self.evidence.setdefault(accusation.key, evidence)


def decided_offline(certificate: bytes, header: bytes, members: MemberSet, verify: Verify) -> bool:
    """Whether these bytes prove that block final, read from the tables of the specification by hand."""
    import hashlib

    count = len(members.keys)
    width = (count + 7) // 8
    version, chain, rest = certificate[0], certificate[1:33], certificate[33:]
    epoch, height, round_ = rest[:8], rest[8:16], rest[16:20]
    block_id, root, bits, signatures = rest[20:52], rest[52:84], rest[84 : 84 + width], rest[84 + width :]
    if version != 1 or root != members.root or chain != members.chain_id:
        return False
    if block_id != hashlib.sha256(b"slt/block/v1".ljust(32, b"\0") + header).digest():
        return False
    message = b"slt/PRECOMMIT/v1".ljust(32, b"\0") + chain + epoch + height + round_
    message += NO_ROUND.to_bytes(4, "big", signed=True) + block_id + b"\0"
    weight = 0
    for index in range(count):
        if bits[index // 8] >> (7 - index % 8) & 1:
            verify(members.keys[index], message, signatures[:64])
            signatures = signatures[64:]
            weight += members.weights[index]
    return not signatures and 3 * weight > 2 * sum(members.weights)
