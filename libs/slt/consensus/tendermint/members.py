"""The member set of one epoch: who votes, with what weight, and whose turn it is (consensus.md 1.3, 1.11)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from slt.consensus.quorum import UnknownMember, check_weights
from slt.merkle.hashing import Digest
from slt.statements.cbor import encode
from slt.statements.genesis import Genesis, Member
from slt.statements.tags import list_root, tagged_hash

MEMBERS_MAX: Final = 256  # of genesis too; every index fits the two bytes that messages give it

Verify: TypeAlias = Callable[[bytes, bytes, bytes], None]
"""(raw public key, message, signature): raises BadSignature. `slt.merkle.ed25519.verify_ed25519` is the one in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSet:
    """The members of `epoch`. A member's index is its position by id (formats.md), in votes, bitmaps and weights.

    `seed` is the id of the parent of the first block of the epoch; chain_id for epoch 0. Raises BadWeights.
    """

    chain_id: Digest
    epoch: int
    seed: Digest
    members: tuple[Member, ...]

    keys: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    weights: tuple[int, ...] = field(init=False, repr=False, compare=False)
    total: int = field(init=False, repr=False, compare=False)
    root: Digest = field(init=False, repr=False, compare=False)  # members_root of headers
    order: tuple[int, ...] = field(init=False, repr=False, compare=False)  # indices, in the order of their turns

    def __post_init__(self) -> None:
        ids = [member.id for member in self.members]
        if ids != sorted(set(ids)) or len(ids) > MEMBERS_MAX:
            raise ValueError(f"members stand by id, each once, at most {MEMBERS_MAX}: {ids}")
        weights = tuple(member.weight for member in self.members)
        keys = tuple(member.consensus_key for member in self.members)
        computed = {
            "keys": keys,
            "weights": weights,
            "total": check_weights(weights),
            "root": list_root("members", [encode(member.root_value()) for member in self.members]),
            "order": rotation(self.chain_id, self.epoch, self.seed, keys),
        }
        for name, value in computed.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_genesis(cls, genesis: Genesis) -> "MemberSet":
        return cls(chain_id=genesis.chain_id, epoch=0, seed=genesis.chain_id, members=genesis.members)

    def weight_of(self, indices: Iterable[int]) -> int:
        """The weight of distinct members. Raises UnknownMember before an index is used for anything else."""
        distinct = set(indices)
        for index in distinct:
            if not 0 <= index < len(self.weights):
                raise UnknownMember(index, len(self.weights))
        return sum(self.weights[index] for index in distinct)

    def quorum(self, weight: int) -> bool:
        """Whether `weight` is more than two thirds: strictly, in integers."""
        return 3 * weight > 2 * self.total

    def skip(self, weight: int) -> bool:
        """Whether `weight` is more than one third: at least one honest member is in it."""
        return 3 * weight > self.total

    def proposer(self, height: int, round_: int) -> int:
        """Whose turn it is. Stateless, so that evidence about it can be checked at any later time."""
        return self.order[(height + round_) % len(self.order)]

    def index_of(self, member_id: int) -> int | None:
        return next((index for index, member in enumerate(self.members) if member.id == member_id), None)


def rotation(chain_id: bytes, epoch: int, seed: bytes, keys: Sequence[bytes]) -> tuple[int, ...]:
    """Indices by H("rotation", chain_id || epoch u64 || seed || key): equal turns for everyone, whatever the weight."""
    prefix = chain_id + epoch.to_bytes(8, "big") + seed
    return tuple(sorted(range(len(keys)), key=lambda index: tagged_hash("rotation", prefix + keys[index])))
