"""When enough members have spoken (consensus.md 1.3). Integers only: no floats, and no 2f+1 computed from a count."""

from collections.abc import Iterable, Sequence
from typing import Final

TOTAL_WEIGHT_MAX: Final = 1 << 31  # fits every wire format with room to multiply by three


class BadWeights(ValueError):
    """Weights that no ledger may have. The sentence carries the number."""


class UnknownMember(ValueError):
    """An index outside the member list. Checked before it is used for anything else (lesson ASA-2024-011)."""

    def __init__(self, index: int, members: int) -> None:
        super().__init__(f"member index {index} of {members} members")
        self.index = index


def check_weights(weights: Sequence[int]) -> int:
    """The total weight. Raises BadWeights: nobody, a weight below 1, a total above TOTAL_WEIGHT_MAX."""
    if not weights:
        raise BadWeights("no members")
    for index, weight in enumerate(weights):
        if weight < 1:
            raise BadWeights(f"member {index} has weight {weight}; at least 1 is required")
    total = sum(weights)
    if total > TOTAL_WEIGHT_MAX:
        raise BadWeights(f"total weight {total} exceeds {TOTAL_WEIGHT_MAX}")
    return total


def is_quorum(weights: Sequence[int], members: Iterable[int]) -> bool:
    """Whether `members` weigh more than two thirds: two such sets share an honest member if less than a third lie.

    `members` are indices into `weights`; one that is named twice counts once. Raises BadWeights, UnknownMember.
    """
    return 3 * _weight_of(weights, members) > 2 * check_weights(weights)


def is_skip(weights: Sequence[int], members: Iterable[int]) -> bool:
    """Whether `members` weigh more than one third: at least one of them is honest. Otherwise as `is_quorum`."""
    return 3 * _weight_of(weights, members) > check_weights(weights)


def _weight_of(weights: Sequence[int], members: Iterable[int]) -> int:
    distinct = set(members)
    for index in distinct:
        if not 0 <= index < len(weights):
            raise UnknownMember(index, len(weights))
    return sum(weights[index] for index in distinct)
